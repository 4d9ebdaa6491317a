"""The library as a packager for such hosts makes it: configured with TRUST_STATIC_DEPS, installed,
and used by programs that carry an OpenSSL of their own."""

import os
import re

import pytest

import hosts
from library import BINARY, HEADER, SOURCE, declared, exported, needed, output

# Kept, so that the next run has it built; and as deep as the other, so that ccache knows what that
# one compiled.
BUILD = BINARY.with_name(BINARY.name + "-static")


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("prefix")
    environment = {**os.environ, "CCACHE_BASEDIR": str(SOURCE), "CCACHE_NOHASHDIR": "1",
                   "CCACHE_SLOPPINESS": "pch_defines,time_macros"}
    cache = (BINARY / "CMakeCache.txt").read_text()
    same = [f"-D{name}={re.search(rf'^{name}:[^=]*=(.*)$', cache, re.M)[1]}"
            for name in ("CMAKE_BUILD_TYPE", "CMAKE_C_COMPILER_LAUNCHER",
                         "CMAKE_CXX_COMPILER_LAUNCHER", "CMAKE_CXX_COMPILER", "TRUST_WERROR")]
    output("cmake", "-G", "Ninja", "-S", SOURCE, "-B", BUILD, *same, "-DTRUST_STATIC_DEPS=ON",
           "-DTRUST_TESTS=OFF", "-DTRUST_BENCH=OFF", env=environment)
    output("cmake", "--build", BUILD, "--target", "trust", env=environment)
    output("cmake", "--install", BUILD, "--prefix", prefix, "--component", "library")
    (installed,) = prefix.glob("lib*/**/libtrust.so")
    return installed


def test_it_carries_both_hidden(library):
    assert exported(library) == declared()
    assert not [name for name in needed(library) if re.match("lib(ssl|crypto|sqlite3)", name)]
    undefined = output("nm", "-D", "--undefined-only", library)
    assert not re.search(r"\b(SSL|X509|EVP|OPENSSL|CRYPTO|BIO|ERR|sqlite3)_", undefined)


def test_it_says_which_openssl_it_carries(library, place):
    source = place.write("version.c", "#include <stdio.h>\n#include <trust.h>\n"
                         "int main(void) { puts(trust_version()); return 0; }\n")
    program = place.path("version")
    output("cc", f"-I{HEADER.parent}", source, library, "-o", program)
    said = output(program, env={"LD_LIBRARY_PATH": str(library.parent), **os.environ})
    assert said.startswith("1.0.0 (OpenSSL 3."), said


def test_stock_node_uses_it(library, place, visited):
    command, _ = hosts.node(place)
    assert visited(library, *command) == hosts.EVERYTHING_WORKS


def test_a_program_that_exports_its_own_openssl_uses_it(library, place, visited):
    assert visited(library, hosts.carrying(place)) == hosts.EVERYTHING_WORKS
