"""The commands of README.md, typed line by line at a terminal, as somebody does who tries them.

A block is run if it is fenced as ```sh and stands below the marker. The daemon that `./dev run`
would start runs already; everything else is as it stands there, in a network of its own, so that
the ports are free.
"""

import os
import re
import subprocess

from harness import need
from harness.terminal import Terminal

SOURCE = os.environ.get("TRUST_SOURCE_DIR", "")
MARKER = "<!-- typed by tests/e2e/test_readme.py -->"


def commands():
    """Each command of the marked blocks, those of several lines whole."""
    with open(os.path.join(SOURCE, "README.md"), encoding="utf-8") as file:
        text = file.read()
    blocks = re.findall(re.escape(MARKER) + r"\n+```sh\n(.*?)^```$", text, re.S | re.M)
    assert blocks, "README.md has no marked block"
    found, pending = [], ""
    for line in "\n".join(blocks).splitlines():
        pending += line + "\n"
        whole = subprocess.run(["bash", "-n"], input=pending.encode(), capture_output=True,
                               check=False).returncode == 0
        if whole:
            if pending.strip():
                found.append(pending)
            pending = ""
    assert not pending, f"no whole command: {pending}"
    return found


def test_what_it_says_can_be_typed(place, daemon):
    ip = need.program("ip", "iproute2")
    need.program("openssl")
    network = [*need.namespaces(), "-n"]
    shell = Terminal(*network, "sh", "-c", f"{ip} link set lo up && exec bash --norc --noprofile -i",
                     env={**place.environment, "PS1": "", "PS2": "", "HISTFILE": ""}, cwd=SOURCE)
    try:
        shell.type("PS1=; PS2=; bind 'set enable-bracketed-paste off'; "
                   "PROMPT_COMMAND='printf \"<%d>$ \" $?'\n")
        shell.read_until(rb"<0>\$ $")
        for command in commands():
            shell.shown = b""
            shell.type(command)
            said = answer(shell)
            assert said.endswith(b"<0>$ "), f"{command}\n{said.decode(errors='replace')}"
            if " demo &" in command:
                shell.read_until(rb"Running on|CTRL\+C")
            if "# verified" in command or "requests.get" in command:
                assert b"Verified." in said, said.decode(errors="replace")
    finally:
        shell.type("\nkill %1 2>/dev/null; exit\n")
        shell.end()


def answer(shell):
    """Reads until the next prompt, and says yes where a question is asked."""
    said = shell.read_until(rb"<\d+>\$ |\[y/N\] $", 120)
    if re.search(rb"\[y/N\] $", said):
        shell.type("y\n")
        said = shell.read_until(rb"<\d+>\$ ", 120)
    return said
