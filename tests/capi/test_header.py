"""trust.h alone compiles as every C and C++ that a program may be written in, without a warning."""

import re
import shutil

import pytest

from library import HEADER, SHARED, SOURCE, output

WARNINGS = {
    "gcc": ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wstrict-prototypes",
            "-Wundef", "-Wcast-qual", "-Wc++-compat"],
    "g++": ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wundef", "-Wcast-qual",
            "-Wold-style-cast", "-Wzero-as-null-pointer-constant"],
    "clang-16": ["-Weverything"],
    "clang++-16": ["-Weverything"],
}


@pytest.mark.parametrize("compiler, standard", [
    (compiler, standard)
    for compiler in WARNINGS
    for standard in (["c++20"] if "++" in compiler else ["c99", "c11", "c17"])])
def test_compiles_alone(compiler, standard, tmp_path):
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    language = "c++" if "++" in compiler else "c"
    source = tmp_path / "alone.c"
    # Twice: the guard works, and nothing else was included before.
    source.write_text("#include <trust.h>\n#include <trust.h>\n")
    output(compiler, f"-std={standard}", "-x", language, *WARNINGS[compiler], "-Werror",
           "-pedantic-errors", "-fsyntax-only", f"-I{HEADER.parent}", source)


def test_a_fault_would_be_found(tmp_path):
    source = tmp_path / "fault.c"
    source.write_text("#include <trust.h>\nint f(trust_store *s) { trust_store_refresh(s, NULL); "
                      "return 0; }\n")
    with pytest.raises(AssertionError, match="warn_unused_result|ignoring return value"):
        output("gcc", "-std=c11", "-Wall", "-Werror", "-c", "-o", "/dev/null",
               f"-I{HEADER.parent}", source)


def test_the_quick_start_compiles(tmp_path):
    start = re.search(r"Quick start:\n \*\n(.*?)\n \*\n", HEADER.read_text(), re.S)[1]
    body = "\n".join(re.sub(r"^ \* {5}", "", line) for line in start.splitlines())
    assert "trust_connect(" in body
    source = tmp_path / "start.c"
    source.write_text("#include <stdio.h>\n#include <trust.h>\nint main(void) {\n" + body +
                      "\n  return 0;\n}\n")
    output("gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", f"-I{HEADER.parent}", source, "-o",
           tmp_path / "start", SHARED)


def test_the_document_compiles(tmp_path):
    programs = re.findall(r"```c\n(.*?)```", (SOURCE / "docs/library.md").read_text(), re.S)
    assert any("int main" in program for program in programs)
    for number, program in enumerate(programs):
        source = tmp_path / f"{number}.c"
        source.write_text(program if "#include" in program else
                          "#include <stdio.h>\n#include <string.h>\n#include <trust.h>\n"
                          "void piece(trust_store *store, trust_conn *conn, trust_error *err);\n"
                          "void piece(trust_store *store, trust_conn *conn, trust_error *err) {\n"
                          "(void)store, (void)conn, (void)err;\n" + program + "}\n")
        output("gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{HEADER.parent}", "-c", source,
               "-o", tmp_path / f"{number}.o")
        if "int main" in program:
            output("gcc", tmp_path / f"{number}.o", SHARED, "-o", tmp_path / f"{number}")
