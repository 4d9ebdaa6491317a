"""trustctl with a running daemon: start and stop, what is found by which name, exit statuses."""

import hashlib
import itertools
import json
import os
import re
import subprocess

import pytest

from harness import mint, need
from harness.daemon import Daemon


def test_start_and_stop(place):
    """Without a manager for the user: detached, and it answers when the command returns."""
    assert place.ctl("status").status == 4
    started = place.done("start")
    try:
        status = json.loads(place.done("--json", "status").out)
        assert status["pid"] > 0 and status["published"] == status["generation"]
        again = place.done("start")
        assert str(status["pid"]) in again.out + again.err or "already" in again.out + again.err
        place.done("add", place.write("one.pem", mint.self_signed("one.test").pem))
    finally:
        place.done("stop")
    assert place.ctl("status").status == 4, str(started)
    assert not os.path.lexists(place.socket)
    assert place.ctl("stop").status in (0, 4)


def test_status_says_which_socket_and_why(place, daemon):
    said = place.done("status").out
    assert place.socket in said and "XDG_RUNTIME_DIR" in said, said
    other = place.done("--socket", place.socket, "status").out
    assert "--socket" in other, other


def test_a_socket_of_another_daemon(place):
    socket = place.path("other.sock")
    with Daemon(place, "--socket", socket):
        assert place.ctl("list").status in (0, 4)
        for given in ({"env": {"TRUSTD_SOCKET": socket}}, {}):
            arguments = [] if given else ["--socket", socket]
            status = json.loads(place.done("--json", *arguments, "status", **given).out)
            assert status["generation"] >= 1


def test_found_by_fingerprint_label_or_prefix(place, daemon, rest):
    one = mint.self_signed("one.test")
    rest.add(one, label="here")
    for identity in ("here", one.fingerprint, one.fingerprint.upper(), "sha256:" + one.fingerprint,
                     ":".join(re.findall("..", one.fingerprint)).upper(), one.fingerprint[:6]):
        shown = json.loads(place.done("--json", "show", identity).out)
        assert shown["fingerprint"] == one.fingerprint, identity
    assert place.ctl("show", one.fingerprint[:5]).status in (2, 5)
    # Six digits are enough to read, not to change.
    assert place.ctl("rm", one.fingerprint[:15]).status in (2, 5, 6)
    place.done("rm", one.fingerprint[:16])
    assert not rest.certificates()


def test_a_prefix_of_two_shows_both(place, daemon, rest):
    """A fingerprint is of the bytes, so two that begin alike are found by trying signatures; a
    self-signed one is asked of nobody."""
    der = mint.self_signed("one.test").der
    seen, pair = {}, None
    for number in itertools.count():
        other = der[:-4] + number.to_bytes(4, "big")
        digits = hashlib.sha256(other).hexdigest()
        if digits[:6] in seen and not digits[:6].isdigit():
            pair = seen[digits[:6]], other
            break
        seen[digits[:6]] = other
    fingerprints = [hashlib.sha256(one).hexdigest() for one in pair]
    for one in pair:
        answer = rest.request("POST", "/v1/certificates", one,
                              {"Content-Type": "application/pkix-cert"})
        assert answer.status == 201, str(answer)
    result = place.ctl("show", fingerprints[0][:6])
    assert result.status == 7, str(result)
    assert all(one in result.err for one in fingerprints), str(result)
    place.done("show", fingerprints[0])


def test_labels(place, daemon, rest):
    path = place.write("My Server (new).pem", mint.self_signed("a.corp.test").pem)
    first = json.loads(place.done("--json", "add", path).out)["certificates"][0]["label"]
    assert first == "a.corp.test"
    again = place.write("again.pem", mint.self_signed("a.corp.test").pem)
    assert json.loads(place.done("--json", "add", again).out)["certificates"][0]["label"] == \
        "a.corp.test-2"
    more = place.write("more.pem", mint.self_signed("b.corp.test").pem)
    for wrong in ("bundle", "extra", "hashed", "p12", "UPPER", "a/b", "..", "-x", "abc123", "",
                  "x" * 64, "a b", "ä"):
        result = place.ctl("add", more, f"--label={wrong}")
        assert result.status == 2, f"{wrong!r}: {result}"
    assert place.ctl("add", more, "--label", "a.corp.test").status == 7


@pytest.mark.parametrize("arguments,status", [
    (["nonsense"], 2), (["list", "--nonsense"], 2), (["rm"], 2), (["rm", "nowhere"], 5),
    (["show", "nowhere"], 5), (["path", "nowhere"], 5), (["add", "127.1:443"], 2),
    (["add", "host.test:0"], 2), (["add", "host.test:70000"], 2), (["add", "*.test:443"], 2),
    (["add", "127.0.0.1:1", "--fingerprint", "ab" * 32], 1), (["--version"], 0), (["--help"], 0),
    (["add", "--help"], 0), (["completion", "bash"], 0), (["completion", "zsh"], 0),
    (["completion", "fish"], 0), (["completion", "tcsh"], 2)])
def test_exit_statuses(place, daemon, arguments, status):
    result = place.ctl(*arguments)
    assert result.status == status, str(result)
    if status:
        assert result.err.strip() and not result.out.strip(), str(result)


def test_no_colour_but_on_a_terminal(place, daemon, rest):
    rest.add(mint.self_signed("one.test"))
    for command in (["list"], ["status"], ["generations"], ["log"], ["pin", "list"]):
        assert "\x1b" not in place.done(*command).out


def test_completion_offers_labels(place, daemon, rest):
    rest.add(mint.self_signed("one.test"), label="my-label")
    assert "my-label" in place.done("__complete", "rm", "my").out.split()
    assert "distrust" in place.done("__complete", "dis").out.split()


def test_a_socket_that_a_stranger_made_is_not_talked_to(place):
    """Its server is neither root, nor the service's user, nor oneself."""
    need.root()
    directory = place.make("strange", 0o777)
    path = os.path.join(directory, "trustd.sock")
    server = subprocess.Popen(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c",
         "import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.bind(sys.argv[1])\ns.listen()\n"
         "print('ready', flush=True)\nsys.stdin.read()", path],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert server.stdout.readline() == b"ready\n"
        os.chmod(path, 0o666)
        result = place.ctl("--socket", path, "status")
        assert result.status in (4, 6), str(result)
    finally:
        server.kill()
        server.wait()
        server.stdin.close()
        server.stdout.close()
