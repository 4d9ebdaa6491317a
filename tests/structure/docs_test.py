#!/usr/bin/python3
"""Documents say what is there: links lead somewhere, and routes, variables, configuration keys
and commands are all described."""

import json
import os
import pathlib
import re
import subprocess
import sys


def broken_links(path):
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.S)
    return [target for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text)
            if "://" not in target and not (path.parent / target).exists()]


def undescribed_routes(root):
    text = (root / "docs/rest.md").read_text()
    routes = json.loads((root / "daemon/openapi.json").read_text())["paths"]
    for route in routes:
        # A table names the shorter form once and "…/rest" after it.
        tail = "…/" + route.rsplit("/", 1)[1]
        if route not in text and tail not in text and route.rsplit("/", 1)[1] not in text:
            yield route


def undescribed_variables(root):
    rows = (root / "libtrust/emit/env.cc").read_text().split("rows{", 1)[1].split("return", 1)[0]
    variables = re.findall(r'\{"([A-Za-z_0-9]+)",', rows)
    assert len(variables) > 10, "the table of variables is not where it was"
    text = (root / "docs/tools.md").read_text()
    return [name for name in variables if f"`{name}`" not in text]


def undescribed_keys(root):
    keys = re.findall(r'section\.(?:parsed|number|flag|texts)\(\s*"([a-z_]+)"',
                      (root / "daemon/config.cc").read_text())
    assert "base" in keys, "configuration keys are read in another way"
    later = {"name", "url", "url_file", "secret_file", "thresholds", "probe_interval"}
    text = (root / "docs/configuration.md").read_text()
    return [key for key in keys if key not in later and not re.search(rf"^{key} =", text, re.M)]


def undescribed_commands(root, trustctl):
    """Every command of the program stands in some document."""
    words = subprocess.run([trustctl, "__complete", ""], stdout=subprocess.PIPE, text=True,
                           check=True, env={"HOME": "/", "PATH": "/usr/bin:/bin"}).stdout.split()
    commands = [word for word in words if re.fullmatch(r"[a-z]+", word)]
    assert "add" in commands, words
    text = "".join(path.read_text() for path in (root / "docs").glob("*.md"))
    return [name for name in commands if f"trustctl {name}" not in text]


def main():
    root = pathlib.Path(os.environ.get("TRUST_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
    problems = []
    for path in [root / "README.md", *sorted((root / "docs").glob("*.md"))]:
        problems += [f"{path.name}: no such file: {target}" for target in broken_links(path)]
    problems += [f"rest.md: {route} is not described" for route in undescribed_routes(root)]
    problems += [f"tools.md: {name} is not described" for name in undescribed_variables(root)]
    problems += [f"configuration.md: {key} is not described" for key in undescribed_keys(root)]
    if trustctl := os.environ.get("TRUSTCTL"):
        problems += [f"trustctl {name} is in no document"
                     for name in undescribed_commands(root, trustctl)]
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
