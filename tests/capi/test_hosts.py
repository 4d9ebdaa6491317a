"""Two OpenSSLs in one process: the library that shares one says so, the one that carries its own
works."""

import hosts
from hosts import EVERYTHING_WORKS, assert_notices, built
from library import SHARED, STATIC


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


def test_a_program_that_exports_its_own_openssl(place, visited):
    program = hosts.carrying(place)
    assert_notices(visited(SHARED, program), "carrying")
    assert visited(STATIC, program) == EVERYTHING_WORKS


def test_stock_node(place, visited):
    command, carries = hosts.node(place)
    if carries:
        assert_notices(visited(SHARED, *command), "node")
    else:
        assert visited(SHARED, *command) == EVERYTHING_WORKS
    assert visited(STATIC, *command) == EVERYTHING_WORKS
