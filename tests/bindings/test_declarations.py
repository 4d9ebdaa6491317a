"""What bindings declare for themselves is what trust.h declares."""

import os
import re
import sys

import driven


def header():
    with open(os.path.join(driven.INCLUDE, "trust.h"), encoding="utf-8") as file:
        return re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)


def source(*path):
    with open(os.path.join(driven.BINDINGS, *path), encoding="utf-8") as file:
        return file.read()


def functions():
    """Name -> how many parameters."""
    found = re.findall(r"TRUST_API[^;]*?\b(trust_\w+)\(([^;]*)\);", header())
    return {name: 0 if parameters.strip() == "void" else parameters.count(",") + 1
            for name, parameters in found}


def constants():
    return {name: int(value) for name, value in
            re.findall(r"\b(TRUST_[A-Z_0-9]+) = (-?\d+)", header())}


def test_the_header_is_understood():
    assert len(functions()) > 80 and constants()["TRUST_ERR_PIN_MISMATCH"] == -605


def test_rust():
    text = source("rust", "trust-sys", "src", "lib.rs")
    declared = {name: len(re.findall(r"\w+: ", parameters)) for name, parameters in
                re.findall(r"pub fn (trust_\w+)\(([^;]*?)\)(?: ->|;)", text, re.S)}
    assert declared == functions()
    numbers = {name: int(value) for name, value in
               re.findall(r"pub const (TRUST_[A-Z_]+): \w+ = (-?\d+);", text)}
    assert numbers == constants()


def test_python():
    text = source("python", "trust", "_library.py")
    table = text.split("_PROTOTYPES: ", 1)[1].split("\n}\n", 1)[0]
    declared = {}
    for name, types in re.findall(r'"(\w+)": \(([^()]*)\)', table):
        declared["trust_" + name] = len([of for of in types.split(",") if of.strip()]) - 1
    known = functions()
    assert declared.items() <= known.items()
    # What a Python program has no use for, or does in Python.
    assert set(known) - set(declared) == {
        "trust_status_is_untrusted", "trust_version_number", "trust_conn_start"}
    sys.path.insert(0, os.path.join(driven.BINDINGS, "python"))
    import trust
    numbers = {f"TRUST_{one.name}": one.value for one in trust.Status}
    numbers.update({f"TRUST_BY_{one.name}": one.value for one in trust.TrustedBy})
    numbers.update({f"TRUST_PIN_{one.name}": one.value for one in trust.PinStatus})
    assert numbers == constants()


def test_node():
    numbers = constants()
    text = source("node", "index.js").split("const NAMES", 1)[0]
    pairs = re.findall(r"\b([A-Z_]+): (-\d+)", text)
    assert pairs
    for name, value in pairs:
        assert numbers[f"TRUST_ERR_{name}"] == int(value)


def test_go():
    declared = set(re.findall(r"C\.(TRUST_[A-Z_]+)", source("go", "errors.go")))
    assert declared == set(constants()) - {"TRUST_OK", "TRUST_WANT_READ", "TRUST_WANT_WRITE",
                                           "TRUST_EOF"}
