"""A client of the REST API that checks every answer against the daemon's own openapi.json."""

import http.client
import json
import socket
import time
from urllib.parse import quote, urlencode

from harness import openapi


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout_s):
        super().__init__("localhost", timeout=timeout_s)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def type(self):
        return self.headers.get("content-type", "").split(";")[0].strip()

    def json(self):
        return json.loads(self.body)

    def __getitem__(self, key):
        return self.json()[key]

    def __str__(self):
        return f"{self.status} {self.headers} {self.body[:2000]!r}"


class Rest:
    """where is the path of a socket, or (host, port). One connection, kept; opened again when the
    server closed it."""

    def __init__(self, where, token=None, timeout_s=60, check=True):
        self.where = where
        self.token = token
        self.timeout_s = timeout_s
        self.check = check
        self.connection = None

    def _connect(self):
        if isinstance(self.where, str):
            return UnixConnection(self.where, self.timeout_s)
        return http.client.HTTPConnection(*self.where, timeout=self.timeout_s)

    def request(self, method, path, body=None, headers=None, query=None):
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        if self.token:
            headers.setdefault("Authorization", "Bearer " + self.token)
        target = path + ("?" + urlencode(query, doseq=True, quote_via=quote) if query else "")
        fresh = self.connection is None
        if fresh:
            self.connection = self._connect()
        try:
            try:
                self.connection.request(method, target, body, headers)
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused before all of it was sent; the answer is there
            response = self.connection.getresponse()
            answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()},
                            response.read())
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            self.close()
            if fresh or method != "GET":
                raise
            return self.request(method, path, body, headers, query)
        if response.will_close:
            self.close()
        if self.check:
            openapi.check_answer(self, method, path.partition("?")[0], answer)
        return answer

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, body=None, **options):
        return self.request("POST", path, {} if body is None else body, **options)

    def patch(self, path, body, **options):
        return self.request("PATCH", path, body, **options)

    def delete(self, path, **options):
        return self.request("DELETE", path, **options)

    def ok(self, method, path, body=None, **options):
        answer = self.request(method, path, body, **options)
        assert 200 <= answer.status < 300, f"{method} {path}: {answer}"
        return answer.json() if answer.body else None

    def status(self):
        return self.ok("GET", "/v1/status")

    def add(self, minted, **fields):
        return self.ok("POST", "/v1/certificates", {"pem": minted.pem, **fields})

    def certificates(self, **query):
        return self.all("/v1/certificates", "certificates", **query)

    def all(self, path, member, **query):
        """Every item, page by page."""
        items, cursor = [], None
        while True:
            page = self.ok("GET", path,
                           query={"limit": 1000, **query, **({"cursor": cursor} if cursor else {})})
            items += page[member]
            cursor = page.get("next_cursor")
            if cursor is None:
                return items

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def connect(where, timeout_s=30):
    if isinstance(where, str):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(timeout_s)
        connection.connect(where)
        return connection
    return socket.create_connection(where, timeout=timeout_s)


def read_answer(connection, deadline_s=30, head_only=False):
    """One answer from a socket, or None if the peer closed without one. Reads no further than it."""
    end = time.monotonic() + deadline_s
    data = b""

    def more(size):
        connection.settimeout(max(end - time.monotonic(), 0.001))
        try:
            return connection.recv(size)
        except ConnectionResetError:
            return b""
    while not data.endswith(b"\r\n\r\n"):
        piece = more(1)
        if not piece:
            assert not data, f"closed inside a head: {data!r}"
            return None
        data += piece
    lines = data.decode("latin-1").split("\r\n")
    assert lines[0].startswith("HTTP/1.1 "), lines[0]
    headers = {}
    for line in lines[1:]:
        if line:
            key, _, value = line.partition(":")
            headers[key.lower()] = value.strip()
    status = int(lines[0].split()[1])
    body = b""
    if not head_only and status not in (100, 204, 304):
        length = int(headers.get("content-length", "0"))
        while len(body) < length:
            piece = more(length - len(body))
            assert piece, f"closed inside a body of {length} after {len(body)}"
            body += piece
    return Answer(status, headers, body)


def raw(where, data, deadline_s=30):
    """Sends bytes as they are and answers what came back. A peer that closes while we still send
    has answered already, or refuses to."""
    with connect(where, deadline_s) as connection:
        try:
            connection.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return read_answer(connection, deadline_s)
