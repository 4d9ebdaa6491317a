"""Renewal: a server that is renewed while clients connect, hooks, and what interrupts them."""

import json
import os
import ssl
import threading

import pytest
import requests

from harness import wait
from harness.daemon import Daemon
from harness.servers import Tls
from test_local_ca import Files

RENEWALS = 8


def hook(place, name, script):
    """A [[hook]] that runs a script of the test's own."""
    path = place.write(name + ".sh", "#!/bin/sh\n" + script, 0o755)
    config = os.path.join(place.config_dir, "trustd.toml")
    with open(config, "a", encoding="utf-8") as file:
        file.write(f'\n[[hook]]\nname = "{name}"\ncommand = ["{path}", "argument"]\n')


class Clients:
    """Connect as fast as they can, with the bundle as it is published at that moment."""

    def __init__(self, server, verify, count=3):
        self.failures, self.served = [], 0
        self.stopping = False
        self.url = f"https://127.0.0.1:{server.port}/"
        self.verify = verify
        self.threads = [threading.Thread(target=self._run) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def _run(self):
        while not self.stopping:
            try:
                with requests.Session() as session:
                    session.trust_env = False
                    answer = session.get(self.url, verify=self.verify, timeout=60,
                                         headers={"Connection": "close"})
                assert answer.status_code == 200
                self.served += 1
            except Exception as error:  # whatever it is, it is a client that failed
                self.failures.append(repr(error))

    def more(self, count):
        wanted = self.served + count
        wait.until(lambda: self.served >= wanted or self.failures, "clients to be served", 60)

    def stop(self):
        self.stopping = True
        for thread in self.threads:
            thread.join()


@pytest.mark.parametrize("signed_by, verify", [("itself", "bundle.pem"), ("itself", "extra.pem"),
                                               ("ca", "bundle.pem"),
                                               ("ca", "by-label/local-ca.pem")])
def test_no_client_fails_while_a_server_is_renewed(place, signed_by, verify):
    reloads = place.path("reloads")
    hook(place, "reload", f'echo "$TRUSTD_FINGERPRINT" >> {reloads}\n')
    with Daemon(place) as daemon:
        options = ["--trust"]
        if signed_by == "ca":
            place.done("ca", "init", "--permit", "**.test", "--permit", "127.0.0.0/8")
            options = ["--from-ca"]
        answer = json.loads(place.done("new", "127.0.0.1", "app.test", *options, "--after-renew",
                                       "reload", "--json").out)
        directory = answer["directory"]
        with Tls(place, Files(directory)) as server:
            clients = Clients(server, os.path.join(place.current, verify))
            clients.more(5)
            seen = {answer["fingerprint"]}
            for _ in range(RENEWALS):
                renewed = json.loads(place.done("renew", "127.0.0.1", "--json").out)
                assert not renewed["pending"] and renewed["fingerprint"] not in seen
                seen.add(renewed["fingerprint"])
                clients.more(2)
                server.present(place, Files(directory))  # as the hook would have it
                clients.more(2)
            clients.stop()
        assert not clients.failures, clients.failures[:3]
        with open(reloads, encoding="ascii") as file:
            assert file.read().split() == [each for each in file_order(daemon, seen, answer)]


def file_order(daemon, seen, first):
    """The fingerprints in the order they were made, from the audit log; the first had no hook."""
    with daemon.rest() as rest:
        records = rest.ok("GET", "/v1/audit", query={"limit": 1000})["audit"]
    made = [record["detail"]["fingerprint"] for record in reversed(records)
            if record["action"] == "renew"]
    assert set(made) | {first["fingerprint"]} == seen
    return made


def test_a_server_that_reads_current_never_has_a_mismatched_pair(place, daemon):
    answer = json.loads(place.done("new", "app.test", "--renew", "--json").out)
    directory = answer["directory"]
    done, loaded = threading.Event(), []

    def load():
        while not done.is_set():
            pair = os.path.join(directory, os.readlink(directory + "/current"))
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pair + "/cert.pem", pair + "/key.pem")  # compares them
            loaded.append(pair)
    thread = threading.Thread(target=load)
    thread.start()
    for _ in range(RENEWALS):
        place.done("renew", "app.test")
        before = len(loaded)
        wait.until(lambda: len(loaded) > before or not thread.is_alive(), "the pair to be read")
    done.set()
    thread.join()
    assert len(set(loaded)) > RENEWALS // 2


