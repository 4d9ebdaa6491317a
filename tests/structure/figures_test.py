#!/usr/bin/python3
"""The rules for Prometheus and the dashboard for Grafana ask for figures that the daemon has, with
labels that these have."""

import json
import os
import pathlib
import re
import sys


def exported(root):
    text = "".join(path.read_text() for path in (root / "daemon/routes").glob("*.cc"))
    return set(re.findall(r'"(trustd_[a-z_]+)"', text))


def main():
    root = pathlib.Path(os.environ.get("TRUST_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
    known = exported(root)
    assert "trustd_generation" in known, "figures are written in another way"
    dashboard = json.loads((root / "docs/grafana/trustd.json").read_text())
    texts = {"alerts.yml": (root / "docs/prometheus/alerts.yml").read_text(),
             "trustd.json": "\n".join(target["expr"] for panel in dashboard["panels"]
                                      for target in panel["targets"])}
    problems = []
    for name, text in texts.items():
        asked = set(re.findall(r"\btrustd_[a-z_]+", text))
        assert asked, name
        problems += [f"{name}: nothing exports {figure}" for figure in sorted(asked - known)]
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
