#!/usr/bin/python3
"""Ours against theirs, measured in turn in one run; one line a goal, and the same as JSON.

    bench.py BUILD_DIRECTORY [--only N[,N…]] [--rounds 5] [--json FILE]

A figure means nothing by itself on a busy machine, so a goal is a ratio of two medians, of
rounds that alternate. A comparison whose program is not there is listed as skipped.
"""

import argparse
import ctypes
import ctypes.util
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

RESULTS = []


class Missing(Exception):
    """A program that a comparison needs is not there."""


def need(*programs):
    for program in programs:
        if shutil.which(program, path="/usr/bin:/usr/sbin:/bin:/sbin") is None:
            raise Missing(f"{program} is not installed")


def clean_environment(home):
    return {"HOME": str(home), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8"}


def timed(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def whole_process(words, environment):
    """Milliseconds from a program's start to its end. By posix_spawn: what subprocess does around
    it is a third of what `true` takes, and would stand on both sides of a ratio."""
    words = [str(word) for word in words]
    program = shutil.which(words[0], path=environment["PATH"])
    silent = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_WRONLY, 0) for stream in (1, 2)]

    def run():
        process = os.posix_spawn(program, words, environment, file_actions=silent)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        if code != 0:
            raise subprocess.CalledProcessError(code, words)

    return 1e3 * timed(run)


def alternate(rounds, ours, theirs):
    """Medians of `rounds` calls each, taken in turn; a call returns its figure."""
    a, b = [], []
    for _ in range(rounds):
        a.append(ours())
        b.append(theirs())
    return statistics.median(a), statistics.median(b)


def report(name, ours, theirs, ratio, goal, met, unit):
    def figure(value):
        return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"

    line = (f"{name}  ours {figure(ours)} {unit}  theirs {figure(theirs)} {unit}  "
            f"ratio {ratio:.2f}  goal {goal}  {'ok' if met else 'SHORT'}")
    print(line, flush=True)
    RESULTS.append({"name": name, "ours": ours, "theirs": theirs, "ratio": ratio, "goal": goal,
                    "unit": unit, "ok": met})


def at_least(name, ours, theirs, least, unit):
    """`ours` and `theirs` are rates."""
    ratio = ours / theirs
    report(name, ours, theirs, ratio, f">= {least}", ratio >= least, unit)


def at_most(name, ours, theirs, most, unit):
    """`ours` and `theirs` are costs."""
    ratio = ours / theirs
    report(name, ours, theirs, ratio, f"<= {most}", ratio <= most, unit)


def faster(name, ours, theirs, least, unit):
    """`theirs / ours` is to be at least `least`."""
    ratio = theirs / ours
    report(name, ours, theirs, ratio, f">= {least} x faster", ratio >= least, unit)


class Bench:
    def __init__(self, build, rounds, root):
        self.build = pathlib.Path(build).resolve()
        self.rounds = rounds
        self.root = pathlib.Path(root)
        self.trustd = self.build / "daemon/trustd"
        self.trustctl = self.build / "cli/trustctl"

    def tool(self, name):
        return str(self.build / "tests/bench" / name)

    def home(self, name):
        home = self.root / name
        home.mkdir()
        return home

    def seed(self, home, what, count):
        state = home / ".local/state/trustd"
        subprocess.run([self.tool("bench_seed"), str(state), what, str(count)], check=True)

    def ctl(self, home, *words, **options):
        return subprocess.run([str(self.trustctl), *words], env=clean_environment(home), check=True,
                              stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, **options).stdout

    def load(self, *words, bodies=None):
        lines = "".join(f"{json.dumps(body)}\n" for body in bodies) if bodies else None
        done = subprocess.run([self.tool("bench_load"), *words], check=True, text=True,
                              input=lines, stdout=subprocess.PIPE)
        return json.loads(done.stdout.splitlines()[0])


