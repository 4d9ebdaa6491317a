"""A daemon that answers what a test tells it to, byte for byte, and a trustctl to ask it."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading

TRUSTCTL = os.environ["TRUSTCTL"]


class FakeDaemon:
    """Each connection is one request; answer(request bytes) is what is sent back: bytes, or an
    iterable of bytes."""

    def __init__(self, path=None, port=False):
        if port:
            self.listener = socket.create_server(("127.0.0.1", 0))
            self.address = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        else:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(path)
            self.listener.listen()
            self.address = path
        self.answer = lambda request: reply(404, {})
        self.requests = []
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self.listener.close()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection):
        with connection:
            request = self._read(connection)
            if not request:
                return  # only looked whether somebody is there
            self.requests.append(request)
            answer = self.answer(request)
            try:
                for piece in [answer] if isinstance(answer, bytes) else answer:
                    connection.sendall(piece)
            except OSError:
                pass  # it had enough

    @staticmethod
    def _read(connection):
        request = b""
        while b"\r\n\r\n" not in request:
            piece = connection.recv(65536)
            if not piece:
                return request
            request += piece
        head, _, body = request.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        while len(body) < length:
            piece = connection.recv(65536)
            if not piece:
                break
            body += piece
        return head + b"\r\n\r\n" + body


def reply(status, body, content_type="application/json", headers=b""):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return (b"HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n"
            % (status, content_type.encode(), len(data), headers)) + data


def problem(status, code, detail="it is so", hint=""):
    return reply(status, {"type": "about:blank", "title": "T", "status": status, "detail": detail,
                          "code": code, "hint": hint}, "application/problem+json")


class Place:
    """A home with nothing in it."""

    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="trust.", dir="/tmp")
        self.socket = os.path.join(self.root, "s")

    def remove(self):
        shutil.rmtree(self.root, ignore_errors=True)

    def environment(self, **more):
        return {"HOME": self.root, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **more}

    def ctl(self, *arguments, env=None, stdin=b"", timeout_s=60):
        return subprocess.run([TRUSTCTL, *arguments], env=self.environment(**(env or {})),
                              cwd=self.root, input=stdin, capture_output=True, timeout=timeout_s,
                              check=False)
