"""Daemons and servers come from the harness of the end-to-end tests."""

import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))
sys.path.insert(0, HERE)


@pytest.fixture
def place():
    from harness.place import Place
    it = Place()
    yield it
    it.remove()


@pytest.fixture
def daemon(place):
    from harness.daemon import Daemon
    with Daemon(place) as it:
        yield it


@pytest.fixture
def server(place, daemon):
    """Self-signed, and trusted."""
    from harness import mint, servers
    with servers.Tls(place, mint.self_signed("127.0.0.1")) as it:
        place.done("add", it.at, "--fingerprint", it.minted.fingerprint)
        yield it


@pytest.fixture
def visited(place, server):
    """What a program says that visits the server with a library."""
    def visit(library, *command):
        said = place.exec(*command, env={
            "VISIT_LIBRARY": str(library), "VISIT_STORE": place.public, "VISIT_HOST": "127.0.0.1",
            "VISIT_PORT": str(server.port), "NODE_PATH": place.root})
        assert said.status == 0, str(said)
        return said.out.splitlines()
    return visit
