"""The scripts, in the shells that they are for."""

import os
import shutil
import subprocess

import pytest

TRUSTCTL = os.environ["TRUSTCTL"]


def needs(shell):
    return shutil.which(shell) or pytest.skip(f"{shell} is not installed")


def in_shell(shell, script, tmp_path, *more):
    environment = {"PATH": os.path.dirname(TRUSTCTL) + ":/usr/bin:/bin", "HOME": str(tmp_path),
                   "TERM": "dumb", "LANG": "C.UTF-8"}
    return subprocess.run([needs(shell), *more, "-c", script], env=environment, cwd=tmp_path,
                          capture_output=True, text=True, timeout=60, check=False,
                          stdin=subprocess.DEVNULL)


def in_bash(words, tmp_path):
    line = " ".join(f"'{word}'" for word in words)
    script = (f'eval "$(trustctl completion bash)"; COMP_WORDS=({line}); '
              f'COMP_CWORD={len(words) - 1}; _trustctl; printf "%s\\n" "${{COMPREPLY[@]}}"')
    said = in_shell("bash", script, tmp_path, "--norc")
    assert said.returncode == 0 and not said.stderr, said
    return said.stdout.split("\n")[:-1]


def test_bash(tmp_path):
    assert in_bash(["trustctl", "roll"], tmp_path) == ["rollback"]
    assert in_bash(["trustctl", "pin", ""], tmp_path) == ["add", "list", "rm"]
    assert in_bash(["trustctl", "env", "--shell", ""], tmp_path) == ["dotenv", "fish", "json", "sh"]
    (tmp_path / "a file.pem").write_text("")
    assert in_bash(["trustctl", "add", "a"], tmp_path) == ["a file.pem"]
    assert "bash" in in_bash(["trustctl", "run", "bas"], tmp_path)


def test_fish(tmp_path):
    def complete(line):
        said = in_shell("fish", f'trustctl completion fish | source; complete -C "{line}"', tmp_path)
        assert said.returncode == 0 and not said.stderr, said
        return [word.split("\t")[0] for word in said.stdout.splitlines()]
    assert complete("trustctl roll") == ["rollback"]
    assert set(complete("trustctl env --shell ")) == {"dotenv", "fish", "json", "sh"}
    (tmp_path / "ca.pem").write_text("")
    assert "ca.pem" in complete("trustctl add ")


def test_zsh(tmp_path):
    """A terminal of zsh's own, in which a line is typed and completed."""
    script = r"""
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z 'PS1=; autoload -U compinit; compinit -u -D; eval "$(trustctl completion zsh)"; print REA""DY'
zpty -r z line '*READY*'
zpty -w z 'compadd() { print -rl -- "$@" > $HOME/new; mv $HOME/new $HOME/offered; builtin compadd "$@" }'
zpty -n -w z $'trustctl env --shell \t'
zmodload zsh/zselect
repeat 600; do [[ -e $HOME/offered ]] && break; zselect -t 5; done
zpty -d z
"""
    said = in_shell("zsh", script, tmp_path, "-f")
    assert said.returncode == 0, said
    assert (tmp_path / "offered").read_text().split() == ["--", "dotenv", "fish", "json", "sh"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_one_of_its_shell(shell, tmp_path):
    script = tmp_path / "script"
    script.write_text(subprocess.run([TRUSTCTL, "completion", shell], capture_output=True, text=True,
                                     check=True, env={"HOME": "/", "PATH": "/usr/bin"}).stdout)
    checked = subprocess.run([needs(shell), "-n", str(script)], capture_output=True, check=False)
    assert checked.returncode == 0 and not checked.stderr, checked
