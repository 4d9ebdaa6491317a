"""Certificates and servers come from the harness of the end-to-end tests."""

import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))
sys.path.insert(0, HERE)

from emitted import Bench  # noqa: E402  (needs the path above)


@pytest.fixture
def bench():
    it = Bench()
    yield it
    it.remove()


@pytest.fixture(scope="module")
def shared_bench():
    it = Bench()
    yield it
    it.remove()
