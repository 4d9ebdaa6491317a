"""What the library exports, links and does when it is loaded."""

import re

import pytest

from library import SANITIZED, SHARED, SOURCE, STATIC, declared, exported, needed, output

LIBRARIES = [pytest.param(SHARED, id="shared"), pytest.param(STATIC, id="static")]


def test_header_map_and_list_name_the_same_functions():
    listed = (SOURCE / "capi/symbols.txt").read_text().split()
    version_map = re.sub(r"#.*", "", (SOURCE / "capi/trust.map").read_text())
    mapped = re.findall(r"\b(trust_\w+);", version_map)
    assert len(listed) > 80
    assert listed == sorted(set(listed))
    assert listed == declared()
    assert listed == mapped
    assert re.search(r"local:\s*\*;", version_map)


@pytest.mark.parametrize("library", LIBRARIES)
def test_exports_what_the_header_declares_and_nothing_else(library):
    assert exported(library) == declared()


@pytest.mark.parametrize("library", LIBRARIES)
def test_exports_carry_a_version(library):
    lines = output("nm", "-D", "--defined-only", library).splitlines()
    names = [line.split()[-1] for line in lines if " A " not in line]
    assert names and all(name.endswith("@@TRUST_1.0") for name in names)


@pytest.mark.parametrize("library", LIBRARIES)
def test_soname_is_of_the_first_version(library):
    assert "[libtrust.so.1]" in output("readelf", "-dW", library)


def test_links_openssl_and_sqlite_only():
    allowed = r"lib(ssl|crypto)\.so\.3|libsqlite3\.so\.0|lib(stdc\+\+|gcc_s|c|m|asan|ubsan|tsan)\.so\.\d+|ld-linux.*"
    libraries = needed(SHARED)
    assert [name for name in libraries if not re.fullmatch(allowed, name)] == []
    assert {"libssl.so.3", "libcrypto.so.3", "libsqlite3.so.0"} <= set(libraries)


def test_static_library_links_neither():
    allowed = r"lib(stdc\+\+|gcc_s|c|m|asan|ubsan|tsan)\.so\.\d+|ld-linux.*"
    assert [name for name in needed(STATIC) if not re.fullmatch(allowed, name)] == []
    undefined = output("nm", "-D", "--undefined-only", STATIC)
    assert not re.search(r"\b(SSL|X509|EVP|OPENSSL|CRYPTO|BIO|ERR|sqlite3)_", undefined)


# pthread_sigmask is not among them: it is of the calling thread, and put back.
FORBIDDEN = """signal sigaction sigprocmask atexit on_exit pthread_atfork exit _exit system popen fork
    vfork execve posix_spawn setenv putenv unsetenv clearenv setlocale chdir fchdir umask setuid
    setgid alarm setitimer""".split()


def undefined_in(library):
    return {line.split()[-1] for line in
            output("nm", "-D", "--undefined-only", "--without-symbol-versions",
                   library).splitlines()}


def test_changes_nothing_of_the_process():
    """No handler, no environment, no working directory: none of these is called by our own code.
    (The static library's OpenSSL has an exit handler, as every OpenSSL does.)"""
    undefined = undefined_in(SHARED)
    assert "getenv" in undefined  # names are as they are looked for
    assert undefined.isdisjoint(FORBIDDEN), undefined.intersection(FORBIDDEN)


@pytest.mark.skipif(SANITIZED, reason="sanitizers have constructors of their own")
@pytest.mark.parametrize("library", LIBRARIES)
def test_has_no_constructors(library):
    """Beside one of the compiler's own (frame_dummy), which is in every library, there are those of
    the C++ library alone: what an exception needs without memory, and the error categories."""
    sizes = re.findall(r"\(INIT_ARRAYSZ\)\s+(\d+)", output("readelf", "-dW", library))
    constructors = re.findall(r"_GLOBAL__sub_I\w*", output("nm", library))
    assert set(constructors) <= {"_GLOBAL__sub_I_eh_alloc", "_GLOBAL__sub_I_system_error"}
    assert sizes == [str(8 * (1 + len(constructors)))]


def test_calls_no_printer():
    """A library in somebody else's process says what it has to say in a trust_error."""
    printers = {"printf", "puts", "putchar", "perror", "fprintf", "fputs", "fwrite", "syslog",
                "__printf_chk", "__fprintf_chk", "_ZSt4cout", "_ZSt4cerr", "_ZSt4clog"}
    build = SHARED.parent.parent
    calls = list((build / "capi/CMakeFiles/trust.dir").rglob("*.o")) # several files in one, perhaps
    assert calls
    ours = [build / "libtrust/libtrust_core.a", *calls]
    undefined = {line.split()[-1] for each in ours
                 for line in output("nm", "--undefined-only", each).splitlines() if line.strip()}
    assert "getenv" in undefined
    assert undefined.isdisjoint(printers), undefined & printers
