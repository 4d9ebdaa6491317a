"""A verified connection that can stand where a socket stands, and a pool of them."""

from __future__ import annotations

import contextlib
import io
import os
import select
import socket
import time
from ctypes import addressof, byref, c_char, c_size_t, c_void_p
from typing import IO, Any, Iterator, Optional

from ._library import Handle, library, text
from .errors import Status, TrustError, call, make
from .peer import Peer
from .store import Config, Store, c_port, c_text, config_or_default

_CHUNK = 65536


class Connection:
    """TLS, verified before the first byte moves. One thread may read while another writes, and
    cancel() and close() may come from any thread. recv() returns b"" when the peer closed
    properly, and raises Truncated when it just went away."""

    def __init__(self, pointer: c_void_p, store: Store, host: str, port: int, config: Config,
                 sock: Optional[socket.socket] = None) -> None:
        def free(of: c_void_p) -> None:
            library.conn_free(of)
            if sock is not None:
                sock.close()
        self._handle = Handle(pointer, free, self._closed_error)
        self._store = store
        self._config = config
        self._timeout: Optional[float] = config.io_timeout
        self._io_refs = 0
        self._closed = False
        self._peer: Optional[Peer] = None
        self._judged = 0
        self.host = host
        self.port = port
        with self._handle as conn:
            call(library.conn_set_blocking, conn, 0)

    def _closed_error(self) -> TrustError:
        return make(Status.ERR_STATE, f"the connection to {self.host}:{self.port} is closed")

    def _run(self, operation: Any, timeout: Optional[float], doing: str) -> int:
        """Repeats `operation(conn)` until it is not WANT_*, waiting outside of it."""
        end = None if timeout is None else time.monotonic() + timeout
        with self._handle as conn:
            while True:
                status: int = operation(conn)
                if status not in (Status.WANT_READ, Status.WANT_WRITE):
                    return status
                if timeout == 0:
                    raise BlockingIOError(f"{doing} {self.host}:{self.port} would block")
                left = None if end is None else max(0, (end - time.monotonic()) * 1000)
                poll = select.poll()
                poll.register(library.conn_fd(conn),
                              select.POLLIN if status == Status.WANT_READ else select.POLLOUT)
                if not poll.poll(left) and left is not None:
                    raise make(Status.ERR_TIMEOUT,
                               f"{doing} {self.host}:{self.port} took longer than {timeout:g} s")

    def handshake(self, timeout: Optional[float] = None) -> None:
        self._run(lambda conn: call(library.conn_handshake, conn), timeout, "the handshake with")

    # As a socket

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        _no_flags(flags)
        view = memoryview(buffer).cast("B")
        capacity = nbytes or len(view)
        if capacity == 0:
            return 0
        target = (c_char * capacity).from_buffer(view)
        got = c_size_t()
        status = self._run(lambda conn: call(library.conn_read, conn, addressof(target), capacity,
                                             byref(got)), self._timeout, "reading from")
        return 0 if status == Status.EOF else got.value

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        buffer = bytearray(min(bufsize, 1 << 20))
        return bytes(memoryview(buffer)[:self.recv_into(buffer, 0, flags)])

    def read(self, bufsize: int = _CHUNK) -> bytes:
        return self.recv(bufsize)

    def send(self, data: Any, flags: int = 0) -> int:
        _no_flags(flags)
        part = bytes(memoryview(data).cast("B")[:_CHUNK])
        if not part:
            return 0
        put = c_size_t()
        self._run(lambda conn: call(library.conn_write, conn, part, len(part), byref(put)),
                  self._timeout, "writing to")
        # What was taken is out when this says so.
        self._run(lambda conn: call(library.conn_handshake, conn), self._timeout, "writing to")
        return put.value

    def write(self, data: Any) -> int:
        return self.send(data)

    def sendall(self, data: Any, flags: int = 0) -> None:
        view = memoryview(data).cast("B")
        while len(view):
            view = view[self.send(view, flags):]

    def makefile(self, mode: str = "r", buffering: Optional[int] = None, *,
                 encoding: Optional[str] = None, errors: Optional[str] = None,
                 newline: Optional[str] = None) -> IO[Any]:
        """As socket.makefile; the connection stays open until the file is closed, too."""
        if not set(mode) <= {"r", "w", "b"}:
            raise ValueError(f"invalid mode {mode!r} (only r, w, b allowed)")
        reading, writing = "r" in mode or "w" not in mode, "w" in mode
        raw_mode = ("r" if reading else "") + ("w" if writing else "")
        raw = socket.SocketIO(self, raw_mode)  # type: ignore[arg-type]
        self._io_refs += 1
        if buffering == 0:
            if "b" not in mode:
                raise ValueError("unbuffered streams must be binary")
            return raw  # type: ignore[return-value]
        size = io.DEFAULT_BUFFER_SIZE if buffering is None or buffering < 0 else buffering
        buffered: Any
        if reading and writing:
            buffered = io.BufferedRWPair(raw, raw, size)
        else:
            buffered = io.BufferedReader(raw, size) if reading else io.BufferedWriter(raw, size)
        if "b" in mode:
            return buffered  # type: ignore[no-any-return]
        wrapped = io.TextIOWrapper(buffered, encoding, errors, newline)
        wrapped.mode = mode  # type: ignore[misc]
        return wrapped

    def _decref_socketios(self) -> None:  # called by SocketIO
        self._io_refs = max(0, self._io_refs - 1)
        if self._closed:
            self.close()

    def fileno(self) -> int:
        """For select and poll; -1 once closed. pending() first."""
        try:
            with self._handle as conn:
                number: int = library.conn_fd(conn)
                return number
        except TrustError:
            return -1

    def pending(self) -> int:
        """Bytes that recv returns without waiting."""
        with self._handle as conn:
            count: int = library.conn_pending(conn)
            return count

    def settimeout(self, timeout: Optional[float]) -> None:
        """Seconds that one recv or send may wait; None: for ever; 0: not at all."""
        self._timeout = timeout

    def gettimeout(self) -> Optional[float]:
        return self._timeout

    @property
    def timeout(self) -> Optional[float]:
        return self._timeout

    def setblocking(self, flag: bool) -> None:
        self._timeout = None if flag else 0.0

    def getpeername(self) -> Any:
        with self._borrowed() as sock:
            return sock.getpeername()

    def getsockname(self) -> Any:
        with self._borrowed() as sock:
            return sock.getsockname()

    def setsockopt(self, *arguments: Any) -> None:
        with self._borrowed() as sock:
            sock.setsockopt(*arguments)

    @contextlib.contextmanager
    def _borrowed(self) -> Iterator[socket.socket]:
        with self._handle as conn:
            with socket.socket(fileno=os.dup(library.conn_fd(conn))) as sock:
                yield sock

    def shutdown(self, how: int = socket.SHUT_WR) -> None:
        """SHUT_WR tells the peer that no more is sent, reading goes on. The others end both."""
        if how == socket.SHUT_WR:
            self._run(lambda conn: call(library.conn_close, conn), self._timeout, "closing")
        else:
            self.cancel()

    def cancel(self) -> None:
        """Every call on this connection, in any thread, fails with Cancelled from now on."""
        with contextlib.suppress(TrustError), self._handle as conn:
            library.conn_cancel(conn)
            # We wait in a poll of our own, which this wakes.
            with contextlib.suppress(OSError), \
                 socket.socket(fileno=os.dup(library.conn_fd(conn))) as sock:
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Says goodbye if that can be done without waiting. Files of makefile() keep it open."""
        self._closed = True
        if self._io_refs > 0 or self._handle.released:
            return
        with contextlib.suppress(TrustError), self._handle as conn:
            call(library.conn_close, conn)
        self._handle.release()

    def detach_for_pool(self) -> Optional[c_void_p]:
        """The library's connection, blocking again, if nobody else is using it."""
        if self._io_refs == 0:
            with contextlib.suppress(TrustError):
                with self._handle as conn:
                    call(library.conn_set_blocking, conn, 1)
                self._closed = True
                return self._handle.take()
        return None

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<trust.Connection to {self.host}:{self.port}, {state}>"

    # Facts

    @property
    def peer(self) -> Peer:
        if self._peer is None:
            out = c_void_p()
            with self._handle as conn:
                call(library.conn_peer, conn, byref(out))
            try:
                self._peer = Peer.copied(out)
                self._judged = self._peer.generation
            finally:
                library.peer_free(out)
        return self._peer

    def _fact(self, function: Any) -> Any:
        with self._handle as conn:
            return function(conn)

    @property
    def tls_version(self) -> str:
        return text(self._fact(library.conn_tls_version))

    @property
    def cipher(self) -> str:
        return text(self._fact(library.conn_cipher))

    @property
    def alpn(self) -> str:
        """"" if none was agreed."""
        return text(self._fact(library.conn_alpn))

    @property
    def resumed(self) -> bool:
        return bool(self._fact(library.conn_resumed))

    def judge_again(self) -> Peer:
        """Whether the peer would be trusted now; raises UntrustedError if not. For a connection
        that was kept idle: costs next to nothing while nothing new was published."""
        peer = self.peer
        generation = self._store.refresh()
        if generation != self._judged:
            self._peer = self._store.verify(self.host, self.port, peer.path, self._config)
            self._judged = generation
        return self._peer or peer


