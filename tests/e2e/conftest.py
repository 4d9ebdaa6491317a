"""What every test here may ask for."""

import pytest

from harness.daemon import Daemon
from harness.place import Place


@pytest.fixture
def place():
    it = Place()
    yield it
    it.remove()


@pytest.fixture
def daemon(place):
    """A running daemon; that it lives until it is told to end is part of every test."""
    with Daemon(place) as it:
        yield it
        assert it.ended or it.alive(), it.log()


@pytest.fixture
def rest(daemon):
    with daemon.rest() as it:
        yield it
