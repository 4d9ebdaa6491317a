"""Two OpenSSLs in one process: the library that shares one says so, the one that carries its own
works."""

import os

import pytest

from harness import mint, need, servers
from library import HEADER, SHARED, SOURCE, STATIC, output

EVERYTHING_WORKS = ["check_version TRUST_OK ", "store_open TRUST_OK ", "connect TRUST_OK ",
                    "answer TRUST_OK HTTP/1.0 200 OK"]


@pytest.fixture
def server(place, daemon):
    with servers.Tls(place, mint.self_signed("127.0.0.1")) as it:
        place.done("add", it.at, "--fingerprint", it.minted.fingerprint)
        yield it


@pytest.fixture
def visited(place, server):
    def visit(library, *command):
        said = place.exec(*command, env={
            "VISIT_LIBRARY": str(library), "VISIT_STORE": place.public, "VISIT_HOST": "127.0.0.1",
            "VISIT_PORT": str(server.port), "NODE_PATH": place.root})
        assert said.status == 0, str(said)
        return said.out.splitlines()
    return visit


def built(place, name, source, *options):
    program = place.path(name)
    output("cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", f"-I{HEADER.parent}", f"-I{SOURCE}",
           SOURCE / "tests/capi" / source, "-o", program, *options, "-ldl")
    return program


def test_a_program_without_openssl_uses_either(place, visited):
    program = built(place, "plain", "host_program.c")
    assert visited(SHARED, program) == EVERYTHING_WORKS
    assert visited(STATIC, program) == EVERYTHING_WORKS


def test_a_program_that_shares_openssl_uses_either(place, visited):
    program = built(place, "sharing", "host_program.c", "-DOWN_OPENSSL", "-lssl", "-lcrypto")
    assert visited(SHARED, program) == EVERYTHING_WORKS
    assert visited(STATIC, program) == EVERYTHING_WORKS


def test_a_program_that_is_not_position_independent_uses_either(place, visited):
    """Addresses of functions are the program's own there; they are not what is looked at."""
    program = built(place, "fixed", "host_program.c", "-DOWN_OPENSSL", "-no-pie", "-fno-pie",
                    "-rdynamic", "-lssl", "-lcrypto")
    assert visited(SHARED, program) == EVERYTHING_WORKS
    assert visited(STATIC, program) == EVERYTHING_WORKS


def assert_notices(said, host):
    assert said[0].startswith("check_version TRUST_ERR_VERSION "), said
    assert host in said[0] and "libssl" in said[0]
    assert "TRUST_STATIC_DEPS" in said[1]
    assert said[2].startswith("store_open TRUST_ERR_VERSION "), said
    assert len(said) == 3


def test_a_program_that_exports_its_own_openssl(place, visited):
    program = built(place, "carrying", "host_program.c", "-DOWN_OPENSSL", "-rdynamic",
                    "-Wl,--whole-archive", "-l:libssl.a", "-l:libcrypto.a",
                    "-Wl,--no-whole-archive", "-lpthread")
    assert_notices(visited(SHARED, program), "carrying")
    assert visited(STATIC, program) == EVERYTHING_WORKS


def test_stock_node(place, visited):
    node = need.program("node", "nodejs")
    built(place, "visit.node", "host_node.c", "-shared", "-fPIC", "-fvisibility=hidden")
    command = (node, "-e", "process.stdout.write(require('visit.node'))")
    exports = "SSL_CTX_new" in output("nm", "-D", "--defined-only", os.path.realpath(node))
    if exports:  # as nodejs.org builds it
        assert_notices(visited(SHARED, *command), "node")
    else:  # as Debian builds it, on the shared OpenSSL
        assert visited(SHARED, *command) == EVERYTHING_WORKS
    assert visited(STATIC, *command) == EVERYTHING_WORKS
