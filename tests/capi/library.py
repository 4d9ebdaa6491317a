"""Where the library under test is, and how things are built against it."""

import os
import pathlib
import re
import subprocess
import sys

SOURCE = pathlib.Path(os.environ.get("TRUST_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
BINARY = pathlib.Path(os.environ.get("TRUST_BINARY_DIR", SOURCE / "build/release"))
HEADER = SOURCE / "capi/trust.h"
SHARED = BINARY / "capi/libtrust.so"
STATIC = BINARY / "capi/static/libtrust.so"
SANITIZED = "-fsanitize" in (BINARY / "CMakeCache.txt").read_text()


def output(*words, **options):
    """What a program prints; its standard error is shown if it fails."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{words[0]}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def without_comments(text):
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def declared():
    """The functions that trust.h declares, as the compiler is shown them."""
    text = without_comments(HEADER.read_text())
    return sorted(re.findall(r"\bTRUST_API\b[^;#]*?\b(trust_\w+)\(", text))


def exported(library):
    """Every dynamic symbol that the library defines, without its version."""
    return sorted(line.split()[-1] for line in
                  output("nm", "-D", "--defined-only", "--without-symbol-versions",
                         library).splitlines() if " A " not in line)


def needed(library):
    return re.findall(r"\(NEEDED\).*\[(.+)\]", output("readelf", "-dW", library))


if __name__ == "__main__":
    print("\n".join(declared()))
    sys.exit(0)
