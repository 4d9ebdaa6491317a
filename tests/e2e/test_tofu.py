"""trustctl add --tofu: the first contact is believed, and no other."""

import pytest

from harness import clients, mint, wait
from harness.servers import Tls
from test_expiry import alerts, watch


@pytest.fixture
def server(place):
    with Tls(place, mint.self_signed("127.0.0.1")) as it:
        yield it


def test_the_first_contact_is_trusted_pinned_and_recorded(place, rest, server):
    assert clients.fetch(place, "requests", server.url) == clients.REFUSED
    result = place.done("add", "--tofu", server.at, "--reason", "the printer")
    assert server.minted.fingerprint in result.err, str(result)
    assert clients.fetch(place, "requests", server.url) == clients.SERVED
    entry = rest.certificates(host="127.0.0.1")[0]
    assert entry["fingerprint"] == server.minted.fingerprint
    for part in ("the printer", f"first contact with {server.at} at 127.0.0.1 on 20",
                 server.minted.fingerprint):
        assert part in entry["reason"], entry
    pins = rest.ok("GET", "/v1/pins", query={"host": "127.0.0.1", "port": server.port})["pins"]
    assert [(pin["pin"], pin["port"], pin["position"], pin["mode"]) for pin in pins] == [
        (server.minted.pin, server.port, "leaf", "enforce")]
    record = next(each for each in rest.ok("GET", "/v1/audit")["audit"] if each["action"] == "add")
    assert record["action"] == "add" and server.minted.pin in str(record["detail"])
    assert server.minted.fingerprint in record["reason"]
    assert rest.status()["generation"] == record["after"], "entry and pin are one generation"


def test_the_same_again_changes_nothing(place, rest, server):
    place.done("add", "--tofu", server.at)
    generation = rest.status()["generation"]
    place.ctl("add", "--tofu", server.at)
    assert rest.status()["generation"] == generation


@pytest.mark.parametrize("same_key", [False, True])
def test_a_later_change_is_refused_and_changes_nothing(place, rest, server, same_key):
    place.done("add", "--tofu", server.at)
    generation = rest.status()["generation"]
    first = server.minted
    server.present(place, mint.self_signed("127.0.0.1", key=first.key if same_key else None))
    result = place.ctl("add", "--tofu", server.at)
    assert result.status == 3, str(result)
    assert ("another certificate, with the same key" if same_key else "another key") in result.err
    assert server.minted.fingerprint not in result.err
    assert rest.status()["generation"] == generation
    assert clients.fetch(place, "requests", server.url) == clients.REFUSED
    server.present(place, first)
    assert clients.fetch(place, "requests", server.url) == clients.SERVED


def test_a_later_change_is_an_alert_too_and_never_a_silent_update(place, rest, server):
    """Nothing is asked for: whoever is believed at the first contact is watched from then on."""
    place.done("add", "--tofu", server.at)
    first = server.minted

    def shows(minted):
        return (watch(rest, server.at) or {}).get("fingerprint") == minted.fingerprint
    wait.until(lambda: shows(first) and watch(rest, server.at)["code"] == "ok", "the first look")
    assert not alerts(rest)
    before = (rest.status()["generation"], rest.certificates(),
              rest.ok("GET", "/v1/pins")["pins"])
    server.present(place, mint.self_signed("127.0.0.1"))
    place.done("watch", "add", server.at)  # looks at once, where it would by itself later
    changed = wait.until(lambda: alerts(rest, kind="changed"), "that it changed")[0]
    mismatch = wait.until(lambda: alerts(rest, kind="pin_mismatch"), "that no pin matches")[0]
    for alert in (changed, mismatch):
        assert alert["target"] == server.at and alert["hosts"] == [server.at], alert
        assert alert["severity"] in ("warning", "critical")
        assert server.minted.fingerprint not in alert["hint"]
    assert mismatch["severity"] == "critical"
    assert watch(rest, server.at)["history"][0]["succession"] == "other_ca"
    assert clients.fetch(place, "requests", server.url) == clients.REFUSED
    assert clients.fetch(place, "curl", server.url) == clients.REFUSED
    result = place.ctl("verify", server.at)
    assert result.status == 3, str(result)
    assert before == (rest.status()["generation"], rest.certificates(),
                      rest.ok("GET", "/v1/pins")["pins"]), "nothing was learnt from it"
    server.present(place, first)
    place.done("watch", "add", server.at)
    wait.until(lambda: not alerts(rest, kind="pin_mismatch"), "the alert to resolve")
    assert clients.fetch(place, "requests", server.url) == clients.SERVED


def test_another_port_is_another_server(place, rest, server):
    place.done("add", "--tofu", server.at)
    with Tls(place, mint.self_signed("127.0.0.1")) as other:
        place.done("add", "--tofu", other.at)
    assert len(rest.certificates(host="127.0.0.1")) == 2


def test_nowhere_else_is_a_first_contact_believed(place, rest, server):
    result = place.ctl("add", server.at)
    assert result.status == 6 and not rest.certificates(), str(result)
    path = place.write("server.pem", server.minted.pem)
    for source in (path, "-"):
        result = place.ctl("add", "--tofu", source, stdin=server.minted.pem)
        assert result.status == 2 and "is for a server" in result.err, str(result)
    for option in (["--fingerprint", server.minted.fingerprint], ["--replace"]):
        assert place.ctl("add", "--tofu", server.at, *option).status == 2
    assert not rest.certificates()
