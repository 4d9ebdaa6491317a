"""Alerts in the systemd journal: what goes to its socket, in its own format."""

import os
import socket
import struct
import threading

import pytest

from harness import mint, need, wait
from harness.daemon import Daemon
from test_expiry import alerts
from test_sinks import soon

MESSAGE_ID = "d7d1f0f0c7f84f4fb6b8d2b0a0c35c9e"


def entry_of(data):
    """One entry of systemd's native protocol: NAME=value lines, or NAME, a length and the value."""
    found = {}
    while data:
        line, _, rest = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            length, = struct.unpack("<Q", rest[:8])
            value, data = rest[8:8 + length], rest[8 + length:]
            assert data[:1] == b"\n"
            data = data[1:]
        else:
            data = rest
        found.setdefault(name.decode(), []).append(value.decode())
    return found


class Journal:
    """In place of journald; `prefix` starts a program that finds it where journald would be."""

    def __init__(self, place):
        directory = place.make("journal", 0o777)
        self.lock = threading.Lock()
        self.seen = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(os.path.join(directory, "socket"))
        os.chmod(os.path.join(directory, "socket"), 0o777)
        self.prefix = [*need.namespaces(), "sh", "-c",
                       "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && "
                       f"mount --bind {directory} /run/systemd/journal && exec \"$@\"", "sh"]
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(self.socket, 1 << 20, 1)
            except OSError:
                return
            for descriptor in descriptors:  # what is too long for a datagram comes as a file
                with os.fdopen(descriptor, "rb") as file:
                    file.seek(0)
                    data = file.read()
            with self.lock:
                self.seen.append(entry_of(data))

    def entries(self):
        with self.lock:
            return [entry for entry in self.seen if entry.get("MESSAGE_ID") == [MESSAGE_ID]]

    def close(self):
        self.socket.close()


@pytest.fixture
def journal(place):
    it = Journal(place)
    yield it
    it.close()


def test_each_alert_is_an_entry_with_fields_to_search_by(place, journal):
    """Without any sink in trustd.toml the journal is the one."""
    with Daemon(place, prefix=journal.prefix) as daemon, daemon.rest() as rest:
        rest.add(soon("dev.test", days=0.5), label="dev")
        entry = wait.until(journal.entries, "the entry", 60)[0]
        alert = alerts(rest)[0]
        assert entry["MESSAGE"] == [alert["summary"]] and entry["PRIORITY"] == ["2"]
        assert entry["SYSLOG_IDENTIFIER"] == ["trustd"]
        assert {name: value for name, value in entry.items() if name.startswith("TRUSTD_")} == {
            "TRUSTD_ALERT": [str(alert["id"])], "TRUSTD_NOTICE": ["1"],
            "TRUSTD_DELIVERY": entry["TRUSTD_DELIVERY"], "TRUSTD_WHAT": ["raised"],
            "TRUSTD_KIND": ["expiring"], "TRUSTD_SEVERITY": ["critical"],
            "TRUSTD_TARGET": ["dev"], "TRUSTD_TEST": ["0"],
            "TRUSTD_FINGERPRINT": [alert["fingerprint"]], "TRUSTD_THRESHOLD": ["1d"],
            "TRUSTD_ENDS_AT": [alert["ends_at"]], "TRUSTD_HINT": [alert["hint"]],
            "TRUSTD_LABEL": ["dev"], "TRUSTD_HOST": ["dev.test"],
            "TRUSTD_FILE": alert["files"]}
        place.done("rm", "dev")
        wait.until(lambda: len(journal.entries()) == 2, "the resolution", 60)
        resolved = journal.entries()[1]
        assert resolved["TRUSTD_WHAT"] == ["resolved"] and resolved["PRIORITY"] == ["6"]
        assert resolved["MESSAGE"][0].startswith("resolved: ")
        place.done("alerts", "test", "journal")
        wait.until(lambda: len(journal.entries()) == 3, "the test", 60)
        assert journal.entries()[2]["TRUSTD_TEST"] == ["1"]


def test_no_text_of_a_certificate_makes_a_field_of_its_own(place, journal):
    lines = mint.mint("x\nTRUSTD_KIND=none\nPRIORITY=7", names=("dev.test",),
                      not_before=mint.now() - 60 * mint.DAY, not_after=mint.now() + 5 * mint.DAY)
    with Daemon(place, prefix=journal.prefix) as daemon, daemon.rest() as rest:
        rest.add(lines, label="dev")
        entry = wait.until(journal.entries, "the entry", 60)[0]
    assert entry["TRUSTD_KIND"] == ["expiring"] and entry["PRIORITY"] == ["4"]


def test_many_alerts_are_all_there(place, journal):
    ending = [soon(f"h{number}.test") for number in range(120)]
    with Daemon(place, prefix=journal.prefix) as daemon, daemon.rest() as rest:
        rest.ok("POST", "/v1/certificates", b"".join(one.pem.encode() for one in ending),
                headers={"Content-Type": "application/x-pem-file"})
        wait.until(lambda: len(journal.entries()) == 120, "all entries", 60)
    numbers = [int(entry["TRUSTD_NOTICE"][0]) for entry in journal.entries()]
    assert numbers == list(range(1, 121))


def test_without_a_journal_they_are_lines_of_the_log(place, journal):
    journal.close()
    os.unlink(place.path("journal/socket"))
    with Daemon(place, prefix=journal.prefix) as daemon, daemon.rest() as rest:
        rest.add(soon(), label="dev")
        alert = wait.until(lambda: alerts(rest), "the alert")[0]
        wait.until(lambda: f"alert {alert['id']}: {alert['summary']}" in daemon.log(), "the line")
