"""POST /v1/probe: what a server presents, seen from the daemon, and how it would be judged."""

import contextlib
import socket
import threading
import time

import pytest

from harness import mint, servers, wait
from harness.daemon import Daemon


def test_what_is_presented_and_how_it_is_judged(place, rest):
    root = mint.authority("Private Root")
    with servers.Tls(place, mint.server(root, "127.0.0.1").presenting(root)) as server:
        body = {"host": "127.0.0.1", "port": server.port}
        answer = rest.post("/v1/probe", body)
        assert answer.status == 200, str(answer)
        assert answer["address"] == "127.0.0.1" and answer["tls_version"] == "TLSv1.3"
        assert [one["fingerprint"] for one in answer["presented"]] == \
            [server.minted.fingerprint, root.fingerprint]
        assert "".join(one["pem"] for one in answer["presented"]) == server.minted.chain_pem()
        assert answer["judgement"]["code"] == "unknown_issuer"
        assert answer["judgement"] == rest.ok("POST", "/v1/verify", {
            **body, "chain_pem": server.minted.chain_pem()})
        generation = rest.add(root, label="root", trust="root")["generation"]
        answer = rest.post("/v1/probe", body)
        assert answer["judgement"]["trusted"] and answer["judgement"]["trusted_by"] == "added_root"
        assert answer["generation"] == generation
        assert answer.headers["etag"] == f'"g{generation}"'
        assert server.served == []
        log = rest.ok("GET", "/v1/audit")["audit"]
        assert len([record for record in log if record["action"] != "base"]) == 1, \
            "looking changes nothing"


@pytest.mark.parametrize("protocol", ["smtp", "imap", "postgres"])
def test_servers_that_begin_in_clear(place, rest, protocol):
    with servers.StartTls(place, mint.self_signed("127.0.0.1"), protocol) as server:
        body = {"host": "127.0.0.1", "port": server.port}
        answer = rest.ok("POST", "/v1/probe", {**body, "starttls": protocol})
        assert answer["presented"][0]["fingerprint"] == server.minted.fingerprint
        assert answer["judgement"]["code"] == "self_signed"
        other = "imap" if protocol == "smtp" else "smtp"
        if protocol != "postgres":  # which waits for more
            refused = rest.post("/v1/probe", {**body, "starttls": other})
            assert refused.status == 502 and refused["code"] == "tls", str(refused)
        assert not any(server.heard)


def test_a_real_postgres(place, rest):
    with servers.Postgres(place, mint.self_signed("127.0.0.1")) as server:
        answer = rest.ok("POST", "/v1/probe",
                         {"host": "127.0.0.1", "port": server.port, "starttls": "postgres"})
        assert answer["presented"][0]["fingerprint"] == server.minted.fingerprint


def test_addresses_that_are_not_dialled(rest):
    for host in ("0.0.0.0", "169.254.169.254", "224.0.0.1", "255.255.255.255", "::", "fe80::1",
                 "ff02::1", "::ffff:169.254.169.254", "::ffff:0.0.0.0", "64:ff9b::a9fe:a9fe"):
        answer = rest.post("/v1/probe", {"host": host, "port": 443})
        assert answer.status == 403 and "is not dialled" in answer["detail"], f"{host}: {answer}"


def test_nor_those_that_a_name_leads_to(place):
    hosts = "127.0.0.1 localhost\n169.254.169.254 metadata.test\n::ffff:169.254.169.254 mapped.test\n"
    with Daemon(place, prefix=place.with_files({"/etc/hosts": hosts})) as daemon, \
            daemon.rest() as rest:
        for host in ("metadata.test", "mapped.test"):
            answer = rest.post("/v1/probe", {"host": host})
            assert answer.status == 403 and "link-local" in answer["detail"], str(answer)
        assert rest.post("/v1/probe", {"host": "localhost", "port": 1}).status == 502


def test_what_fails_says_how(place, rest):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    answer = rest.post("/v1/probe", {"host": "127.0.0.1", "port": port})
    assert answer.status == 502 and answer["code"] == "connect", str(answer)
    assert f"127.0.0.1:{port}" in answer["detail"]
    for body, word in (({"host": "127.0.0.1", "port": 0}, "port"),
                       ({"host": "127.0.0.1", "starttls": "ftp"}, "ftp"),
                       ({"host": "127.0.0.1", "fingerprint": ""}, "fingerprint"), ({}, "host")):
        answer = rest.post("/v1/probe", body)
        assert answer.status in (400, 422) and word in answer["detail"], f"{body}: {answer}"


def test_stopping_waits_for_no_server(place):
    """One is watched and another is asked for; both take the connection and say nothing."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    watched, asked = ("127.0.0.1:%d" % each.getsockname()[1] for each in listeners)
    daemon = Daemon(place).start()
    with daemon.rest() as rest:
        place.done("watch", "add", watched)
    answers = []

    def ask():
        with daemon.rest() as rest:
            answers.append(rest.post("/v1/probe", {"host": "127.0.0.1",
                                                   "port": int(asked.split(":")[1])}))
    asking = threading.Thread(target=ask)
    asking.start()
    dialled = []
    for listener in listeners:
        listener.settimeout(30)
        dialled.append(listener.accept()[0])
    begun = time.monotonic()
    assert daemon.stop() == 0, daemon.log()
    took = time.monotonic() - begun
    asking.join()
    assert took < 5, took
    assert answers[0].status == 429 and "stopping" in answers[0]["detail"], answers[0]
    with Daemon(place) as daemon, daemon.rest() as rest:
        one = rest.all("/v1/watches", "watches")[0]
        assert one["target"] == watched and not one["failures"], "it says nothing of the server"
    for each in listeners + dialled:
        each.close()


def test_servers_that_say_nothing_hold_up_nobody(daemon, rest):
    """Eight may be waited for; the next is told so, and all else is answered meanwhile."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as silent, contextlib.ExitStack() as held:
        port = silent.getsockname()[1]
        answers = []

        def ask():
            with daemon.rest() as client:
                answers.append(client.post("/v1/probe", {"host": "127.0.0.1", "port": port}))
        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        silent.settimeout(30)
        for _ in threads:
            held.enter_context(silent.accept()[0])
        ninth = rest.post("/v1/probe", {"host": "127.0.0.1", "port": port})
        assert ninth.status == 429 and "retry-after" in ninth.headers, str(ninth)
        generation = rest.add(mint.self_signed("one.test"))["generation"]
        assert rest.status()["published"] == generation
        held.close()  # they break off, so nobody waits for the deadline
        for thread in threads:
            thread.join(30)
        assert [answer.status for answer in answers] == [502] * 8
    # There is room again, once the last has said its word.
    wait.until(lambda: rest.post("/v1/probe", {"host": "127.0.0.1", "port": port}).status == 502,
               "room for another")
