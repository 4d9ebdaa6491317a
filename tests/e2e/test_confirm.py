"""What is asked before a server is trusted, and what is shown."""

import json
import re

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from harness import mint, place as places, servers
from harness.terminal import Terminal


def on_terminal(place, *arguments):
    return Terminal(places.TRUSTCTL, *arguments, env=place.environment, cwd=place.home)


@pytest.fixture
def server(place):
    with servers.Tls(place, mint.self_signed("127.0.0.1")) as it:
        yield it


def listed(place):
    return json.loads(place.done("--json", "list").out)["certificates"]


def generation(place):
    return json.loads(place.done("--json", "status").out)["generation"]


def test_without_a_terminal_and_fingerprint_nothing_is_done(place, daemon, server):
    before = generation(place)
    result = place.ctl("add", server.at)
    assert result.status == 6, str(result)
    assert generation(place) == before and not listed(place)
    assert "--fingerprint" in result.err
    # The refused peer's own fingerprint must not be offered for pasting.
    hints = [line for line in result.err.splitlines() if line.startswith("hint:")]
    assert not any(server.minted.fingerprint in line for line in hints), str(result)


def test_a_wrong_fingerprint_is_said_with_the_right_one(place, daemon, server):
    before = generation(place)
    wrong = "ab" * 32
    result = place.ctl("add", server.at, "--fingerprint", wrong)
    assert result.status == 3, str(result)
    assert wrong in result.err and server.minted.fingerprint in result.err, str(result)
    hints = [line for line in result.err.splitlines() if line.startswith("hint:")]
    assert not any(server.minted.fingerprint in line for line in hints), str(result)
    assert generation(place) == before and not listed(place)


@pytest.mark.parametrize("short", ["abcdef", "ab" * 31, "zz" * 32, ""])
def test_part_of_a_fingerprint_is_none(place, daemon, server, short):
    result = place.ctl("add", server.at, "--fingerprint", short or "")
    assert result.status == 2, str(result)
    assert not listed(place)


def test_a_terminal_is_asked(place, daemon, server):
    terminal = on_terminal(place, "add", server.at)
    shown = terminal.read_until(rb"\? ?(\[|\(|$)|\[y/N\]")
    plain = re.sub(rb"\x1b\[[0-9;]*m", b"", shown)
    assert server.minted.fingerprint.encode() in plain.replace(b"\r\n", b"").replace(b" ", b"")
    terminal.type("yes\n")
    assert terminal.end() == 0, terminal.shown
    assert [entry["fingerprint"] for entry in listed(place)] == [server.minted.fingerprint]


@pytest.mark.parametrize("answer", ["n\n", "\n", "nonsense\n\n", "\x04"])
def test_anything_but_yes_is_no(place, daemon, server, answer):
    terminal = on_terminal(place, "add", server.at)
    terminal.read_until(rb"\? ?(\[|\(|$)|\[y/N\]")
    terminal.type(answer)
    assert terminal.end() == 6, terminal.shown
    assert not listed(place)


HOSTILE = ("\x1b[2J\x1b[1;1HSubject: good.example\r\n\x1b]0;owned\x07\u202egnp.exe\u2066\u200b"
           "\x9b31m\x85\u2028tail\nfingerprint: 0000")


@pytest.fixture
def hostile(place):
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, HOSTILE),
                         x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    with servers.Tls(place, mint.mint(subject, names=["127.0.0.1"])) as it:
        yield it


def assert_harmless(shown):
    """No control character but what our own tables use, no format or bidirectional one."""
    text = shown.decode("utf-8", errors="strict")
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)  # colour, which is ours
    for character in text:
        if character in "\r\n\t":
            continue
        assert character.isprintable() or character == "\u00a0", f"{character!r} in {text!r}"
    assert not re.search(r"^fingerprint: 0000", text, re.M), text
    assert not re.search(r"^Subject: good.example", text, re.M), text


def test_a_subject_cannot_forge_what_is_shown(place, daemon, hostile):
    terminal = on_terminal(place, "add", hostile.at)
    shown = terminal.read_until(rb"\? ?(\[|\(|$)|\[y/N\]")
    assert_harmless(shown)
    assert b"\x1b[31m" not in shown.split(b"good.example")[-1][:80]
    terminal.type("y\n")
    assert terminal.end() == 0, terminal.shown
    assert_harmless(terminal.shown)


@pytest.mark.parametrize("command", [["list"], ["show", "127.0.0.1-PORT"], ["log"], ["generations"],
                                     ["status"], ["events"]])
def test_nor_what_other_commands_show(place, daemon, hostile, command):
    place.done("add", hostile.at, "--fingerprint", hostile.minted.fingerprint)
    arguments = [word.replace("PORT", str(hostile.port)) for word in command]
    for result in (place.ctl(*arguments), place.ctl("--json", *arguments)):
        assert result.status in (0, 3), str(result)
        assert_harmless((result.out + result.err).encode())
    terminal = on_terminal(place, *arguments)
    assert terminal.end() in (0, 3), terminal.shown
    assert_harmless(terminal.shown)
