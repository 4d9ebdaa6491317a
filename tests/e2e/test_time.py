"""Ends, pins, distrust, generations, differences, taking back."""

import datetime
import json
import os
import sqlite3
import time

from harness import clients, mint, published, servers, wait
from harness.clients import REFUSED, SERVED
from harness.daemon import Daemon


def after(seconds):
    return (mint.now() + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def labels(rest):
    return {entry["label"] for entry in rest.certificates()}


def bundle(place):
    with open(place.bundle, encoding="ascii") as file:
        return file.read()


def test_an_end_makes_a_generation(place, daemon, rest):
    one = mint.self_signed("127.0.0.1")
    with servers.Tls(place, one) as server:
        added = json.loads(place.done("--json", "add", server.at, "--fingerprint", one.fingerprint,
                                      "--for", "3s").out)
        label = added["certificates"][0]["label"]
        assert clients.fetch(place, "curl", server.url) == SERVED
        assert rest.status()["next_end"] is not None
        wait.until(lambda: rest.status()["published"] > added["generation"], "the end", 30)
        assert label not in labels(rest)
        assert one.pem.strip() not in bundle(place)
        assert published.check(place.current)["generation"] == added["generation"] + 1
        assert clients.fetch(place, "curl", server.url) == REFUSED
        assert place.ctl("path", label).status == 5
    newest = max(rest.all("/v1/audit", "audit"), key=lambda record: record["number"])
    assert newest["after"] == added["generation"] + 1
    assert "end" in newest["action"] or "expire" in newest["action"], newest


def test_ends_at_the_same_moment_are_each_seen(rest):
    end = after(2)
    for n in range(3):
        rest.add(mint.self_signed(f"host-{n}.test"), expires_at=end)
    rest.add(mint.self_signed("later.test"), expires_at=after(600), label="later")
    wait.until(lambda: labels(rest) == {"later"}, "three ends", 30)


def test_an_end_missed_while_it_was_down(place):
    one = mint.self_signed("one.test")
    with Daemon(place) as daemon, daemon.rest() as rest:
        generation = rest.add(one, expires_at=after(2))["generation"]
        end = time.time() + 2
    wait.until(lambda: time.time() > end + 1, "the end to pass", 30)
    with Daemon(place) as daemon, daemon.rest() as rest:
        wait.until(lambda: rest.status()["published"] > generation, "the missed end", 30)
        assert not rest.certificates()
        assert one.pem.strip() not in bundle(place)


def test_until_a_date_and_dates_that_make_no_sense(place, daemon, rest):
    path = place.write("one.pem", mint.self_signed("one.test").pem)
    for wrong in (["--for", "0s"], ["--for", "-1h"], ["--for", "soon"], ["--until", "2001-01-01"],
                  ["--until", "2030-02-30"], ["--for", "1h", "--until", "2099-01-01"]):
        result = place.ctl("add", path, *wrong)
        assert result.status == 2, str(result)
    place.done("add", path, "--until", "2099-01-01")
    assert rest.certificates()[0]["expires_at"].startswith("2099-01-01T")


def test_add_for_says_that_files_do_not_end_by_themselves(place, daemon):
    path = place.write("one.pem", mint.self_signed("one.test").pem)
    said = place.done("add", path, "--for", "1h")
    assert "do not end by themselves" in said.err, str(said)


def test_distrust_holds_for_everything_with_that_key(place, daemon, rest):
    root = mint.authority("Root")
    again = mint.mint("Root", ca=True, key=root.key)  # the same key in another certificate
    with servers.Tls(place, mint.server(root, "127.0.0.1")) as server:
        rest.add(root)
        rest.add(again)
        assert clients.fetch(place, "curl", server.url) == SERVED
        place.done("distrust", root.fingerprint)
        assert clients.fetch(place, "curl", server.url) == REFUSED
        with open(place.bundle, encoding="ascii") as file:
            text = file.read()
        assert root.pem.strip() not in text and again.pem.strip() not in text
        assert rest.post("/v1/certificates", {"pem": root.pem}).status == 409
        assert place.ctl("add", place.write("root.pem", root.pem)).status == 7


def test_only_this_certificate(place, daemon, rest):
    root = mint.authority("Root")
    again = mint.mint("Root", ca=True, key=root.key)
    rest.add(root)
    rest.add(again)
    place.done("distrust", root.fingerprint, "--only-this-certificate")
    with open(place.bundle, encoding="ascii") as file:
        text = file.read()
    assert root.pem.strip() not in text and again.pem.strip() in text


def test_a_root_of_the_base_is_not_removed_but_distrusted(place, daemon, rest):
    fingerprint = place.base_root.fingerprint
    result = place.ctl("rm", fingerprint)
    assert result.status in (5, 6) and "hint: trustctl distrust" in result.err, str(result)
    assert place.base_root.pem.strip() in bundle(place)
    place.done("distrust", fingerprint)
    assert place.base_root.pem.strip() not in bundle(place)
    place.done("rm", fingerprint)
    assert place.base_root.pem.strip() in bundle(place)


def test_pins(place, daemon, rest):
    one, other = mint.self_signed("one.test"), mint.self_signed("one.test")
    place.done("pin", "add", "one.test", one.pin, "--backup", other.pin)
    place.done("pin", "add", "one.test:8443", other.pin, "--report-only", "--leaf-only")
    place.done("pin", "add", "**.test", "sha256//" + one.pin[7:])  # as curl writes it
    pins = rest.ok("GET", "/v1/pins", query={"host": "one.test", "port": 443})
    assert (pins["host"], pins["port"]) == ("one.test", 443)
    assert {(pin["pin"], pin["role"]) for pin in pins["pins"] if pin["pattern"] == "one.test"} == \
        {(one.pin, "active"), (other.pin, "backup")}
    eight = rest.ok("GET", "/v1/pins", query={"host": "one.test", "port": 8443})["pins"]
    assert [(pin["mode"], pin["position"]) for pin in eight if pin["port"] == 8443] == \
        [("report", "leaf")]
    listed = place.done("pin", "list").out
    assert one.pin in listed and other.pin in listed
    for wrong in (["pin", "add", "one.test", "sha256/abc"], ["pin", "add", "*", one.pin],
                  ["pin", "add", "127.1", one.pin]):
        assert place.ctl(*wrong).status == 2
    place.done("pin", "rm", "one.test", other.pin)
    left = rest.ok("GET", "/v1/pins", query={"host": "one.test", "port": 443})["pins"]
    assert {pin["pin"] for pin in left if pin["pattern"] == "one.test"} == {one.pin}
    assert place.ctl("pin", "rm", "nowhere.test").status == 5


def test_the_pin_of_a_stored_leaf_and_of_a_server(place, daemon, rest):
    one = mint.self_signed("127.0.0.1")
    with servers.Tls(place, one) as server:
        place.done("add", server.at, "--fingerprint", one.fingerprint)
        place.done("pin", "add", "127.0.0.1")
        assert [pin["pin"] for pin in rest.all("/v1/pins", "pins")] == [one.pin]
        place.done("pin", "rm", "127.0.0.1")
        assert not rest.all("/v1/pins", "pins")
        place.done("pin", "add", server.at, "--from", server.at)
        pins = rest.all("/v1/pins", "pins")
        assert [(pin["pin"], pin["port"]) for pin in pins] == [(one.pin, server.port)]


def test_a_pin_ends(place, daemon, rest):
    one = mint.self_signed("one.test")
    place.done("pin", "add", "one.test", one.pin, "--for", "2s")
    generation = rest.status()["generation"]
    wait.until(lambda: rest.status()["published"] > generation, "the end of the pin", 30)
    assert not rest.ok("GET", "/v1/pins", query={"host": "one.test", "port": 443})["pins"]


def test_generations_and_their_difference(place, daemon, rest):
    start = rest.status()["generation"]
    one, two = mint.self_signed("one.test"), mint.self_signed("two.test")
    rest.add(one, label="one")
    rest.add(two, label="two")
    rest.ok("DELETE", f"/v1/certificates/{one.fingerprint}")
    difference = rest.ok("GET", f"/v1/generations/{start}/diff")
    assert [e["fingerprint"] for e in difference["added"]] == [two.fingerprint]
    assert difference["removed"] == []
    back = rest.ok("GET", f"/v1/generations/{start + 3}/diff", query={"with": start + 1})
    assert [e["fingerprint"] for e in back["added"]] == [one.fingerprint]
    assert [e["fingerprint"] for e in back["removed"]] == [two.fingerprint]
    shown = place.done("diff", start, start + 2).out
    assert "one" in shown and "two" in shown
    assert str(start + 3) in place.done("generations").out
    assert rest.get("/v1/generations/999999/diff").status == 404
    assert place.ctl("diff", "999999").status == 5


def test_a_change_is_taken_back(place, daemon, rest):
    one = mint.self_signed("one.test")
    rest.add(one, label="one")
    place.done("rollback", "--yes")
    assert not rest.certificates()
    # What it would trust again wants a yes.
    before = rest.status()["generation"]
    refused = place.ctl("rollback")
    assert refused.status == 6 and "one" in refused.out + refused.err, str(refused)
    assert rest.status()["generation"] == before
    answer = rest.post(f"/v1/generations/{before - 1}/rollback", {})
    assert answer.status == 409 and answer["accept"], str(answer)
    done = rest.ok("POST", f"/v1/generations/{before - 1}/rollback", {"accept": answer["accept"]})
    assert done["generation"] == before + 1
    assert labels(rest) == {"one"}
    assert one.pem.strip() in bundle(place)


def test_what_was_distrusted_and_what_has_ended_stay_so(place, daemon, rest):
    one, two = mint.self_signed("one.test"), mint.self_signed("two.test")
    rest.add(one, label="one")
    rest.add(two, expires_at=after(2))
    then = rest.status()["generation"]
    rest.ok("POST", "/v1/certificates", {"fingerprint": one.fingerprint, "trust": "distrusted"})
    wait.until(lambda: rest.status()["generation"] >= then + 2, "the end", 30)
    place.done("rollback", then, "--yes")
    stored = {entry["fingerprint"]: entry["trust"] for entry in rest.certificates()}
    assert stored == {one.fingerprint: "distrusted"}
    text = bundle(place)
    assert one.pem.strip() not in text and two.pem.strip() not in text


def test_the_audit_says_who_and_why(place, daemon, rest):
    path = place.write("one.pem", mint.self_signed("one.test").pem)
    place.done("add", path, "--reason", "because of a test")
    record = max(rest.all("/v1/audit", "audit"), key=lambda one: one["number"])
    assert record["reason"] == "because of a test"
    assert record["uid"] == 0 or record["uid"] > 0
    assert record["executable"].endswith("trustctl")
    shown = place.done("log").out
    assert "because of a test" in shown
    head = json.loads(place.done("--json", "status").out)["audit_head"]
    assert rest.ok("GET", "/v1/audit", query={"verify": "true"})["audit_head"] == head
    place.done("log", "--verify")


def test_an_edited_audit_is_found(place):

    with Daemon(place) as daemon, daemon.rest() as rest:
        for n in range(3):
            rest.add(mint.self_signed(f"host-{n}.test"), reason=f"reason {n}")
    database = next(place.path(f"home/.local/state/trustd/{name}")
                    for name in os.listdir(place.state)
                    if name.endswith((".db", ".sqlite")))
    with sqlite3.connect(database) as connection:
        changed = connection.execute("UPDATE audit SET reason = 'another' WHERE reason = 'reason 1'")
        assert changed.rowcount == 1
    connection.close()
    with Daemon(place):
        result = place.ctl("log", "--verify")
        assert result.status == 1, str(result)


def test_a_base_that_changes_is_followed(place, daemon, rest):
    more = mint.authority("Another Base Root")
    generation = rest.status()["generation"]
    place.write("base.pem", place.base_root.pem + more.pem)
    wait.until(lambda: rest.status()["published"] > generation, "the new base", 60)
    assert more.pem.strip() in bundle(place)
    # One that lost everything is not taken: the one before stays, and it is said.
    place.write("base.pem", "")
    wait.until(lambda: rest.status()["base"]["problem"], "a problem with the base", 60)
    assert more.pem.strip() in bundle(place)


def test_everything_that_reads_works_without_the_daemon(place):
    one = mint.self_signed("127.0.0.1")
    with servers.Tls(place, one) as server:
        with Daemon(place):
            place.done("add", server.at, "--fingerprint", one.fingerprint, "--label", "here")
        assert place.done("path", "here").out.strip().endswith("/by-label/here.pem")
        assert place.done("path").out.strip() == place.bundle
        assert "REQUESTS_CA_BUNDLE" in place.done("env").out
        assert clients.fetch(place, "curl", server.url) == SERVED
        result = place.ctl("add", place.write("one.pem", one.pem))
        assert result.status == 4 and "hint: trustctl start" in result.err, str(result)


def test_run_is_like_env(place, daemon):
    assert place.ctl("run", "--", "sh", "-c", "exit 42").status == 42
    assert place.ctl("run", "--", "/nowhere/program").status == 127
    assert place.ctl("run", "--", place.write("text", "no program", 0o644)).status == 126
    assert place.ctl("--store", place.path("nowhere"), "run", "--", "true").status == 125
    assert place.ctl("run", "--", "sh", "-c", "kill -TERM $$").status == -15
    assert place.done("run", "cat", stdin="through").out == "through"
