"""The published store, how to connect, and judging a chain without a connection."""

from __future__ import annotations

import socket
import threading
from ctypes import byref, c_void_p
from dataclasses import dataclass
from typing import TYPE_CHECKING, Iterable, Iterator, Optional, Sequence, Union

from ._library import Handle, library, text
from .errors import Status, call, make
from .peer import Peer

if TYPE_CHECKING:
    from .connection import Connection

DEFAULT_CONNECT_TIMEOUT = 10.0
DEFAULT_IO_TIMEOUT = 30.0


def c_text(value: str, what: str) -> bytes:
    encoded = value.encode("utf-8")
    if b"\0" in encoded:
        raise make(Status.ERR_ARGUMENT, f"the {what} contains a NUL character")
    return encoded


def c_port(value: int) -> int:
    if not 0 <= value <= 65535:  # ctypes would keep the lower 16 bits
        raise make(Status.ERR_ARGUMENT, f"{value} is no port; one is from 1 to 65535")
    return value


def _milliseconds(seconds: float) -> int:
    return max(0, min(round(seconds * 1000), 2**32 - 1))


class Config:
    """How to connect. It narrows what the store trusts and cannot widen it. It never changes, so
    one may serve any number of threads."""

    def __init__(self, *, connect_timeout: float = DEFAULT_CONNECT_TIMEOUT,
                 io_timeout: float = DEFAULT_IO_TIMEOUT, server_name: Optional[str] = None,
                 alpn: Sequence[str] = (), min_tls: int = 12,
                 client_cert: Optional[tuple[bytes, bytes]] = None,
                 client_password: Optional[str] = None, pins: Iterable[str] = (),
                 require_pin: bool = False, resumption: bool = True) -> None:
        """`connect_timeout` holds for name, TCP and handshake together, `io_timeout` for one
        silence; both in seconds. `server_name` is verified in place of the host that is dialled.
        `client_cert` is the PEM chain and the PEM key. `pins` are keys of which one must match
        besides what the store demands."""
        pointer = library.config_new()
        if not pointer:
            raise MemoryError("no memory for a configuration")
        self._handle = Handle(c_void_p(pointer), library.config_free, _closed("configuration"))
        self.connect_timeout = connect_timeout
        self.io_timeout = io_timeout
        with self._handle as config:
            call(library.config_set_connect_timeout_ms, config, _milliseconds(connect_timeout))
            call(library.config_set_io_timeout_ms, config, _milliseconds(io_timeout))
            call(library.config_set_min_tls, config, min_tls)
            call(library.config_set_require_pin, config, bool(require_pin))
            call(library.config_set_resumption, config, bool(resumption))
            if server_name is not None:
                call(library.config_set_server_name, config, c_text(server_name, "server name"))
            if alpn:
                call(library.config_set_alpn, config, c_text(",".join(alpn), "protocol list"))
            if client_cert is not None:
                chain, key = client_cert
                password = None if client_password is None else c_text(client_password, "password")
                call(library.config_set_client_cert, config, chain, len(chain), key, len(key),
                     password)
            for pin in pins:
                call(library.config_add_pin, config, c_text(pin, "pin"))

    @property
    def handle(self) -> Handle:
        return self._handle


def _closed(what: str):  # type: ignore[no-untyped-def]
    return lambda: make(Status.ERR_STATE, f"the {what} is closed")


_DEFAULTS = Config()


def config_or_default(config: Optional[Config]) -> Config:
    return config or _DEFAULTS


@dataclass(frozen=True)
class Pin:
    pin: str
    note: str
    expires: Optional[int]
    enforced: bool
    backup: bool


