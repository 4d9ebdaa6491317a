"""Does with the Python binding what each line of standard input says; see driven.py."""

import json
import os
import sys
import threading
import time

import in_poll
import requests
import trust
from trust.requests import TrustAdapter

PATTERN = bytes(index % 251 for index in range(251 * 1024))

session = requests.Session()
session.mount("https://", TrustAdapter())


def pattern(length):
    return (PATTERN * (length // len(PATTERN) + 1))[:length]


def failed(error):
    found = trust.TrustError.behind(error)
    if found is None:
        return {"outcome": "failed", "name": type(error).__name__, "message": str(error)}
    peer = found.peer
    return {"outcome": "refused" if isinstance(found, trust.UntrustedError) else "failed",
            "name": found.name, "message": found.message, "hint": found.hint,
            "fingerprint": peer and peer.fingerprint, "certificates": peer and len(peer.path),
            "trusted": peer and peer.as_dict()["trusted"]}


def read_all(connection):
    found = b""
    while data := connection.recv(65536):
        found += data
    return found


def get(host, port):
    with trust.connect(host, port) as connection:
        connection.sendall(f"GET / HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        body = read_all(connection).partition(b"\r\n\r\n")[2]
        return {"outcome": "served", "body": body.decode(), "resumed": connection.resumed,
                "fingerprint": connection.peer.fingerprint, "tls": connection.tls_version,
                "trusted": connection.peer.as_dict()["trusted"],
                "pinned": connection.peer.pin_status == trust.PinStatus.MATCH}


def pooled(host, port):
    answer = session.get(f"https://{host}:{port}/", timeout=30)
    return {"outcome": "served", "body": answer.text}


def forget():
    session.close()
    return {"outcome": "done"}


def echo(host, port, length):
    data = pattern(int(length))
    with trust.connect(host, port) as connection:
        def write():
            connection.sendall(b"echo\n")
            connection.sendall(data)
            connection.shutdown()
        writer = threading.Thread(target=write)
        writer.start()
        found = read_all(connection)
        writer.join()
    return {"outcome": "served", "bytes": len(found), "equal": found == data}


def read(host, port, *what):
    with trust.connect(host, port) as connection:
        connection.sendall(" ".join(what).encode() + b"\n")
        count = 0
        try:
            while data := connection.recv(65536):
                count += len(data)
        except trust.TrustError as error:
            return {**failed(error), "bytes": count}
        return {"outcome": "served", "bytes": count}


def cancel(host, port):
    with trust.connect(host, port) as connection:
        connection.sendall(b"stall\n")
        threading.Thread(target=lambda: (in_poll.wait(), connection.cancel())).start()
        return {"outcome": "served", "bytes": len(connection.recv(1))}


def timeout(host, port, ms):
    config = trust.Config(io_timeout=int(ms) / 1000)
    with trust.connect(host, port, config) as connection:
        connection.sendall(b"stall\n")
        started = time.monotonic()
        try:
            connection.recv(1)
        except trust.TrustError as error:
            return {**failed(error), "ms": (time.monotonic() - started) * 1000}
    return {"outcome": "served"}


def connect_timeout(host, port, ms):
    started = time.monotonic()
    try:
        trust.connect(host, port, trust.Config(connect_timeout=int(ms) / 1000)).close()
    except trust.TrustError as error:
        return {**failed(error), "ms": (time.monotonic() - started) * 1000}
    return {"outcome": "served"}


def parallel(host, port, count):
    served = []

    def one():
        served.append(get(host, port)["body"] == "served\n")
    threads = [threading.Thread(target=one) for _ in range(int(count))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"outcome": "served", "count": served.count(True)}


def pinned(host, port, pin):
    trust.connect(host, port, trust.Config(pins=[pin], require_pin=True)).close()
    return {"outcome": "served"}


def fds():
    return {"outcome": "done", "count": len(os.listdir("/proc/self/fd"))}


def main():
    for line in sys.stdin:
        name, *words = line.split()
        if len(words) > 1:
            words[1] = int(words[1])
        try:
            said = globals()[name.replace("-", "_")](*words)
        except Exception as error:  # noqa: BLE001  (each becomes an answer)
            said = failed(error)
        print(json.dumps(said), flush=True)


main()
