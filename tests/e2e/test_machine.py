"""A user's store on top of the machine's: both daemons, in a mount namespace with a /var/lib and a
/run of their own."""

import os
import subprocess
import sys

import pytest

from harness import need

INSIDE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "inside_machine.py")


@pytest.mark.parametrize("what", [
    "what_the_machine_trusts_the_user_does", "what_the_machine_forbids_stays_forbidden",
    "the_users_additions_are_the_users_alone", "scopes_ends_and_pins_of_the_machine_hold",
    "the_commands_find_the_machines_store"])
def test_machine(what):
    need.root()
    need.program("setpriv", "util-linux")
    result = subprocess.run([*need.namespaces(), sys.executable, INSIDE, what], check=False,
                            capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-6000:]
