"""Programs of the tests' own that are compiled first, once a run."""

import atexit
import os
import shutil
import subprocess
import tempfile

from harness import need
from harness.servers import PROGRAMS

_DIRECTORY = tempfile.mkdtemp(prefix="trust-compiled.")
atexit.register(shutil.rmtree, _DIRECTORY, ignore_errors=True)


def go(name, folder=PROGRAMS):
    """The path of what folder/NAME.go is compiled to."""
    compiler = need.program("go", "golang-go")
    path = os.path.join(_DIRECTORY, name)
    if not os.path.exists(path):
        os.chmod(_DIRECTORY, 0o755)
        environment = {**os.environ, "GOCACHE": os.path.join(_DIRECTORY, "cache"),
                       "GOFLAGS": "-mod=mod", "GO111MODULE": "off", "CGO_ENABLED": "0",
                       "HOME": _DIRECTORY}
        subprocess.run([compiler, "build", "-o", path, os.path.join(folder, name + ".go")],
                       env=environment, check=True, timeout=600)
    return path
