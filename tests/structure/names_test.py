#!/usr/bin/python3
"""No two types of one program have the same name: the linker would take one for the other.

Every header of a folder and of those that it may use is looked at; what stands in a .cc file is in
a namespace without a name there.
"""

import os
import pathlib
import re
import sys

PROGRAMS = {"trustd": ("libtrust", "daemon"), "trustctl": ("libtrust", "cli"),
            "libtrust.so": ("libtrust", "capi")}
TYPE = re.compile(r"^(?:struct|class|enum class|union) (\w+)(?: final)?(?: :.*)? ?\{", re.MULTILINE)
ALIAS = re.compile(r"^using (\w+) =", re.MULTILINE)


def types_of(text):
    return set(TYPE.findall(text)) | set(ALIAS.findall(text))


def doubles(files):
    """`files`: name to text. A line for each name that two of them define."""
    seen, faults = {}, []
    for name, text in sorted(files.items()):
        for one in sorted(types_of(text)):
            if one in seen:
                faults.append(f"{one} is defined in {seen[one]} and in {name}")
            seen[one] = name
    return faults


def self_test():
    assert types_of("struct A {\nclass B final : public A {\nclass C;\n  struct D {\nusing E = int;") \
        == {"A", "B", "E"}
    assert doubles({"a.h": "struct A {", "b.h": "class A {"})
    assert not doubles({"a.h": "struct A {", "b.h": "class A;"})


def main():
    self_test()
    root = pathlib.Path(os.environ.get("TRUST_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
    faults, count = [], 0
    for program, folders in PROGRAMS.items():
        files = {str(path.relative_to(root)): path.read_text(encoding="utf-8")
                 for folder in folders for path in (root / folder).rglob("*.h")
                 if "bindings" not in path.parts}
        count += len(files)
        faults += [f"{program}: {fault}" for fault in doubles(files)]
    for fault in faults:
        print(fault)
    print(f"{count} headers, {len(faults)} names of two types")
    return 1 if faults or not count else 0


if __name__ == "__main__":
    sys.exit(main())
