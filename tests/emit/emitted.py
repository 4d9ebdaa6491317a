"""A directory with what the emitters make, and programs run on it in a clean environment."""

import os
import re
import shutil
import subprocess
import tempfile

from harness import need

PROBE = os.environ["TRUST_EMIT_PROBE"]
PROGRAMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")
PATH = "/usr/bin:/bin"
SERVED = "served"
REFUSED = "refused"  # because of the certificate
# What programs say when it was the certificate that they did not like.
OF_CERTIFICATES = re.compile(
    r"certif|verif|trust|PKIX|unknown ca|self.signed|SSL_ERROR|x509|SSL peer|subtree violation", re.IGNORECASE)


class Ran:
    def __init__(self, command, process):
        self.command = command
        self.status = process.returncode
        self.out = process.stdout.decode(errors="backslashreplace")
        self.err = process.stderr.decode(errors="backslashreplace")

    def __str__(self):
        return (f"{' '.join(map(str, self.command))}\n  status {self.status}\n"
                f"  out: {self.out[-3000:]}\n  err: {self.err[-3000:]}")


class Bench:
    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="emit.", dir="/tmp")
        self.home = os.path.join(self.root, "home")
        os.mkdir(self.home)

    def remove(self):
        shutil.rmtree(self.root, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.root, name)

    def write(self, name, text):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(text.encode() if isinstance(text, str) else text)
        return path

    def run(self, *command, env=None, mounts=None, stdin=b"", cwd=None, timeout_s=180):
        """mounts: {place: file or directory that stands there for this program only}."""
        if mounts:
            script = " && ".join(f"mount --bind {ours} {place}" for place, ours in mounts.items())
            command = [*need.namespaces(), "sh", "-c", script + ' && exec "$@"', "sh", *command]
        environment = {"PATH": PATH, "HOME": self.home, "LANG": "C.UTF-8",
                       "PYTHONDONTWRITEBYTECODE": "1", **(env or {})}
        process = subprocess.run(list(map(str, command)), env=environment, cwd=cwd or self.home,
                                 input=stdin, capture_output=True, timeout=timeout_s, check=False)
        return Ran(command, process)

    def done(self, *command, **options):
        ran = self.run(*command, **options)
        assert ran.status == 0, str(ran)
        return ran

    def probe(self, *arguments):
        """What the probe writes, as bytes."""
        return subprocess.run([PROBE, *map(str, arguments)], check=True, capture_output=True).stdout

    def hosts(self, *names):
        """The mounts under which these names are 127.0.0.1."""
        return {"/etc/hosts": self.write("hosts", "".join(f"127.0.0.1 {name}\n" for name in names))}

    def fetched(self, server, ran):
        """SERVED if the server was asked for something; REFUSED if not, and the program speaks of
        the certificate; anything else fails."""
        served = bool(server.served)
        server.served.clear()
        if served:
            return SERVED
        assert OF_CERTIFICATES.search(ran.out + ran.err), f"neither served nor refused: {ran}"
        return REFUSED

    def shadow(self, ca, *scope):
        """The shadow of a Minted as PEM."""
        return self.probe("shadow", self.write("of.pem", ca.pem), *scope).decode()

    def compiled_java(self):
        java, javac = (need.program(name, "default-jdk-headless") for name in ("java", "javac"))
        if not os.path.exists(self.path("Fetch.class")):
            self.done(javac, "-d", self.root, os.path.join(PROGRAMS, "Fetch.java"))
        return [java, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", self.root]

    def compiled_go(self):
        go = need.program("go", "golang-go")
        if not os.path.exists(self.path("fetch_go")):
            cache = {"GOCACHE": self.path("gocache"), "GOFLAGS": "-mod=mod", "GO111MODULE": "off",
                     "CGO_ENABLED": "0"}
            self.done(go, "build", "-o", self.path("fetch_go"), os.path.join(PROGRAMS, "fetch.go"),
                      env=cache, timeout_s=400)
        return [self.path("fetch_go")]