class Daemon:
    """trustd for a HOME, as a process; ready when it answers."""

    def __init__(self, bench, home, base="none"):
        self.home = home
        config = home / ".config/trustd"
        config.mkdir(parents=True, exist_ok=True)
        (config / "trustd.toml").write_text(f'[store]\nbase = "{base}"\n')
        self.socket = str(home / ".local/state/trustd/trustd.sock")
        self.store = home / ".local/state/trustd/public"
        self.log = open(home / "trustd.log", "ab")
        self.process = subprocess.Popen([str(bench.trustd)], env=clean_environment(home),
                                        stdout=self.log, stderr=self.log)

    def __enter__(self):
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                if self.get("/readyz")[0] == 200:
                    return self
            except OSError:
                pass
            time.sleep(0.05)
        raise RuntimeError(f"trustd is not ready: {(self.home / 'trustd.log').read_text()}")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        self.log.close()

    def request(self, method, target, body=b"", content_type="application/json"):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(120)
            connection.connect(self.socket)
            head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            if body:
                head += f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
            connection.sendall(head.encode() + b"\r\n" + body)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        return int(answer.split(b" ", 2)[1]), answer

    def get(self, target):
        return self.request("GET", target)

    def add(self, pem):
        status, answer = self.request("POST", "/v1/certificates",
                                      json.dumps({"pem": pem, "trust": "leaf"}).encode())
        if status != 201:
            raise RuntimeError(answer[-500:])

    def rest(self):
        """Until what the start needed was given back: its resident size does not change."""
        size, since = self.resident_kib(), time.monotonic()
        while time.monotonic() < since + 5:
            time.sleep(0.1)
            if size != (size := self.resident_kib()):
                since = time.monotonic()

    def resident_kib(self):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise RuntimeError("no VmRSS")


class Server:
    """Another server, as a process, for the time of a `with`."""

    def __init__(self, words, socket_path):
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        self.socket = socket_path

    def __enter__(self):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with socket.socket(socket.AF_UNIX) as probe:
                try:
                    probe.connect(self.socket)
                    return self
                except OSError:
                    time.sleep(0.02)
        raise RuntimeError("the server does not answer")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)


def nginx(root):
    need("nginx")
    directory = root / f"nginx-{time.monotonic_ns()}"
    directory.mkdir()
    (directory / "constant").write_text('{"pins":[],"generation":1}\n')
    path = str(directory / "nginx.sock")
    (directory / "nginx.conf").write_text(f"""
daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log stderr crit;
{"user root;" if os.geteuid() == 0 else ""}
events {{ worker_connections 20000; }} worker_rlimit_nofile 30000;
http {{
  access_log off; keepalive_requests 100000000; default_type application/json;
  client_body_temp_path {directory}/b; proxy_temp_path {directory}/p;
  fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
  server {{ listen unix:{path} backlog=4096; root {directory}; }}
}}
""")
    return Server(["/usr/sbin/nginx", "-p", str(directory), "-c", f"{directory}/nginx.conf"], path)


def plain_httplib(bench):
    directory = bench.root / f"httplib-{time.monotonic_ns()}"
    directory.mkdir()
    path = str(directory / "plain.sock")
    return Server([bench.tool("bench_plain_httplib"), path], path)


def pins_rate(bench):
    """7: pins of a host over the UNIX socket, of 100,000, on 8 connections."""
    home = bench.home("pins")
    bench.seed(home, "pins", 100_000)
    # Hosts all over the store, so that no small cache answers for it.
    targets = [f"/v1/pins?host=host{i * 199 % 100_000}.bench.test&port=443" for i in range(5000)]
    with Daemon(bench, home) as ours, plain_httplib(bench) as plain, nginx(bench.root) as static:
        a, b, c = [], [], []
        for _ in range(bench.rounds):
            a.append(bench.load("rate", ours.socket, "8", "1.5", *targets))
            b.append(bench.load("rate", plain.socket, "8", "1.5", "/constant"))
            c.append(bench.load("rate", static.socket, "8", "1.5", "/constant"))

        def median(rows, key):
            return statistics.median(row[key] for row in rows)

        at_least("7 pins of a host, against cpp-httplib", median(a, "rate"), median(b, "rate"), 1.3,
                 "/s")
        at_least("7 pins of a host, against nginx static", median(a, "rate"), median(c, "rate"),
                 0.6, "/s")
        at_most("7 pins of a host, p99 against nginx", median(a, "p99_us"), median(c, "p99_us"),
                1.5, "us")


