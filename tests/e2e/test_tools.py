"""Every program that obeys the store under `trustctl run`, one after another."""

import json

import pytest

from harness import clients, mint, servers
from harness.clients import REFUSED, SERVED

# Java does not look at the name constraints of an anchor; `add` says so.
OBEYS_SCOPE = ("curl", "openssl", "urllib", "node", "wget")


@pytest.fixture(params=["curl", "openssl", "urllib", "node", "wget", "java"])
def program(request):
    return request.param


def label_of_only(place):
    listed = json.loads(place.done("--json", "list").out)["certificates"]
    assert len(listed) == 1, listed
    return listed[0]["label"]


def test_a_self_signed_server(place, daemon, program):
    with servers.Tls(place, mint.self_signed("127.0.0.1")) as server:
        assert clients.fetch(place, program, server.url) == REFUSED
        place.done("add", server.at, "--fingerprint", server.minted.fingerprint)
        assert clients.fetch(place, program, server.url) == SERVED
        assert clients.fetch(place, program, server.url, run=False) == REFUSED
        place.done("rm", label_of_only(place))
        assert clients.fetch(place, program, server.url) == REFUSED


def test_a_server_of_a_private_ca_and_one_of_the_base(place, daemon, program):
    root = mint.authority("Private Root")
    with servers.Tls(place, mint.server(root, "127.0.0.1").presenting(root)) as server, \
         servers.Tls(place, mint.server(place.base_root, "127.0.0.1")) as public, \
         servers.Tls(place, mint.server(root, "127.0.0.2").presenting(root),
                     host="127.0.0.2") as other:
        assert clients.fetch(place, program, server.url) == REFUSED
        said = place.done("add", server.at, "--fingerprint", root.fingerprint)
        assert clients.fetch(place, program, server.url) == SERVED
        if program != "node":  # it keeps roots of its own, and is given ours alone
            assert clients.fetch(place, program, public.url) == SERVED
        if program in OBEYS_SCOPE:
            assert clients.fetch(place, program, other.url) == REFUSED
        else:
            assert clients.fetch(place, program, other.url) == SERVED
            assert "Java does not obey" in said.out + said.err, str(said)


def test_what_is_distrusted(place, daemon, program):
    """Of the base it can be taken away where a variable replaces the roots. Node keeps its own;
    what we gave it is taken back."""
    root = mint.authority("Private Root") if program == "node" else place.base_root
    if program == "node":
        place.done("add", place.write("root.pem", root.pem))
    with servers.Tls(place, mint.server(root, "127.0.0.1")) as public:
        assert clients.fetch(place, program, public.url) == SERVED
        place.done("distrust", root.fingerprint)
        assert clients.fetch(place, program, public.url) == REFUSED
