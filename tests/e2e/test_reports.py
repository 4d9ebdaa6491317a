"""Programs report pins that do not match: a claim, an event and a number; nothing else moves."""

import json
import os
import signal
import socket
import stat
import threading
import time

import pytest

from harness import library, mint, need, rest as rest_module, wait
from harness.daemon import Daemon


def report(host="dev.test", fingerprint="a" * 64, port=443, kind="pin_mismatch"):
    return json.dumps({"kind": kind, "host": host, "port": port, "fingerprint": fingerprint,
                       "pin": mint.self_signed("x").pin}).encode()


def socket_of(place):
    return os.path.join(os.path.dirname(place.socket), "report.sock")


def send(place, data, block=True):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(block)
        sender.connect(socket_of(place))
        sender.send(data)


def events_of(rest, kind="pin_mismatch_reported"):
    """Those that the daemon remembers, read with a stream that starts at the first."""
    found = []
    with rest_module.connect(rest.where) as connection:
        connection.sendall(b"GET /v1/events?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        connection.settimeout(0.3)
        data = b""
        while True:
            try:
                piece = connection.recv(65536)
            except TimeoutError:
                break
            if not piece:
                break
            data += piece
    for block in data.decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if lines.get("event") == kind:
            found.append(json.loads(lines["data"]))
    return found


def metric(rest, name):
    for line in rest.get("/metrics").body.decode().splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    raise AssertionError(f"no {name}")


def test_a_report_is_an_event_and_a_number_and_no_more(place, rest):
    before = rest.status()
    audit = rest.ok("GET", "/v1/audit")
    assert stat.S_IMODE(os.stat(socket_of(place)).st_mode) == 0o666
    send(place, report())
    wait.until(lambda: metric(rest, "trustd_reports_total") == 1, "the report to be counted")
    event, = wait.until(lambda: events_of(rest), "an event")
    assert event["claimed_by"] == f"uid {os.getuid()}" and event["uid"] == os.getuid()
    assert event["pid"] == os.getpid() and event["host"] == "dev.test" and event["port"] == 443
    assert event["fingerprint"] == "a" * 64 and event["count"] == 1
    after = rest.status()
    assert after["generation"] == before["generation"]
    assert after["audit_head"] == before["audit_head"]
    assert rest.ok("GET", "/v1/audit") == audit


def test_many_of_the_same_are_one_event(place, rest):
    data = report()
    for _ in range(50):
        send(place, data)
    wait.until(lambda: metric(rest, "trustd_reports_total") == 50, "all to be counted")
    assert len(events_of(rest)) == 1 and metric(rest, "trustd_reported") == 1


def test_what_is_no_report(place, rest):
    bad = [b"", b"{", b"null", b"\xff" * 100, b"[" * 4096, report() + b" " * 4096,
           report(host="127.1"), report(fingerprint="zz"), report(kind="trust_me"),
           report(port=-1), report(port=70000), b'{"kind": "pin_mismatch"}']
    for data in bad:
        send(place, data)
    wait.until(lambda: metric(rest, "trustd_reports_refused_total") == len(bad), "all to be refused")
    assert metric(rest, "trustd_reports_total") == 0 and not events_of(rest)


def test_another_user_may_report_and_is_named(place):
    need.root()
    os.chmod(place.runtime, 0o755)
    with Daemon(place) as daemon, daemon.rest() as rest:
        sent = place.exec("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                          "/usr/bin/python3", "-c",
                          "import socket, sys\n"
                          "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
                          "s.sendto(sys.stdin.buffer.read(), sys.argv[1])", socket_of(place),
                          stdin=report(), cwd="/")
        assert sent.status == 0, str(sent)
        event, = wait.until(lambda: events_of(rest), "an event")
        assert event["claimed_by"] == "uid 65534"


def test_a_flood_of_different_ones_is_bounded(place, daemon, rest):
    """Nothing that floods can grow the daemon, fill its database, or keep it from answering."""
    before = daemon.resident_kib()
    over = threading.Event()

    def flood():
        number = 0
        while not over.is_set():
            number += 1
            try:
                send(place, report(f"host-{number}.test"), block=False)
            except BlockingIOError:
                pass
    threads = [threading.Thread(target=flood) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        worst = 0.0
        wait.until(lambda: metric(rest, "trustd_reports_total") > 1000, "a thousand", 60)
        for _ in range(20):
            begun = time.monotonic()
            rest.status()
            worst = max(worst, time.monotonic() - begun)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert worst < 5, worst
    assert metric(rest, "trustd_reported") <= 128
    assert len(events_of(rest)) <= 10 * 2  # of one uid, in a minute; a second one may have begun
    assert daemon.resident_kib() - before < 16 * 1024
    assert rest.add(mint.self_signed("one.test"))["generation"]


def test_who_may_only_read_hears_nothing_of_it(place):
    need.root()
    os.chmod(place.runtime, 0o755)
    place.configure(listen={"socket_mode": "0666"})
    with Daemon(place) as daemon, daemon.rest() as rest:
        send(place, report())
        wait.until(lambda: events_of(rest), "an event")
        heard = place.exec("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "curl",
                           "-sS", "--max-time", "1", "--unix-socket", daemon.socket,
                           "http://localhost/v1/events?after=0", cwd="/")
        assert "pin_mismatch_reported" not in heard.out and "generation" in heard.out, str(heard)


def test_it_is_there_again_after_a_restart_and_gone_after_a_stop(place):
    with Daemon(place) as daemon:
        send(place, report())
        daemon.signal(signal.SIGKILL)
        daemon.process.wait()
        assert os.path.exists(socket_of(place))
        with pytest.raises(ConnectionRefusedError):
            send(place, report())
        daemon.start()
        send(place, report("other.test"))
        with daemon.rest() as rest:
            wait.until(lambda: metric(rest, "trustd_reports_total") == 1, "the report")
        daemon.stop()
        assert not os.path.exists(socket_of(place))


def test_what_stands_in_its_place_is_left_alone(place):
    os.makedirs(os.path.dirname(place.socket), mode=0o755)
    with open(socket_of(place), "w", encoding="ascii") as file:
        file.write("mine")
    with Daemon(place) as daemon, daemon.rest() as rest:
        rest.status()
        assert "no program can report" in daemon.log()
    with open(socket_of(place), encoding="ascii") as file:
        assert file.read() == "mine"


def test_the_c_library_reports_what_it_refuses(place, rest):
    of_c = library.load()
    server = mint.self_signed("dev.test")
    rest.add(server, label="dev", trust="leaf")
    rest.ok("POST", "/v1/pins", {"pattern": "dev.test", "pins": [mint.self_signed("x").pin]})
    # the library finds the daemon's socket by the environment of this very process
    before = {key: os.environ.get(key) for key in place.environment}
    os.environ.update(place.environment)
    try:
        answer = of_c.verify(place.public, "dev.test", 443, server.pem)
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value
    assert answer["code"] == "pin_mismatch", answer
    event, = wait.until(lambda: events_of(rest), "an event")
    assert event["host"] == "dev.test" and event["fingerprint"] == server.fingerprint
    assert event["pin"] == server.pin
