"""A file posted with requests to Flask: refused, trusted by each way there is, refused again."""

import json
import os

import pytest

from harness import clients, mint, need, servers
from harness.clients import REFUSED, SERVED

POST = os.path.join(servers.PROGRAMS, "post_file.py")


@pytest.fixture(scope="module", autouse=True)
def _programs():
    need.modules("flask", "requests")


@pytest.fixture
def payload(place):
    return place.write("payload.bin", os.urandom(200_000))


@pytest.fixture
def flask(place):
    with servers.Flask(place, mint.self_signed("127.0.0.1", "localhost")) as server:
        yield server


def outcome(result):
    assert result.status in (0, 3), str(result)
    assert result.out.startswith(SERVED if result.status == 0 else REFUSED), str(result)
    return result.out.split()[0]


def post(place, server, payload, *verify, env=None, hosts=None):
    """In a process of its own, as all that follows."""
    return outcome(place.exec("/usr/bin/python3", POST, server.url, payload, *verify,
                              env=env, hosts=hosts))


def in_shell(place, script, server, payload):
    return outcome(place.exec("bash", "-c", script, "bash", POST, server.url, payload))


def add(place, server, fingerprint=None, *more):
    return place.done("add", server.at, "--fingerprint", fingerprint or server.minted.fingerprint,
                      *more)


def test_every_way_to_trust_a_self_signed_server(place, daemon, flask, payload):
    assert post(place, flask, payload) == REFUSED

    printed = add(place, flask)
    listed = json.loads(place.done("--json", "list").out)["certificates"]
    assert [entry["fingerprint"] for entry in listed] == [flask.minted.fingerprint]
    label = listed[0]["label"]
    assert listed[0]["trust"] == "leaf"
    assert label in printed.out

    path = place.done("path", label).out.strip()
    assert path == f"{place.current}/by-label/{label}.pem"
    assert post(place, flask, payload, path) == SERVED
    assert post(place, flask, payload, place.bundle) == SERVED
    assert in_shell(place, 'python3 "$1" "$2" "$3" "$(trustctl path %s)"' % label,
                    flask, payload) == SERVED
    assert in_shell(place, 'eval "$(trustctl env)"; python3 "$@"', flask, payload) == SERVED
    assert in_shell(place, 'trustctl run -- python3 "$@"', flask, payload) == SERVED
    dotenv = place.done("env", "--shell", "dotenv").out
    variables = dict(line.split("=", 1) for line in dotenv.splitlines() if "=" in line
                     and not line.startswith("#"))
    bundle = variables["REQUESTS_CA_BUNDLE"].strip('"\'')
    assert bundle == place.bundle
    assert post(place, flask, payload, env={"REQUESTS_CA_BUNDLE": bundle}) == SERVED

    # Nobody who was not told is affected, and what the base trusts stays trusted.
    assert post(place, flask, payload) == REFUSED
    with servers.Flask(place, mint.server(place.base_root, "127.0.0.1"), stem="public") as other:
        assert post(place, other, payload, env={"REQUESTS_CA_BUNDLE": bundle}) == SERVED

    place.done("rm", label)
    assert post(place, flask, payload, env={"REQUESTS_CA_BUNDLE": bundle}) == REFUSED
    assert post(place, flask, payload, bundle) == REFUSED
    assert in_shell(place, 'trustctl run -- python3 "$@"', flask, payload) == REFUSED
    assert place.ctl("path", label).status == 5


def test_a_url_names_the_same_server(place, daemon, flask, payload):
    place.done("add", f"https://{flask.at}/upload", "--fingerprint", flask.minted.fingerprint)
    assert post(place, flask, payload, place.bundle) == SERVED


def test_a_fingerprint_can_be_pasted_from_openssl(place, daemon, flask, payload):
    pasted = place.exec("openssl", "x509", "-noout", "-fingerprint", "-sha256",
                        stdin=flask.minted.pem).out.strip().split("=", 1)[1]
    assert ":" in pasted
    add(place, flask, pasted)
    assert post(place, flask, payload, place.bundle) == SERVED


def test_a_changed_certificate_is_refused_until_replaced(place, daemon, payload):
    with servers.Tls(place, mint.self_signed("127.0.0.1")) as server:
        add(place, server)
        env = {"REQUESTS_CA_BUNDLE": place.bundle}
        assert clients.fetch(place, "requests", server.url, run=False, env=env) == SERVED
        old = server.minted.fingerprint
        server.present(place, mint.self_signed("127.0.0.1"))
        assert clients.fetch(place, "requests", server.url, run=False, env=env) == REFUSED
        add(place, server, None, "--replace")
        assert clients.fetch(place, "requests", server.url, run=False, env=env) == SERVED
        listed = json.loads(place.done("--json", "list").out)["certificates"]
        assert [entry["fingerprint"] for entry in listed] == [server.minted.fingerprint]
        assert old != server.minted.fingerprint


# A server of a private CA. What is presented decides what `add` can do, and says.

PROGRAMS = ("requests", "curl", "node")


