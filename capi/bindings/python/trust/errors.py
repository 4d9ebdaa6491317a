"""What can go wrong, as exceptions.

    TrustError (an OSError)
    ├── UntrustedError    the peer was reached and is not trusted; also an ssl.SSLCertVerificationError
    ├── StoreError        nothing is published here, or it is damaged, or not ours to read
    ├── NetworkError      resolving, connecting, reading, writing; also a ConnectionError
    │   ├── TimedOut      also a socket.timeout
    │   └── Cancelled     by Connection.cancel
    ├── ProtocolError     the TLS handshake or a record; also an ssl.SSLError
    │   └── Truncated     the peer went away without closing TLS: data may be missing
    ├── UsageError        a value is malformed or out of range; also a ValueError
    └── LibraryError      the version, memory, or a bug
"""

from __future__ import annotations

import enum
import socket
import ssl
from ctypes import byref, c_void_p
from typing import Any, Optional

from ._library import HEADER_VERSION, library, text
from .peer import Peer


class Status(enum.IntEnum):
    """The numbers of trust.h."""

    OK = 0
    WANT_READ = 1
    WANT_WRITE = 2
    EOF = 3
    ERR_ARGUMENT = -100
    ERR_STATE = -101
    ERR_VERSION = -102
    ERR_STORE_MISSING = -200
    ERR_STORE_INVALID = -201
    ERR_STORE_ACCESS = -202
    ERR_RESOLVE = -400
    ERR_CONNECT = -401
    ERR_TIMEOUT = -402
    ERR_IO = -403
    ERR_CANCELLED = -404
    ERR_TLS = -500
    ERR_TRUNCATED = -501
    ERR_UNKNOWN_ISSUER = -600
    ERR_SELF_SIGNED = -601
    ERR_EXPIRED = -602
    ERR_NOT_YET_VALID = -603
    ERR_NAME_MISMATCH = -604
    ERR_PIN_MISMATCH = -605
    ERR_PIN_MISSING = -606
    ERR_DISTRUSTED = -607
    ERR_BAD_CHAIN = -608
    ERR_WEAK = -609
    ERR_OUT_OF_SCOPE = -610
    ERR_MEMORY = -900
    ERR_INTERNAL = -901


class TrustError(OSError):
    """A call that failed. `str()` is the message, and below it the hint if there is one."""

    status: int  # a Status, unless the library is newer than this module
    name: str  # "TRUST_ERR_EXPIRED"
    message: str  # one sentence that names the host, certificate or file
    hint: str  # what to do about it, for example a command line; "" if nothing helps
    tls_alert: int  # 0 if none
    peer: Optional[Peer]  # what an untrusted peer presented

    def __init__(self, status: int, message: str, hint: str = "", errno: int = 0,
                 tls_alert: int = 0, peer: Optional[Peer] = None) -> None:
        super().__init__(errno, message)
        self.status = _status(status)
        self.name = text(library.status_name(status))
        self.message = message
        self.hint = hint
        self.tls_alert = tls_alert
        self.peer = peer

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message

    def __repr__(self) -> str:
        # Other libraries put this into messages of their own.
        hint = f"; hint: {self.hint}" if self.hint else ""
        return f"{type(self).__name__}({self.name}: {self.message}{hint})"

    def __reduce__(self) -> Any:
        return type(self), (int(self.status), self.message, self.hint, self.errno or 0,
                            self.tls_alert, self.peer)

    @staticmethod
    def behind(error: Optional[BaseException]) -> Optional[TrustError]:
        """The TrustError that made requests, urllib3 or another layer raise `error`."""
        seen: set[int] = set()
        waiting: list[Any] = [error]
        while waiting:
            one = waiting.pop(0)
            if not isinstance(one, BaseException) or id(one) in seen:
                continue
            if isinstance(one, TrustError):
                return one
            seen.add(id(one))
            waiting += [getattr(one, "reason", None), one.__cause__, one.__context__, *one.args]
        return None


class UntrustedError(TrustError, ssl.SSLCertVerificationError):
    pass


class StoreError(TrustError):
    pass


class NetworkError(TrustError, ConnectionError):
    pass


class TimedOut(NetworkError, socket.timeout):
    pass


class Cancelled(NetworkError):
    pass


class ProtocolError(TrustError, ssl.SSLError):
    pass


class Truncated(ProtocolError):
    pass


class UsageError(TrustError, ValueError):
    pass


class LibraryError(TrustError):
    pass


_SINGLE = {Status.ERR_TIMEOUT: TimedOut, Status.ERR_CANCELLED: Cancelled,
           Status.ERR_TRUNCATED: Truncated, Status.ERR_VERSION: LibraryError}
_HUNDREDS = {1: UsageError, 2: StoreError, 4: NetworkError, 5: ProtocolError, 6: UntrustedError}


def _status(number: int) -> int:
    try:
        return Status(number)
    except ValueError:
        return number


def make(status: int, message: str, hint: str = "", **more: Any) -> TrustError:
    """The exception of the class that goes with the status."""
    kind = _SINGLE.get(_status(status)) or _HUNDREDS.get(-status // 100, LibraryError)  # type: ignore
    return kind(status, message, hint, **more)


def call(function: Any, *arguments: Any) -> int:
    """Calls a function whose last parameter is `err`; its status, or the exception it stands for."""
    pointer = c_void_p()
    status: int = function(*arguments, byref(pointer))
    if status >= 0:
        return status
    if not pointer:
        raise make(status, text(library.status_name(status)))
    try:
        peer = library.error_peer(pointer)
        raise make(status, text(library.error_message(pointer)), text(library.error_hint(pointer)),
                   errno=library.error_errno(pointer), tls_alert=library.error_tls_alert(pointer),
                   peer=Peer.copied(peer) if peer else None)
    finally:
        library.error_free(pointer)


call(library.check_version, HEADER_VERSION)
