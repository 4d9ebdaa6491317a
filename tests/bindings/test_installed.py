"""What cmake --install leaves is what a packager needs."""

import os
import subprocess
import sys

import pytest

import driven


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    target = str(tmp_path_factory.mktemp("installed"))
    cmake = driven.program("cmake")
    driven.done(cmake, "--install", os.environ["TRUST_BINARY_DIR"], "--prefix", target)
    return target


@pytest.fixture(scope="module")
def tools(prefix):
    """Where pkg-config finds the library; its directory is the one below which trust.pc lies."""
    for directory, _, names in os.walk(prefix):
        if "trust.pc" in names:
            return {"PKG_CONFIG_PATH": directory, "TRUST_LIB_DIR": os.path.dirname(directory)}
    raise AssertionError("no trust.pc")


def bindings(prefix):
    return os.path.join(prefix, "share", "trustd", "bindings")


def test_the_sources_are_there_and_nothing_else(prefix):
    found = {os.path.relpath(os.path.join(directory, name), bindings(prefix))
             for directory, _, names in os.walk(bindings(prefix)) for name in names}
    for name in ("README.md", "cpp/trust.hpp", "go/go.mod", "node/binding.c", "node/build.sh",
                 "node/index.d.ts", "python/pyproject.toml", "python/trust/py.typed",
                 "rust/trust/Cargo.toml", "rust/trust-sys/src/lib.rs"):
        assert name in found
    tracked = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "."],
                             cwd=driven.BINDINGS, capture_output=True, text=True, check=False)
    if tracked.returncode == 0:
        assert found <= set(tracked.stdout.split()), found - set(tracked.stdout.split())


def served(command, place, trusted, env):
    result = subprocess.run([*command, trusted.host, str(trusted.port)], capture_output=True,
                            text=True, timeout=60, check=False, env={**place.environment, **env})
    assert result.returncode == 0 and result.stdout.endswith("served\n"), result


def test_python(prefix, tools, place, trusted):
    source = os.path.join(bindings(prefix), "python")
    served([sys.executable, os.path.join(source, "example.py")], place, trusted,
           {"PYTHONPATH": source, "LD_LIBRARY_PATH": tools["TRUST_LIB_DIR"]})


def test_cpp(prefix, tools, place, trusted):
    source = os.path.join(bindings(prefix), "cpp")
    words = driven.done(driven.program("pkg-config"), "--cflags", "--libs", "trust",
                        env=tools).split()
    output = place.path("example")
    driven.done(driven.program("g++"), "-std=c++17", os.path.join(source, "example.cc"), "-o",
                output, *words)
    served([output], place, trusted, {"LD_LIBRARY_PATH": tools["TRUST_LIB_DIR"]})


def test_rust_finds_it_through_pkg_config(prefix, tools, place, trusted):
    driven.cargo("build", "--quiet", "--example", "get", cwd=os.path.join(bindings(prefix), "rust"),
                 env={**tools, "TRUST_LIB_DIR": None, "CARGO_TARGET_DIR": place.path("rust")})
    served([place.path("rust/debug/examples/get")], place, trusted,
           {"LD_LIBRARY_PATH": tools["TRUST_LIB_DIR"]})
