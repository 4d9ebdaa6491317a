"""TLS servers: Flask as a process, and a plain one whose chain is what the test says."""

import glob
import http.server
import os
import re
import socket
import socketserver
import ssl
import subprocess
import threading

from harness import need, wait

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = os.path.join(HERE, "programs")


class Flask:
    """A Flask application with ssl_context, as its documentation runs one."""

    def __init__(self, place, minted, host="127.0.0.1", stem="flask"):
        self.minted = minted
        self.host = host
        certificate, key = minted.write(place.root, stem)
        self.log_path = place.path(stem + ".log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                ["/usr/bin/python3", os.path.join(PROGRAMS, "flask_server.py"), certificate, key,
                 host], env=place.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.port = wait.until(self._port, "Flask to say its port", 60)
        self.at = f"{host}:{self.port}"
        self.url = f"https://{self.at}/upload"

    def _port(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            text = log.read()
        assert self.process.poll() is None, text
        found = re.search(r"Running on https://\S+:(\d+)", text)
        return int(found[1]) if found else None

    def close(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def setup(self):
        self.request.settimeout(30)
        self.request.do_handshake()
        super().setup()

    def do_GET(self):
        self.server.served.append(self.path)
        body = b"served\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.do_GET()

    def log_message(self, *_):
        pass


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256

    def get_request(self):
        connection, address = super().get_request()
        return self.context.wrap_socket(connection, server_side=True,
                                        do_handshake_on_connect=False), address

    def handle_error(self, request, client_address):
        pass  # a client that refuses us is no error here


class Tls:
    """HTTPS that answers every GET and POST with 200; presents exactly minted.chain_pem()."""

    def __init__(self, place, minted, host="127.0.0.1", name=None):
        self.minted = minted
        self.server = _Server((host, 0), _Handler)
        self.port = self.server.server_address[1]
        self.server.served = []
        self.present(place, minted)
        self.host = name or host
        self.at = f"{self.host}:{self.port}"
        self.url = f"https://{self.at}/"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05},
                         daemon=True).start()

    def present(self, place, minted):
        """From now on, this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("DEFAULT@SECLEVEL=0")  # weak certificates are presented too
        context.load_cert_chain(*minted.write(place.root, f"tls-{self.port}"))
        self.server.context = context
        self.minted = minted

    @property
    def served(self):
        return self.server.served

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class StartTls:
    """A server that begins in clear, in SMTP, IMAP or PostgreSQL's protocol, and then speaks TLS.
    `heard` is what came after the handshake, of each connection."""

    def __init__(self, place, minted, protocol, host="127.0.0.1"):
        self.minted = minted
        self.protocol = protocol
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*minted.write(place.root, "starttls-" + protocol))
        self.heard = []
        self.listener = socket.create_server((host, 0))
        self.port = self.listener.getsockname()[1]
        self.at = f"{host}:{self.port}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(30)
                try:
                    getattr(self, "_" + self.protocol)(connection)
                    with self.context.wrap_socket(connection, server_side=True) as secure:
                        self.heard.append(secure.recv(1000))
                except OSError:
                    continue  # it was only looked at

    @staticmethod
    def _line(connection):
        line = b""
        while not line.endswith(b"\r\n"):
            piece = connection.recv(1)
            if not piece:
                raise OSError("closed")
            line += piece
        return line

    def _smtp(self, connection):
        connection.sendall(b"220 mail.test ESMTP\r\n")
        while True:
            word = self._line(connection).split()[0].upper()
            if word == b"STARTTLS":
                connection.sendall(b"220 go ahead\r\n")
                return
            connection.sendall(b"250-mail.test\r\n250-STARTTLS\r\n250 8BITMIME\r\n")

    def _imap(self, connection):
        connection.sendall(b"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n")
        while True:
            tag, word = self._line(connection).split()[:2]
            if word.upper() == b"CAPABILITY":
                connection.sendall(b"* CAPABILITY IMAP4rev1 STARTTLS\r\n")
            connection.sendall(tag + b" OK done\r\n")
            if word.upper() == b"STARTTLS":
                return

    @staticmethod
    def _postgres(connection):
        asked = b""
        while len(asked) < 8:
            piece = connection.recv(8 - len(asked))
            if not piece:
                raise OSError("closed")
            asked += piece
        assert asked == b"\0\0\0\x08\x04\xd2\x16\x2f", asked
        connection.sendall(b"S")

    def close(self):
        # A listener that a thread waits on is woken by shutdown alone.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Postgres:
    """PostgreSQL itself, with TLS, as a user of its own if we are root, which it will not be."""

    def __init__(self, place, minted):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
        if not found:
            need.skip("no postgres (apt-get install postgresql)")
        programs = os.path.dirname(found[-1])
        self.minted = minted
        directory = place.make("postgres", 0o700)
        prefix = []
        if os.geteuid() == 0:
            prefix = [need.program("setpriv", "util-linux"), "--reuid=65534", "--regid=65534",
                      "--clear-groups"]
            os.chown(directory, 65534, 65534)
        data = os.path.join(directory, "data")
        done = subprocess.run([*prefix, os.path.join(programs, "initdb"), "-D", data, "-A", "trust",
                               "-U", "test", "--no-sync"], env=place.environment, cwd="/",
                              capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        for path in minted.write(data, "server"):
            os.chmod(path, 0o600)
            if prefix:
                os.chown(path, 65534, 65534)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.at = f"127.0.0.1:{self.port}"
        self.log_path = place.path("postgres.log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [*prefix, os.path.join(programs, "postgres"), "-D", data, "-p", str(self.port),
                 "-h", "127.0.0.1", "-k", "", "-F", "-c", "ssl=on", "-c", "ssl_cert_file=server.pem",
                 "-c", "ssl_key_file=server.key"],
                env=place.environment, cwd="/", stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        wait.until(self._accepts, "postgres to accept", 60)

    def _accepts(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            text = log.read()
        assert self.process.poll() is None, text
        return "ready to accept connections" in text

    def close(self):
        self.process.terminate()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
