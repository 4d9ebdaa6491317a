"""libtrust.so.1 and what trust.h declares of it. Nothing outside this package uses this."""

from __future__ import annotations

import ctypes
import os
import threading
from ctypes import POINTER, c_char_p, c_int32, c_int64, c_size_t, c_uint16, c_uint32
from ctypes import c_uint64, c_void_p
from typing import Any, Callable, Optional

HEADER_VERSION = 1_000_000  # TRUST_VERSION_NUMBER of the trust.h that this was written for

_POINTER_OUT = POINTER(c_void_p)
_SIZE_OUT = POINTER(c_size_t)

# Result, then parameters; a handle is a void pointer.
_PROTOTYPES: dict[str, tuple[Any, ...]] = {
    "status_name": (c_char_p, c_int32),
    "error_status": (c_int32, c_void_p),
    "error_message": (c_char_p, c_void_p),
    "error_hint": (c_char_p, c_void_p),
    "error_errno": (c_int32, c_void_p),
    "error_tls_alert": (c_int32, c_void_p),
    "error_peer": (c_void_p, c_void_p),
    "error_free": (None, c_void_p),
    "version": (c_char_p,),
    "check_version": (c_int32, c_uint32, _POINTER_OUT),
    "store_open": (c_int32, c_char_p, _POINTER_OUT, _POINTER_OUT),
    "store_free": (None, c_void_p),
    "store_refresh": (c_int32, c_void_p, _POINTER_OUT),
    "store_generation": (c_uint64, c_void_p),
    "store_directory": (c_char_p, c_void_p),
    "store_bundle_path": (c_char_p, c_void_p),
    "store_env_name": (c_char_p, c_void_p, c_size_t),
    "store_env_value": (c_char_p, c_void_p, c_size_t),
    "config_new": (c_void_p,),
    "config_free": (None, c_void_p),
    "config_set_connect_timeout_ms": (c_int32, c_void_p, c_uint32, _POINTER_OUT),
    "config_set_io_timeout_ms": (c_int32, c_void_p, c_uint32, _POINTER_OUT),
    "config_set_server_name": (c_int32, c_void_p, c_char_p, _POINTER_OUT),
    "config_set_alpn": (c_int32, c_void_p, c_char_p, _POINTER_OUT),
    "config_set_min_tls": (c_int32, c_void_p, c_int32, _POINTER_OUT),
    "config_set_client_cert": (c_int32, c_void_p, c_char_p, c_size_t, c_char_p, c_size_t,
                               c_char_p, _POINTER_OUT),
    "config_add_pin": (c_int32, c_void_p, c_char_p, _POINTER_OUT),
    "config_set_require_pin": (c_int32, c_void_p, c_int32, _POINTER_OUT),
    "config_set_resumption": (c_int32, c_void_p, c_int32, _POINTER_OUT),
    "verify": (c_int32, c_void_p, c_char_p, c_uint16, c_char_p, c_size_t, c_void_p, _POINTER_OUT,
               _POINTER_OUT),
    "connect": (c_int32, c_void_p, c_char_p, c_uint16, c_void_p, _POINTER_OUT, _POINTER_OUT),
    "conn_start_fd": (c_int32, c_void_p, c_int32, c_char_p, c_uint16, c_void_p, _POINTER_OUT,
                      _POINTER_OUT),
    "conn_start_memory": (c_int32, c_void_p, c_char_p, c_uint16, c_void_p, _POINTER_OUT,
                          _POINTER_OUT),
    "conn_handshake": (c_int32, c_void_p, _POINTER_OUT),
    "conn_read": (c_int32, c_void_p, c_void_p, c_size_t, _SIZE_OUT, _POINTER_OUT),
    "conn_write": (c_int32, c_void_p, c_char_p, c_size_t, _SIZE_OUT, _POINTER_OUT),
    "conn_close": (c_int32, c_void_p, _POINTER_OUT),
    "conn_free": (None, c_void_p),
    "conn_cancel": (None, c_void_p),
    "conn_set_blocking": (c_int32, c_void_p, c_int32, _POINTER_OUT),
    "conn_fd": (c_int32, c_void_p),
    "conn_pending": (c_size_t, c_void_p),
    "conn_feed": (c_int32, c_void_p, c_char_p, c_size_t, _SIZE_OUT, _POINTER_OUT),
    "conn_drain": (c_int32, c_void_p, c_void_p, c_size_t, _SIZE_OUT, _POINTER_OUT),
    "conn_tls_version": (c_char_p, c_void_p),
    "conn_cipher": (c_char_p, c_void_p),
    "conn_alpn": (c_char_p, c_void_p),
    "conn_resumed": (c_int32, c_void_p),
    "conn_peer": (c_int32, c_void_p, _POINTER_OUT, _POINTER_OUT),
    "pool_new": (c_int32, c_void_p, c_void_p, _POINTER_OUT, _POINTER_OUT),
    "pool_free": (None, c_void_p),
    "pool_set_limits": (c_int32, c_void_p, c_uint32, c_uint32, c_uint32, _POINTER_OUT),
    "pool_get": (c_int32, c_void_p, c_char_p, c_uint16, _POINTER_OUT, _POINTER_OUT),
    "pool_put": (None, c_void_p, c_void_p, c_int32),
    "pool_idle": (c_uint64, c_void_p),
    "pool_created": (c_uint64, c_void_p),
    "pool_reused": (c_uint64, c_void_p),
    "pool_resumed": (c_uint64, c_void_p),
    "peer_host": (c_char_p, c_void_p),
    "peer_port": (c_uint16, c_void_p),
    "peer_trusted_by": (c_int32, c_void_p),
    "peer_pin_status": (c_int32, c_void_p),
    "peer_generation": (c_uint64, c_void_p),
    "peer_fingerprint": (c_char_p, c_void_p),
    "peer_pin": (c_char_p, c_void_p),
    "peer_subject": (c_char_p, c_void_p),
    "peer_issuer": (c_char_p, c_void_p),
    "peer_not_before": (c_int64, c_void_p),
    "peer_not_after": (c_int64, c_void_p),
    "peer_path_not_after": (c_int64, c_void_p),
    "peer_cert_count": (c_size_t, c_void_p),
    "peer_cert_der": (c_void_p, c_void_p, c_size_t, _SIZE_OUT),
    "peer_json": (c_char_p, c_void_p),
    "peer_free": (None, c_void_p),
    "pins_get": (c_int32, c_void_p, c_char_p, c_uint16, _POINTER_OUT, _POINTER_OUT),
    "pins_count": (c_size_t, c_void_p),
    "pins_pin": (c_char_p, c_void_p, c_size_t),
    "pins_note": (c_char_p, c_void_p, c_size_t),
    "pins_expires": (c_int64, c_void_p, c_size_t),
    "pins_enforced": (c_int32, c_void_p, c_size_t),
    "pins_backup": (c_int32, c_void_p, c_size_t),
    "pins_free": (None, c_void_p),
}


