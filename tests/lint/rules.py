#!/usr/bin/python3
"""Rules of this tree that no general tool knows. rules.py [FILE…]; run from the root."""

import re
import subprocess
import sys
from pathlib import Path

CODE = (".cc", ".c", ".h")
LINES_WITHOUT_A_REASON = 400
FREES = re.compile(
    r"\b(?:X509\w*_free|SSL\w*_free|EVP_\w+_free|BIO_free\w*|PKCS\w+_free|GENERAL_NAMES_free|"
    r"sk_\w+_free|OPENSSL_free|sqlite3_finalize|sqlite3_close(?:_v2)?|sqlite3_free)\b")
CLOSES = re.compile(r"(?<!void )(?<!Progress )(?<![\w.>:])(?:::)?"
                    r"(?:close|fclose|closedir|freeaddrinfo)\s*\(")
FREEING_FILES = ("libtrust/handles.h", "libtrust/handles.cc")
VAGUE_NAMES = re.compile(r"(^|_)(utils?|common|helpers?|managers?|misc)$")


def without_comments_and_strings(text):
    def blank(found):
        return re.sub(r"[^\n]", " ", found[0])
    return re.sub(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'',
                  blank, text, flags=re.DOTALL)


def code_faults(path, text):
    faults = []
    bare = without_comments_and_strings(text).splitlines()
    if path.suffix == ".h" and "#pragma once" not in text and path.name != "trust.h":
        faults.append("1: a header begins with #pragma once")
    for number, line in enumerate(bare, 1):
        if str(path) not in FREEING_FILES and path.suffix != ".c":  # C has nothing to free for it
            for pattern in (FREES, CLOSES):
                found = pattern.search(line)
                if found:
                    faults.append(f"{number}: {found[0].rstrip('( ')} belongs to {FREEING_FILES[0]}")
    return faults


def faults_of(path):
    try:
        text = path.read_text()
    except UnicodeDecodeError:
        return []
    faults = []
    if path.suffix in CODE:
        faults += code_faults(path, text)
        if path.parts[0] != "tests" and text.count("\n") > LINES_WITHOUT_A_REASON:
            print(f"{path}: note: {text.count(chr(10))} lines; is it one idea?")
    if path.suffix == ".py":
        try:
            compile(text, str(path), "exec")
        except SyntaxError as error:
            faults.append(f"{error.lineno}: {error.msg}")
    if path.suffix in CODE + (".py", ".txt", ".md", ".sh", ""):
        faults += [f"{number}: white space at the end"
                   for number, line in enumerate(text.split("\n"), 1) if line != line.rstrip()]
        if text and not text.endswith("\n"):
            faults.append(f"{text.count(chr(10)) + 1}: no newline at the end")
    if VAGUE_NAMES.search(path.stem):
        faults.append("1: a name that says nothing about what is in it")
    return faults


def files_of_the_tree():
    names = subprocess.run(["git", "-c", f"safe.directory={Path.cwd()}", "ls-files", "-z", "--cached",
                            "--others", "--exclude-standard"], check=True, capture_output=True,
                           text=True).stdout.split("\0")
    return [Path(name) for name in names if name and Path(name).is_file() and name != "LICENSE"]


def main(*names):
    count = 0
    for path in [Path(name) for name in names] or files_of_the_tree():
        for fault in faults_of(path):
            print(f"{path}:{fault}")
            count += 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