class Pool:
    """Idle connections, ready to use again; each is judged again before it is handed out. May be
    used from any number of threads."""

    def __init__(self, store: Optional[Store] = None, config: Optional[Config] = None, *,
                 max_per_host: int = 8, max_total: int = 64, idle: float = 60.0) -> None:
        from .store import default_store
        self._store = store or default_store()
        self._config = config_or_default(config)
        out = c_void_p()
        with self._store.handle as opened, self._config.handle as settings:
            call(library.pool_new, opened, settings, byref(out))
        self._handle = Handle(out, library.pool_free,
                              lambda: make(Status.ERR_STATE, "the pool is closed"))
        with self._handle as pool:
            call(library.pool_set_limits, pool, max_per_host, max_total, round(idle * 1000))

    def get(self, host: str, port: int = 443) -> Connection:
        """Give it back with put()."""
        out = c_void_p()
        with self._handle as pool:
            call(library.pool_get, pool, c_text(host, "host"), c_port(port), byref(out))
        return Connection(out, self._store, host, port, self._config)

    def put(self, connection: Connection, reusable: bool = True) -> None:
        """In place of connection.close()."""
        pointer = connection.detach_for_pool() if reusable else None
        if pointer is None:
            connection.close()
            return
        try:
            with self._handle as pool:
                library.pool_put(pool, pointer, 1)
        except TrustError:
            library.pool_put(None, pointer, 0)

    @contextlib.contextmanager
    def connection(self, host: str, port: int = 443) -> Iterator[Connection]:
        """One for a `with`; kept for reuse unless it is left by an exception."""
        taken = self.get(host, port)
        try:
            yield taken
        except BaseException:
            self.put(taken, reusable=False)
            raise
        self.put(taken)

    def _count(self, function: Any) -> int:
        with self._handle as pool:
            number: int = function(pool)
            return number

    @property
    def idle(self) -> int:
        return self._count(library.pool_idle)

    @property
    def created(self) -> int:
        return self._count(library.pool_created)

    @property
    def reused(self) -> int:
        return self._count(library.pool_reused)

    @property
    def resumed(self) -> int:
        return self._count(library.pool_resumed)

    def close(self) -> None:
        self._handle.release()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _no_flags(flags: int) -> None:
    if flags:
        raise ValueError("a verified connection takes no flags")
