"""What a test needs of the machine. Missing: skipped with the reason, or failed if nothing may be."""

import importlib.util
import os
import shutil
import subprocess

import pytest

ALL = os.environ.get("TRUSTD_TEST_ALL") == "1"


def skip(reason):
    if ALL:
        pytest.fail(f"may not be skipped with TRUSTD_TEST_ALL=1: {reason}", pytrace=False)
    pytest.skip(reason)


def missing_packages(*modules):
    """Debian's packages of those Python modules that are not there."""
    return ["python3-" + module for module in modules if importlib.util.find_spec(module) is None]


def modules(*names):
    missing = missing_packages(*names)
    if missing:
        skip(f"no {' '.join(missing)} (apt-get install)")


# Where ./dev unpacks what would start a service if it were installed.
UNPACKED = os.path.join(os.environ.get("TRUST_SOURCE_DIR", ""), "build", "programs")


def program(name, package=None, unpacked=False):
    where = "/usr/bin:/bin:/usr/sbin:/sbin"
    path = shutil.which(name, path=f"{where}:{UNPACKED}/usr/bin" if unpacked else where)
    if path is None:
        skip(f"no {name} (apt-get install {package or name})")
    return path


def root():
    if os.geteuid() != 0:
        skip("needs root")


def namespaces():
    """The command that puts what follows into a mount namespace of its own."""
    program("unshare", "util-linux")
    command = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-Urm"]
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode != 0:
        skip("no mount namespaces here")
    return command
