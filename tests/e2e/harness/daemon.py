"""The daemon as a process."""

import re
import signal
import subprocess
import threading

from harness import place as places
from harness import rest, wait

READY_S = 60


class Daemon:
    """Started by start() or `with`; its log is what it wrote on standard error."""

    def __init__(self, place, *arguments, prefix=(), env=None, pass_fds=()):
        self.place = place
        self.command = [*prefix, places.TRUSTD, *arguments]
        self.env = {**place.environment, **(env or {})}
        self.pass_fds = pass_fds
        self.process = None
        self.lines = []
        self.ended = False  # by us
        self.log_path = place.path("trustd.log")
        self.socket = place.socket
        for option, value in zip(arguments, arguments[1:]):
            if option == "--socket":
                self.socket = value

    def spawn(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command, env=self.env, cwd=self.place.home, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=log, pass_fds=self.pass_fds)
        self.lines = []
        self.ended = False
        threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True).start()
        return self

    def _read(self, stream):
        for line in stream:
            self.lines.append(line.decode(errors="backslashreplace").rstrip("\n"))

    def start(self):
        self.spawn()
        self.wait_ready()
        return self

    def wait_ready(self):
        def looks_ready():
            if self.process.poll() is not None:
                raise AssertionError(f"trustd ended with {self.process.returncode}:\n{self.log()}")
            return self.lines
        wait.until(looks_ready, "a ready line of trustd", READY_S)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="backslashreplace") as file:
            return file.read()

    @property
    def pid(self):
        return self.process.pid

    def rest(self, **options):
        return rest.Rest(self.socket, **options)

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.ended = True
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self, deadline_s=30):
        """Ends it as an administrator would; the exit status."""
        if self.process is None:
            return None
        self.ended = True
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"did not end on SIGTERM within {deadline_s} s:\n{self.log()}")

    def resident_kib(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        raise AssertionError("no VmRSS")

    def connections(self):
        """Those that it has open, as it counts them itself; the one that asks included."""
        return self._figure("trustd_connections")

    def requests_waiting(self):
        """For their answer, this one perhaps included: always, or never."""
        return self._figure("trustd_requests_waiting")

    def _figure(self, name):
        with self.rest() as client:
            found = re.search(rf"^{name} (\d+)", client.get("/metrics").body.decode(), re.M)
            return int(found[1])

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.stop()
        finally:
            self.kill()
