"""asyncio over memory connections: nothing here blocks the event loop."""

from __future__ import annotations

import asyncio
import socket
from ctypes import addressof, byref, c_char, c_size_t, c_void_p
from typing import Any, Callable, Optional

from ._library import Handle, library, text
from .errors import Status, TrustError, call, make
from .peer import Peer
from .store import Config, Store, c_port, c_text, config_or_default, default_store

_CHUNK = 65536


class _Memory:
    """A memory connection: encrypted bytes in and out, plain bytes out and in."""

    def __init__(self, store: Store, host: str, port: int, config: Config) -> None:
        out = c_void_p()
        with store.handle as opened, config.handle as settings:
            call(library.conn_start_memory, opened, c_text(host, "host"), c_port(port), settings,
                 byref(out))
        self.handle = Handle(out, library.conn_free, lambda: make(
            Status.ERR_STATE, f"the connection to {host}:{port} is closed"))
        self._buffer = bytearray(_CHUNK)
        self._target = (c_char * _CHUNK).from_buffer(self._buffer)

    def handshake(self) -> bool:
        with self.handle as conn:
            return call(library.conn_handshake, conn) == Status.OK

    def feed(self, data: bytes) -> int:
        used = c_size_t()
        with self.handle as conn:
            call(library.conn_feed, conn, data, len(data), byref(used))
        return used.value

    def drain(self) -> bytes:
        got = c_size_t()
        with self.handle as conn:
            call(library.conn_drain, conn, addressof(self._target), _CHUNK, byref(got))
        return bytes(memoryview(self._buffer)[:got.value])

    def read(self) -> Optional[bytes]:
        """b"" at the end, None if there is nothing now."""
        got = c_size_t()
        with self.handle as conn:
            status = call(library.conn_read, conn, addressof(self._target), _CHUNK, byref(got))
        if status == Status.EOF:
            return b""
        return bytes(memoryview(self._buffer)[:got.value]) if status == Status.OK else None

    def write(self, data: bytes) -> int:
        put = c_size_t()
        with self.handle as conn:
            status = call(library.conn_write, conn, data, len(data), byref(put))
        return put.value if status == Status.OK else 0

    def close(self) -> None:
        with self.handle as conn:
            call(library.conn_close, conn)

    def peer(self) -> Peer:
        out = c_void_p()
        with self.handle as conn:
            call(library.conn_peer, conn, byref(out))
        try:
            return Peer.copied(out)
        finally:
            library.peer_free(out)

    def facts(self) -> dict[str, Any]:
        with self.handle as conn:
            return {"tls_version": text(library.conn_tls_version(conn)),
                    "cipher": text(library.conn_cipher(conn)),
                    "alpn": text(library.conn_alpn(conn)),
                    "resumed": bool(library.conn_resumed(conn))}


class TrustTransport(asyncio.Transport):
    """What the application's protocol writes to. get_extra_info() knows "trust_peer" (a Peer),
    "tls_version", "cipher", "alpn", "resumed", and what the transport of TCP knows."""

    def __init__(self, wire: _Wire) -> None:
        super().__init__()
        self._wire = wire

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name in self._wire.facts:
            return self._wire.facts[name]
        return self._wire.raw.get_extra_info(name, default)

    def write(self, data: Any) -> None:
        self._wire.write(bytes(data))

    def write_eof(self) -> None:
        self._wire.finish()

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        self._wire.close()

    def abort(self) -> None:
        self._wire.abort(None)

    def is_closing(self) -> bool:
        return self._wire.closing

    def pause_reading(self) -> None:
        self._wire.pause(True)

    def resume_reading(self) -> None:
        self._wire.pause(False)

    def is_reading(self) -> bool:
        return not self._wire.paused and not self._wire.closing

    def set_write_buffer_limits(self, high: Optional[int] = None,
                                low: Optional[int] = None) -> None:
        self._wire.raw.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return len(self._wire.outgoing) + self._wire.raw.get_write_buffer_size()

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._wire.application

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._wire.application = protocol  # type: ignore[assignment]


