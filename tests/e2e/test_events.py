"""The stream of events, resumed with nothing lost."""

import json
import select
import subprocess
import time

from harness import mint, place as places, rest as rest_module, wait
from harness.daemon import Daemon


class Events:
    """An open /v1/events; events() are those that came so far."""

    def __init__(self, daemon, last=None):
        self.connection = rest_module.connect(daemon.socket, 60)
        last = f"Last-Event-ID: {last}\r\n" if last is not None else ""
        self.connection.sendall(f"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n"
                                f"Accept: text/event-stream\r\n{last}\r\n".encode())
        self.head = rest_module.read_answer(self.connection, head_only=True)
        assert self.head.status == 200 and self.head.type == "text/event-stream", self.head
        self.chunked = "chunked" in self.head.headers.get("transfer-encoding", "")
        self.data = b""

    def _text(self):
        if not self.chunked:
            return self.data
        text, rest = b"", self.data
        while b"\r\n" in rest:
            size, _, rest = rest.partition(b"\r\n")
            length = int(size, 16)
            if len(rest) < length + 2:
                break
            text += rest[:length]
            rest = rest[length + 2:]
        return text

    def events(self):
        found = []
        for block in self._text().decode().split("\n\n")[:-1]:
            fields = {}
            for line in block.split("\n"):
                if not line.startswith(":"):
                    key, _, value = line.partition(":")
                    fields[key] = value.removeprefix(" ")
            if "data" in fields:
                found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
        return found

    def until(self, count, deadline_s=60):
        end = time.monotonic() + deadline_s
        while len(self.events()) < count:
            self.connection.settimeout(max(end - time.monotonic(), 0.001))
            piece = self.connection.recv(65536)
            assert piece, f"ended after {self.events()}"
            self.data += piece
        return self.events()

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def test_each_change_is_an_event(daemon, rest):
    with Events(daemon) as events:
        generations = [rest.add(mint.self_signed(f"host-{n}.test"))["generation"] for n in range(5)]
        seen = events.until(5)[:5]
        assert [data["generation"] for _, _, data in seen] == generations
        assert {kind for _, kind, _ in seen} == {"generation"}
        assert all(number == data["number"] for number, _, data in seen)
        assert [number for number, _, _ in seen] == sorted(number for number, _, _ in seen)


def test_resumed_with_nothing_lost(place):
    with Daemon(place) as daemon:
        with daemon.rest() as rest:
            with Events(daemon) as events:
                rest.add(mint.self_signed("first.test"))
                last = events.until(1)[-1][0]
            missed = [rest.add(mint.self_signed(f"host-{n}.test"))["generation"] for n in range(20)]
            with Events(daemon, last) as events:
                assert [d["generation"] for _, _, d in events.until(20)][:20] == missed
        daemon.kill()
        daemon.start()  # nor over a restart
        with Events(daemon, last) as events:
            assert [d["generation"] for _, _, d in events.until(20)][:20] == missed


def test_a_reader_who_takes_nothing_does_not_stop_the_others(daemon, rest):
    stalled = [Events(daemon) for _ in range(5)]
    with Events(daemon) as events:
        for n in range(50):
            rest.add(mint.self_signed(f"host-{n}.test"))
        events.until(50)
    for one in stalled:
        one.close()


def test_wrong_ids(rest):
    for wrong in ("x", "-1", "1.5", "9" * 40):
        answer = rest.get("/v1/events", headers={"Last-Event-ID": wrong})
        assert answer.status == 400, f"{wrong}: {answer}"


def test_the_command_follows(place, daemon, rest):
    process = subprocess.Popen([places.TRUSTCTL, "--json", "events", "--follow"],
                               env=place.environment, stdout=subprocess.PIPE,
                               stdin=subprocess.DEVNULL)
    try:
        made, seen = [], []

        def follows():  # it may subscribe after the first change, and shows what was before too
            made.append(rest.add(mint.self_signed(f"h{len(made)}.test"))["generation"])
            while select.select([process.stdout], [], [], 0.2)[0]:
                seen.append(json.loads(process.stdout.readline())["generation"])
            return set(made) & set(seen)
        wait.until(follows, "the first change on events --follow", 60)
        assert seen == sorted(seen)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
