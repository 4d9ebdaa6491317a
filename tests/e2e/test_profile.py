"""env --install and --uninstall: one marked line, and the file as it was."""

import os
import shutil

import pytest

from harness import need

CONTENTS = {
    "ending in a newline": b"# mine\nalias ll='ls -l'\n",
    "ending in none": b"alias ll='ls -l'",
    "empty": b"",
    "blank lines at the end": b"export A=1\n\n\n",
    "CRLF": b"export A=1\r\nexport B=2\r\n",
    "bytes that are no text": b"# \xff\xfe\x00\nexport A=1\n",
}


def read(path):
    with open(path, "rb") as file:
        return file.read()


def install(place, *more, shell="/bin/bash"):
    return place.done("env", "--install", *more, env={"SHELL": shell})


def uninstall(place, *more, shell="/bin/bash"):
    return place.done("env", "--uninstall", *more, env={"SHELL": shell})


def env_lines(path):
    return [line for line in read(path).splitlines() if b"env/env." in line]


@pytest.mark.parametrize("name", CONTENTS)
def test_twice_leaves_one_line_and_uninstall_every_byte(place, daemon, name):
    bashrc = os.path.join(place.home, ".bashrc")
    with open(bashrc, "wb") as file:
        file.write(CONTENTS[name])
    os.chmod(bashrc, 0o640)
    install(place)
    once = read(bashrc)
    assert len(env_lines(bashrc)) == 1
    assert once.startswith(CONTENTS[name])
    install(place)
    assert read(bashrc) == once
    uninstall(place)
    assert read(bashrc) == CONTENTS[name]
    assert os.stat(bashrc).st_mode & 0o777 == 0o640
    uninstall(place)
    assert read(bashrc) == CONTENTS[name]


def test_lines_written_below_it_stay(place, daemon):
    bashrc = os.path.join(place.home, ".bashrc")
    place.write("home/.bashrc", "export A=1\n")
    install(place)
    with open(bashrc, "ab") as file:
        file.write(b"export B=2\n")
    uninstall(place)
    assert read(bashrc) == b"export A=1\nexport B=2\n"


def test_a_profile_that_was_not_there_is_gone_again(place, daemon):
    bashrc = os.path.join(place.home, ".bashrc")
    install(place)
    assert len(env_lines(bashrc)) == 1
    uninstall(place)
    assert not os.path.exists(bashrc) or read(bashrc) == b""


def test_a_symlink_stays_one(place, daemon):
    real = place.write("dotfiles-bashrc", "export A=1\n")
    bashrc = os.path.join(place.home, ".bashrc")
    os.symlink("../dotfiles-bashrc", bashrc)
    install(place)
    assert os.readlink(bashrc) == "../dotfiles-bashrc"
    assert len(env_lines(real)) == 1
    uninstall(place)
    assert os.readlink(bashrc) == "../dotfiles-bashrc"
    assert read(real) == b"export A=1\n"


@pytest.mark.parametrize("shell,profile", [("/bin/bash", ".bashrc"), ("/usr/bin/zsh", ".zshrc"),
                                           ("/bin/sh", ".profile"), ("/bin/dash", ".profile")])
def test_the_profile_is_the_shells(place, daemon, shell, profile):
    install(place, shell=shell)
    assert len(env_lines(os.path.join(place.home, profile))) == 1
    others = {".bashrc", ".zshrc", ".profile"} - {profile}
    assert not any(os.path.exists(os.path.join(place.home, other)) for other in others)


def test_a_named_profile(place, daemon):
    profile = place.write("home/my profile", "x=1\n")
    install(place, "--profile", profile)
    assert len(env_lines(profile)) == 1
    uninstall(place, "--profile", profile)
    assert read(profile) == b"x=1\n"


@pytest.mark.parametrize("shell,command", [
    ("bash", ["bash", "-c", '. "$HOME/.bashrc"; echo "$REQUESTS_CA_BUNDLE"']),
    ("zsh", ["zsh", "-ic", 'echo "$REQUESTS_CA_BUNDLE"']),
    ("sh", ["sh", "-c", '. "$HOME/.profile"; echo "$REQUESTS_CA_BUNDLE"']),
    ("fish", ["fish", "-c", 'echo "$REQUESTS_CA_BUNDLE"'])])
def test_a_shell_that_reads_it_has_the_variables(place, daemon, shell, command):
    path = need.program(shell)
    install(place, shell=path)
    result = place.exec(*command)
    assert result.status == 0 and result.out.split() == [place.bundle], str(result)
    # With the store gone the line must do no harm: shells are how one repairs things.
    daemon.stop()
    shutil.rmtree(place.state)
    result = place.exec(*command)
    assert result.status == 0 and not result.err and not result.out.strip(), str(result)


def test_a_variable_set_to_something_else_is_kept(place, daemon):
    mine = place.write("mine.pem", place.base_root.pem)
    script = 'eval "$(trustctl env)"; echo "$REQUESTS_CA_BUNDLE"'
    kept = place.exec("bash", "-c", script, env={"REQUESTS_CA_BUNDLE": mine})
    assert kept.out.strip() == mine and "REQUESTS_CA_BUNDLE" in kept.err, str(kept)
    forced = place.exec("bash", "-c", script.replace("env)", "env --force)"),
                        env={"REQUESTS_CA_BUNDLE": mine})
    assert forced.out.strip() == place.bundle, str(forced)