def idle(bench):
    """8: 10,000 idle connections."""
    home = bench.home("idle")
    bench.seed(home, "pins", 1000)
    target = "/v1/pins?host=host7.bench.test&port=443"
    with Daemon(bench, home) as ours:
        bench.load("rate", ours.socket, "8", "1", target)
        without, within, resident = [], [], []
        for _ in range(bench.rounds):
            before = ours.resident_kib()
            without.append(bench.load("rate", ours.socket, "8", "1", target)["p99_us"])
            holder = subprocess.Popen([bench.tool("bench_load"), "idle", ours.socket, "10000",
                                       target], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      text=True)
            holder.stdout.readline()
            if holder.stdout.readline() != "ready\n":
                raise RuntimeError("10,000 connections were not answered")
            resident.append((ours.resident_kib() - before) / 10_000)
            within.append(bench.load("rate", ours.socket, "8", "1", target)["p99_us"])
            holder.communicate("")
        at_most("8 p99 beside 10,000 idle connections", statistics.median(within),
                statistics.median(without), 2, "us")
        at_most("8 resident of an idle connection", max(max(resident), 0.001), 1, 4, "KiB")


def burst(bench):
    """9: 1,000 connects at once."""
    home = bench.home("burst")
    bench.seed(home, "pins", 1000)
    with Daemon(bench, home) as ours, nginx(bench.root) as static:
        def one(address, target):
            return lambda: bench.load("burst", address, "1000", target)["max_us"]

        a, b = alternate(bench.rounds,
                         one(ours.socket, "/v1/pins?host=host7.bench.test&port=443"),
                         one(static.socket, "/constant"))
        at_most("9 slowest of 1,000 connects at once", a, b, 3, "us")


def pem_blocks(text):
    end = "-----END CERTIFICATE-----\n"
    return [block + end for block in text.split(end) if block.strip()]


def change(bench):
    """10: one certificate added until it is published."""
    need("openssl", "update-ca-certificates")
    extra = pem_blocks(subprocess.run([bench.tool("bench_seed"), "-", "pem", "21000"], check=True,
                                      stdout=subprocess.PIPE, text=True).stdout)[20_000:]
    # What comes at once first, and in a store of its own: others make and delete files, and ext4
    # without a journal passes over each inode that was freed in the last minutes.
    for what, stored, base in (("together", 0, "system"), ("one", 0, "system"),
                               ("one of many", 10_000, "none")):
        home = bench.home(f"change-{what.replace(' ', '-')}")
        if stored:
            bench.seed(home, "certificates", stored)
        with Daemon(bench, home, base) as ours:
            fresh = iter(extra)
            ours.add(next(fresh))

            def add(count=1):
                bodies = [{"pem": next(fresh), "trust": "leaf"} for _ in range(count)]
                return bench.load("post", ours.socket, "/v1/certificates",
                                  bodies=bodies)["seconds"] * 1000

            if what == "together":
                add(100)  # the code for many is in memory, as that for one is
                a, b = alternate(bench.rounds, lambda: add(100), add)
                at_most("10 100 changes at once against one", a, b, 5, "ms")
            elif what == "one":
                def theirs():
                    return system_change(bench, next(fresh)) * 1000

                a, b = alternate(bench.rounds, add, theirs)
                faster("10 a change, 150 stored, against update-ca-certificates", a, b, 100, "ms")
            else:
                directory = bench.root / "rehash"
                directory.mkdir()
                for number, pem in enumerate(pem_blocks(ours_bundle(ours))):
                    (directory / f"{number}.pem").write_text(pem)

                def rehash():
                    return timed(lambda: subprocess.run(
                        ["openssl", "rehash", str(directory)], check=True,
                        stderr=subprocess.DEVNULL, env=clean_environment(home))) * 1000

                a, b = alternate(bench.rounds, add, rehash)
                faster("10 a change, 10,000 stored, against openssl rehash", a, b, 6, "ms")


