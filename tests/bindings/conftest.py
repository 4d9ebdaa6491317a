"""As the end-to-end tests: a place, a daemon; and a server that behaves as a client asks it to."""

import importlib.util
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
E2E = os.path.join(os.path.dirname(HERE), "e2e")
sys.path[:0] = [HERE, E2E]

_found = importlib.util.spec_from_file_location("e2e_conftest", os.path.join(E2E, "conftest.py"))
_shared = importlib.util.module_from_spec(_found)
_found.loader.exec_module(_shared)
pytest_sessionstart = _shared.pytest_sessionstart
place = _shared.place
daemon = _shared.daemon

if not _shared.MISSING:
    import pytest

    from harness import mint
    from server import Server

    @pytest.fixture
    def server(place):
        """Self-signed, and not in the store yet."""
        with Server(place, mint.self_signed("127.0.0.1", "localhost")) as it:
            yield it

    @pytest.fixture
    def trusted(place, daemon, server):
        """The same, added and pinned."""
        server.add()
        server.pin()
        return server
