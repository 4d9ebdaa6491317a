"""Waits until a thread of this process sleeps in poll(), as a read does that has nothing to read."""

import contextlib
import glob
import platform
import time

NUMBERS = {"x86_64": {"7", "271"}, "aarch64": {"73"}}[platform.machine()]  # poll, ppoll


def wait(deadline_s=10.0):
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        for path in glob.glob("/proc/self/task/*/syscall"):
            with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
                if file.read().split()[0] in NUMBERS:
                    return
        time.sleep(0)
    raise TimeoutError("no thread of this process waits in poll()")