def ours_bundle(daemon):
    lines = (daemon.store / "current/bundle.pem").read_text().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("#") and line.strip())


def system_change(bench, pem):
    """update-ca-certificates after one more certificate, in directories of its own."""
    root = bench.root / "ca-certificates"
    if not root.exists():
        for part in ("local", "etc", "hooks"):
            (root / part).mkdir(parents=True)
        conf = pathlib.Path("/etc/ca-certificates.conf")
        (root / "conf").write_text(conf.read_text())
        run_system(root)
    (root / "local" / f"{time.monotonic_ns()}.crt").write_text(pem)
    return timed(lambda: run_system(root))


def run_system(root):
    subprocess.run(["update-ca-certificates", "--certsconf", str(root / "conf"), "--localcertsdir",
                    str(root / "local"), "--etccertsdir", str(root / "etc"), "--hooksdir",
                    str(root / "hooks")], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL,
                   env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(root)})


def expiry(bench):
    """12: what expires within 30 days, and what the scheduler does, of 1,000,000."""
    many = os.environ.get("TRUST_BENCH_CERTIFICATES", "1000000")
    done = subprocess.run([bench.tool("bench_expiry"), str(bench.home("expiry")), many], check=True,
                          stdout=subprocess.PIPE)
    found = json.loads(done.stdout)
    at_most(f"12 what expires within 30 days, {int(many):,} against 1,000",
            found["listed_many_us"], found["listed_few_us"], 1.5, "us")
    at_most(f"12 telling of what is due, {int(many):,} against 1,000", found["told_many_us"],
            found["told_few_us"], 1.5, "us")


def command_line(bench):
    """13: whole processes of trustctl."""
    need("openssl")
    home = bench.home("ctl")
    bench.seed(home, "certificates", 100)
    with Daemon(bench, home):
        pass
    environment = clean_environment(home)

    def whole(*words):
        return lambda: statistics.mean(whole_process(words, environment) for _ in range(10))

    ctl = str(bench.trustctl)
    a, b = alternate(bench.rounds, whole(ctl, "env"), whole("openssl", "version", "-d"))
    at_most("13 trustctl env against openssl version -d", a, b, 2, "ms")
    certifi = subprocess.run(["/usr/bin/python3", "-c", "import certifi"], env=environment,
                             stderr=subprocess.DEVNULL).returncode == 0
    if not certifi:
        raise Missing("python3-certifi is not installed")
    a, b = alternate(bench.rounds, whole(ctl, "path", "bench-7"),
                     whole("/usr/bin/python3", "-m", "certifi"))
    at_most("13 trustctl path against python3 -m certifi", a, b, 0.2, "ms")


def new_certificate(bench):
    """14: a key and a certificate, trusted and published, whole process."""
    need("openssl")
    home = bench.home("new")
    with Daemon(bench, home):
        count = iter(range(1_000_000))

        def whole(*words):
            return whole_process(words, clean_environment(home))

        def ours():
            name = f"n{next(count)}.test"
            return whole(bench.trustctl, "new", name, "--trust", "--out", home / name)

        def theirs():
            name = f"o{next(count)}"
            return whole("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                         "ec_paramgen_curve:P-256", "-nodes", "-days", "365", "-subj", "/CN=o.test",
                         "-addext", "subjectAltName=DNS:o.test", "-keyout",
                         str(home / f"{name}.key"), "-out", str(home / f"{name}.pem"))
        for _ in range(3):
            ours(), theirs()
        a, b = alternate(max(bench.rounds, 15), ours, theirs)
        at_most("14 trustctl new P-256 --trust, whole, against openssl req -x509", a, b, 2, "ms")


