"""A program is built against what cmake --install puts down, as its author would build it."""

import os
import pathlib

import pytest

from library import BINARY, exported, declared, output

PROGRAM = """#include <stdio.h>
#include <trust.h>

int main(void) {
    trust_error *err;
    if (trust_check_version(TRUST_VERSION_NUMBER, &err) != TRUST_OK) {
        fprintf(stderr, "%s\\n", trust_error_message(err));
        trust_error_free(err);
        return 1;
    }
    printf("%s\\n", trust_version());
    return 0;
}
"""
PROJECT = """cmake_minimum_required(VERSION 3.25)
project(consumer LANGUAGES C)
find_package(trust 1.0 REQUIRED)
add_executable(consumer consumer.c)
target_link_libraries(consumer PRIVATE trust::trust)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("prefix")
    output("cmake", "--install", BINARY, "--prefix", prefix)
    return prefix


@pytest.fixture
def consumer(tmp_path):
    (tmp_path / "consumer.c").write_text(PROGRAM)
    return tmp_path


def library_directory(prefix):
    (library,) = prefix.glob("lib*/**/libtrust.so")
    return library.parent


def run(program, prefix):
    said = output(program, env={"LD_LIBRARY_PATH": str(library_directory(prefix)), **os.environ})
    assert said.startswith("1.0.0 (OpenSSL 3."), said


def test_files(installed):
    library = library_directory(installed)
    assert (installed / "include/trust.h").read_bytes() == \
        (pathlib.Path(os.environ["TRUST_SOURCE_DIR"]) / "capi/trust.h").read_bytes()
    assert (library / "libtrust.so").readlink() == pathlib.Path("libtrust.so.1")
    assert (library / "libtrust.so.1").readlink() == pathlib.Path("libtrust.so.1.0.0")
    assert exported(library / "libtrust.so") == declared()
    assert (installed / "bin/trustd").exists() and (installed / "bin/trustctl").exists()


def test_pkg_config(installed, consumer):
    environment = {**os.environ, "PKG_CONFIG_PATH": str(library_directory(installed) / "pkgconfig")}
    flags = output("pkg-config", "--cflags", "--libs", "trust", env=environment).split()
    assert f"-I{installed}/include" in [os.path.normpath(flag) if flag.startswith("/") else
                                        "-I" + os.path.normpath(flag[2:]) for flag in flags]
    assert output("pkg-config", "--modversion", "trust", env=environment).strip() == "1.0.0"
    program = consumer / "consumer"
    output("cc", "-std=c11", "-Wall", "-Werror", consumer / "consumer.c", "-o", program, *flags)
    run(program, installed)


def test_find_package(installed, consumer):
    (consumer / "CMakeLists.txt").write_text(PROJECT)
    output("cmake", "-S", consumer, "-B", consumer / "build", f"-DCMAKE_PREFIX_PATH={installed}")
    output("cmake", "--build", consumer / "build")
    run(consumer / "build/consumer", installed)


def test_find_package_refuses_another_major_version(installed, consumer):
    (consumer / "CMakeLists.txt").write_text(PROJECT.replace("trust 1.0", "trust 2.0"))
    with pytest.raises(AssertionError, match=r"not accepted:\s+\S+trust-config.cmake, version: 1.0.0"):
        output("cmake", "-S", consumer, "-B", consumer / "build",
               f"-DCMAKE_PREFIX_PATH={installed}")
