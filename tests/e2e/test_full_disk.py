"""A disk that fills up: the parts run in a mount namespace, where the state is a small tmpfs."""

import os
import subprocess
import sys

import pytest

from harness import need

INSIDE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "inside_full_disk.py")


@pytest.mark.parametrize("what", ["full_before_a_change", "full_at_a_random_byte", "no_inodes"])
def test_a_full_disk(what):
    result = subprocess.run([*need.namespaces(), sys.executable, INSIDE, what], check=False,
                            capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-6000:]
