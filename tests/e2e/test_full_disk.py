"""A disk that fills up: the parts run in a mount namespace, where the state is a small tmpfs."""

import os
import shutil
import subprocess
import sys

import pytest

from harness import need, place as places

INSIDE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "inside_full_disk.py")


@pytest.mark.parametrize("what", ["full_before_a_change", "full_at_a_random_byte", "no_inodes"])
def test_a_full_disk(what):
    result = subprocess.run([*need.namespaces(), sys.executable, INSIDE, what], check=False,
                            capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-6000:]


def test_a_full_disk_of_a_user(place):
    """Without being root: in a user namespace, where what is root's has no owner that it knows."""
    need.root()
    user = [need.program("setpriv", "util-linux"), "--reuid=4715", "--regid=4715", "--clear-groups",
            "unshare", "-Urm"]
    if subprocess.run([*user, "true"], capture_output=True, check=False).returncode != 0:
        need.skip("users may make no user namespaces here")
    # The tree may be where only its owner reads.
    copied = shutil.copytree(os.path.dirname(INSIDE), place.path("e2e"))
    subprocess.run(["chmod", "-R", "a+rX", copied], check=True)
    result = subprocess.run(
        [*user, sys.executable, os.path.join(copied, os.path.basename(INSIDE)),
         "full_before_a_change"], check=False, capture_output=True, text=True, timeout=300, cwd="/",
        env={**os.environ, "TRUSTD": places.TRUSTD, "TRUSTCTL": places.TRUSTCTL})
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-6000:]
