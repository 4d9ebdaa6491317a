"""A TLS server that does what the first line of a client says: HTTP/1.1 kept alive, or one of
"echo", "eof N", "truncate N", "stall"."""

import socket
import ssl
import threading

PATTERN = bytes(range(251))


def pattern(length):
    """What bodies consist of: byte i is i modulo 251."""
    return (PATTERN * (length // len(PATTERN) + 1))[:length]


class Server:
    def __init__(self, place, minted, host="127.0.0.1"):
        self.place = place
        self.host = host
        self.listener = socket.create_server((host, 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        self.at = f"{host}:{self.port}"
        self.url = f"https://{self.at}/"
        self.lock = threading.Lock()
        self.connections = 0  # whose handshake was completed
        self.requests = []
        self.endings = []  # "closed" with a goodbye of the client's, or "truncated"
        self.open = set()
        self.alpn = None
        self.client_ca = None
        self.present(minted)
        threading.Thread(target=self._accept, daemon=True).start()

    def present(self, minted):
        """From now on, this certificate; sessions of before cannot be resumed."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*minted.write(self.place.root, f"server-{self.port}"))
        if self.alpn:
            context.set_alpn_protocols(self.alpn)
        if self.client_ca:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=self.client_ca)
        self.context = context
        self.minted = minted

    # The store

    def add(self):
        self.place.done("add", self.at, "--fingerprint", self.minted.fingerprint, "--label",
                        f"server-{self.port}")

    def pin(self, pin=None):
        self.place.done("pin", "add", self.at, pin or self.minted.pin)

    def pin_another(self, pin):
        """The pin changes."""
        self.place.done("pin", "rm", self.at)
        self.pin(pin)

    # Serving

    def _accept(self):
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(raw,), daemon=True).start()

    def _serve(self, raw):
        raw.settimeout(60)
        try:
            connection = self.context.wrap_socket(raw, server_side=True,
                                                  suppress_ragged_eofs=False)
        except OSError:
            raw.close()
            return
        with self.lock:
            self.connections += 1
            self.open.add(connection)
        try:
            self._talk(connection)
        except (OSError, ValueError):  # ValueError: drop_all() was quicker
            pass
        finally:
            with self.lock:
                self.open.discard(connection)
            connection.close()

    def _receive(self, connection):
        try:
            data = connection.recv(65536)
        except ssl.SSLEOFError:
            self.endings.append("truncated")
            return b""
        except OSError:
            self.endings.append("broken")
            return b""
        if not data:
            self.endings.append("closed")
        return data

    def _talk(self, connection):
        left = b""
        while True:
            while b"\n" not in left:
                more = self._receive(connection)
                if not more:
                    connection.unwrap()
                    return
                left += more
            words = left.split(b"\n", 1)[0].decode("latin-1").split()
            if len(words) != 3:
                self._raw(connection, words, left.split(b"\n", 1)[1])
                return
            left = self._http(connection, left)
            if left is None:
                connection.unwrap()
                return

    def _raw(self, connection, words, left):
        if words[0] == "echo":
            while left or (left := self._receive(connection)):
                connection.sendall(left)
                left = b""
            connection.unwrap()
        elif words[0] == "stall":
            while self._receive(connection):
                pass
        else:
            connection.sendall(pattern(int(words[1])))
            if words[0] == "eof":
                connection.unwrap()
            else:
                connection.shutdown(socket.SHUT_RDWR)  # of TCP, without a goodbye of TLS

    def _http(self, connection, left):
        """Answers one request; what was read beyond it, or None to close."""
        while b"\r\n\r\n" not in left:
            more = self._receive(connection)
            if not more:
                return None
            left += more
        head, body = left.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        method, path, version = lines[0].split()
        headers = {key.strip().lower(): value.strip()
                   for key, _, value in (line.partition(":") for line in lines[1:])}
        length = int(headers.get("content-length", "0"))
        while len(body) < length:
            more = self._receive(connection)
            if not more:
                return None
            body += more
        body, left = body[:length], body[length:]
        with self.lock:
            self.requests.append(path)
        keep = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
        status, more, answer = "200 OK", "", b"served\n"
        if path.startswith("/redirect"):
            status, answer = "302 Found", b""
            more = f"Location: {path.partition('?')[2] or '/'}\r\n"
        elif path.startswith("/large"):
            answer = pattern(int(path.partition("?")[2]))
        elif method == "POST":
            answer = body
        connection.sendall((f"HTTP/1.1 {status}\r\n{more}Content-Length: {len(answer)}\r\n"
                            f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n").encode()
                           + answer)
        return left if keep else None

    def drop_all(self):
        """Closes every connection without a goodbye."""
        with self.lock:
            found = list(self.open)
        for connection in found:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()
        self.drop_all()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Silent:
    """Takes connections and never says anything."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.host, self.port = self.listener.getsockname()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
