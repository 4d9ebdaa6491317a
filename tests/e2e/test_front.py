"""Bytes that have brought down HTTP servers on this machine's sockets, against the running daemon.

Every row is sent to the UNIX socket and over TCP. After each the daemon answers, has grown by at
most 16 MiB, and answered a ping from another connection throughout.
"""

import functools
import os
import socket
import stat
import threading
import time
import zlib

import pytest

from harness import mint, rest as rest_module, wait
from harness.daemon import Daemon
from harness.place import Place

GROWTH_KIB = 16 * 1024
PING_S = 5.0  # generous: this is no benchmark


class Pinger(threading.Thread):
    """A connection of its own that asks again and again."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self.client = rest_module.Rest(daemon.socket, timeout_s=PING_S, check=False)
        self.done = threading.Event()
        self.count = 0
        self.slowest = 0.0
        self.wrong = None

    def run(self):
        try:
            while not self.done.is_set():
                start = time.monotonic()
                answer = self.client.get("/healthz")
                self.slowest = max(self.slowest, time.monotonic() - start)
                assert answer.status == 200, answer
                self.count += 1
                self.done.wait(0.002)
        except BaseException as error:
            self.wrong = error

    def end(self):
        """The answers it had."""
        self.done.set()
        self.join(60)
        self.client.close()
        if self.wrong:
            raise AssertionError("the ping stopped") from self.wrong
        return self.count


@pytest.fixture(scope="module")
def served():
    place = Place()
    place.configure(limits={"request_timeout": "5s"})  # so that the slow are told soon
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with Daemon(place, "--listen", f"127.0.0.1:{port}") as daemon:
        daemon.tcp = ("127.0.0.1", port)
        with open(os.path.join(place.state, "token"), encoding="ascii") as file:
            daemon.token = file.read().strip()
        with daemon.rest() as client:
            for n in range(30):
                client.add(mint.self_signed(f"host-{n}.test"))
            for _ in range(200):  # what is allocated once, is
                client.certificates()
        before = daemon.resident_kib()
        yield daemon
        assert daemon.alive(), daemon.log()
        grown = daemon.resident_kib() - before
        assert grown <= GROWTH_KIB, f"grew by {grown} KiB over the whole list"
        print(f"grew by {grown} KiB over the whole list")
    place.remove()


@pytest.fixture
def unharmed(served):
    """Around a test: alive, pinged, not grown."""
    before = served.resident_kib()
    pinger = Pinger(served)
    pinger.start()
    wait.until(lambda: pinger.count or pinger.wrong, "the first ping")
    yield
    assert pinger.end() > 0
    assert served.alive(), served.log()
    grown = served.resident_kib() - before
    assert grown <= GROWTH_KIB, f"grew by {grown} KiB"


@pytest.fixture(params=["unix", "tcp"])
def where(request, served):
    return served.socket if request.param == "unix" else served.tcp


def head(served, where, method="GET", path="/v1/status", *fields, host=None):
    if host is None:
        host = "localhost" if isinstance(where, str) else "%s:%d" % where
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    if not isinstance(where, str):
        lines.append("Authorization: Bearer " + served.token)
    return "\r\n".join([*lines, *fields, "", ""]).encode("latin-1")


def assert_refused(answer, *statuses):
    assert answer is not None, "closed without an answer"
    assert answer.status in statuses, str(answer)
    assert answer.type == "application/problem+json", str(answer)
    assert answer["status"] == answer.status and answer["code"] and answer["detail"]


def flood(where, first, pieces, deadline_s=120):
    """Sends all of it, or until the daemon closes; what it answered. It may read on after its
    answer, so that this one can be read, but keeps nothing of it."""
    with rest_module.connect(where, deadline_s) as connection:
        try:
            for piece in (first, *pieces):
                connection.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            return rest_module.read_answer(connection)
        except ConnectionResetError:
            return None


def body_of(served, where, path, body, *fields, method="POST"):
    return rest_module.raw(where, head(
        served, where, method, path, f"Content-Length: {len(body)}", *fields) + body)


JSON = "Content-Type: application/json"


# The table.

@pytest.mark.parametrize("path", [
    "/v1/certificates/" + "a" * 8_083, "/" + "a" * 8_099, "/v1/" + "a|" * 4_048,
    "/v1/generations/" + "9" * 8_083, "/" + "/" * 8_099, "/v1/status?" + "q=" + "%20" * 2_690],
    ids=["fingerprint", "name", "alternation", "number", "slashes", "query"])
def test_a_path_of_8100_bytes(served, where, unharmed, path):
    answer = rest_module.raw(where, head(served, where, "GET", path))
    assert_refused(answer, 400, 404, 414, 431)


def test_a_header_line_of_300_mb(served, where, unharmed):
    piece = b"a" * (1 << 20)
    answer = flood(where, head(served, where)[:-2] + b"X: ", (piece for _ in range(300)))
    assert answer is None or answer.status == 431


def test_500_000_headers(served, where, unharmed):
    lines = b"".join(b"X-%d: 1\r\n" % n for n in range(1000))
    answer = flood(where, head(served, where)[:-2], (lines for _ in range(500)))
    assert answer is None or answer.status == 431


def test_65_headers_are_one_too_many(served, where, unharmed):
    used = head(served, where).count(b"\r\n") - 2
    for count, status in ((64, 200), (65, 431)):
        fields = [f"X-{n}: 1" for n in range(count - used)]
        assert rest_module.raw(where, head(served, where, "GET", "/v1/status", *fields)
                               ).status == status


def test_a_chunked_body_of_200_mb(served, where, unharmed):
    chunk = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
    for path in ("/v1/pins", "/v1/certificates"):
        answer = flood(where, head(served, where, "POST", path, JSON,
                                         "Transfer-Encoding: chunked"),
                             (chunk for _ in range(200)))
        assert answer is None or answer.status in (403, 413)


def test_a_length_beyond_the_limit_is_refused_by_its_head(served, where, unharmed):
    answer = rest_module.raw(where, head(served, where, "POST", "/v1/pins", JSON,
                                         "Content-Length: 200000000"))
    assert_refused(answer, 403, 413)


@functools.lru_cache
def gzip_of_zeros(size):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    piece = bytes(1 << 20)
    return b"".join([*(packer.compress(piece) for _ in range(size >> 20)), packer.flush()])


def test_a_gzip_body(served, where, unharmed):
    bomb = gzip_of_zeros(500 << 20)
    assert len(bomb) < 600_000
    start = time.monotonic()
    for encoding in ("gzip", "deflate", "br", "identity"):
        answer = body_of(served, where, "/v1/pins", bomb, JSON, f"Content-Encoding: {encoding}")
        assert_refused(answer, 400, 403, 415)
    assert time.monotonic() - start < 30


@pytest.mark.parametrize("fields", [
    ["Content-Length: 2", "Content-Length: 2"],
    ["Content-Length: 2", "Content-Length: 3"],
    ["Content-Length: 2, 2"],
    ["Content-Length: 2", "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: chunked", "Content-Length: 2"],
    ["Content-Length: abc"], ["Content-Length: -1"], ["Content-Length: +2"],
    ["Content-Length: 0x2"], ["Content-Length: 2 2"], ["Content-Length:"],
    ["Content-Length: 99999999999999999999"],
    ["Transfer-Encoding: gzip, chunked"], ["Transfer-Encoding: chunked, chunked"],
    ["Transfer-Encoding: identity"], ["Transfer-Encoding: xchunked"],
    ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
    ["Transfer-Encoding : chunked"], ["Content-Length : 2"], [" Content-Length: 2"],
    ["Upgrade: h2c", "Connection: Upgrade"], ["Host: localhost"], ["Bad Header: 1"],
    ["X: a\x00b"], ["X: a\rb"], ["X: a\x7fb"], ["X: one\r\n two"], ["NoColon"], [": empty"],
    ["X: a\nY: b"],
])
def test_lengths_and_fields_that_mean_two_things(served, where, unharmed, fields):
    answer = rest_module.raw(where, head(served, where, "POST", "/v1/pins", JSON, *fields) + b"{}")
    assert_refused(answer, 400, 413)


@pytest.mark.parametrize("line,statuses", [
    (b"GET /v1/status HTTP/1.0", (505,)), (b"GET /v1/status HTTP/2.0", (400, 505)),
    (b"GET /v1/status", (400,)), (b"GET  /v1/status HTTP/1.1", (400,)),
    (b"GET\t/v1/status HTTP/1.1", (400,)), (b"GET /v1/status HTTP/1.1 ", (400,)),
    (b"get /v1/status HTTP/1.1", (400, 405, 501)), (b" GET /v1/status HTTP/1.1", (400,)),
    (b"GET http://localhost/v1/status HTTP/1.1", (400,)), (b"GET v1/status HTTP/1.1", (400,)),
    (b"CONNECT localhost:443 HTTP/1.1", (400, 405, 501)), (b"OPTIONS * HTTP/1.1", (400, 405)),
    (b"BREW /v1/status HTTP/1.1", (400, 405, 501)), (b"GET /v1/st\xc3\xa4tus HTTP/1.1", (400,)),
    (b"GET /v1/status#x HTTP/1.1", (400,)), (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", (400,)),
    (b"PRI * HTTP/2.0", (400, 505)), (b"\0", (400,)), (b"\r\n" * 3 + b"\xff", (400,)),
])
def test_request_lines(served, where, unharmed, line, statuses):
    rest_of = head(served, where).split(b"\r\n", 1)[1]
    assert_refused(rest_module.raw(where, line + b"\r\n" + rest_of), *statuses)


def test_bare_line_feeds(served, where, unharmed):
    assert_refused(rest_module.raw(where, head(served, where).replace(b"\r\n", b"\n")), 400)


def test_no_host_two_hosts(served, where, unharmed):
    text = head(served, where)
    host = text.split(b"\r\n")[1] + b"\r\n"
    assert_refused(rest_module.raw(where, text.replace(host, b"")), 400)
    assert_refused(rest_module.raw(where, text.replace(host, host * 2)), 400)


def test_encoded_line_ends_stay_encoded(served, where, unharmed):
    """Neither in a field nor in a target do they become line ends of the answer."""
    for text in (head(served, where, "GET", "/v1/status", "X-A: a%0d%0aX-Injected: 1"),
                 head(served, where, "GET", "/v1/certificates?q=%0d%0aX-Injected:%201"),
                 head(served, where, "GET", "/v1/certificates/%0d%0aX-Injected:%201"),
                 head(served, where, "GET", "/%0d%0aX-Injected:%201")):
        answer = rest_module.raw(where, text)
        assert answer.status in (200, 400, 404), str(answer)
        assert "x-injected" not in answer.headers


@pytest.mark.parametrize("body", [
    b"", b"[]", b"null", b"1e999", b'{"pem": 1}', b'{"pem": null}', b"[" * 100_000,
    b'{"pem":' * 50_000, b'"\\ud800"', b'{"pem": "\xff"}', b"{" + b'"a":1,' * 50_000 + b'"b":1}',
    b'{"pem": "", "hosts": {}}', b'{"expires_at": 5, "pem": "x"}', b"\xef\xbb\xbf{}", b"NaN"])
def test_what_a_handler_throws_stays_inside(served, where, unharmed, body):
    answer = body_of(served, where, "/v1/certificates", body, JSON)
    assert_refused(answer, 400, 403, 413, 422)
    for name in answer.headers:
        assert "exception" not in name and "what" not in name, answer.headers
    for word in ("json.exception", "std::", "nlohmann", "terminate"):
        assert word not in answer.body.decode(), str(answer)


def test_idle_connections_keep_nobody_waiting(served, where, unharmed):
    idle = [rest_module.connect(where) for _ in range(300)]
    try:
        for connection in idle[:150]:  # kept alive after one request
            connection.sendall(head(served, where, "GET", "/healthz"))
            assert rest_module.read_answer(connection).status == 200
        start = time.monotonic()
        assert rest_module.raw(where, head(served, where)).status == 200
        assert time.monotonic() - start < PING_S
    finally:
        for connection in idle:
            connection.close()


def test_256_connects_at_once(served, where, unharmed):
    barrier = threading.Barrier(256)
    statuses = []

    def one():
        barrier.wait(60)
        statuses.append(rest_module.raw(where, head(served, where)).status)
    threads = [threading.Thread(target=one, daemon=True) for _ in range(256)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert statuses == [200] * 256
    assert time.monotonic() - start < 15


def test_the_socket_is_made_with_its_mode_and_removed(place):
    for mode in ("0660", "0666"):
        place.configure(listen={"socket_mode": mode})
        with Daemon(place, env={}) as daemon:
            found = os.lstat(daemon.socket)
            assert stat.S_ISSOCK(found.st_mode)
            assert stat.S_IMODE(found.st_mode) == int(mode, 8)
            assert found.st_uid == os.geteuid()
        assert not os.path.lexists(place.socket)
        with Daemon(place) as daemon:  # a stale one is no obstacle
            daemon.kill()
            assert os.path.lexists(place.socket)
            daemon.start()
            with daemon.rest() as client:
                assert client.status()["pid"] == daemon.pid


def test_the_peer_is_known(served):
    with served.rest() as client:
        client.add(mint.self_signed("peer.test"))
        record = client.all("/v1/audit", "audit")
        newest = max(record, key=lambda one: one["number"])
        assert newest["uid"] == os.getuid() and newest["pid"] == os.getpid()


# What the table does not have.

def test_slow_writers(served, where, unharmed):
    """A byte now and then: others are served meanwhile, and one who stops is told in the end."""
    with rest_module.connect(where) as slow:
        for byte in head(served, where):
            slow.send(bytes([byte]))
        assert rest_module.read_answer(slow).status == 200
    connections = [rest_module.connect(where) for _ in range(100)]
    for connection in connections:
        connection.sendall(head(served, where)[:-3])
    assert rest_module.raw(where, head(served, where)).status == 200
    for connection in connections[1:]:
        connection.close()
    answer = rest_module.read_answer(connections[0], 90)
    assert answer is None or answer.status == 408
    connections[0].close()


def test_slow_readers(served, where, unharmed):
    """Hundreds of answers asked for and none taken."""
    one = head(served, where, "GET", "/v1/certificates?limit=1000&base=true")
    connections = []
    try:
        for _ in range(50):
            connection = rest_module.connect(where)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.setblocking(False)
            connections.append(connection)
            try:
                for _ in range(400):
                    connection.send(one)
            except BlockingIOError:
                pass
        assert rest_module.raw(where, head(served, where)).status == 200
    finally:
        for connection in connections:
            connection.close()


def test_pipelining(served, where, unharmed):
    """Answers come in the order of the requests; what follows a refusal is not read."""
    text = b"".join(head(served, where, "GET", path) for path in
                    ("/v1/status", "/nowhere", "/healthz", "/v1/generations") * 50)
    with rest_module.connect(where) as connection:
        threading.Thread(target=connection.sendall, args=(text,), daemon=True).start()
        got = [rest_module.read_answer(connection).status for _ in range(200)]
        assert got == [200, 404, 200, 200] * 50
    with rest_module.connect(where) as connection:
        connection.sendall(head(served, where, "GET", "/v1/status", "Bad Field: 1") +
                           head(served, where))
        assert rest_module.read_answer(connection).status == 400
        assert rest_module.read_answer(connection) is None


def test_half_closed(served, where, unharmed):
    with rest_module.connect(where) as connection:
        connection.sendall(head(served, where))
        connection.shutdown(socket.SHUT_WR)
        assert rest_module.read_answer(connection).status == 200
        assert rest_module.read_answer(connection) is None
    with rest_module.connect(where) as connection:
        connection.sendall(head(served, where)[:-4])
        connection.shutdown(socket.SHUT_WR)
        answer = rest_module.read_answer(connection)
        assert answer is None or answer.status == 400
    for _ in range(500):  # gone before the answer
        connection = rest_module.connect(where)
        connection.sendall(head(served, where))
        connection.close()


def test_expect_100_continue(served, unharmed):
    where = served.socket
    body = b'{"pattern": "expect.test", "pins": ["%s"]}' % mint.self_signed("x").pin.encode()
    with rest_module.connect(where) as connection:
        connection.sendall(head(served, where, "POST", "/v1/pins", JSON, "Expect: 100-continue",
                                f"Content-Length: {len(body)}"))
        assert rest_module.read_answer(connection).status == 100
        connection.sendall(body)
        assert rest_module.read_answer(connection).status == 201
    with rest_module.connect(where) as connection:
        connection.sendall(head(served, where, "POST", "/v1/pins", JSON, "Expect: something",
                                "Content-Length: 2"))
        assert rest_module.read_answer(connection).status in (400, 417)


def test_fields_that_routes_do_not_use_have_no_effect(served, where, unharmed):
    plain = rest_module.raw(where, head(served, where, "GET", "/v1/bundle.pem"))
    for field in ("Range: bytes=0-10", "Range: bytes=" + "0-," * 500 + "0-", "Accept-Encoding: gzip",
                  "Connection: keep-alive, TE", "TE: trailers", "X-Forwarded-For: 10.0.0.1",
                  "REMOTE_ADDR: 1.2.3.4", "X-HTTP-Method-Override: DELETE"):
        answer = rest_module.raw(where, head(served, where, "GET", "/v1/bundle.pem", field))
        assert (answer.status, answer.body) == (200, plain.body), field
        assert "content-encoding" not in answer.headers


@pytest.mark.parametrize("path", [
    "/v1/certificates/..%2f..%2f..%2fetc%2fpasswd/pem", "/v1/certificates/../../../etc/passwd",
    "/v1/certificates/%2e%2e/%2e%2e/etc/passwd", "/v1/certificates//etc/passwd",
    "/v1/pins/-1", "/v1/pins/0x1", "/v1/pins/1%00", "/v1/pins/99999999999999999999",
    "/v1/generations/1/diff?with=../2", "/v1/generations/%2e%2e", "/v1/certificates/%",
    "/v1/certificates/%zz", "/v1/certificates/%ff%fe", "/v1/bundle.pem/..", "/../etc/passwd"])
def test_ids_stay_inside(served, where, unharmed, path):
    answer = rest_module.raw(where, head(served, where, "GET", path))
    assert_refused(answer, 400, 404)
    assert b"root:" not in answer.body


def test_a_socket_in_a_directory_of_others_is_not_made(place):
    for mode in (0o777, 0o775):
        shared = place.make("shared", mode)
        daemon = Daemon(place, "--socket", shared + "/trustd.sock").spawn()
        assert daemon.process.wait(30) != 0
        assert "shared" in daemon.log()


def test_what_stands_in_the_sockets_place_is_left_alone(place):
    os.makedirs(os.path.dirname(place.socket))
    precious = place.write("precious", "mine")
    for make in (lambda: os.symlink(precious, place.socket),
                 lambda: os.rename(place.write("file", "mine"), place.socket),
                 lambda: os.mkdir(place.socket)):
        make()
        daemon = Daemon(place).spawn()
        assert daemon.process.wait(30) != 0
        assert place.socket in daemon.log()
        assert os.path.lexists(place.socket)
        with open(precious, encoding="ascii") as file:
            assert file.read() == "mine"
        (os.rmdir if os.path.isdir(place.socket) else os.unlink)(place.socket)


def test_a_second_one_refuses_and_says_who(place, daemon):
    second = Daemon(place).spawn()
    assert second.process.wait(30) != 0
    assert str(daemon.pid) in second.log()
    elsewhere = Daemon(place, "--socket", place.path("other.sock")).spawn()
    assert elsewhere.process.wait(30) != 0
    assert str(daemon.pid) in elsewhere.log()
    with daemon.rest() as client:
        assert client.status()["pid"] == daemon.pid


def test_every_request_is_answered_before_it_ends(place):
    with Daemon(place) as daemon:
        begun = rest_module.connect(daemon.socket)
        body = b'{"pattern": "late.test", "pins": ["%s"]}' % mint.self_signed("x").pin.encode()
        text = (b"POST /v1/pins HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n" % len(body)) + body
        begun.sendall(text[:-5])
        with daemon.rest() as client:
            client.status()  # the half was seen before this
        daemon.signal(15)
        begun.sendall(text[-5:])
        assert rest_module.read_answer(begun).status == 201
        assert daemon.process.wait(30) == 0
