"""How the words of a command line are read."""

import os
import shutil
import subprocess

import pytest

from fake_daemon import FakeDaemon, Place, TRUSTCTL, reply

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


@pytest.fixture
def place():
    """With something published, as far as `path`, `env` and `run` look at it."""
    it = Place()
    current = os.path.join(it.root, "store/current")
    os.makedirs(current + "/by-label")
    os.makedirs(current + "/hashed")
    for name in ("bundle.pem", "extra.pem", "by-label/here.pem"):
        with open(os.path.join(current, name), "w", encoding="ascii") as file:
            file.write(CERTIFICATE)
    it.store = os.path.join(it.root, "store")
    yield it
    it.remove()


SHOW = 'import sys; print(sys.argv[1:])'


@pytest.mark.parametrize("words", [
    ["--json"], ["--", "x"], ["-q", "--help"], ["a b", "", "'", "$HOME", "\u00e4"], ["run", "--"],
    ["--store", "elsewhere"]])
@pytest.mark.parametrize("dashes", [[], ["--"]])
def test_the_words_of_a_command_are_its_own(place, words, dashes):
    said = place.ctl("--store", place.store, "run", *dashes, "/usr/bin/python3", "-c", SHOW, *words)
    assert said.returncode == 0, said
    assert said.stdout.decode() == repr(words) + "\n"


def test_global_options_stand_before_or_after_the_command(place):
    bundle = place.store + "/current/bundle.pem\n"
    for words in (["--store", place.store, "path"], ["path", "--store", place.store],
                  ["path", "bundle", f"--store={place.store}"], ["-q", "path", "--store", place.store]):
        said = place.ctl(*words)
        assert (said.returncode, said.stdout.decode()) == (0, bundle), said
    assert place.ctl("--store", place.store, "run", "--quiet", "true").returncode == 0


def test_names_of_commands_are_labels_like_others(place):
    for name in ("status", "list", "rm"):
        shutil.copy(place.store + "/current/by-label/here.pem",
                    f"{place.store}/current/by-label/{name}.pem")
        said = place.ctl("--store", place.store, "path", name)
        assert said.stdout.decode() == f"{place.store}/current/by-label/{name}.pem\n", said


@pytest.mark.parametrize("what", ["../../secret", "a/b", "", ".", "..", "bundle/../x"])
def test_no_label_leads_out_of_the_store(place, what):
    said = place.ctl("--store", place.store, "path", what)
    if what:
        assert said.returncode != 0 and not said.stdout, said
    else:
        assert said.stdout.decode().endswith("/current/bundle.pem\n")


def test_a_relative_store_is_made_absolute(place):
    said = place.ctl("--store", "store/", "path", "here")
    assert said.stdout.decode() == place.store + "/current/by-label/here.pem\n"


def test_an_option_takes_one_value(place):
    daemon = FakeDaemon(place.socket)
    daemon.answer = lambda request: reply(200, {"certificates": []})
    said = place.ctl("--socket", daemon.address, "add", "--host", "a.test", "nowhere.pem")
    assert b"nowhere.pem" in said.stderr and said.returncode == 5, said
    daemon.close()


@pytest.mark.parametrize("words", [
    [], ["nonsense"], ["list", "surplus"], ["--nonsense", "list"], ["list", "--nonsense"], ["pin"],
    ["pin", "nonsense"], ["run"], ["run", "--"], ["add"], ["add", "x", "--as", "distrusted"],
    ["add", "x", "--for", "8h", "--until", "2099-01-01"], ["env", "--shell", "tcsh"],
    ["env", "--install", "--uninstall"], ["diff", "x"], ["diff", "-1"], ["rollback", "1", "2"],
    ["--store"], ["log", "--head", "1:xyz"]])
def test_wrong_usage(place, words):
    said = place.ctl(*words)
    assert said.returncode == 2, said
    assert said.stderr.startswith(b"trustctl: ") and not said.stdout, said


def test_a_reader_who_leaves_early_is_no_crash(place):
    process = subprocess.Popen([TRUSTCTL, "--help"], env=place.environment(),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.wait(30) in (0, 1, -13)
    assert b"terminate" not in process.stderr.read()
    process.stderr.close()


def test_output_that_cannot_be_written_is_an_error(place):
    with open("/dev/full", "wb") as full:
        process = subprocess.run([TRUSTCTL, "--store", place.store, "path"], stdout=full,
                                 stderr=subprocess.PIPE, env=place.environment(), check=False)
    assert process.returncode == 1 and b"No space left" in process.stderr