@pytest.fixture(scope="module")
def private():
    root = mint.authority("Private Root")
    return root, mint.intermediate(root, "Private Intermediate")


def everyone(place, url, hosts=None):
    return {name: clients.fetch(place, name, url, hosts=hosts) for name in PROGRAMS}


def all_of(what):
    return dict.fromkeys(PROGRAMS, what)


def entry(place):
    listed = json.loads(place.done("--json", "list").out)["certificates"]
    assert len(listed) == 1, listed
    return listed[0]


@pytest.mark.parametrize("topmost", ["root", "intermediate"])
def test_with_its_issuer_the_topmost_ca_is_trusted_for_this_host_alone(
        place, daemon, private, topmost):
    root, middle = private
    chain = [middle, root] if topmost == "root" else [middle]
    with servers.Tls(place, mint.server(middle, "127.0.0.1").presenting(*chain)) as server, \
         servers.Tls(place, mint.server(middle, "127.0.0.2").presenting(*chain),
                     host="127.0.0.2") as other:
        assert everyone(place, server.url) == all_of(REFUSED)
        place.done("add", server.at, "--fingerprint", chain[-1].fingerprint)
        assert entry(place)["trust"] == "root"
        assert entry(place)["fingerprint"] == chain[-1].fingerprint
        assert entry(place)["hosts"] == ["127.0.0.1"]
        assert everyone(place, server.url) == all_of(SERVED)
        assert everyone(place, other.url) == all_of(REFUSED)
        # The CA itself, which would hold for every name, is in no file.
        with open(place.bundle, encoding="ascii") as bundle:
            assert chain[-1].pem.strip() not in bundle.read()
        place.done("rm", entry(place)["label"])
        assert everyone(place, server.url) == all_of(REFUSED)


def test_another_name_under_the_same_ca_is_refused(place, daemon, private):
    root, middle = private
    hosts = {"one.corp.test": "127.0.0.1", "two.corp.test": "127.0.0.1"}
    with servers.Tls(place, mint.server(middle, "one.corp.test").presenting(middle, root),
                     name="one.corp.test") as server, \
         servers.Tls(place, mint.server(middle, "two.corp.test").presenting(middle, root),
                     name="two.corp.test") as other, \
         servers.Tls(place, mint.server(middle, "127.0.0.1").presenting(middle, root)) as address:
        place.done("add", server.at, "--fingerprint", root.fingerprint, hosts=hosts)
        assert entry(place)["hosts"] == ["one.corp.test"]
        assert everyone(place, server.url, hosts) == all_of(SERVED)
        assert everyone(place, other.url, hosts) == all_of(REFUSED)
        assert everyone(place, address.url, hosts) == all_of(REFUSED)


def test_without_its_issuer_add_says_who_still_refuses(place, daemon, private):
    root, middle = private
    with servers.Tls(place, mint.server(middle, "127.0.0.1")) as server:
        said = add(place, server)
        text = said.out + said.err
        assert "curl and Java take" in text and "requests and Node refuse" in text, str(said)
        assert "--host 127.0.0.1" in text, str(said)
        assert entry(place)["trust"] == "leaf"
        assert everyone(place, server.url) == {"requests": REFUSED, "curl": SERVED, "node": REFUSED}

        # What it said to do instead is what helps.
        ca = place.write("ca.pem", middle.pem)
        place.done("add", ca, "--host", "127.0.0.1")
        assert everyone(place, server.url) == all_of(SERVED)
        with servers.Tls(place, mint.server(middle, "127.0.0.2"), host="127.0.0.2") as other:
            assert everyone(place, other.url) == all_of(REFUSED)


def test_a_leaf_by_choice_of_a_server_with_an_issuer(place, daemon, private):
    root, middle = private
    with servers.Tls(place, mint.server(middle, "127.0.0.1").presenting(middle, root)) as server:
        place.done("add", server.at, "--as", "leaf", "--fingerprint", server.minted.fingerprint)
        assert entry(place)["trust"] == "leaf"
        assert everyone(place, server.url)["curl"] == SERVED


def test_env_keeps_what_somebody_else_set_and_run_overrides_it(place, daemon):
    theirs = {"PIP_CERT": "/corp/ca.pem", "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt"}
    kept = place.done("env", "--shell", "json", env=theirs)
    assert "PIP_CERT" not in json.loads(kept.out) and "PIP_CERT" in kept.err
    assert json.loads(kept.out)["SSL_CERT_FILE"] == place.bundle and "SSL_CERT_FILE" not in kept.err
    forced = place.done("env", "--shell", "json", "--force", env=theirs)
    assert json.loads(forced.out)["PIP_CERT"] == place.bundle

    ran = place.done("run", "--", "/usr/bin/env", "-0", env=theirs)
    variables = dict(line.split("=", 1) for line in ran.out.split("\0") if "=" in line)
    assert variables["PIP_CERT"] == place.bundle
    assert "PIP_CERT" in ran.err and "/corp/ca.pem" in ran.err
    assert "truststore.p12" in variables["JAVA_TOOL_OPTIONS"]
