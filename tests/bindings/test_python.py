"""The Python binding beyond what every language does: sockets, http.client, requests, asyncio."""

import ast
import asyncio
import contextlib
import http.client
import os
import pathlib
import pickle
import socket
import ssl
import sys
import threading
import time

import pytest

import driven
from harness import mint, need, wait
from server import Server, Silent, pattern

PACKAGE = pathlib.Path(driven.BINDINGS, "python", "trust")
sys.path.insert(0, str(PACKAGE.parent))
sys.path.append(driven.DRIVERS)

import in_poll  # noqa: E402
import trust  # noqa: E402
import trust.http  # noqa: E402


@pytest.fixture
def store(place, trusted):
    with trust.Store(place.public) as it:
        yield it


@pytest.fixture
def stranger(place, daemon):
    with Server(place, mint.self_signed("127.0.0.1")) as it:
        yield it


@pytest.fixture
def session(store):
    need.modules("requests")
    import requests
    from trust.requests import TrustAdapter
    with requests.Session() as it:
        it.mount("https://", TrustAdapter(store))
        yield it


def descriptors():
    return len(os.listdir("/proc/self/fd"))


# The package

def test_it_is_written_for_python_3_9():
    for path in PACKAGE.glob("*.py"):
        ast.parse(path.read_text(), feature_version=(3, 9))
    assert (PACKAGE / "py.typed").exists()


def test_its_types_are_right():
    # Of urllib3 1.26 there are no types to hold the adapter against.
    driven.done(driven.program("mypy"), "--strict", "--python-version", "3.9", "--cache-dir",
                os.path.join(driven.BUILT, "mypy"), "--follow-imports", "silent",
                *(str(path) for path in sorted(PACKAGE.glob("*.py")) if path.stem != "requests"))


def test_it_is_packaged(place):
    need.modules("pip", "setuptools", "wheel")
    source = place.path("source")
    driven.done("/usr/bin/cp", "-r", str(PACKAGE.parent), source)
    driven.done(sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps",
                "--no-build-isolation", "--no-warn-script-location", "--target",
                place.path("site"), source)
    said = driven.done(sys.executable, "-c", "import trust; print(trust.__file__, trust.version())",
                       env={"PYTHONPATH": place.path("site"), "TRUST_LIBRARY": driven.LIBRARY})
    assert said.startswith(place.path("site")) and "OpenSSL" in said, said


def test_a_library_that_is_not_there_is_said():
    result = driven.subprocess.run(
        [sys.executable, "-c", "import trust"], capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(PACKAGE.parent), "TRUST_LIBRARY": "/nowhere/libtrust.so.1"})
    assert result.returncode == 1
    assert "cannot load /nowhere/libtrust.so.1" in result.stderr, result.stderr


# Errors

def test_errors_are_those_that_programs_catch(store, stranger, place):
    with pytest.raises(trust.UntrustedError) as refused:
        store.connect(stranger.host, stranger.port)
    error = refused.value
    assert isinstance(error, ssl.SSLCertVerificationError) and isinstance(error, OSError)
    assert error.status is trust.Status.ERR_SELF_SIGNED and error.name == "TRUST_ERR_SELF_SIGNED"
    assert str(error) == f"{error.message}\nhint: {error.hint}"
    assert error.peer.path == (stranger.minted.der,)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error) and copy.peer == error.peer and str(copy) == str(error)
    with pytest.raises(trust.StoreError) as missing:
        trust.Store(place.path("nothing"))
    assert place.path("nothing") in str(missing.value)


@pytest.mark.parametrize("options", [
    {"connect_timeout": 0}, {"io_timeout": 0}, {"min_tls": 11}, {"pins": ["sha1/x"]}])
def test_values_out_of_range_are_refused(options):
    with pytest.raises(trust.UsageError):
        trust.Config(**options)


def test_hosts_that_are_none_are_refused(store):
    for host in ("", "127.1", "a\0b", ".dev.test"):
        with pytest.raises(trust.UsageError):
            store.connect(host, 443)
    with pytest.raises(trust.UsageError):
        store.connect("localhost", 65536 + 443)


# The store

def test_the_store_says_where_it_is(place, store):
    assert store.directory == place.public
    assert store.bundle_path == place.bundle
    assert store.environment["SSL_CERT_FILE"] == place.bundle
    assert store.refresh() == store.generation > 0


def test_chains_are_judged_without_a_connection(store, trusted, stranger):
    for chain in (trusted.minted.der, trusted.minted.pem.encode(), [trusted.minted.der]):
        peer = store.verify(trusted.host, trusted.port, chain)
        assert peer.trusted_by is trust.TrustedBy.ADDED_LEAF
        assert peer.fingerprint == trusted.minted.fingerprint and peer.as_dict()["trusted"]
    with pytest.raises(trust.UntrustedError):
        store.verify(stranger.host, stranger.port, stranger.minted.der)


