#!/usr/bin/python3
"""Runs one test script as ctest wants it: run_python.py SCRIPT [ARGUMENT...]

A script named test_*.py is run by pytest, any other by itself. Nothing of the caller's
environment reaches it but what a login would set and the tests' own variables (TRUST*), so that
neither a bundle of the machine nor a store of the caller can decide a test. When everything was skipped the
status is 77; every reason is printed as a line "skipped: ...".
"""

import importlib.util
import os
import re
import subprocess
import sys

SKIPPED = 77
KEPT = ("HOME", "LANG", "LC_ALL", "LOGNAME", "TERM", "TMPDIR", "USER", "CI")
OF_THE_CALLER = ("TRUSTD_STORE", "TRUSTD_SOCKET")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def clean_environment():
    kept = {name: value for name, value in os.environ.items()
            if name in KEPT or (name.startswith("TRUST") and name not in OF_THE_CALLER)}
    kept.setdefault("HOME", "/")
    kept.setdefault("LANG", "C.UTF-8")
    kept["PATH"] = SYSTEM_PATH
    kept["PYTHONDONTWRITEBYTECODE"] = "1"
    kept["PYTHONUNBUFFERED"] = "1"
    return kept


def run_pytest(script, arguments):
    if importlib.util.find_spec("pytest") is None:
        print("skipped: python3-pytest is not installed")
        return SKIPPED
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", "-q",
               "--tb=short", "--color=no", script, *arguments]
    process = subprocess.Popen(command, env=clean_environment(), stdout=subprocess.PIPE,
                               text=True, errors="replace", stdin=subprocess.DEVNULL)
    passed = skipped = 0
    for line in process.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
        reason = re.match(r"SKIPPED \[\d+\] (\S+): (.*)", line)
        if reason:
            print(f"skipped: {os.path.basename(reason[1])}: {reason[2]}")
        if re.match(r"(=+ )?\d+ (passed|skipped|failed)", line):
            passed = int((re.search(r"(\d+) passed", line) or [0, 0])[1])
            skipped = int((re.search(r"(\d+) skipped", line) or [0, 0])[1])
    status = process.wait()
    return SKIPPED if status == 0 and skipped and not passed else status


def main(script, *arguments):
    if os.path.basename(script).startswith("test_"):
        return run_pytest(script, arguments)
    return subprocess.run([sys.executable, script, *arguments], env=clean_environment(),
                          stdin=subprocess.DEVNULL, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
