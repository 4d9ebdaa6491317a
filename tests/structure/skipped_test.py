#!/usr/bin/python3
"""Every skip is listed with its reason, and is a failure when nothing may be skipped."""

import contextlib
import io
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import skipped  # pylint: disable=wrong-import-position

GTEST = "[ RUN      ] A.B\n/tree/a_test.cc:2: Skipped\nonly root\ncan\n[  SKIPPED ] A.B (0 ms)\n"
NOTHING = '<skipped message="SKIP_RETURN_CODE"/>'


def listing(all_wanted, *cases):
    text = "".join(f'<testcase name="{name}">{mark}<system-out>{output}</system-out></testcase>'
                   for name, mark, output in cases)
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
        file.write(f"<testsuite>{text}</testsuite>")
        file.flush()
        os.environ.pop("TRUSTD_TEST_ALL", None)
        if all_wanted:
            os.environ["TRUSTD_TEST_ALL"] = "1"
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            status = skipped.main(file.name)
    return status, output.getvalue()


class Skipped(unittest.TestCase):
    def test_reasons_are_listed(self):
        for mark, output, reason in (
                (NOTHING, GTEST, "only root can"),
                (NOTHING, "skipped: no wget\n", "no wget"),
                ("", "skipped: test_a.py:3: no java\n1 passed, 1 skipped\n", "no java"),
                (NOTHING, "", "SKIP_RETURN_CODE")):
            status, shown = listing(False, ("a", mark, output))
            self.assertEqual(status, 0)
            self.assertIn(reason, shown)
            self.assertEqual(listing(True, ("a", mark, output))[0], 1)

    def test_none(self):
        for all_wanted in (False, True):
            status, shown = listing(all_wanted, ("a", "", "passed\n"))
            self.assertEqual((status, shown), (0, "\nNothing was skipped.\n"))

    def test_what_cannot_be_read_is_a_failure(self):
        with contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(skipped.main("/nonexistent.xml"), 1)


if __name__ == "__main__":
    unittest.main(verbosity=0)
