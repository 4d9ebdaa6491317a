#!/usr/bin/python3
"""Runs clang-tidy over every file of a build: tidy.py BUILD-DIRECTORY; run from the root.

A file that was clean is not looked at again until it, a header of ours that it includes, its
command, the checks or clang-tidy itself change.
"""

import concurrent.futures
import functools
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

TIDY = "clang-tidy-16"
INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)
ROOT = Path.cwd()


@functools.cache
def content(path):
    return path.read_bytes()


def with_headers(path, seen):
    if path in seen or not path.is_file():
        return
    seen.add(path)
    for name in INCLUDE.findall(content(path)):
        for directory in (ROOT, path.parent):
            with_headers((directory / name.decode()).resolve(), seen)


def key_of(entry, common):
    files = set()
    with_headers(Path(entry["file"]), files)
    digest = hashlib.sha256(common + entry["command"].encode())
    for path in sorted(files):
        digest.update(b"%s %d\n" % (os.fsencode(path), len(content(path))) + content(path))
    return digest.hexdigest()


def tidy(build, path):
    done = subprocess.run([TIDY, "-p", str(build), "--quiet", path], check=False, text=True,
                          capture_output=True, stdin=subprocess.DEVNULL)
    return done.returncode == 0 and not done.stdout.strip(), done.stdout or done.stderr


def main(build):
    build = Path(build).resolve()
    cache = build / "tidy"
    cache.mkdir(exist_ok=True)
    common = subprocess.run([TIDY, "--version"], check=True, capture_output=True).stdout
    common += b"".join(content(path) for path in ((ROOT / ".clang-tidy", ROOT / "tests/.clang-tidy")))
    entries = {entry["file"]: entry
               for entry in json.loads((build / "compile_commands.json").read_text())}
    keys = {path: key_of(entry, common) for path, entry in entries.items()}
    due = [path for path, key in keys.items() if not (cache / key).exists()]
    print(f"{len(due)} of {len(keys)} files", file=sys.stderr, flush=True)

    clean = True
    told = set() # a header's faults are found again by each file that includes it
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = {pool.submit(tidy, build, path): path for path in due}
        for result in concurrent.futures.as_completed(results):
            path = results[result]
            passed, shown = result.result()
            if passed:
                (cache / keys[path]).touch()
            else:
                clean = False
                for fault in re.split(r"^(?=/\S+:\d+:\d+: )", shown, flags=re.MULTILINE):
                    if fault.strip() and fault not in told:
                        told.add(fault)
                        print(fault.rstrip(), flush=True)
    for old in cache.iterdir():
        if clean and old.name not in keys.values():
            old.unlink()
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
