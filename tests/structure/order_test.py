#!/usr/bin/python3
"""The arrows between files run one way.

order_test.py [ROOT]: reads the order of sources in each folder's CMakeLists.txt and every
#include, and names each include that runs backwards, crosses folders where no arrow is, or
brings a wide library into more files than it may. A header stands where its .cc stands unless it
is listed itself.
"""

import os
import re
import sys
import unittest
from pathlib import Path

FOLDERS = ("libtrust", "capi", "daemon", "cli")
ARROWS = {("cli", "libtrust"), ("capi", "libtrust"), ("daemon", "libtrust")}
SOURCES = (".cc", ".c", ".h")

# Header, and in which folders one .cc may include it.
ONE_FILE_EACH = {
    "CLI11": (re.compile(r"CLI/"), ("daemon", "cli")),
    "toml++": (re.compile(r"toml\+\+/|toml\.hpp"), ("daemon",)),
    "cpp-httplib": (re.compile(r"httplib\.h"), ("daemon",)),
    "http-parser": (re.compile(r"http_parser\.h"), ("daemon", "cli")),
}
# The daemon reads requests with it, and the answers of webhooks.
MOST_FILES = {("http-parser", "daemon"): 2}
# Header, and in which folders it may appear at all.
FOLDERS_OF = {
    "spdlog": (re.compile(r"spdlog/|fmt/"), ("daemon",)),
    "libsystemd": (re.compile(r"systemd/"), ("daemon",)),
}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)


def listed_sources(folder):
    """The sources that the folder's CMakeLists.txt names, in order."""
    text = re.sub(r"#[^\n]*", "", (folder / "CMakeLists.txt").read_text())
    names = (name.replace("${CMAKE_CURRENT_SOURCE_DIR}/", "")
             for name in re.findall(r'[^\s()"]+', text))
    return list(dict.fromkeys(name for name in names
                              if name.endswith(SOURCES) and "*" not in name and "$" not in name))


def positions(folder):
    """Where each file of the folder stands; a header that is not listed, where its .cc does."""
    listed = {name: place for place, name in enumerate(listed_sources(folder))}
    beside = {str(Path(name).with_suffix(".h")): place for name, place in listed.items()
              if not name.endswith(".h")}
    return {**beside, **listed}


def includes(text):
    """(line, quoted or None, angled or None) of each #include."""
    text = re.sub(r"/\*.*?\*/", lambda comment: "\n" * comment[0].count("\n"), text, flags=re.DOTALL)
    return [(text.count("\n", 0, found.start()) + 1, found[1], found[2])
            for found in INCLUDE.finditer(text)]


def check(root):
    root = Path(root)
    folders = [name for name in FOLDERS if (root / name / "CMakeLists.txt").exists()]
    order = {name: positions(root / name) for name in folders}
    faults = []
    users = {}

    for folder in folders:
        for name in listed_sources(root / folder):
            if not (root / folder / name).exists():
                faults.append(f"{folder}/CMakeLists.txt: {name} does not exist")
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in SOURCES:
                continue
            inside = path.relative_to(root / folder)
            if folder == "capi" and inside.parts[0] == "bindings":
                continue # other languages, built by tools of their own
            here = order[folder].get(str(inside))
            shown = f"{folder}/{inside}"
            if here is None:
                faults.append(f"{shown}: not listed in {folder}/CMakeLists.txt")
                continue
            for line, quoted, angled in includes(path.read_text(errors="replace")):
                where = f"{shown}:{line}"
                if quoted:
                    faults += quoted_faults(root, order, folder, here, shown, where, quoted)
                faults += wide_faults(folder, path, where, quoted or angled, users)

    for (library, folder), files in sorted(users.items()):
        if len(files) > MOST_FILES.get((library, folder), 1):
            faults.append(f"{library} is included by more than one file of {folder}: "
                          + ", ".join(sorted(files)))
    return faults


def quoted_faults(root, order, folder, here, shown, where, quoted):
    target, _, rest = quoted.partition("/")
    if target not in FOLDERS:
        return [f'{where}: "{quoted}" is not named from the root of the tree']
    if not (root / quoted).exists():
        return [f'{where}: "{quoted}" does not exist']
    if target != folder:
        if (folder, target) not in ARROWS:
            return [f"{where}: no arrow goes from {folder} to {target} (\"{quoted}\")"]
        return []
    there = order[folder].get(rest)
    if there is None or there < here:
        return [] # one that is not listed is named by itself
    if there == here:
        return [] if shown != quoted else [f"{where}: includes itself"]
    return [f'{where}: runs backwards: "{quoted}" stands later in {folder}/CMakeLists.txt']


def wide_faults(folder, path, where, header, users):
    faults = []
    if path.suffix == ".h" and re.match(r"nlohmann/json\.hpp", header):
        faults.append(f"{where}: headers include <nlohmann/json_fwd.hpp> only")
    for library, (pattern, allowed) in ONE_FILE_EACH.items():
        if not pattern.match(header):
            continue
        if folder not in allowed:
            faults.append(f"{where}: {library} is not for {folder}")
        elif path.suffix == ".h":
            faults.append(f"{where}: {library} is included by a header")
        else:
            users.setdefault((library, folder), set()).add(where.rpartition(":")[0])
    for library, (pattern, allowed) in FOLDERS_OF.items():
        if pattern.match(header) and folder not in allowed:
            faults.append(f"{where}: {library} is not for {folder}")
    return faults


