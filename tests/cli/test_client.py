"""What trustctl makes of answers, and of whoever answers."""

import os
import resource

import pytest

from fake_daemon import FakeDaemon, Place, problem, reply


@pytest.fixture
def place():
    it = Place()
    yield it
    it.remove()


@pytest.fixture
def daemon(place):
    it = FakeDaemon(place.socket)
    yield it
    it.close()


def ask(place, daemon, *arguments, **options):
    return place.ctl("--socket", daemon.address, *(arguments or ("generations",)), **options)


@pytest.mark.parametrize("status,code,exit_status", [
    (400, "usage", 2), (403, "forbidden", 6), (404, "not_found", 5), (409, "conflict", 7),
    (409, "not_confirmed", 6), (503, "not_published", 1), (507, "storage_full", 1),
    (500, "internal", 1), (418, "of a later version", 1), (404, "of a later version", 5)])
def test_a_problem_is_the_error_that_it_was(place, daemon, status, code, exit_status):
    daemon.answer = lambda request: problem(status, code, "what is wrong", "what to do")
    said = ask(place, daemon)
    assert said.returncode == exit_status, said
    assert said.stderr == b"trustctl: what is wrong\nhint: what to do\n"
    assert said.stdout == b""


def test_a_problem_cannot_move_the_cursor(place, daemon):
    daemon.answer = lambda request: problem(404, "not_found", "a\x1b[2Jb\u202ec", "x\ny")
    assert ask(place, daemon).stderr == \
        b"trustctl: a\\x1b[2Jb\\u{202e}c\nhint: x\\x0ay\n"


@pytest.mark.parametrize("answer", [
    b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}",
    b"no HTTP at all\r\n\r\n", reply(200, b"<html>"), reply(200, b""), reply(200, b'{"a":'),
    reply(500, b"Internal Server Error", "text/plain"), reply(301, b"")])
def test_an_answer_that_is_none(place, daemon, answer):
    daemon.answer = lambda request: answer
    said = ask(place, daemon)
    assert said.returncode == 1, said
    assert said.stderr.startswith(b"trustctl: the daemon") and said.stdout == b""


def endless(first, piece):
    yield first
    while True:
        yield piece


@pytest.mark.parametrize("first,piece", [
    (b"HTTP/1.1 200 ", b"x" * 4096),
    (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 4096),
    (b"HTTP/1.1 200 OK\r\n", b"X-Header: value\r\n" * 100),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", b"x" * 65536),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65536 + b"\r\n"),
])
def test_an_endless_answer_is_bounded(place, daemon, first, piece):
    daemon.answer = lambda request: endless(first, piece)
    said = ask(place, daemon)
    assert said.returncode == 1 and b"more than trustctl reads" in said.stderr, said
    peak_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert peak_kib < 400 * 1024


def test_compressed_answers_are_not_unpacked(place, daemon):
    daemon.answer = lambda request: reply(200, b"\x1f\x8b\x08\0", headers=b"Content-Encoding: gzip\r\n")
    assert ask(place, daemon).returncode == 1
    assert b"accept-encoding: identity" in daemon.requests[0].lower()


def test_nobody_there(place):
    for arguments in (["--socket", place.socket], []):
        said = place.ctl(*arguments, "list")
        assert said.returncode == 4, said
        assert said.stderr.endswith(b"hint: trustctl start\n")
    said = place.ctl("--system", "--socket", "/run/trustd/trustd.sock", "list")
    assert said.stderr.endswith(b"hint: trustctl start --system\n")


def test_a_path_that_no_socket_has(place):
    said = place.ctl("--socket", place.root + "/" + "x" * 200, "list")
    assert said.returncode == 1 and b"107 bytes" in said.stderr, said


@pytest.mark.parametrize("address", ["http://192.0.2.1:80", "http://host.test:80",
                                     "http://127.0.0.1:0", "http://127.0.0.1:99999"])
def test_only_loopback_is_asked(place, address):
    said = place.ctl("--socket", address, "list", timeout_s=10)
    assert said.returncode in (1, 2), said


def test_the_token_goes_to_loopback_and_not_over_the_socket(place, daemon):
    token = "ab" * 32
    state = place.root + "/.local/state/trustd"
    os.makedirs(state, mode=0o700)
    with open(state + "/token", "w", encoding="ascii") as file:
        file.write(token + "\n")
    tcp = FakeDaemon(port=True)
    tcp.answer = daemon.answer = lambda request: reply(200, {"generations": []})
    assert ask(place, tcp).returncode == 0
    assert b"authorization: bearer " + token.encode() in tcp.requests[0].lower()
    host = tcp.address.removeprefix("http://").encode()
    assert b"host: " + host + b"\r\n" in tcp.requests[0].lower()
    assert ask(place, daemon).returncode == 0
    assert b"authorization" not in daemon.requests[0].lower()
    assert b"host: localhost\r\n" in daemon.requests[0].lower()
    tcp.close()





def test_every_page_of_a_list_is_read(place, daemon):
    def page(request):
        target = request.split(b" ")[1].decode()
        at = int(target.partition("cursor=")[2] or 0)
        return reply(200, {"certificates": [{"label": f"label-{at}", "fingerprint": "ab" * 32}],
                           "next_cursor": str(at + 1) if at < 3 else None, "generation": 7})
    daemon.answer = page
    said = ask(place, daemon, "list")
    assert [f"label-{n}" in said.stdout.decode() for n in range(5)] == [True] * 4 + [False]


def test_values_are_encoded_into_the_query(place, daemon):
    daemon.answer = lambda request: reply(200, {"certificates": []})
    ask(place, daemon, "list", "--label", "a b&c=d#\u00e4%")
    assert daemon.requests[0].split(b" ")[1].endswith(b"label=a%20b%26c%3Dd%23%C3%A4%25&limit=1000")


def test_events_are_read_until_now(place, daemon):
    def answer(request):
        if b"/v1/status" in request:
            return reply(200, {"generation": 2})
        assert b"last-event-id: 0" in request.lower()
        events = b"".join(b'id: %d\nevent: generation\ndata: {"generation": %d, "summary": "n %d"}\n\n'
                          % (n, n, n) for n in (1, 2, 3))
        return (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: hello\n\n" + events)
    daemon.answer = answer
    said = ask(place, daemon, "events")
    assert said.returncode == 0, said
    assert said.stdout.count(b"\n") == 2 and b"n 2" in said.stdout and b"n 3" not in said.stdout
    said = ask(place, daemon, "events", "--follow")
    assert said.returncode == 0 and said.stdout.count(b"\n") == 3, said