def test_pins_are_listed(store, trusted):
    pin, = store.pins(trusted.host, trusted.port)
    assert pin.pin == trusted.minted.pin and pin.enforced and not pin.backup
    assert pin.expires is None
    assert store.pins(trusted.host, 1) == []


def test_a_closed_store_is_said_and_its_connections_live(place, trusted):
    store = trust.Store(place.public)
    with store.connect(trusted.host, trusted.port) as connection:
        store.close()
        with pytest.raises(trust.UsageError, match="the store is closed"):
            store.refresh()
        connection.sendall(b"eof 10\n")
        assert connection.recv(100) == pattern(10)


# Connections

def test_a_connection_stands_where_a_socket_stands(store, trusted):
    with store.connect(trusted.host, trusted.port) as connection:
        assert connection.getpeername() == (trusted.host, trusted.port)
        assert connection.fileno() >= 0 and connection.cipher and connection.alpn == ""
        with connection.makefile("rw", encoding="utf-8", newline="\r\n") as file:
            file.write("GET / HTTP/1.0\n\n")
            file.flush()
            assert file.readline() == "HTTP/1.1 200 OK\r\n"
            assert file.read().endswith("\r\n\r\nserved\n")
    with pytest.raises(trust.UsageError, match="is closed"):
        connection.recv(1)
    assert connection.fileno() == -1


def test_a_file_keeps_its_connection_open(store, trusted):
    connection = store.connect(trusted.host, trusted.port)
    connection.sendall(b"eof 100000\n")
    file = connection.makefile("rb")
    connection.close()
    assert file.read() == pattern(100_000)
    file.close()
    assert connection.fileno() == -1


def test_timeouts_are_those_of_sockets(store, trusted):
    with store.connect(trusted.host, trusted.port) as connection:
        connection.sendall(b"stall\n")
        connection.settimeout(0.05)
        with pytest.raises(socket.timeout) as late:
            connection.recv(1)
        assert isinstance(late.value, trust.TimedOut) and trusted.host in str(late.value)
        connection.setblocking(False)
        with pytest.raises(BlockingIOError):
            connection.recv(1)
        connection.settimeout(0.05)
        with pytest.raises(trust.TimedOut):  # it can be called again
            connection.recv(1)


def test_closing_ends_a_read_of_another_thread(store, trusted):
    connection = store.connect(trusted.host, trusted.port)
    connection.sendall(b"stall\n")
    raised = []

    def read():
        try:
            connection.recv(1)
        except trust.TrustError as error:
            raised.append(error)
    reader = threading.Thread(target=read)
    reader.start()
    in_poll.wait()
    connection.cancel()
    connection.close()
    reader.join(5)
    assert not reader.is_alive()
    assert isinstance(raised[0], trust.Cancelled)


def test_it_wraps_a_socket_and_owns_it(store, trusted, stranger):
    before = descriptors()
    with store.wrap(socket.create_connection((trusted.host, trusted.port)), trusted.host,
                    trusted.port) as connection:
        connection.sendall(b"eof 10\n")
        assert connection.recv(100) == pattern(10)
    with pytest.raises(trust.UntrustedError):
        store.wrap(socket.create_connection((stranger.host, stranger.port)), stranger.host,
                   stranger.port)
    with Silent() as silent, pytest.raises(trust.TimedOut):
        store.wrap(socket.create_connection((silent.host, silent.port)), silent.host, silent.port,
                   timeout=0.1)
    wait.until(lambda: descriptors() <= before, "every descriptor closed")


def test_a_pool_hands_out_again_what_came_back(store, trusted):
    with trust.Pool(store) as pool:
        for _ in range(3):
            with pool.connection(trusted.host, trusted.port) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
                file = connection.makefile("rb")
                while file.readline() != b"\r\n":
                    pass
                assert file.read(7) == b"served\n"
                file.close()
        assert (pool.created, pool.reused, pool.idle) == (1, 2, 1)
        with pytest.raises(ValueError), pool.connection(trusted.host, trusted.port):
            raise ValueError
        assert pool.idle == 0


def test_alpn_and_a_client_certificate(place, store, trusted):
    trusted.alpn = ["h2", "http/1.1"]
    client = mint.self_signed("client", usage=False)
    trusted.client_ca = client.pem
    trusted.present(trusted.minted)
    config = trust.Config(alpn=["http/1.1"],
                          client_cert=(client.pem.encode(), client.key_pem.encode()))
    with store.connect(trusted.host, trusted.port, config) as connection:
        assert connection.alpn == "http/1.1"
        connection.sendall(b"eof 10\n")
        assert connection.recv(100) == pattern(10)


# http.client

