"""No invalid access, no use of what was never written, no leak: Valgrind over every case."""

import subprocess

from harness import need
from library import BINARY

# A child that ends without its parent's destructors, and one that fills a socket: nothing that the
# others have not, and slow.
LEFT_OUT = ["AChildHasTheStoreAndAPoolOfItsOwn", "NonBlockingWriteSaysWhenThereIsNoRoom",
            "EverySeedIsRefused"]


def test_valgrind_is_content():
    valgrind = need.program("valgrind")
    done = subprocess.run(
        [valgrind, "--quiet", "--error-exitcode=9", "--leak-check=full",
         "--errors-for-leak-kinds=definite,indirect", "--show-leak-kinds=definite,indirect",
         str(BINARY / "tests/capi/capi_tests"),
         "--gtest_filter=Api.*-" + ":".join("Api." + case for case in LEFT_OUT)],
        capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    assert "[  PASSED  ]" in done.stdout
