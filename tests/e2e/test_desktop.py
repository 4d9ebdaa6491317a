"""Notifications over a real session bus, and what happens when there is none."""

import json
import os
import re
import subprocess

import pytest

from harness import mint, need, wait
from harness.daemon import Daemon
from harness.servers import PROGRAMS
from test_expiry import alerts
from test_sinks import sink, soon


class Desktop:
    """A session bus with a service that records notifications."""

    def __init__(self, place):
        self.place = place
        self.path = place.path("bus")
        self.record = place.path("notifications")
        self.address = "unix:path=" + self.path
        self.bus = subprocess.Popen(
            [need.program("dbus-daemon"), "--session", "--nofork", "--nopidfile",
             "--address=" + self.address], env=place.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait.until(lambda: os.path.exists(self.path), "the session bus")
        self.service = None

    def serve(self):
        self.service = subprocess.Popen(
            ["/usr/bin/python3", os.path.join(PROGRAMS, "notifications.py"), self.record],
            env={**self.place.environment, "DBUS_SESSION_BUS_ADDRESS": self.address},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self.service.stdout.readline() == b"ready\n"

    def notifications(self):
        if not os.path.exists(self.record):
            return []
        with open(self.record, encoding="utf-8") as file:
            return [json.loads(line) for line in file.read().splitlines()]

    def close(self):
        for process in (self.service, self.bus):
            if process is not None:
                process.kill()
                process.wait()
        if self.service is not None:
            self.service.stdout.close()


@pytest.fixture
def desktop(place):
    need.modules("dbus", "gi")
    it = Desktop(place)
    yield it
    it.close()


def daemon_on(place, desktop):
    place.add_table("sink", name="screen", type="desktop")
    return Daemon(place, env={"DBUS_SESSION_BUS_ADDRESS": desktop.address})


def test_an_alert_is_shown_and_what_comes_of_it_takes_its_place(place, desktop):
    desktop.serve()
    with daemon_on(place, desktop) as daemon, daemon.rest() as rest:
        place.done("alerts", "test", "screen")
        assert len(desktop.notifications()) == 1
        rest.add(soon(days=0.5), label="dev")
        wait.until(lambda: len(desktop.notifications()) == 2, "the notification", 60)
        test, shown = desktop.notifications()
        alert = alerts(rest)[0]
        assert shown["program"] == "trustd" and shown["title"] == "trustd: dev"
        assert alert["summary"] in shown["body"]
        assert shown["urgency"] == 2 and shown["lasts_ms"] == 0, "critical ones stay"
        assert "dev.test" in shown["body"] and shown["number"] != test["number"]
        place.done("rm", "dev")
        wait.until(lambda: len(desktop.notifications()) == 3, "the resolution", 60)
        resolved = desktop.notifications()[2]
        assert resolved["replaces"] == shown["number"] and "resolved: " in resolved["body"]
        assert resolved["urgency"] < 2 and resolved["lasts_ms"] == -1


def test_text_from_a_certificate_is_no_markup(place, desktop):
    desktop.serve()
    marked = mint.mint("<a href='x'>&\u202e", names=("dev.test",),
                       not_before=mint.now() - 60 * mint.DAY, not_after=mint.now() + 5 * mint.DAY)
    with daemon_on(place, desktop) as daemon, daemon.rest() as rest:
        rest.add(marked, label="dev")
        wait.until(desktop.notifications, "the notification", 60)
    shown = desktop.notifications()[0]
    assert "<" not in shown["body"] and "\u202e" not in shown["title"] + shown["body"]


def test_many_at_once_are_one_notification(place, desktop):
    desktop.serve()
    ending = [soon(f"h{number}.test") for number in range(30)]
    with daemon_on(place, desktop) as daemon, daemon.rest() as rest:
        rest.ok("POST", "/v1/certificates", b"".join(one.pem.encode() for one in ending),
                headers={"Content-Type": "application/x-pem-file"})
        wait.until(lambda: len(alerts(rest)) == 30, "all alerts", 60)

        def told():
            return sum(int(re.search(r"(\d+) alerts", one["title"])[1])
                       for one in desktop.notifications())
        wait.until(lambda: told() == 30, "all to be told", 60)
    assert len(desktop.notifications()) <= 2, "what came while the first was shown is the second"


def test_what_could_not_be_shown_is_shown_when_there_is_somebody_to_show_it(place, desktop):
    with daemon_on(place, desktop) as daemon, daemon.rest() as rest:
        result = place.ctl("alerts", "test", "screen")
        assert result.status != 0 and "org.freedesktop.Notifications" in result.err, str(result)
        rest.add(soon(), label="dev")
        wait.until(lambda: sink(rest, "screen")["failing"], "a failure", 60)
        desktop.serve()
        place.done("alerts", "test", "screen")
        wait.until(lambda: len(desktop.notifications()) == 2, "what waited", 60)
        assert alerts(rest, kind="expiring")[0]["summary"] in desktop.notifications()[1]["body"]


def test_the_machines_daemon_has_no_desktop(place, desktop):
    config = place.add_table("sink", name="screen", type="desktop")
    result = place.exec("trustd", "--system", "--state", place.path("state"),
                        "--socket", place.path("s"), "--config", config)
    assert result.status != 0 and "desktop" in result.err, str(result)