def test_http_client(store, trusted, stranger):
    before = trusted.connections
    connection = trust.http.HTTPSConnection(trusted.host, trusted.port, store=store, timeout=30)
    with contextlib.closing(connection):
        for _ in range(3):
            connection.request("GET", "/")
            answer = connection.getresponse()
            assert answer.status == 200 and answer.read() == b"served\n"
        assert trusted.connections == before + 1
        connection.request("POST", "/", pattern(5_000_000))
        assert connection.getresponse().read() == pattern(5_000_000)
    refused = trust.http.HTTPSConnection(stranger.host, stranger.port, store=store)
    with pytest.raises(trust.UntrustedError):
        refused.request("GET", "/")
    assert refused.sock is None


def test_http_client_judges_a_kept_connection_again(place, store, trusted):
    connection = trust.http.HTTPSConnection(trusted.host, trusted.port, store=store)
    connection.request("GET", "/")
    connection.getresponse().read()
    place.done("rm", f"server-{trusted.port}")
    before = len(trusted.requests)
    with pytest.raises(trust.UntrustedError):
        connection.request("GET", "/")
    assert connection.sock is None and len(trusted.requests) == before


# requests

def test_requests_redirects_and_keeps_alive(session, trusted):
    before = trusted.connections
    answer = session.get(trusted.url + "redirect?/redirect", timeout=30)
    assert answer.text == "served\n" and len(answer.history) == 2
    for _ in range(3):
        assert session.get(trusted.url, timeout=30).text == "served\n"
    assert trusted.connections == before + 1


def test_requests_moves_large_bodies(session, trusted):
    data = pattern(8_000_000)
    assert session.post(trusted.url, data=data, timeout=60).content == data
    with session.get(f"{trusted.url}large?8000000", stream=True, timeout=60) as answer:
        assert b"".join(answer.iter_content(65536)) == data


def test_requests_says_a_refusal_as_its_own_error(session, stranger):
    import requests
    with pytest.raises(requests.exceptions.SSLError) as raised:
        session.get(stranger.url, timeout=30)
    error = trust.TrustError.behind(raised.value)
    assert error.status is trust.Status.ERR_SELF_SIGNED
    assert error.message in str(raised.value) and error.hint in str(raised.value)


def test_requests_cannot_turn_verification_off(session, stranger):
    import requests
    with pytest.raises(requests.exceptions.SSLError):
        session.get(stranger.url, verify=False, timeout=30)
    session.verify = False
    with pytest.raises(requests.exceptions.SSLError):
        session.get(stranger.url, timeout=30)
    with pytest.raises(ValueError, match="client_cert"):
        session.get(stranger.url, cert="client.pem", timeout=30)
    assert stranger.requests == []


def test_a_redirect_to_a_stranger_is_refused(session, trusted, stranger):
    import requests
    with pytest.raises(requests.exceptions.SSLError):
        session.get(f"{trusted.url}redirect?{stranger.url}", timeout=30)
    assert stranger.requests == []


def test_requests_times_out(session, trusted):
    import requests
    with Silent() as silent, pytest.raises(requests.exceptions.RequestException) as raised:
        session.get(f"https://{silent.host}:{silent.port}/", timeout=0.2)
    assert isinstance(trust.TrustError.behind(raised.value), trust.TimedOut)


