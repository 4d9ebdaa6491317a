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
