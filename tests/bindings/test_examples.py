"""The example of each README is the file beside it, and does what it says."""

import os
import subprocess
import sys

import pytest

import driven
from harness import mint, need
from server import Server

EXAMPLES = {"python": "python/example.py", "cpp": "cpp/example.cc", "go": "go/example/main.go",
            "rust": "rust/trust/examples/get.rs", "node": "node/example.js"}


def _python():
    need.modules("requests")
    return [sys.executable, os.path.join(driven.BINDINGS, EXAMPLES["python"])]


def _cpp():
    return [driven.cpp(os.path.join(driven.BINDINGS, EXAMPLES["cpp"]), "example-cpp")]


def _go():
    output = os.path.join(driven.BUILT, "example-go")
    driven.go("build", "-o", output, "./example", cwd=os.path.join(driven.BINDINGS, "go"))
    return [output]


def _rust():
    driven.cargo("build", "--quiet", "--examples", cwd=os.path.join(driven.BINDINGS, "rust"))
    return [os.path.join(driven.BUILT, "rust", "debug", "examples", "get")]


def _node():
    return [driven.node(), os.path.join(driven.node_module(), "example.js")]


@pytest.mark.parametrize("language", driven.LANGUAGES, ids="in-{}".format)
def test_the_readme_shows_the_example(language):
    with open(os.path.join(driven.BINDINGS, EXAMPLES[language]), encoding="utf-8") as file:
        example = file.read()
    with open(os.path.join(driven.BINDINGS, language, "README.md"), encoding="utf-8") as file:
        assert f"\n{example}```\n" in file.read()


@pytest.mark.parametrize("language", driven.LANGUAGES, ids="in-{}".format)
def test_the_example_runs(place, trusted, language):
    command = {"python": _python, "cpp": _cpp, "go": _go, "rust": _rust, "node": _node}[language]()

    def run(*arguments):
        return subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True,
                              env=driven.environment(place, language), timeout=60, check=False)
    served = run(trusted.host, trusted.port)
    assert served.returncode == 0 and served.stdout.endswith("served\n"), served
    with Server(place, mint.self_signed("127.0.0.1")) as stranger:
        refused = run(stranger.host, stranger.port)
        assert refused.returncode == 3, refused
        assert "TRUST_ERR_SELF_SIGNED: 127.0.0.1" in refused.stderr, refused
        assert "\nhint: " in refused.stderr, refused
        assert stranger.requests == []
    wrong = run()
    assert wrong.returncode != 0 and "usage: " in wrong.stderr, wrong