class _Wire(asyncio.Protocol):
    """The protocol that TCP knows; carries bytes between it, the library and the application."""

    raw: asyncio.Transport

    def __init__(self, memory: _Memory, application: asyncio.Protocol, where: str) -> None:
        self.memory = memory
        self.application = application
        self.where = where
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.facts: dict[str, Any] = {}
        self.transport = TrustTransport(self)
        self.incoming = bytearray()  # encrypted, not yet taken by the library
        self.outgoing = bytearray()  # plain, not yet taken by the library
        self.paused = False
        self.closing = False
        self.finishing = False
        self.active = False  # in _go_on, which the application's calls may enter again
        self.again = False
        self.ended = False  # the transport below has
        self.said_end = False
        self.saw_eof = False
        self.failure: Optional[BaseException] = None

    # From TCP

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.raw = transport  # type: ignore[assignment]
        self._go_on()

    def data_received(self, data: bytes) -> None:
        self.incoming += data
        self._go_on()

    def eof_received(self) -> bool:
        self.ended = True
        self._go_on()
        return not self.closing  # the transport below stays for what is still to be written

    def connection_lost(self, error: Optional[BaseException]) -> None:
        self.ended = True
        self._go_on()
        error = self.failure or error
        established = self.ready.done() and not self.ready.cancelled() and not self.ready.exception()
        if not self.ready.done():
            self.ready.set_exception(error or make(
                Status.ERR_IO, f"{self.where} closed the connection during the handshake"))
        self.closing = True
        self.memory.handle.release()
        if established:
            self.application.connection_lost(error)  # type: ignore[arg-type]

    def pause_writing(self) -> None:
        if self.facts:
            self.application.pause_writing()

    def resume_writing(self) -> None:
        if self.facts:
            self.application.resume_writing()

    # From the application

    def write(self, data: bytes) -> None:
        if self.closing or self.finishing:
            return
        self.outgoing += data
        self._go_on()

    def finish(self) -> None:
        self.finishing = True
        self._go_on()

    def pause(self, on: bool) -> None:
        self.paused = on
        if on:
            self.raw.pause_reading()
        elif not self.closing:
            self.raw.resume_reading()
            asyncio.get_running_loop().call_soon(self._go_on)

    def close(self) -> None:
        if self.closing:
            return
        self.closing = self.finishing = True
        self._go_on()

    def abort(self, failure: Optional[BaseException]) -> None:
        self.failure = self.failure or failure
        self.closing = True
        if failure is not None:
            self.raw.close()  # an alert may be on its way
        else:
            self.raw.abort()

    # Between them

    def _go_on(self) -> None:
        self.again = True
        if self.active or self.failure or self.memory.handle.released:
            return
        self.active = True
        try:
            while self.again:
                self.again = self._feed()
                if self._step():
                    self.again = True
                self._send()
            if self.closing and not self.outgoing:
                self.raw.close()
        except BaseException as failure:
            try:
                self._send()
            except TrustError:
                pass
            if not isinstance(failure, TrustError):
                self.abort(None)
                raise
            if not self.ready.done():
                self.ready.set_exception(failure)
            self.abort(failure)
        finally:
            self.active = False

    def _feed(self) -> bool:
        if self.incoming:
            used = self.memory.feed(bytes(self.incoming))
            del self.incoming[:used]
            return used > 0
        if self.ended and not self.said_end:
            self.said_end = True
            self.memory.feed(b"")
        return False

    def _step(self) -> bool:
        """Handshake, then what is to be written, then what is there to read. True if it moved."""
        if not self.facts:
            if not self.memory.handshake():
                return False
            self.facts = {**self.memory.facts(), "trust_peer": self.memory.peer()}
            self.application.connection_made(self.transport)
            if not self.ready.done():
                self.ready.set_result(None)
        moved = False
        if self.outgoing:
            put = self.memory.write(bytes(self.outgoing[:_CHUNK]))
            del self.outgoing[:put]
            moved = put > 0
        if self.finishing and not self.outgoing:
            self.finishing = False
            self.memory.close()
        if self.paused or self.saw_eof or self.closing:
            return moved
        data = self.memory.read()
        if data is None:
            return moved
        if data:
            self.application.data_received(data)
            return True
        self.saw_eof = True
        if not self.application.eof_received():
            self.close()
        return True

    def _send(self) -> None:
        while data := self.memory.drain():
            self.raw.write(data)


async def create_connection(protocol_factory: Callable[[], asyncio.Protocol], host: str,
                            port: int = 443, *, store: Optional[Store] = None,
                            config: Optional[Config] = None,
                            sock: Optional[socket.socket] = None,
                            **more: Any) -> tuple[TrustTransport, asyncio.Protocol]:
    """As loop.create_connection; `more` is for it. The configuration's connect timeout holds for
    all of it. With `sock`, over that connected socket."""
    settings = config_or_default(config)
    loop = asyncio.get_running_loop()
    where = f"{host}:{port}"
    application = protocol_factory()
    wire = _Wire(_Memory(store or default_store(), host, port, settings), application, where)

    async def established() -> None:
        try:
            if sock is not None:
                await loop.create_connection(lambda: wire, sock=sock, **more)
            else:
                await loop.create_connection(lambda: wire, host, port, **more)
        except TrustError:
            raise
        except socket.gaierror as error:
            raise make(Status.ERR_RESOLVE, f"cannot resolve {host}: {error.strerror}") from error
        except OSError as error:
            raise make(Status.ERR_CONNECT, f"cannot connect to {where}: {error.strerror or error}",
                       errno=error.errno or 0) from error
        await wire.ready

    try:
        await asyncio.wait_for(established(), settings.connect_timeout)
    except BaseException as error:
        if hasattr(wire, "raw"):
            if not wire.closing:
                wire.abort(None)
        else:
            wire.memory.handle.release()
        if isinstance(error, asyncio.TimeoutError) and not isinstance(error, TrustError):
            raise make(Status.ERR_TIMEOUT, f"connecting to {where} took longer than "
                       f"{settings.connect_timeout:g} s") from error
        raise
    return wire.transport, application


async def open_connection(host: str, port: int = 443, *, store: Optional[Store] = None,
                          config: Optional[Config] = None, limit: int = 2**16,
                          **more: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """As asyncio.open_connection. Reading raises Truncated when the peer just went away."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=limit, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await create_connection(lambda: protocol, host, port, store=store,
                                           config=config, **more)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
