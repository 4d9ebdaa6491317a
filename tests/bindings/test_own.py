"""The tests that each binding brings in its own language, with servers to run against."""

import os

import pytest

import driven
from harness import mint
from server import Server, Silent


@pytest.fixture
def servers(place, daemon, trusted):
    with Server(place, mint.self_signed("127.0.0.1")) as stranger, Silent() as silent:
        yield {"TRUST_TEST_SERVER": trusted.at, "TRUST_TEST_STRANGER": stranger.at,
               "TRUST_TEST_SILENT": f"{silent.host}:{silent.port}", "TRUSTD_STORE": place.public}


def test_go(servers):
    package = os.path.join(driven.BINDINGS, "go")
    driven.go("vet", "./...", cwd=package)
    said = driven.go("test", "-race", "-count=1", "-v", "./...", cwd=package, env=servers)
    assert "--- PASS: TestTheTransport" in said and "--- SKIP" not in said, said


def test_rust(servers):
    package = os.path.join(driven.BINDINGS, "rust")
    said = driven.cargo("test", "--workspace", "--", "--nocapture", cwd=package, env=servers)
    assert "0 failed" in said and "warning" not in said and "no TRUST_TEST" not in said, said


def test_node(servers):
    module = driven.node_module()
    said = driven.done(driven.node(), "--test", "--test-reporter=tap",
                       os.path.join(module, "test", "agent.test.js"), env=servers)
    assert "# fail 0" in said and "# skipped 0" in said, said


@pytest.mark.parametrize("standard", ["c++17", "c++20"])
@pytest.mark.parametrize("compiler", ["g++", "clang++-16"])
def test_cpp_header_stands_alone(place, compiler, standard):
    found = driven.program(compiler, "clang-16" if "clang" in compiler else None)
    source = place.write("alone.cc", "\n".join([
        "#include <trust.hpp>", "#include <type_traits>",
        *(f"static_assert(!std::is_copy_constructible_v<trust::{name}> && "
          f"std::is_nothrow_move_constructible_v<trust::{name}>);"
          for name in ("Store", "Config", "Connection", "Pool")),
        "static_assert(std::is_nothrow_copy_constructible_v<trust::Untrusted>);", ""]))
    driven.done(found, f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow",
                "-Wconversion", "-Werror", f"-I{driven.INCLUDE}", f"-I{driven.BINDINGS}/cpp",
                "-fsyntax-only", source)


def test_cpp_leaks_nothing(place, trusted):
    """Its driver under the address and undefined behaviour sanitizers: a leak is an exit status."""
    built = driven.cpp(os.path.join(driven.DRIVERS, "driver.cc"), "driver-cpp-sanitized", driven.IN_POLL, "-g",
                       "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined")
    with driven.Driver(place, "cpp", [built]) as driver, \
         Server(place, mint.self_signed("127.0.0.1")) as stranger:
        for name, *more in (("get",), ("pooled",), ("pooled",), ("read", "eof", 1000),
                            ("read", "truncate", 1000), ("cancel",), ("timeout", 50),
                            ("echo", 1_000_000), ("parallel", 10)):
            assert driver.do(name, trusted, *more)["outcome"] in ("served", "failed")
        assert driver.do("get", stranger)["outcome"] == "refused"
        driver.do("forget")


def test_node_finds_the_library_beside_its_addon(place):
    """As packaged: the library with OpenSSL within lies where trust.node is."""
    import shutil
    module = driven.node_module()
    target = place.make("addon")
    for name in ("index.js", "trust.node"):
        shutil.copy(os.path.join(module, name), target)
    shutil.copy(driven.STATIC_LIBRARY, os.path.join(target, "libtrust.so.1"))
    said = driven.done(driven.node(), "-e", "console.log(require('.').version()); "
                       "console.log(require('fs').readFileSync('/proc/self/maps', 'utf8'))",
                       cwd=target)
    assert "OpenSSL" in said
    assert f"{target}/libtrust.so.1" in said, said
