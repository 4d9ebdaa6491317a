"""A program with a terminal of its own."""

import fcntl
import os
import pty
import re
import select
import subprocess
import termios
import time


class Terminal:
    """What it shows is collected; what is typed goes to it as from a keyboard."""

    def __init__(self, *command, env, cwd):
        master, slave = pty.openpty()
        fcntl.ioctl(master, termios.TIOCSWINSZ, b"\x32\0\xc8\0\0\0\0\0")  # 50 rows, 200 columns

        def take():
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        self.process = subprocess.Popen(
            command, env={**env, "TERM": "xterm-256color"}, cwd=cwd, stdin=slave, stdout=slave,
            stderr=slave, preexec_fn=take)
        os.close(slave)
        self.master = master
        self.shown = b""

    def read_until(self, pattern, deadline_s=60):
        """Reads until all that was shown matches."""
        end = time.monotonic() + deadline_s
        while not re.search(pattern, self.shown):
            left = end - time.monotonic()
            assert left > 0 and select.select([self.master], [], [], left)[0], self.shown
            if not self._more():
                raise AssertionError(f"ended: {self.shown!r}")
        return self.shown

    def _more(self):
        try:
            data = os.read(self.master, 65536)
        except OSError:  # EIO: the other side is closed
            data = b""
        self.shown += data
        return data

    def type(self, text):
        os.write(self.master, text.encode())

    def end(self, deadline_s=60):
        """The exit status, all output read."""
        end = time.monotonic() + deadline_s
        while time.monotonic() < end:
            if select.select([self.master], [], [], 0.05)[0] and not self._more():
                break
        status = self.process.wait(max(end - time.monotonic(), 1))
        os.close(self.master)
        return status
