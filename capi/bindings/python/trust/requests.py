"""A transport adapter for requests: session.mount("https://", TrustAdapter())"""

from __future__ import annotations

from typing import Any, Optional

import requests.adapters
import urllib3.connection
import urllib3.connectionpool
import urllib3.poolmanager

from .errors import TrustError
from .store import Config, Store, default_store


class _Connection(urllib3.connection.HTTPSConnection):
    trust_store: Store
    trust_config: Optional[Config] = None

    def connect(self) -> None:
        sock = self._new_conn()  # raises urllib3's own errors
        tunnel = getattr(self, "_tunnel_host", None)
        if tunnel:
            self.sock = sock
            self._tunnel()
            self.auto_open = 0
        self.sock = None  # on failure nothing unverified is left to write to
        host = (tunnel or self.host).strip("[]")
        port = (getattr(self, "_tunnel_port", None) if tunnel else self.port) or self.port
        connection = self.trust_store.wrap(sock, host, port, self.trust_config, sock.gettimeout())
        connection.settimeout(sock.gettimeout())
        self.sock = connection
        self.is_verified = True


class _Pool(urllib3.connectionpool.HTTPSConnectionPool):
    def _get_conn(self, timeout: Any = None) -> Any:
        """An idle connection is used again only while the store still says so; else a new one is
        made, whose refusal says why."""
        connection = super()._get_conn(timeout)
        if getattr(connection, "sock", None) is not None:
            try:
                connection.sock.judge_again()
            except TrustError:
                connection.close()
        return connection


def _pool_class(store: Store, config: Optional[Config]) -> type:
    connection = type("TrustHTTPSConnection", (_Connection,),
                      {"trust_store": store, "trust_config": config})
    return type("TrustHTTPSConnectionPool", (_Pool,), {"ConnectionCls": connection})


class TrustAdapter(requests.adapters.HTTPAdapter):
    """Every https request of the session goes over verified connections of the trust store.
    `verify=` is not looked at: there is no way to turn verification off."""

    def __init__(self, store: Optional[Store] = None, config: Optional[Config] = None,
                 **more: Any) -> None:
        self._pool_class = _pool_class(store or default_store(), config)
        super().__init__(**more)

    def _ours(self, manager: Any) -> Any:
        manager.pool_classes_by_scheme = {"http": urllib3.connectionpool.HTTPConnectionPool,
                                          "https": self._pool_class}
        return manager

    def init_poolmanager(self, *arguments: Any, **more: Any) -> None:
        super().init_poolmanager(*arguments, **more)
        self._ours(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **more: Any) -> Any:
        if not proxy.lower().startswith("http://"):
            raise requests.exceptions.InvalidProxyURL(
                f"{proxy}: the trust store's adapter reaches servers through http:// proxies only")
        return self._ours(super().proxy_manager_for(proxy, **more))

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        if cert:
            raise ValueError("give the client certificate to the adapter: "
                             "TrustAdapter(config=trust.Config(client_cert=(chain, key)))")
