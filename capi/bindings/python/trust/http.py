"""http.client.HTTPSConnection, verified by the trust store."""

from __future__ import annotations

import http.client
from typing import Any, Optional

from .connection import Connection
from .store import Config, Store, default_store


class HTTPSConnection(http.client.HTTPConnection):
    """As http.client.HTTPSConnection, proxies with set_tunnel() included; there is no context to
    give, for the store decides."""

    default_port = 443

    def __init__(self, host: str, port: Optional[int] = None, *, store: Optional[Store] = None,
                 config: Optional[Config] = None, **more: Any) -> None:
        super().__init__(host, port, **more)
        self._store = store
        self._config = config

    def connect(self) -> None:
        super().connect()  # TCP, and the tunnel if there is one
        sock, self.sock = self.sock, None  # on failure nothing unverified is left to write to
        timeout = sock.gettimeout()
        tunnel = getattr(self, "_tunnel_host", None)
        host = tunnel or self.host
        port = (getattr(self, "_tunnel_port", None) if tunnel else self.port) or self.port
        connection = (self._store or default_store()).wrap(sock, host, port, self._config, timeout)
        if timeout is not None:
            connection.settimeout(timeout)
        self.sock = connection

    def send(self, data: Any) -> None:
        # Kept alive and used again: only while the store still says so.
        if isinstance(self.sock, Connection):
            try:
                self.sock.judge_again()
            except BaseException:
                self.close()
                raise
        super().send(data)