class _Library:
    """The functions by their names without `trust_`, each with its prototype."""

    def __init__(self, path: str) -> None:
        library = ctypes.CDLL(path)
        for name, (result, *parameters) in _PROTOTYPES.items():
            try:
                function = getattr(library, "trust_" + name)
            except AttributeError:
                raise ImportError(f"{path} has no trust_{name}: it is too old") from None
            function.restype = result
            function.argtypes = parameters
            setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:  # for type checkers; the names above are set
        raise AttributeError(name)


def _load() -> _Library:
    path = os.environ.get("TRUST_LIBRARY") or "libtrust.so.1"
    try:
        return _Library(path)
    except OSError as error:
        raise ImportError(f"cannot load {path}, the library of trustd: {error}; is it installed, "
                          "or its directory in LD_LIBRARY_PATH?") from error


library = _load()


def text(value: Optional[bytes]) -> str:
    return (value or b"").decode("utf-8", "replace")


class Handle:
    """A pointer of the library's. It is freed once, when it was released and no thread is in a
    call with it any more. `with handle as pointer:` is such a call."""

    def __init__(self, pointer: c_void_p, free: Callable[[c_void_p], None],
                 closed: Callable[[], Exception]) -> None:
        self._pointer = pointer
        self._free = free
        self._error = closed
        self._lock = threading.Lock()
        self._users = 0
        self.released = False

    def __enter__(self) -> c_void_p:
        with self._lock:
            if self.released:
                raise self._error()
            self._users += 1
        return self._pointer

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            last = self.released and self._users == 0
        if last:
            self._free(self._pointer)

    def release(self) -> None:
        with self._lock:
            if self.released:
                return
            self.released = True
            idle = self._users == 0
        if idle:
            self._free(self._pointer)

    def take(self) -> Optional[c_void_p]:
        """The pointer, to be freed by the caller; None if it is in use or gone."""
        with self._lock:
            if self.released or self._users:
                return None
            self.released = True
            return self._pointer

    def __del__(self) -> None:
        self.release()
