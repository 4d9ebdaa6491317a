"""TLS servers: Flask as a process, and a plain one whose chain is what the test says."""

import http.server
import os
import re
import socketserver
import ssl
import subprocess
import threading

from harness import wait

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
