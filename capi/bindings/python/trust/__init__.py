"""TLS connections verified by this machine's trust store.

The daemon (trustd) decides what the machine trusts. This package makes connections that obey it;
nothing in it turns verification off or adds trust.

    with trust.connect("api.dev.test", 443) as connection:
        connection.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")

`trust.requests.TrustAdapter` is for requests, `trust.http.HTTPSConnection` for http.client, and
`trust.open_connection` for asyncio.
"""

from ._library import library as _library
from ._library import text as _text
from .aio import TrustTransport, create_connection, open_connection
from .connection import Connection, Pool
from .errors import (Cancelled, LibraryError, NetworkError, ProtocolError, Status, StoreError,
                     TimedOut, Truncated, TrustError, UntrustedError, UsageError)
from .peer import Peer, PinStatus, TrustedBy
from .store import Config, Pin, Store, connect, default_store


def version() -> str:
    """Of the library, and of the OpenSSL it runs on."""
    return _text(_library.version())


__all__ = ["Cancelled", "Config", "Connection", "LibraryError", "NetworkError", "Peer", "Pin",
           "PinStatus", "Pool", "ProtocolError", "Status", "Store", "StoreError", "TimedOut",
           "Truncated", "TrustError", "TrustTransport", "TrustedBy", "UntrustedError",
           "UsageError", "connect", "create_connection", "default_store", "open_connection",
           "version"]
