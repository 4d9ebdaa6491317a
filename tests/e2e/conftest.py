"""What every test here may ask for."""

import sys

import pytest

from harness import need

MISSING = need.missing_packages("cryptography", "jsonschema")
if not MISSING:
    from harness.daemon import Daemon
    from harness.place import Place
SKIPPED = 77


def pytest_sessionstart():
    if MISSING:
        reason = f"no {' '.join(MISSING)} (apt-get install)"
        print(f"skipped: {reason}", file=sys.__stdout__, flush=True)
        pytest.exit(reason, 1 if need.ALL else SKIPPED)


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