def resident_library(bench):
    """The same GET, verified by the C library and by OpenSSL with one anchor."""
    need("openssl")
    home = bench.home("resident-library")
    certificate, key = home / "server.pem", home / "server.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=bench", "-addext",
                    "subjectAltName=IP:127.0.0.1", "-out", certificate, "-keyout", key],
                   check=True, stderr=subprocess.DEVNULL)
    with Daemon(bench, home):
        bench.ctl(home, "add", str(certificate))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    server = subprocess.Popen(["openssl", "s_server", "-quiet", "-www", "-accept",
                               f"127.0.0.1:{port}", "-cert", certificate, "-key", key],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        def client(program, trust):
            def run():
                for _ in range(100):  # until the server listens
                    done = subprocess.run([bench.tool(program), str(trust), "127.0.0.1", port],
                                          env=clean_environment(home), stdout=subprocess.PIPE,
                                          stderr=subprocess.DEVNULL)
                    if done.returncode == 0:
                        return int(done.stdout) / 1024
                    time.sleep(0.05)
                raise RuntimeError(f"{program} could not connect")
            return run

        ours, theirs = alternate(bench.rounds,
                                 client("bench_client", home / ".local/state/trustd/public"),
                                 client("bench_client_plain", certificate))
    finally:
        server.kill()
        server.wait()
    print(f"   resident: by libtrust {ours:.2f} MiB, plain OpenSSL {theirs:.2f} MiB", flush=True)
    at_most("15 library resident over a plain OpenSSL client", ours - theirs, 1, 2, "MiB")


def resident(bench):
    """15: resident size of the daemon, and of the library over a plain OpenSSL client."""
    resident_library(bench)
    for count, most_mib in ((1000, 16), (100_000, 32)):
        home = bench.home(f"resident-{count}")
        bench.seed(home, "certificates", count)
        with Daemon(bench, home) as ours:
            ours.get("/v1/status")
            ours.rest()
            at_most(f"15 daemon resident, {count:,} certificates", ours.resident_kib() / 1024, 1,
                    most_mib, "MiB")


class World:
    """A store, and an HTTPS server that it trusts, for the time of a `with`."""

    def __init__(self, bench):
        self.program = bench.tool("bench_connection")
        if not os.access(self.program, os.X_OK):
            raise Missing("bench_connection is not built")
        self.directory = bench.root / "world"
        if not self.directory.exists():
            subprocess.run([self.program, "world", str(self.directory)], check=True)
        self.bundle = self.directory / "public/current/bundle.pem"

    def __enter__(self):
        self.server = subprocess.Popen([self.program, "serve", str(self.directory)],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.port = int(self.server.stdout.readline())
        self.url = f"https://localhost:{self.port}/"
        return self

    def __exit__(self, *_):
        self.server.stdin.close()
        self.server.wait(20)

    def environment(self):
        return {**clean_environment(self.directory), "REQUESTS_CA_BUNDLE": str(self.bundle)}

    def printed(self, *words):
        """The first line of what a program prints."""
        done = subprocess.run([str(word) for word in words], env=self.environment(), check=True,
                              stdout=subprocess.PIPE)
        return done.stdout.splitlines()[0]

    def measured(self, count):
        return json.loads(self.printed(self.program, "measure", self.directory, self.port, count))

    def requests(self, code):
        """What Python prints that knows requests and the url."""
        return float(self.printed(
            "/usr/bin/python3", "-c",
            f"import time, requests, statistics; url = {self.url!r}\n{code}"))


def need_requests():
    if subprocess.run(["/usr/bin/python3", "-c", "import requests"],
                      stderr=subprocess.DEVNULL, check=False).returncode:
        raise Missing("python3-requests is not installed")


def first_request(bench):
    """1: the first verified request of a process."""
    need("curl")
    need_requests()
    with World(bench) as world:
        words = [bench.tool("bench_first_request"), world.directory / "public", world.port]
        if not os.access(words[0], os.X_OK): # the C library is not built: what is below it
            words = [world.program, "first", world.directory, world.port]
        ours, theirs = alternate(
            bench.rounds, lambda: float(world.printed(*words)) / 1e3,
            lambda: 1e3 * world.requests("t = time.perf_counter(); requests.get(url)\n"
                                         "print(time.perf_counter() - t)"))
        faster("1 first verified request, store of 150 + 1, requests", ours, theirs, 12, "ms")
        requests = ("/usr/bin/python3", "-c",
                    f"import requests; print(requests.get({world.url!r}).status_code)")
        curl = ("curl", "-s", "--cacert", world.bundle, world.url)
        builds = [("", {})]
        if (bench.build / "capi/static/libtrust.so.1").exists():
            builds.append((", OpenSSL and SQLite inside",
                           {"LD_LIBRARY_PATH": str(bench.build / "capi/static")}))
        for build, more in builds:
            def whole(*line):
                return whole_process(line, {**world.environment(), **more})

            for name, theirs, least in (("requests", requests, 15), ("curl", curl, 4)):
                a, b = alternate(bench.rounds, lambda: whole(*words), lambda: whole(*theirs))
                faster(f"1 the same, whole process{build}, {name}", a, b, least, "ms")


def pooled_request(bench):
    """2: a request on a pooled connection."""
    need_requests()
    code = ("session = requests.Session(); session.get(url); times = []\n"
            "for _ in range(200):\n"
            " t = time.perf_counter(); session.get(url); times.append(time.perf_counter() - t)\n"
            "print(statistics.median(times))")
    with World(bench) as world:
        ours, theirs = alternate(bench.rounds, lambda: world.measured(50)["pooled"],
                                 lambda: 1e6 * world.requests(code))
        faster("2 request on a pooled connection, requests.Session", ours, theirs, 5, "us")
        figures = [world.measured(100) for _ in range(bench.rounds)]
        at_most("2 request on a pooled connection, SSL_write and SSL_read",
                statistics.median(f["pooled"] for f in figures),
                statistics.median(f["raw_request"] for f in figures), 1.15, "us")


def handshake(bench):
    """3: a handshake with judging."""
    with World(bench) as world:
        figures = [world.measured(100) for _ in range(bench.rounds)]
        full, raw, resumed = (statistics.median(f[name] for f in figures)
                              for name in ("full", "raw_full", "resumed"))
        at_most("3 full handshake with judging, OpenSSL", full, raw, 1.1, "us")
        at_most("3 resumed handshake, our full one", resumed, full, 0.6, "us")


def opening(bench):
    """4: opening a store and the first verdict, a million entries and pins, and a hundred."""
    world = World(bench)
    small, large = bench.root / "small", bench.root / "large"
    for directory, count in ((small, 100), (large, 1_000_000)):
        subprocess.run([world.program, "large", str(directory), str(count)], check=True)

    def figure(directory):
        us, kib = world.printed(world.program, "open", directory).split()
        return float(us), int(kib)

    figure(large)  # into the page cache
    ours, theirs = [], []
    for _ in range(4 * bench.rounds):
        ours.append(figure(large))
        theirs.append(figure(small))
    medians = [[statistics.median(column) for column in zip(*rows)] for rows in (ours, theirs)]
    at_most("4 open and first verdict, 1,000,000 entries and pins, 100 of each",
            medians[0][0], medians[1][0], 1.5, "us")
    at_most("4 the same, more resident, 1 MiB", max(medians[0][1] - medians[1][1], 0), 1024, 1,
            "KiB")
    shutil.rmtree(large)


def verdicts(bench):
    """5: a verdict against OpenSSL's."""
    figures = json.loads(subprocess.run([bench.tool("bench_judge"), "verdicts", str(bench.rounds)],
                                        check=True, stdout=subprocess.PIPE).stdout)
    for what, theirs, most in (("first", "d2i + X509_verify_cert", 1.3),
                               ("again", "X509_verify_cert, all parsed", 1.1)):
        at_most(f"5 verdict, {what} time, against {theirs}",
                statistics.median(figures[what]["ours"]),
                statistics.median(figures[what]["theirs"]), most, "us")


class Tofu:
    """GnuTLS's file of keys that were trusted on first use."""

    def __init__(self, path, certificate, count):
        name = ctypes.util.find_library("gnutls")
        if name is None:
            raise Missing("GnuTLS is not installed")
        self.gnutls = ctypes.CDLL(name)
        self.certificate = certificate
        self.path = str(path).encode()
        if self.ask(self.gnutls.gnutls_store_pubkey, b"host0.bench.test", (ctypes.c_long(0),)) != 0:
            raise Missing("GnuTLS does not store a key")
        line = path.read_text()
        with path.open("w") as file:
            for number in range(count):
                file.write(line.replace("host0.bench.test", f"host{number}.bench.test"))

    def ask(self, function, host, more=()):
        class Datum(ctypes.Structure):
            _fields_ = [("data", ctypes.c_char_p), ("size", ctypes.c_uint)]

        datum = Datum(self.certificate, len(self.certificate))
        return function(self.path, None, host, b"443", 1, ctypes.byref(datum), *more, 0)

    def look_up(self, number):
        start = time.perf_counter()
        if self.ask(self.gnutls.gnutls_verify_stored_pubkey,
                    f"host{number}.bench.test".encode()) != 0:
            raise RuntimeError("GnuTLS does not find a key that it stored")
        return (time.perf_counter() - start) * 1e6


def pins_for_host(bench):
    """6: pins in force for a host."""
    count = 100_000
    pem = subprocess.run([bench.tool("bench_seed"), "-", "pem", "1"], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    tofu = Tofu(bench.root / "known_hosts", ssl.PEM_cert_to_DER_cert(pem), count)
    figures = json.loads(subprocess.run(
        [bench.tool("bench_judge"), "pins", str(bench.rounds), "1000000", "1000"],
        check=True, stdout=subprocess.PIPE).stdout)
    # Hosts all over the file, which is scanned from its beginning; ours are all over, too.
    theirs = [tofu.look_up((2 * round + 1) * count // (2 * bench.rounds))
              for round in range(bench.rounds)]
    many, few = (statistics.median(figures[which]) for which in ("many", "few"))
    faster("6 pins for a host of 1,000,000 against GnuTLS TOFU of 100,000", many,
           statistics.median(theirs), 1000, "us")
    at_most("6 pins for a host of 1,000,000 against our own of 1,000", many, few, 1.5, "us")


GOALS = {1: first_request, 2: pooled_request, 3: handshake, 4: opening, 5: verdicts,
         6: pins_for_host, 7: pins_rate, 8: idle, 9: burst, 10: change, 12: expiry,
         13: command_line, 14: new_certificate, 15: resident}


def main():
    parser = argparse.ArgumentParser(description="ours against theirs")
    parser.add_argument("build")
    parser.add_argument("--only", default=",".join(str(goal) for goal in GOALS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json")
    options = parser.parse_args()
    # On a disk: /tmp may be memory, where nothing has to be synced.
    with tempfile.TemporaryDirectory(prefix="tb-", dir="/var/tmp") as root:
        bench = Bench(options.build, options.rounds, root)
        for goal in (int(word) for word in options.only.split(",")):
            try:
                GOALS[goal](bench)
            except Missing as missing:
                print(f"{goal} {GOALS[goal].__doc__.split(':', 1)[1].strip()}  skipped: {missing}",
                      flush=True)
                RESULTS.append({"name": str(goal), "skipped": str(missing)})
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(RESULTS, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
