#!/usr/bin/python3
"""Lists what a run of ctest skipped and why: skipped.py CTEST.XML

With TRUSTD_TEST_ALL set a skip is a failure. Looks into tests that passed too: one entry may
hold many tests.
"""

import os
import re
import sys
import xml.etree.ElementTree as xml


def reasons(case):
    """What the test printed about its skips, as one line each."""
    output = case.findtext("system-out") or ""
    found = re.findall(r"^skipped: (.*)$", output, re.MULTILINE)
    for said in re.findall(r"^\S+:\d+: Skipped\n(.*?)^\[", output, re.MULTILINE | re.DOTALL):
        found.append(" ".join(said.split()) or "no reason given")
    if not found and case.find("skipped") is not None:
        found.append(case.find("skipped").get("message") or "no reason given")
    return found


def main(path):
    try:
        cases = xml.parse(path).getroot().iter("testcase")
    except (OSError, xml.ParseError) as error:
        print(f"{path}: {error}")
        return 1
    skipped = [(case.get("name"), reason) for case in cases for reason in reasons(case)]
    print()
    if not skipped:
        print("Nothing was skipped.")
        return 0
    print("Skipped:")
    for name, reason in skipped:
        print(f"  {name}: {reason}")
    return 1 if os.environ.get("TRUSTD_TEST_ALL") else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
