"""The binary interface of version 1 stays: abidiff against the stored dump.

test_abi.py --write stores what the library has now; within a version only to add to it.
"""

import pathlib
import platform
import shutil
import subprocess
import sys

import pytest

from library import BINARY, HEADER, SHARED, output

DUMP = pathlib.Path(__file__).with_name("libtrust.abi")
PUBLIC = ["--drop-private-types", "--exported-interfaces-only", "--no-show-locs"]
IS_RELEASE = "CMAKE_BUILD_TYPE:STRING=RelWithDebInfo" in (BINARY / "CMakeCache.txt").read_text()


def difference(dump):
    return subprocess.run(["abidiff", "--header-file2", str(HEADER), *PUBLIC, str(dump), str(SHARED)],
                          capture_output=True, text=True)


def usable():
    if not IS_RELEASE:
        pytest.skip("the release build alone has the types")
    if platform.machine() != "x86_64":
        pytest.skip("the stored dump is of x86_64")
    if shutil.which("abidiff") is None:
        pytest.skip("abidiff is not installed (abigail-tools)")


def test_nothing_changed():
    usable()
    done = difference(DUMP)
    assert done.returncode == 0, (done.stdout + done.stderr +
                                  "\nif nothing was removed or changed: tests/capi/test_abi.py --write")


def test_a_change_would_be_found(tmp_path):
    usable()
    text = DUMP.read_text()
    wider = text.replace("name='unsigned short int' size-in-bits='16'",
                         "name='unsigned short int' size-in-bits='32'")
    assert wider != text
    other = tmp_path / "other.abi"
    other.write_text(wider)
    assert difference(other).returncode != 0


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("usage: test_abi.py --write")
    DUMP.write_text(output("abidw", "--header-file", HEADER, *PUBLIC, "--drop-undefined-syms",
                           "--no-elf-needed", "--no-corpus-path", "--no-comp-dir-path", SHARED))
