"""10,000 idle connections: little memory, and everybody else is served."""

import resource
import socket
import time

from harness import need, rest as rest_module, wait
from harness.daemon import Daemon
from test_front import GROWTH_KIB, PING_S, Pinger

CONNECTIONS = 10_000


def test_10_000_idle_connections(place):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < CONNECTIONS * 4 // 3 + 500:
        try:
            hard = CONNECTIONS * 2
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, PermissionError):
            need.skip(f"the hard limit of open files is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # The daemon starts with what a login gives, and raises its own limit.
    daemon = Daemon(place, prefix=["prlimit", f"--nofile=1024:{hard}"])
    idle = []
    with daemon:
        before = daemon.resident_kib()
        pinger = Pinger(daemon)
        pinger.start()
        wait.until(lambda: pinger.count or pinger.wrong, "the first ping")
        text = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        try:
            for number in range(CONNECTIONS):
                connection = socket.socket(socket.AF_UNIX)
                connection.settimeout(60)
                connection.connect(daemon.socket)
                idle.append(connection)
                if number % 10 == 0:  # some have been served once
                    connection.sendall(text)
                    assert rest_module.read_answer(connection).status == 200
            wait.until(lambda: daemon.connections() > CONNECTIONS, "all of them accepted", 60)
            with daemon.rest() as client:
                start = time.monotonic()
                assert client.get("/v1/status").status == 200
                assert time.monotonic() - start < PING_S
            place.done("list")
            grown = daemon.resident_kib() - before
            assert pinger.end() > 100
            assert pinger.slowest < PING_S
            assert grown <= GROWTH_KIB, f"grew by {grown} KiB"
            for connection in idle[::100]:  # none was dropped
                connection.sendall(text)
                assert rest_module.read_answer(connection).status == 200
            print(f"{grown} KiB for {CONNECTIONS}; {pinger.count} pings, "
                  f"slowest {pinger.slowest * 1000:.0f} ms")
        finally:
            for connection in idle:
                connection.close()
        wait.until(lambda: daemon.connections() < 20, "all of them closed", 60)
