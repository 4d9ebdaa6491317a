"""A place of a test's own: home, directories and environment, as a login with nothing set has."""

import atexit
import os
import shutil
import subprocess
import tempfile

from harness import mint, need

PATH = "/usr/bin:/bin"


def _copied():
    """The two programs where every user may run them, which a tree in somebody's home is not; and
    a build meanwhile does not change what is tested."""
    directory = tempfile.mkdtemp(prefix="trust.", dir="/tmp")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    os.chmod(directory, 0o755)
    for name in ("trustd", "trustctl"):
        shutil.copy(os.environ[name.upper()], os.path.join(directory, name))
        os.chmod(os.path.join(directory, name), 0o755)
    return directory


BIN = _copied()
TRUSTD = os.path.join(BIN, "trustd")
TRUSTCTL = os.path.join(BIN, "trustctl")


class Result:
    """What a command said. Text that is not UTF-8 is shown escaped."""

    def __init__(self, command, process):
        self.command = command
        self.status = process.returncode
        self.out = process.stdout.decode(errors="backslashreplace")
        self.err = process.stderr.decode(errors="backslashreplace")

    def __str__(self):
        return (f"{' '.join(map(str, self.command))}\n  status {self.status}\n"
                f"  out: {self.out[-3000:]}\n  err: {self.err[-3000:]}")


class Place:
    """Directories under one short path (sockets have 107 bytes), the environment that goes with
    them, and a base with one root of the test's own."""

    def __init__(self, base=True):
        self.root = tempfile.mkdtemp(prefix="trust.", dir="/tmp")
        os.chmod(self.root, 0o755)  # other users' processes take part
        self.home = self.make("home")
        self.config_dir = self.make("home/.config/trustd")
        self.runtime = self.make("run", 0o711)
        self.state = os.path.join(self.home, ".local/state/trustd")
        self.public = os.path.join(self.state, "public")
        self.current = os.path.join(self.public, "current")
        self.bundle = os.path.join(self.current, "bundle.pem")
        self.socket = os.path.join(self.runtime, "trustd/trustd.sock")
        self.base_root = None
        self.sections = {}
        self.tables = []
        if base:
            self.base_root = mint.authority("Base Root")
            self.sections["store"] = {"base": self.write("base.pem", self.base_root.pem)}
            self.configure()

    def make(self, name, mode=0o755):
        path = os.path.join(self.root, name)
        os.makedirs(path, exist_ok=True)
        os.chmod(path, mode)
        return path

    def path(self, name):
        return os.path.join(self.root, name)

    def write(self, name, data, mode=0o644):
        path = self.path(name)
        with open(path, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
        os.chmod(path, mode)
        return path

    def configure(self, **sections):
        """configure(store={"base": "none"}) sets these keys in trustd.toml, the others stay."""
        for section, keys in sections.items():
            self.sections.setdefault(section, {}).update(keys)
        return self._write_configuration()

    def add_table(self, table, **keys):
        """add_table("sink", name="chat", …): one more [[sink]] in trustd.toml."""
        self.tables.append((table, keys))
        return self._write_configuration()

    def _write_configuration(self):
        def value(of):
            if isinstance(of, bool):
                return "true" if of else "false"
            if isinstance(of, list):
                return "[" + ", ".join(map(value, of)) + "]"
            return str(of) if isinstance(of, int) else "'%s'" % of

        lines = []
        for head, keys in ([(f"[{name}]", keys) for name, keys in self.sections.items()] +
                           [(f"[[{name}]]", keys) for name, keys in self.tables]):
            lines.append(head)
            lines += [f"{key} = {value(of)}" for key, of in keys.items()]
        path = os.path.join(self.config_dir, "trustd.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        return path

    @property
    def environment(self):
        return {"HOME": self.home, "PATH": f"{BIN}:{PATH}", "LANG": "C.UTF-8",
                "XDG_RUNTIME_DIR": self.runtime, "XDG_STATE_HOME": self.home + "/.local/state",
                "XDG_CONFIG_HOME": self.home + "/.config", "USER": "test", "LOGNAME": "test",
                "PYTHONDONTWRITEBYTECODE": "1"}

    def exec(self, *command, stdin=b"", timeout_s=120, env=None, cwd=None, hosts=None):
        """Runs a command in this place. env is added, None takes a variable away. hosts are names
        that the command resolves as the address given."""
        environment = self.environment
        for key, value in (env or {}).items():
            environment.pop(key, None)
            if value is not None:
                environment[key] = value
        if hosts:
            command = [*self.with_files({"/etc/hosts": "".join(
                f"{address} {host}\n" for host, address in hosts.items())}), *command]
        process = subprocess.run(command, env=environment, cwd=cwd or self.home,
                                 input=stdin.encode() if isinstance(stdin, str) else stdin,
                                 capture_output=True, timeout=timeout_s, check=False)
        return Result(command, process)

    def with_files(self, files):
        """The command prefix under which the files have these texts, for what it starts only."""
        script = []
        for number, (path, text) in enumerate(files.items()):
            other = self.write(f"file-{number}-{os.path.basename(path)}", text)
            script.append(f"mount --bind {other} {path}")
        return [*need.namespaces(), "sh", "-c", " && ".join(script) + ' && exec "$@"', "sh"]

    def ctl(self, *arguments, **options):
        return self.exec(TRUSTCTL, *map(str, arguments), **options)

    def done(self, *arguments, **options):
        """As ctl, for what must succeed."""
        result = self.ctl(*arguments, **options)
        assert result.status == 0, str(result)
        return result

    def remove(self):
        shutil.rmtree(self.root, ignore_errors=True)
