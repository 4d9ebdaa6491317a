"""Commands are completions are the manual."""

import os
import re
import subprocess

TRUSTCTL = os.environ["TRUSTCTL"]
MANUAL = os.path.join(os.environ["TRUST_SOURCE_DIR"], "docs/trustctl.1")


def ctl(*arguments):
    return subprocess.run([TRUSTCTL, *arguments], env={"PATH": "/usr/bin:/bin", "HOME": "/"},
                          capture_output=True, text=True, check=True).stdout


def helped_commands(*command):
    _, found, listed = ctl(*command, "--help").partition("Subcommands:\n")
    return re.findall(r"^  ([a-z]\S*)", listed, re.M) if found else []


def helped_options(*command):
    text = ctl(*command, "--help").partition("Options:\n")[2].partition("Subcommands:")[0]
    return set(re.findall(r"(?:^  |,)(--[a-z-]+)", text, re.M))


def every_command(*command):
    children = helped_commands(*command)
    if not children:
        return [command]
    alone = [command] if "[SUBCOMMAND]" in ctl(*command, "--help") else []
    return alone + [leaf for child in children for leaf in every_command(*command, child)]


def manual_sections():
    """The text about each command, by its words."""
    with open(MANUAL, encoding="utf-8") as file:
        text = file.read()
    commands = text.partition(".SH COMMANDS\n")[2].partition(".SH EXIT STATUS")[0]
    sections = {}
    for section in commands.split(".SS trustctl ")[1:]:
        heading, _, body = section.partition("\n")
        words = []
        for word in heading.split():
            if not re.fullmatch(r"[a-z]+", word):
                break
            words.append(word)
        sections[tuple(words)] = (heading + "\n" + body).replace("\\-", "-")
    return sections


def test_the_manual_is_the_one_that_the_program_writes():
    with open(MANUAL, encoding="utf-8") as file:
        assert file.read() == ctl("__manual"), "trustctl __manual > docs/trustctl.1"


def test_commands_are_completions_are_the_manual():
    commands = every_command()
    assert ("pin", "add") in commands and ("rollback",) in commands
    assert set(manual_sections()) == set(commands)
    assert ctl("__complete", "").split() == sorted(helped_commands())
    assert ctl("__complete", "pin", "").split() == sorted(helped_commands("pin"))


def test_options_are_completions_are_the_manual():
    everywhere = helped_options()
    sections = manual_sections()
    for command in every_command():
        options = helped_options(*command)
        completed = set(ctl("__complete", *command, "--").split())
        assert completed == options | everywhere, command
        for option in options - {"--help"}:
            assert f"\\fB{option}\\fR" in sections[command], (command, option)


def test_what_is_not_there_is_not_shown():
    for hidden in ("__complete", "__manual"):
        assert hidden not in ctl("--help") and hidden not in ctl("__complete", "_")
