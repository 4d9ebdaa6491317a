"""A program in each language that does with its binding what a line on its standard input says, and
answers with one line of JSON: served, refused (with the library's reasons), failed, done.

    get H P            a connection of its own; GET / of HTTP/1.0, read to the end
    pooled H P         through the language's own pool: requests, net/http, https.Agent, trust_pool
    forget             ends what is idle there
    echo H P N         N bytes there and back, written while they are read
    read H P WHAT N    `eof N` or `truncate N` of the server, read to the end
    cancel H P         a read that is cancelled from another thread once it waits; Node has no
                       other thread, and does it in a later turn of its loop
    timeout H P MS     a read that nobody answers
    connect-timeout H P MS
    parallel H P N     N times `get` at once
    pinned H P PIN     with a pin of the program's own
    fds                how many descriptors are open
"""

import functools
import json
import os
import shutil
import subprocess
import sys

from harness import need

HERE = os.path.dirname(os.path.abspath(__file__))
DRIVERS = os.path.join(HERE, "drivers")
SOURCE = os.environ["TRUST_SOURCE_DIR"]
BINDINGS = os.path.join(SOURCE, "capi", "bindings")
BUILT = os.path.join(os.environ["TRUST_BINARY_DIR"], "bindings")
LIBRARY = os.environ["TRUST_LIBRARY"]
# With OpenSSL within, for Node.
STATIC_LIBRARY = os.environ.get("TRUST_STATIC_LIBRARY", "")
IN_POLL = os.path.join(SOURCE, "tests", "in_poll.c")
INCLUDE = os.path.join(SOURCE, "capi")
DIRECTORY = os.path.dirname(LIBRARY)
LANGUAGES = ("python", "cpp", "go", "rust", "node")

# What compilers and package tools need, and nothing of the caller's: Debian's programs come first.
TOOLS = {"HOME": os.path.join(BUILT, "home"), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8",
         "LD_LIBRARY_PATH": DIRECTORY}


def done(*command, cwd=None, env=None, timeout_s=600):
    """Runs a tool that must succeed; what it said. None in env takes a variable away."""
    os.makedirs(TOOLS["HOME"], exist_ok=True)  # below BUILT
    environment = {**TOOLS, **(env or {})}
    environment = {name: value for name, value in environment.items() if value is not None}
    result = subprocess.run(command, cwd=cwd, env=environment, text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, timeout=timeout_s, check=False)
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}"
    return result.stdout


def program(name, package=None, elsewhere=()):
    """Debian's, else one of elsewhere."""
    for path in (f"/usr/bin/{name}", f"/usr/local/bin/{name}", *elsewhere):
        if os.access(path, os.X_OK):
            return path
    return need.program(name, package)


def go_env():
    cache = os.path.join(BUILT, "go")
    return {"GOCACHE": os.path.join(cache, "cache"), "GOPATH": os.path.join(cache, "path"),
            "GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local", "CGO_ENABLED": "1",
            "CGO_CFLAGS": f"-O1 -I{INCLUDE}", "CGO_LDFLAGS": f"-L{DIRECTORY}"}


def go(*arguments, cwd, env=None):
    return done(program("go", "golang-go", ("/usr/local/go/bin/go",)), *arguments, cwd=cwd,
                env={**go_env(), **(env or {})})


def cargo(*arguments, cwd, env=None):
    """Debian's cargo with Debian's rustc, or those of rustup."""
    rustup = os.path.expanduser("~/.cargo/bin")
    found = program("cargo", elsewhere=(f"{rustup}/cargo",))
    rustc = program("rustc", elsewhere=(f"{rustup}/rustc",))
    env = {"RUSTC": rustc, "CARGO_TARGET_DIR": os.path.join(BUILT, "rust"),
           "CARGO_HOME": os.path.join(BUILT, "cargo"), "TRUST_LIB_DIR": DIRECTORY, **(env or {})}
    if found.startswith(rustup):
        env["RUSTUP_HOME"] = os.path.expanduser("~/.rustup")
        env["HOME"] = os.path.expanduser("~")
    return done(found, "--offline", *arguments, cwd=cwd, env=env)


@functools.cache
def node():
    found = program("node", "nodejs")
    version = done(found, "--version").strip()
    if int(version[1:].split(".")[0]) < 18:
        need.skip(f"node {version} is older than 18 (apt-get install nodejs)")
    return found


@functools.cache
def node_module():
    """The binding beside its addon, which is built as build.sh does it."""
    found = node()
    if not STATIC_LIBRARY:
        need.skip("no build of the library with OpenSSL within (libssl.a is not there)")
    if not any(os.path.exists(f"{path}/node_api.h")
               for path in ("/usr/include/node", "/usr/include/nodejs")):
        need.skip("no node_api.h (apt-get install libnode-dev)")
    target = os.path.join(BUILT, "node")
    source = os.path.join(BINDINGS, "node")
    shutil.copytree(source, target, dirs_exist_ok=True)
    done("/bin/sh", os.path.join(target, "build.sh"), cwd=target, env={
        "NODE": found, "TRUST_INCLUDE_DIR": INCLUDE,
        "TRUST_LIB_DIR": os.path.dirname(STATIC_LIBRARY)})
    return target


@functools.cache
def cpp(source, name, *more):
    output = os.path.join(BUILT, name)
    done(program("g++"), "-std=c++17", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow",
         "-Wconversion", "-Werror", "-isystem", "/usr/include/nlohmann", f"-I{INCLUDE}",
         f"-I{BINDINGS}/cpp", f"-I{SOURCE}/tests", source, "-o", output, f"-L{DIRECTORY}", "-ltrust", "-pthread", *more)
    return output


@functools.cache
def command(language):
    """How the driver is started, built before if it is to be; skips when a tool is missing."""
    if language == "python":
        need.modules("requests")
        return [sys.executable, os.path.join(DRIVERS, "driver.py")]
    if language == "node":
        node_module()
        return [node(), os.path.join(DRIVERS, "driver.js")]
    if language == "cpp":
        return [cpp(os.path.join(DRIVERS, "driver.cc"), "driver-cpp", IN_POLL)]
    if language == "go":
        output = os.path.join(BUILT, "driver-go")
        go("build", "-o", output, ".", cwd=os.path.join(DRIVERS, "go"))
        return [output]
    source = os.path.join(DRIVERS, "rust")
    cargo("build", "--quiet", cwd=source)
    return [os.path.join(BUILT, "rust", "debug", "driver")]


def environment(place, language):
    found = {**place.environment, "LD_LIBRARY_PATH": DIRECTORY}
    if language == "python":
        found.update(TRUST_LIBRARY=LIBRARY, PYTHONPATH=os.path.join(BINDINGS, "python"))
    if language == "node":
        del found["LD_LIBRARY_PATH"]
        found["TRUST_NODE_MODULE"] = node_module()
    return found


class Driver:
    def __init__(self, place, language, start=None):
        self.language = language
        self.log_path = place.path(f"driver-{language}.log")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                start or command(language), env=environment(place, language), cwd=place.home, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)

    def do(self, name, server=None, *more):
        words = [name] + ([server.host, server.port] if server else []) + list(more)
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"{self.language} ended with {self.process.wait()}: {self.log()}"
        return json.loads(line)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="backslashreplace") as file:
            return file.read()

    def close(self):
        """Its exit status: it ends when it is asked nothing more."""
        self.process.stdin.close()
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self.language} does not end") from None

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.process.kill()
            self.process.wait()
            return
        status = self.close()
        assert status == 0, f"{self.language} ended with {status}: {self.log()}"