class Store:
    """The published store. It notices by itself what is published, at most a second late, and
    may be used from any number of threads."""

    def __init__(self, directory: Optional[str] = None) -> None:
        """None: $TRUSTD_STORE, else the user's store, else the machine's."""
        out = c_void_p()
        call(library.store_open, None if directory is None else c_text(directory, "directory"),
             byref(out))
        self._handle = Handle(out, library.store_free, _closed("store"))

    @property
    def handle(self) -> Handle:
        return self._handle

    def close(self) -> None:
        """Connections made through it live on."""
        self._handle.release()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def refresh(self) -> int:
        """Looks for newly published trust now; the generation."""
        with self._handle as store:
            call(library.store_refresh, store)
            generation: int = library.store_generation(store)
            return generation

    @property
    def generation(self) -> int:
        with self._handle as store:
            generation: int = library.store_generation(store)
            return generation

    @property
    def directory(self) -> str:
        with self._handle as store:
            return text(library.store_directory(store))

    @property
    def bundle_path(self) -> str:
        with self._handle as store:
            return text(library.store_bundle_path(store))

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make other programs trust the same."""
        def items() -> Iterator[tuple[str, str]]:
            with self._handle as store:
                index = 0
                while (name := library.store_env_name(store, index)) is not None:
                    yield text(name), text(library.store_env_value(store, index))
                    index += 1
        return dict(items())

    def verify(self, host: str, port: int, chain: Union[bytes, Sequence[bytes]],
               config: Optional[Config] = None) -> Peer:
        """Judges a chain, leaf first: PEM, or DER. Port 0 means pins for any port."""
        data = bytes(chain) if isinstance(chain, (bytes, bytearray)) else b"".join(chain)
        out = c_void_p()
        with self._handle as store, config_or_default(config).handle as settings:
            call(library.verify, store, c_text(host, "host"), c_port(port), data, len(data),
                 settings, byref(out))
        try:
            return Peer.copied(out)
        finally:
            library.peer_free(out)

    def pins(self, host: str, port: int) -> list[Pin]:
        """The pins for a host and port as published now."""
        out = c_void_p()
        with self._handle as store:
            call(library.pins_get, store, c_text(host, "host"), c_port(port), byref(out))
        try:
            return [Pin(text(library.pins_pin(out, at)), text(library.pins_note(out, at)),
                        library.pins_expires(out, at) or None,
                        bool(library.pins_enforced(out, at)), bool(library.pins_backup(out, at)))
                    for at in range(library.pins_count(out))]
        finally:
            library.pins_free(out)

    def connect(self, host: str, port: int = 443, config: Optional[Config] = None) -> Connection:
        """A verified connection."""
        from .connection import Connection
        config = config_or_default(config)
        out = c_void_p()
        with self._handle as store, config.handle as settings:
            call(library.connect, store, c_text(host, "host"), c_port(port), settings, byref(out))
        return Connection(out, self, host, port, config)

    def wrap(self, sock: socket.socket, host: str, port: int = 443,
             config: Optional[Config] = None, timeout: Optional[float] = None) -> Connection:
        """A verified connection over a connected stream socket, for example past a proxy. It owns
        the socket from here on, also if this fails. `timeout` is for the handshake; without it
        the configuration's."""
        from .connection import Connection
        config = config_or_default(config)
        out = c_void_p()
        try:
            with self._handle as store, config.handle as settings:
                call(library.conn_start_fd, store, sock.fileno(), c_text(host, "host"),
                     c_port(port), settings, byref(out))
        except BaseException:
            sock.close()
            raise
        connection = Connection(out, self, host, port, config, sock)
        try:
            connection.handshake(config.connect_timeout if timeout is None else timeout)
        except BaseException:
            connection.close()
            raise
        return connection


_default: Optional[Store] = None
_default_lock = threading.Lock()


def default_store() -> Store:
    """The store that is taken where none is given; opened once."""
    global _default
    with _default_lock:
        if _default is None or _default.handle.released:
            _default = Store()
        return _default


def connect(host: str, port: int = 443, config: Optional[Config] = None) -> Connection:
    """A verified connection through the default store."""
    return default_store().connect(host, port, config)