class Proxy:
    """CONNECT, and bytes after it."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.asked = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self.listener.accept()[0],),
                                 daemon=True).start()

    def _serve(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        self.asked.append(head.split()[1].decode())
        host, port = self.asked[-1].rsplit(":", 1)
        server = socket.create_connection((host, int(port)))
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

        def carry(here, there):
            with contextlib.suppress(OSError):
                while data := here.recv(65536):
                    there.sendall(data)
                there.shutdown(socket.SHUT_WR)
        back = threading.Thread(target=carry, args=(server, client))
        back.start()
        carry(client, server)
        back.join()
        client.close()
        server.close()


def test_requests_verifies_behind_a_proxy(session, trusted, stranger):
    import requests
    proxy = Proxy()
    proxies = {"https": proxy.url}
    for _ in range(2):
        assert session.get(trusted.url, proxies=proxies, timeout=30).text == "served\n"
    assert proxy.asked == [trusted.at]
    with pytest.raises(requests.exceptions.SSLError) as raised:
        session.get(stranger.url, proxies=proxies, timeout=30)
    assert isinstance(trust.TrustError.behind(raised.value), trust.UntrustedError)
    proxy.listener.close()


def test_http_client_verifies_behind_a_proxy(store, trusted):
    proxy = Proxy()
    host, port = proxy.url[len("http://"):].split(":")
    connection = trust.http.HTTPSConnection(host, int(port), store=store)
    connection.set_tunnel(trusted.host, trusted.port)
    connection.request("GET", "/")
    assert connection.getresponse().read() == b"served\n"
    connection.close()
    assert proxy.asked == [trusted.at]
    proxy.listener.close()


# asyncio

def run(work):
    return asyncio.run(asyncio.wait_for(work, 60))


async def fetch(store, server, path="/"):
    reader, writer = await trust.open_connection(server.host, server.port, store=store)
    writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    await writer.drain()
    found = await reader.read()
    writer.close()
    await writer.wait_closed()
    return found.partition(b"\r\n\r\n")[2]


def test_asyncio_a_hundred_at_once(store, trusted):
    before = descriptors()

    async def all_of_them():
        return await asyncio.gather(*(fetch(store, trusted) for _ in range(100)))
    assert run(all_of_them()) == [b"served\n"] * 100
    wait.until(lambda: descriptors() <= before, "every descriptor closed")
    assert set(trusted.endings) <= {"closed"}


def test_asyncio_many_bytes_both_ways(store, trusted):
    data = pattern(16_000_000)

    async def echo():
        reader, writer = await trust.open_connection(trusted.host, trusted.port, store=store)
        assert writer.get_extra_info("trust_peer").fingerprint == trusted.minted.fingerprint
        assert writer.get_extra_info("tls_version") == "TLSv1.3"
        assert writer.get_extra_info("peername")[1] == trusted.port

        async def write():
            writer.write(b"echo\n")
            for start in range(0, len(data), 100_000):
                writer.write(data[start:start + 100_000])
                await writer.drain()
                assert writer.transport.get_write_buffer_size() < 1_000_000
            writer.write_eof()
        _, found = await asyncio.gather(write(), reader.read())
        writer.close()
        return found
    assert run(echo()) == data


def test_asyncio_waits_for_a_reader_that_does_not_read(store, trusted):
    async def slowly():
        reader, writer = await trust.open_connection(trusted.host, trusted.port, store=store,
                                                     limit=1000)
        writer.write(b"eof 3000000\n")
        await asyncio.sleep(0.2)
        assert len(reader._buffer) < 300_000  # noqa: SLF001
        found = await reader.read()
        writer.close()
        return found
    assert run(slowly()) == pattern(3_000_000)


def test_asyncio_tells_an_end_from_a_truncation(store, trusted):
    async def read(what):
        reader, writer = await trust.open_connection(trusted.host, trusted.port, store=store)
        writer.write(what + b" 100000\n")
        try:
            return len(await reader.read())
        finally:
            writer.close()
    assert run(read(b"eof")) == 100_000
    with pytest.raises(trust.Truncated):
        run(read(b"truncate"))


def test_asyncio_refuses(store, stranger):
    before = descriptors()
    with pytest.raises(trust.UntrustedError) as refused:
        run(fetch(store, stranger))
    assert refused.value.peer.fingerprint == stranger.minted.fingerprint
    with Silent() as silent:
        pass
    with pytest.raises(trust.NetworkError) as nobody:
        run(fetch(store, silent))
    assert nobody.value.status is trust.Status.ERR_CONNECT
    wait.until(lambda: descriptors() <= before, "every descriptor closed")


def test_asyncio_is_cancelled_and_nothing_waits(store):
    before = descriptors()
    ticks = []

    async def tick():
        while True:
            ticks.append(time.monotonic())
            await asyncio.sleep(0.01)

    async def connect(silent):
        ticker = asyncio.ensure_future(tick())
        try:
            await asyncio.wait_for(trust.open_connection(silent.host, silent.port, store=store),
                                   0.3)
        finally:
            ticker.cancel()
    with Silent() as silent:
        with pytest.raises(asyncio.TimeoutError):
            run(connect(silent))
        assert len(ticks) > 10
        config = trust.Config(connect_timeout=0.2)
        with pytest.raises(trust.TimedOut):
            run(trust.open_connection(silent.host, silent.port, store=store, config=config))
    wait.until(lambda: descriptors() <= before, "every descriptor closed")


def test_asyncio_a_protocol_of_ones_own(store, trusted):
    class Collect(asyncio.Protocol):
        def __init__(self):
            self.found = b""
            self.lost = asyncio.get_running_loop().create_future()

        def connection_made(self, transport):
            transport.write(b"eof 50000\n")

        def data_received(self, data):
            self.found += data

        def connection_lost(self, error):
            self.lost.set_result(error)

    async def collect():
        transport, protocol = await trust.create_connection(Collect, trusted.host, trusted.port,
                                                            store=store)
        assert await protocol.lost is None
        assert transport.is_closing()
        return protocol.found
    assert run(collect()) == pattern(50_000)


def test_http_client_is_what_the_standard_library_says():
    assert issubclass(trust.http.HTTPSConnection, http.client.HTTPConnection)
    assert trust.http.HTTPSConnection("a.test").port == 443
