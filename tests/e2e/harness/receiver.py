"""Where webhooks arrive: an HTTP or HTTPS server that checks signatures and fails when it is told to."""

import hashlib
import hmac
import http.server
import json
import socketserver
import ssl
import threading


class Arrival:
    """One request: its fields, its body, and the status that it was answered with."""

    def __init__(self, path, fields, body):
        self.path = path
        self.fields = fields
        self.body = body
        self.status = None

    @property
    def id(self):
        return self.fields["Trustd-Delivery"]

    def json(self):
        return json.loads(self.body)

    def numbers(self):
        return [notice["number"] for notice in self.json()["notices"]]

    def is_genuine(self, secret):
        """As docs/sinks.md has it."""
        parts = dict(part.split("=", 1) for part in self.fields["Trustd-Signature"].split(","))
        message = parts["t"].encode() + b"." + parts["id"].encode() + b"." + self.body
        expected = hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected, parts["v1"]) and parts["id"] == self.id


class _Handler(http.server.BaseHTTPRequestHandler):
    def setup(self):
        self.request.settimeout(60)
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()
        super().setup()

    def do_POST(self):
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers["Content-Length"]))
        arrival = Arrival(self.path, dict(self.headers), body)
        with receiver.lock:
            arrival.status = receiver.statuses.pop(0) if receiver.statuses else 200
            receiver.arrivals.append(arrival)
        receiver.answer(self, arrival)

    def plain(self, status, **fields):
        self.send_response(status)
        for name, value in {"Content-Length": "0", **fields}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_):
        pass


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def get_request(self):
        connection, address = super().get_request()
        if self.context is None:
            return connection, address
        return self.context.wrap_socket(connection, server_side=True,
                                        do_handshake_on_connect=False), address

    def handle_error(self, request, client_address):
        pass  # a client that refuses us, or is killed, is no error here


class Receiver:
    """`statuses` are those of the next answers; after them it is 200. `answer` may be replaced:
    it gets the handler and the arrival. With `minted` it speaks TLS."""

    def __init__(self, place=None, minted=None, stem="receiver"):
        self.lock = threading.Lock()
        self.arrivals = []
        self.statuses = []
        self.answer = lambda handler, arrival: handler.plain(arrival.status)
        self.server = _Server(("127.0.0.1", 0), _Handler)
        self.server.receiver = self
        self.server.context = None
        if minted is not None:
            self.server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.server.context.load_cert_chain(*minted.write(place.root, stem))
        self.port = self.server.server_address[1]
        self.at = f"127.0.0.1:{self.port}"
        self.url = f"http{'s' if minted else ''}://{self.at}/hook"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05},
                         daemon=True).start()

    def all(self):
        with self.lock:
            return list(self.arrivals)

    def taken(self):
        """What a receiver that remembers ids has: each delivery once, with the first of its id."""
        found = {}
        for arrival in self.all():
            if arrival.status == 200:
                found.setdefault(arrival.id, arrival)
        return [arrival for arrival in found.values() if not arrival.json()["test"]]

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
