"""Programs that load the library as a plug-in, and what a visit of theirs says."""

import os

from harness import need
from library import HEADER, SOURCE, output

EVERYTHING_WORKS = ["check_version TRUST_OK ", "store_open TRUST_OK ", "connect TRUST_OK ",
                    "answer TRUST_OK HTTP/1.0 200 OK"]


def built(place, name, source, *options):
    program = place.path(name)
    output("cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", f"-I{HEADER.parent}", f"-I{SOURCE}",
           SOURCE / "tests/capi" / source, "-o", program, *options, "-ldl")
    return program


def node(place):
    """A command that visits from within Node, and whether that Node carries an OpenSSL of its own, as
    nodejs.org builds it; Debian's is on the shared one."""
    program = need.program("node", "nodejs")
    built(place, "visit.node", "host_node.c", "-shared", "-fPIC", "-fvisibility=hidden")
    carries = "SSL_CTX_new" in output("nm", "-D", "--defined-only", os.path.realpath(program))
    return (program, "-e", "process.stdout.write(require('visit.node'))"), carries


def carrying(place):
    """A program that exports an OpenSSL of its own."""
    return built(place, "carrying", "host_program.c", "-DOWN_OPENSSL", "-rdynamic",
                 "-Wl,--whole-archive", "-l:libssl.a", "-l:libcrypto.a", "-Wl,--no-whole-archive",
                 "-lpthread")


def assert_notices(said, host):
    assert said[0].startswith("check_version TRUST_ERR_VERSION "), said
    assert host in said[0] and "libssl" in said[0]
    assert "TRUST_STATIC_DEPS" in said[1]
    assert said[2].startswith("store_open TRUST_ERR_VERSION "), said
    assert len(said) == 3