class ATreeWithFaults(unittest.TestCase):
    """Each fault is found, and a tree without any passes."""

    def setUp(self):
        import tempfile
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name)
        self.write("libtrust/CMakeLists.txt",
                   "add_library(core STATIC # first.cc comes last\n"
                   "  handles.h first.cc\n  second.cc emit/third.cc)")
        self.write("libtrust/handles.h", "#pragma once")
        self.write("libtrust/first.h", '#include "libtrust/handles.h"')
        self.write("libtrust/first.cc", '#include "libtrust/first.h"\n#include <vector>')
        self.write("libtrust/second.h", "#include <nlohmann/json_fwd.hpp>")
        self.write("libtrust/second.cc", '#include "libtrust/second.h"\n#include "libtrust/first.h"')
        self.write("libtrust/emit/third.h", '#include "libtrust/second.h"')
        self.write("libtrust/emit/third.cc", '#include "libtrust/emit/third.h"')
        self.write("daemon/CMakeLists.txt", "add_library(d STATIC config.cc http.cc)\n"
                   "add_executable(trustd main.cc)")
        self.write("daemon/config.cc", "#include <toml++/toml.h>\n#include <spdlog/spdlog.h>")
        self.write("daemon/http.cc", "#include <httplib.h>")
        self.write("daemon/main.cc", '#include <CLI/CLI.hpp>\n#include "libtrust/emit/third.h"')
        self.write("cli/CMakeLists.txt", "add_executable(trustctl client.cc main.cc)")
        self.write("cli/client.cc", "#include <http_parser.h>")
        self.write("cli/client.h", "")
        self.write("cli/main.cc", '#include "cli/client.h"\n#include <CLI/CLI.hpp>')

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")

    def finds(self, *parts):
        faults = check(self.root)
        self.assertEqual(len(faults), 1, faults)
        for part in parts:
            self.assertIn(part, faults[0])

    def test_none(self):
        self.assertEqual(check(self.root), [])

    def test_include_that_runs_backwards(self):
        self.write("libtrust/first.cc", '\n  #  include "libtrust/second.h"')
        self.finds("libtrust/first.cc:2", "runs backwards", "libtrust/second.h")

    def test_include_that_runs_backwards_into_a_subfolder(self):
        self.write("libtrust/second.h", '#include "libtrust/emit/third.h"')
        self.finds("libtrust/second.h:1", "runs backwards")

    def test_header_only_file_includes_a_later_one(self):
        self.write("libtrust/handles.h", '#include "libtrust/first.h"')
        self.finds("libtrust/handles.h:1", "runs backwards")

    def test_header_that_is_listed_itself_stands_there(self):
        self.write("libtrust/impl.h", '#include "libtrust/second.h"')
        self.write("libtrust/second.cc", '#include "libtrust/impl.h"')
        for order, faults in (("second.h impl.h second.cc", 0), ("impl.h second.cc", 1)):
            self.write("libtrust/CMakeLists.txt", f"handles.h first.cc {order} emit/third.cc")
            self.assertEqual(len(check(self.root)), faults)

    def test_header_that_includes_itself(self):
        self.write("libtrust/first.h", '#include "libtrust/first.h"')
        self.finds("includes itself")

    def test_include_in_a_comment_does_not_count(self):
        self.write("libtrust/first.cc", '/*\n#include "libtrust/second.h"\n*/\n'
                   '// #include "libtrust/second.h"')
        self.assertEqual(check(self.root), [])

    def test_core_includes_the_daemon(self):
        self.write("daemon/http.h", "")
        self.write("libtrust/second.cc", '#include "daemon/http.h"')
        self.finds("libtrust/second.cc:1", "no arrow goes from libtrust to daemon")

    def test_command_line_includes_the_daemon(self):
        self.write("daemon/http.h", "")
        self.write("cli/main.cc", '#include "daemon/http.h"')
        self.finds("no arrow goes from cli to daemon")

    def test_file_that_is_not_listed(self):
        self.write("libtrust/stray.h", "")
        self.finds("libtrust/stray.h: not listed")

    def test_listed_file_that_is_not_there(self):
        (self.root / "daemon/http.cc").unlink()
        self.finds("daemon/CMakeLists.txt: http.cc does not exist")

    def test_include_that_does_not_exist(self):
        self.write("libtrust/second.cc", '#include "libtrust/nothing.h"')
        self.finds('"libtrust/nothing.h" does not exist')

    def test_include_that_is_not_named_from_the_root(self):
        self.write("libtrust/second.cc", '#include "first.h"')
        self.finds("not named from the root")

    def test_wide_library_in_two_files(self):
        self.write("cli/client.cc", "#include <http_parser.h>\n#include <CLI/App.hpp>")
        self.finds("CLI11", "more than one file of cli", "cli/client.cc, cli/main.cc")

    def test_wide_library_in_a_header(self):
        self.write("cli/client.h", "#include <http_parser.h>")
        self.finds("http-parser is included by a header")

    def test_wide_library_in_the_core(self):
        self.write("libtrust/second.cc", "#include <toml++/toml.h>")
        self.finds("toml++ is not for libtrust")

    def test_logging_in_the_command_line(self):
        self.write("cli/client.cc", "#include <spdlog/spdlog.h>")
        self.finds("spdlog is not for cli")

    def test_whole_json_in_a_header(self):
        self.write("libtrust/second.h", "#include <nlohmann/json.hpp>")
        self.finds("json_fwd.hpp> only")


def main():
    if not unittest.main(argv=sys.argv[:1], exit=False, verbosity=0).result.wasSuccessful():
        return 1
    root = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("TRUST_SOURCE_DIR", ".")
    faults = check(root)
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
