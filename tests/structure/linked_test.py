#!/usr/bin/python3
"""trustctl starts in the time of a few system calls and lives where neither a log daemon nor
systemd is: it links neither spdlog nor libsystemd."""

import os
import re
import subprocess
import sys

FORBIDDEN = ("libspdlog", "libfmt", "libsystemd")


def main():
    program = os.environ["TRUSTCTL"]
    dynamic = subprocess.run(["readelf", "--dynamic", "--wide", program], check=True,
                             capture_output=True, text=True).stdout
    needed = re.findall(r"\(NEEDED\).*\[(.+)\]", dynamic)
    if not any(library.startswith("libcrypto.") for library in needed):
        print(f"{program}: expected libcrypto among what it links: {needed}")
        return 1
    wrong = [library for library in needed if library.startswith(FORBIDDEN)]
    for library in wrong:
        print(f"{program} links {library}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