def test_the_hook_knows_what_it_needs_and_nothing_else(place):
    hook(place, "note", f'echo "$@" > {place.path("words")}; env -0 > {place.path("env")}; '
         f'pwd > {place.path("pwd")}\n')
    with Daemon(place, env={"SECRET_OF_THE_DAEMON": "x"}):
        place.done("new", "app.test", "*.app.test", "--after-renew", "note")
        answer = json.loads(place.done("renew", "app.test", "--json").out)
    with open(place.path("env"), encoding="utf-8") as file:
        variables = dict(line.split("=", 1) for line in file.read().split("\0") if line)
    ours = {name: value for name, value in variables.items() if name.startswith("TRUSTD_")}
    assert ours == {
        "TRUSTD_HOOK": "note", "TRUSTD_LABEL": "app.test", "TRUSTD_NAMES": "app.test *.app.test",
        "TRUSTD_FINGERPRINT": answer["fingerprint"], "TRUSTD_NOT_AFTER": answer["not_after"],
        "TRUSTD_DIRECTORY": answer["directory"], "TRUSTD_KEY": answer["key_path"],
        "TRUSTD_CERTIFICATE": answer["certificate_path"]}
    assert "SECRET_OF_THE_DAEMON" not in variables
    with open(place.path("words"), encoding="utf-8") as file:
        assert file.read() == "argument\n"
    with open(place.path("pwd"), encoding="utf-8") as file:
        assert file.read() == "/\n"


def test_a_hook_that_fails_is_said_alerted_and_tried_again(place):
    hook(place, "reload", "echo no such server >&2; exit 3\n")
    with Daemon(place) as daemon:
        place.done("new", "app.test", "--after-renew", "reload")
        result = place.ctl("renew", "app.test")
        assert result.status == 1 and "no such server" in result.err, str(result)
        with daemon.rest() as rest:
            identity = rest.ok("GET", "/v1/identities")["identities"][0]
            assert identity["pending"] and "no such server" in identity["problem"]
            assert identity["next_at"] < identity["not_after"]
        assert "the hook reload" in daemon.log()
        hook_works = place.write("reload.sh", f"#!/bin/sh\ntouch {place.path('done')}\n", 0o755)
        assert os.path.exists(hook_works)
        result = place.done("renew", "app.test", "--json")
        assert not json.loads(result.out)["pending"] and os.path.exists(place.path("done"))


def test_only_hooks_of_the_configuration_are_known(place, daemon):
    result = place.ctl("new", "app.test", "--after-renew", "/bin/sh")
    assert result.status == 5 and "[[hook]]" in result.err, str(result)
    with daemon.rest() as rest:
        assert rest.ok("GET", "/v1/identities")["identities"] == []


def test_a_daemon_that_is_killed_during_a_hook_runs_it_again(place):
    begun, finish = place.path("begun"), place.path("finish")
    hook(place, "slow", f"echo x >> {begun}\nwhile [ ! -e {finish} ]; do read -t 1 x < /dev/null || "
         "sleep 0.05; done\n")
    daemon = Daemon(place).start()
    first = json.loads(place.done("new", "app.test", "--after-renew", "slow", "--json").out)
    asking = threading.Thread(target=place.ctl, args=("renew", "app.test"))
    asking.start()
    wait.until(lambda: os.path.exists(begun), "the hook to begin")
    daemon.kill()
    asking.join()
    assert os.path.basename(os.readlink(first["directory"] + "/current")) \
        != first["fingerprint"][:16]
    place.write("finish", "")
    with Daemon(place) as daemon:
        with daemon.rest() as rest:
            wait.until(lambda: not rest.ok("GET", "/v1/identities")["identities"][0]["pending"],
                       "the hook to have run again")
    with open(begun, encoding="ascii") as file:
        assert file.read().split() == ["x", "x"]


def test_what_was_due_while_no_daemon_ran_is_renewed_at_its_start(place):
    """The clock is the database's: an identity whose time has come."""
    with Daemon(place):
        first = json.loads(place.done("new", "app.test", "--renew", "--trust", "--json").out)
    sqlite = place.exec("sqlite3", place.state + "/trustd.db", "UPDATE identity SET next_at = 1")
    assert sqlite.status == 0, str(sqlite)
    with Daemon(place) as daemon:
        with daemon.rest() as rest:
            def renewed():
                identity = rest.ok("GET", "/v1/identities")["identities"][0]
                return identity["fingerprint"] != first["fingerprint"] and not identity["pending"]
            wait.until(renewed, "the renewal")
            labels = {entry["label"]: entry for entry in rest.certificates()}
    assert set(labels) == {"app.test", "app.test-before"}
    assert labels["app.test-before"]["fingerprint"] == first["fingerprint"]
    assert labels["app.test-before"]["expires_at"] == first["not_after"]


def test_forgetting_removes_keys_of_the_daemon_and_no_others(place, daemon):
    place.done("new", "a.test", "--renew")
    place.done("new", "b.test", "--renew", "--out", place.path("b"))
    place.done("identity", "rm", "a.test")
    place.done("identity", "rm", "b.test")
    assert os.listdir(place.state + "/keys") == []
    assert os.path.exists(place.path("b/key.pem"))
    assert place.ctl("renew", "a.test").status == 5
