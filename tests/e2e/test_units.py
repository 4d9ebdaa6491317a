"""The units, and the daemon under what they ask for, whether or not PID 1 is systemd."""

import json
import os
import re
import signal
import socket
import subprocess
import threading

import pytest

from harness import mint, need, place as places, published, rest as rest_module, wait
from harness.daemon import Daemon

SOURCE = os.environ.get("TRUST_SOURCE_DIR", "")
BINARY = os.environ.get("TRUST_BINARY_DIR", "")
SERVICE_UID = 4713
READ_S = 60


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """What `cmake --install` puts there."""
    need.program("cmake")
    if not os.access(BINARY, os.W_OK):
        need.skip("the build belongs to somebody else, and cmake --install writes there")
    root = tmp_path_factory.mktemp("installed")
    result = subprocess.run(["cmake", "--install", BINARY, "--prefix", str(root)],
                            capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return str(root)


def find(installed, ending):
    found = [os.path.join(directory, name) for directory, _, names in os.walk(installed)
             for name in names if os.path.join(directory, name).endswith(ending)]
    assert len(found) == 1, f"{ending}: {found}"
    return found[0]


def unit(path):
    """{section: {key: [values]}}: a key may stand several times in a unit."""
    sections = {}
    section = None
    with open(path, encoding="utf-8") as file:
        for line in file:
            line = line.strip()
            if line.startswith("["):
                section = sections.setdefault(line[1:-1], {})
            elif "=" in line and not line.startswith(("#", ";")):
                key, _, value = line.partition("=")
                section.setdefault(key, []).append(value)
    return sections


def runnable(installed, tmp_path, ending):
    """A copy of a unit whose program is where this test installed it."""
    with open(find(installed, ending), encoding="utf-8") as file:
        text = file.read()
    text = re.sub(r"^ExecStart=\S+/trustd", f"ExecStart={installed}/bin/trustd", text, flags=re.M)
    copy = tmp_path / os.path.basename(ending)
    copy.write_text(text, encoding="utf-8")
    return str(copy)


@pytest.mark.parametrize("mode, names", [
    ("system", ["trustd.service", "trustd.socket", "trustd-hook@.service", "trustd-hook.socket"]),
    ("user", ["trustd.service", "trustd.socket"])])
def test_the_units_verify(installed, tmp_path, mode, names):
    analyze = need.program("systemd-analyze", "systemd")
    units = [runnable(installed, tmp_path, f"systemd/{mode}/{name}") for name in names]
    result = subprocess.run([analyze, "verify", f"--{mode}", "--man=no", *units],
                            capture_output=True, text=True, check=False,
                            env={"PATH": places.PATH, "XDG_RUNTIME_DIR": str(tmp_path)})
    said = [line for line in (result.stdout + result.stderr).splitlines() if "trustd" in line]
    assert result.returncode == 0 and not said, result.stdout + result.stderr


@pytest.mark.parametrize("name, most", [("trustd.service", 2.0), ("trustd-hook@.service", 2.5)])
def test_the_system_services_are_little_exposed(installed, name, most):
    analyze = need.program("systemd-analyze", "systemd")
    result = subprocess.run([analyze, "security", "--offline=true", "--no-pager",
                             f"--threshold={int(most * 10)}",
                             find(installed, f"systemd/system/{name}")],
                            capture_output=True, text=True, check=False)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", result.stdout + result.stderr)
    assert found, result.stdout + result.stderr
    assert float(found[1]) < most and result.returncode == 0, result.stdout


def test_the_system_service_has_its_own_user_and_no_capability(installed):
    service = unit(find(installed, "systemd/system/trustd.service"))["Service"]
    assert service["User"] == service["Group"] == ["trustd"]
    assert service["Type"] == ["notify"] and "WatchdogSec" in service
    assert service["CapabilityBoundingSet"] == [""]
    assert "PrivateUsers" not in service and "DynamicUser" not in service
    assert service["StateDirectoryMode"] == ["0711"]
    assert service["ProtectSystem"] == ["strict"] and "ReadWritePaths" not in service


def test_hooks_run_as_a_user_of_their_own_that_only_the_daemon_can_ask(installed):
    service = unit(find(installed, "systemd/system/trustd-hook@.service"))["Service"]
    assert service["User"] == service["Group"] == ["trustd-hook"]
    assert service["CapabilityBoundingSet"] == [""] and service["NoNewPrivileges"] == ["yes"]
    assert service["ProtectSystem"] == ["strict"] and "ReadWritePaths" not in service
    # Standard output is the socket unless it is said.
    assert service["StandardInput"] == ["socket"] and service["StandardOutput"] == ["journal"]
    listening = unit(find(installed, "systemd/system/trustd-hook.socket"))["Socket"]
    assert listening["SocketMode"] == ["0600"] and listening["SocketUser"] == ["trustd"]
    assert listening["Accept"] == ["yes"]


def ask_for_a_hook(path, **request):
    """What the daemon does: one line, one answer."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(READ_S)
        client.connect(path)
        client.sendall(json.dumps(request).encode() + b"\n")
        return json.loads(client.makefile().readline())


def test_a_hook_through_the_socket_of_the_manager(place):
    """systemd-socket-activate in place of PID 1: a process for each connection."""
    activate = need.program("systemd-socket-activate", "systemd")
    path = place.path("hook.sock")
    config = place.write("hooks.toml", """
[[hook]]
name = "environment"
command = ["/usr/bin/env"]
[[hook]]
name = "fails"
command = ["/bin/sh", "-c", "echo the reason >&2; exit 7"]
[[sink]]
name = "page"
type = "exec"
command = ["/usr/bin/id", "-un"]
""", 0o644)
    with subprocess.Popen([activate, "--accept", "--inetd", "-l", path, "-EAMONG_OTHERS=1",
                           places.TRUSTD, "--run-hook", "--config", config],
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True) as manager:
        try:
            wait.until(lambda: os.path.exists(path), "the socket of systemd-socket-activate")
            answer = ask_for_a_hook(path, kind="hook", name="environment",
                                    variables={"TRUSTD_LABEL": "dev"})
            lines = answer["output"].splitlines()
            assert answer["how"] == "exited" and answer["number"] == 0
            assert "TRUSTD_HOOK=environment" in lines and "TRUSTD_LABEL=dev" in lines
            assert not [line for line in lines if line.startswith(("AMONG", "LISTEN", "REMOTE"))]
            answer = ask_for_a_hook(path, kind="hook", name="fails", variables={})
            assert answer == {"how": "exited", "number": 7, "output": "the reason\n"}
            answer = ask_for_a_hook(path, kind="sink", name="page", variables={})
            assert answer["how"] == "exited" and answer["number"] == 0
            for wrong in ({"kind": "hook", "name": "page", "variables": {}},
                          {"kind": "hook", "name": "/usr/bin/id", "variables": {}}):
                assert ask_for_a_hook(path, **wrong)["code"] == "not_found"
            assert ask_for_a_hook(path, kind="hook", name="environment",
                                  variables={"LD_PRELOAD": "x"})["code"] == "invalid"
            assert ask_for_a_hook(path, kind="hook", name="environment", command=["/usr/bin/id"],
                                  )["code"] == "invalid"
        finally:
            manager.terminate()


def test_sysusers_and_tmpfiles(installed, tmp_path):
    sysusers = need.program("systemd-sysusers", "systemd")
    tmpfiles = need.program("systemd-tmpfiles", "systemd")
    need.root()
    (tmp_path / "etc").mkdir()
    users = subprocess.run([sysusers, f"--root={tmp_path}", find(installed, "sysusers.d/trustd.conf")],
                           capture_output=True, text=True, check=False)
    assert users.returncode == 0, users.stderr
    assert re.search(r"^trustd:", (tmp_path / "etc/passwd").read_text(), re.M)
    assert re.search(r"^trustd-hook:", (tmp_path / "etc/passwd").read_text(), re.M)
    assert re.search(r"^trust:", (tmp_path / "etc/group").read_text(), re.M)
    made = subprocess.run([tmpfiles, f"--root={tmp_path}", "--create",
                           find(installed, "tmpfiles.d/trustd.conf")],
                          capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "var/lib/trustd").stat().st_mode & 0o777 == 0o711
    assert (tmp_path / "run/trustd").stat().st_mode & 0o777 == 0o755


# NOTIFY_SOCKET, the watchdog and handed-over sockets.

class Notifications:
    """The manager's end of NOTIFY_SOCKET, read as soon as something comes: who does not read holds
    up the sender. seen are the lines since it was last cleared."""

    def __init__(self, place):
        self.path = place.path("notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o666)
        self.seen = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while True:
            text = self.socket.recv(65536).decode()
            if text == "end of test":
                return
            self.seen += text.splitlines()

    def until(self, wanted, deadline_s=READ_S):
        wait.until(lambda: wanted in self.seen, f"{wanted}; so far {self.seen}", deadline_s)
        return self.seen

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"end of test", self.path)


def test_it_tells_the_manager(place):
    with Notifications(place) as notifications:
        daemon = Daemon(place, env={"NOTIFY_SOCKET": notifications.path, "WATCHDOG_USEC": "400000"})
        with daemon:
            seen = notifications.until("READY=1")
            assert "WATCHDOG=1" not in seen[:seen.index("READY=1")]
            with daemon.rest() as client:  # ready means: it answers now
                client.timeout_s = 5
                client.status()
            for _ in range(3):
                notifications.seen.clear()
                notifications.until("WATCHDOG=1")
            daemon.signal(signal.SIGTERM)
            notifications.until("STOPPING=1")
            assert daemon.process.wait(30) == 0


def test_a_watchdog_for_another_process_is_left_alone(place):
    with Notifications(place) as notifications:
        with Daemon(place, env={"NOTIFY_SOCKET": notifications.path, "WATCHDOG_USEC": "100000",
                                "WATCHDOG_PID": "1"}) as daemon, daemon.rest() as client:
            notifications.until("READY=1")
            for n in range(10):
                client.add(mint.self_signed(f"host-{n}.test"))
        notifications.until("STOPPING=1")
        assert "WATCHDOG=1" not in notifications.seen


def test_a_hung_daemon_stops_feeding_the_watchdog(place):
    """SIGSTOP is what a hang looks like from outside."""
    with Notifications(place) as notifications:
        with Daemon(place, env={"NOTIFY_SOCKET": notifications.path,
                                "WATCHDOG_USEC": "200000"}) as daemon:
            notifications.until("WATCHDOG=1")
            daemon.signal(signal.SIGSTOP)
            try:
                def silent():
                    notifications.seen.clear()
                    try:
                        notifications.until("WATCHDOG=1", 0.5)
                    except wait.TooLate:
                        return True
                    return False
                wait.until(silent, "silence", 20)
            finally:
                daemon.signal(signal.SIGCONT)
            notifications.seen.clear()
            notifications.until("WATCHDOG=1")


def test_a_socket_handed_over(place):
    activate = need.program("systemd-socket-activate", "systemd")
    os.makedirs(os.path.dirname(place.socket), mode=0o755)
    daemon = Daemon(place, prefix=[activate, "-l", place.socket,
                                   *(f"-E{k}={v}" for k, v in place.environment.items())])
    daemon.spawn()
    wait.until(lambda: os.path.exists(place.socket), "the socket of systemd-socket-activate")
    inode = os.stat(place.socket).st_ino
    try:
        with daemon.rest() as client:  # the connection that starts it is the first that it serves
            assert client.status()["pid"] == daemon.pid
        place.done("list")
        assert os.stat(place.socket).st_ino == inode
        assert daemon.stop() == 0
        assert os.path.exists(place.socket), "the manager's socket is not ours to remove"
    finally:
        daemon.kill()


# As the service runs: its user, no capability, everything read-only but its state.

def confined(place, *, trace=None):
    """The prefix under which a program is the service: user trustd of its own number, no
    capability, no new privileges, the file system read-only but /var/lib/trustd and /run/trustd."""
    need.root()
    prefix = need.namespaces()
    setpriv = need.program("setpriv", "util-linux")
    passwd = place.write("passwd", f"root:x:0:0::/root:/bin/sh\n"
                         f"trustd:x:{SERVICE_UID}:{SERVICE_UID}::/var/lib/trustd:/bin/false\n")
    group = place.write("group", f"root:x:0:\ntrustd:x:{SERVICE_UID}:\ntrust:x:{SERVICE_UID + 1}:\n")
    var, run, etc = (place.make(name) for name in ("varlib", "runtime", "etc"))
    state, runtime = os.path.join(var, "trustd"), os.path.join(run, "trustd")
    for path, mode in ((state, 0o711), (runtime, 0o755)):
        os.makedirs(path, exist_ok=True)
        os.chmod(path, mode)
        os.chown(path, SERVICE_UID, SERVICE_UID)
    os.makedirs(os.path.join(etc, "trustd"), exist_ok=True)
    with open(os.path.join(etc, "trustd/trustd.toml"), "w", encoding="ascii") as file:
        file.write(f'[store]\nbase = "{place.path("base.pem")}"\n'
                   '[listen]\nsocket_mode = "0666"\n')
    script = f"""set -e
mkdir -p /etc/trustd /var/lib/trustd /run/trustd
mount --bind {etc}/trustd /etc/trustd
mount --bind {state} /var/lib/trustd
mount --bind {runtime} /run/trustd
mount --bind {passwd} /etc/passwd
mount --bind {group} /etc/group
mount --bind {place.root} {place.root}
mount -o remount,bind,ro /
exec "$@"
"""
    command = [*prefix, "sh", "-c", script, "sh"]
    command += [setpriv, f"--reuid={SERVICE_UID}", f"--regid={SERVICE_UID}",
                f"--groups={SERVICE_UID + 1}", "--inh-caps=-all", "--bounding-set=-all",
                "--no-new-privs"]
    if trace:
        command += [need.program("strace"), "-D", "-f", "-o", trace]
    return command


class Service(Daemon):
    """trustd --system under confined(); seen from outside through its own bind mounts."""

    def __init__(self, place, notifications=None, trace=None, env=None):
        extra = {"NOTIFY_SOCKET": notifications.path, "WATCHDOG_USEC": "400000"} \
            if notifications else {}
        super().__init__(place, "--system", prefix=confined(place, trace=trace),
                         env={**extra, **(env or {})})
        self.socket = os.path.join(place.root, "runtime/trustd/trustd.sock")
        self.state = os.path.join(place.root, "varlib/trustd")


def exercise(place, service):
    """Everything that a client can ask for once."""
    with service.rest() as client:
        one, two = mint.self_signed("one.test"), mint.authority("Root")
        client.add(one, label="one", reason="a reason")
        client.add(two, hosts=["**.corp.test"])
        client.post("/v1/certificates", {"pem": one.pem + one.key_pem})
        client.ok("POST", "/v1/pins", {"pattern": "one.test", "pins": [one.pin]})
        soon = (mint.now() + mint.datetime.timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
        client.ok("PATCH", f"/v1/certificates/{one.fingerprint}", {"expires_at": soon})
        for path in ("/v1/status", "/v1/certificates?base=true", "/v1/pins", "/v1/bundle.pem",
                     "/v1/extra.pem", "/v1/truststore.p12", "/v1/env?shell=sh", "/v1/generations",
                     "/v1/audit?verify=true", "/metrics", "/openapi.json", "/readyz"):
            assert client.get(path).status == 200, path
        generation = client.status()["generation"]
        wait.until(lambda: client.status()["generation"] > generation, "the end of an entry")
        plan = client.post(f"/v1/generations/{generation}/rollback", {"plan": True})
        assert plan.status == 200
        client.ok("DELETE", f"/v1/certificates/{two.fingerprint}")
        status = client.status()
        assert status["published"] == status["generation"] and status["system"] is True
    published.check(os.path.join(service.state, "public/current"))
    with rest_module.connect(service.socket) as events:
        events.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 0\r\n\r\n")
        assert b"generation" in events.recv(65536)


def test_without_a_capability_on_a_read_only_system(place):
    with Notifications(place) as notifications:
        with Service(place, notifications) as service:
            notifications.until("READY=1")
            with open(f"/proc/{service.pid}/status", encoding="ascii") as file:
                status = dict(line.split(":\t", 1) for line in file.read().splitlines()
                              if ":\t" in line)
            assert status["Uid"].split() == [str(SERVICE_UID)] * 4
            for kind in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"):
                assert int(status[kind], 16) == 0, kind
            assert status["NoNewPrivs"].strip() == "1"
            with open(f"/proc/{service.pid}/mounts", encoding="ascii") as file:
                roots = [line.split()[3].split(",") for line in file
                         if line.split()[1] == "/"]
            assert "ro" in roots[-1]
            exercise(place, service)
            notifications.until("WATCHDOG=1")
        notifications.until("STOPPING=1")
        assert service.process.returncode == 0
    state = os.stat(service.state)
    assert state.st_mode & 0o777 == 0o711 and state.st_uid == SERVICE_UID
    for name in os.listdir(service.state):
        found = os.lstat(os.path.join(service.state, name))
        assert found.st_uid == SERVICE_UID
        assert name == "public" or found.st_mode & 0o077 == 0, name


def expand(analyze, words):
    """The system calls of a list of sets and names."""
    calls = set()
    for word in words:
        if not word.startswith("@"):
            calls.add(word)
            continue
        listing = subprocess.run([analyze, "syscall-filter", word], capture_output=True, text=True,
                                 check=True).stdout
        inner = [line.strip() for line in listing.splitlines()[1:]
                 if line.strip() and not line.strip().startswith("#")]
        calls |= expand(analyze, inner)
    return calls


def allowed(analyze, service):
    calls = expand(analyze, ["@default"])
    for value in service["SystemCallFilter"]:
        if value.startswith("~"):
            calls -= expand(analyze, value[1:].split())
        else:
            calls |= expand(analyze, value.split())
    return calls


@pytest.mark.parametrize("mode", ["system", "user"])
def test_every_system_call_is_in_the_filter(place, installed, mode):
    analyze = need.program("systemd-analyze", "systemd")
    strace = need.program("strace")
    trace = place.path("trace")
    place.write("trace", "", 0o666)
    with Notifications(place) as notifications:
        if mode == "system":
            service = Service(place, notifications, trace=trace)
        else:
            service = Daemon(place, prefix=[strace, "-D", "-f", "-o", trace],
                             env={"NOTIFY_SOCKET": notifications.path, "WATCHDOG_USEC": "400000"})
            service.state = place.state
        with service:
            notifications.until("WATCHDOG=1")
            if mode == "system":
                exercise(place, service)
            else:
                with service.rest() as client:
                    client.add(mint.self_signed("one.test"))
    # strace ends after what it traces.
    def whole():
        with open(trace, encoding="utf-8", errors="replace") as file:
            text = file.read()
        return text if re.search(rf"^{service.pid} +\+\+\+ exited", text, re.M) else None
    text = wait.until(whole, "the end of the trace")
    calls = set()
    # What setpriv did before it became the daemon is not the service's: the manager does that.
    started = [match.end() for match in re.finditer(r'execve\("[^"]*trustd"', text)]
    assert started
    for line in text[started[0]:].splitlines():
        found = re.match(r"\d+ +(?:<\.\.\. )?(\w+)(?: resumed>|\()", line)
        if found:
            calls.add(found[1])
    calls = {{"pread": "pread64", "pwrite": "pwrite64"}.get(call, call) for call in calls}
    assert len(calls) > 30 and {"openat", "fsync", "read"} <= calls
    service_unit = unit(find(installed, f"systemd/{mode}/trustd.service"))["Service"]
    missing = calls - allowed(analyze, service_unit)
    assert not missing, f"not in SystemCallFilter: {sorted(missing)}"


def test_what_writes_and_executes_memory_is_not_asked_for(place):
    """MemoryDenyWriteExecute: no mapping of the running daemon is both."""
    need.root()  # it is not dumpable
    with Daemon(place) as daemon, daemon.rest() as client:
        client.add(mint.self_signed("one.test"))
        with open(f"/proc/{daemon.pid}/maps", encoding="ascii") as file:
            both = [line for line in file if re.match(r"\S+ [r-]wx", line)]
        assert not both


def test_the_installed_tree_runs_by_itself(place, installed):
    """From where it was installed, with nothing of the build tree."""
    result = place.exec(os.path.join(installed, "bin/trustctl"), "--version")
    assert result.status == 0 and re.search(r"\d+\.\d+\.\d+", result.out), str(result)
    result = place.exec(os.path.join(installed, "bin/trustd"), "--version")
    assert result.status == 0, str(result)
