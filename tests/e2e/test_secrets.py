"""A private key is in its 0600 file and nowhere else; and nobody makes the daemon open a path or
run a command who could not do so himself."""

import base64
import json
import os
import socket
import stat

import pytest
from cryptography.hazmat.primitives import serialization

from harness import openapi, rest as rest_module
from harness.daemon import Daemon
from test_peers import MEMBER, NOBODY, TRUST_GID, as_user, ask_as, shared  # noqa: F401 (fixture)
from test_renewal import hook

PEM_LINE = 40  # characters of a PEM file's line are enough to know it by


def forms(path):
    """What of a key would be recognised: its DER, that in hex and base64, its secret number, and
    the lines of its PEM."""
    with open(path, "rb") as file:
        pem = file.read()
    key = serialization.load_pem_private_key(pem, None)
    der = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8,
                            serialization.NoEncryption())
    secret = key.private_numbers().private_value.to_bytes(32, "big")
    found = [secret, secret.hex().encode(), der, der.hex().encode(), base64.b64encode(der),
             base64.b64encode(secret)]
    # The lines behind those of the number hold the public key, which is everybody's.
    found += [line[:PEM_LINE] for line in pem.splitlines() if not line.startswith(b"-")
              and any(secret[at:at + 8] in base64.b64decode(line) for at in range(24))]
    # base64 of the number at each of the three places where it can begin
    for shift in range(3):
        found.append(base64.b64encode(bytes(shift) + secret)[4:40])
    return [form for form in found if len(form) >= 24]


def files_below(*roots):
    for root in roots:
        for directory, _, names in os.walk(root):
            for name in names:
                path = os.path.join(directory, name)
                if stat.S_ISREG(os.lstat(path).st_mode):
                    yield path


def test_keys_are_in_their_files_and_nowhere_else(place):
    hook(place, "note", f"env > {place.path('hook.env')}; echo failed; exit 1\n")
    said = []

    def run(*words, status=0):
        result = place.ctl(*words)
        assert result.status == status, str(result)
        said.append((result.out + result.err).encode())
    with Daemon(place) as daemon:
        run("ca", "init", "--permit", "**.test")
        run("new", "a.test", "--out", place.path("a"), "--trust", "--json")
        run("new", "b.test", "--from-ca", "--out", place.path("b"))
        run("new", "c.test", "--renew", "--trust", "--after-renew", "note", "--json")
        run("new", "d.test", "--renew", "--from-ca", "--out", place.path("d"))
        keys = {path: forms(path) for path in files_below(place.root)
                if os.path.basename(path) == "key.pem"}
        run("renew", "c.test", status=1)
        run("renew", "d.test")
        run("identity", "list", "--json")
        run("ca", "show", "--json")
        keys.update({path: forms(path) for path in files_below(place.root)
                     if os.path.basename(path) == "key.pem"})
        assert len(keys) == 7, keys
        with daemon.rest() as rest:
            document = openapi.document(rest).document
            fingerprints = [each["fingerprint"] for each in
                            rest.ok("GET", "/v1/identities")["identities"]]
            for path, item in document["paths"].items():
                if "get" not in item or path == "/v1/events":
                    continue
                for fingerprint in fingerprints if "{fingerprint}" in path else [""]:
                    at = path.replace("{fingerprint}", fingerprint)
                    for number in ("{n}", "{id}"):
                        at = at.replace(number, "3")
                    query = {"with": 1} if at.endswith("/diff") else None
                    said.append(rest.request("GET", at, query=query).body)
        events = place.ctl("events")
        said.append(events.out.encode())
    said.append(daemon.log().encode())
    others = [path for path in files_below(place.root) if path not in keys]
    assert any(path.endswith("trustd.db") for path in others)
    assert any(path.endswith("bundle.pem") for path in others)
    for path in others:
        with open(path, "rb") as file:
            said.append(path.encode() + b": " + file.read())
    for path, secret_forms in keys.items():
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600, path
        for form in secret_forms:
            for text in said:
                assert form not in text, f"the key of {path} is in {text[:200]!r}"


def test_the_search_would_find_one(place):
    place.done("new", "a.test", "--out", place.path("a"))
    with open(place.path("a/key.pem"), "rb") as file:
        pem = file.read()
    key = serialization.load_pem_private_key(pem, None)
    traditional = key.private_bytes(serialization.Encoding.PEM,
                                    serialization.PrivateFormat.TraditionalOpenSSL,
                                    serialization.NoEncryption())
    der = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8,
                            serialization.NoEncryption())
    for leak in (pem, der, der.hex().encode(), traditional.replace(b"\n", b""),
                 json.dumps({"key": pem.decode()}).encode()):
        assert any(form in leak for form in forms(place.path("a/key.pem"))), leak


@pytest.mark.parametrize("fields, status", [
    ({"directory": "OUT"}, 403), ({"directory": "/etc"}, 403),
    ({"directory": "OUT", "renew": True}, 403), ({"directory": "relative"}, 400),
    ({"after_renew": "/bin/sh", "renew": True}, 404), ({"after_renew": "touch", "renew": True}, 404),
    ({"command": ["/bin/sh"]}, 400), ({"hook": "note"}, 400), ({"out": "OUT"}, 400),
    ({"key_path": "/etc/shadow"}, 400), ({"passphrase_file": "/etc/shadow"}, 400),
    ({"label": "../../x"}, 400), ({"label": "/etc/x"}, 400), ({"names": ["../../x"]}, 400)])
def test_a_member_of_trust_opens_no_path_and_runs_no_command(place, shared, fields, status):  # noqa: F811
    member = as_user(MEMBER, groups=TRUST_GID)
    def others():  # the daemon makes the files of its next publication when it has answered
        return sorted(path for path in files_below(place.root) if "/public/" not in path)

    before = others()
    out = place.path("out")
    fields = {name: out if value == "OUT" else value for name, value in fields.items()}
    answer = ask_as(place, member, [("POST", "/v1/identities", {"names": ["m.test"], **fields})])[0]
    assert answer.status == status, str(answer)
    assert others() == before
    assert not os.path.exists(out)


def test_a_member_of_trust_has_certificates_made_and_never_a_key(place, shared):  # noqa: F811
    member = as_user(MEMBER, groups=TRUST_GID)
    made, listed = ask_as(place, member, [
        ("POST", "/v1/identities", {"names": ["m.test"], "trust": True, "renew": True}),
        ("GET", "/v1/identities", None)])
    assert made.status == 201 and listed.status == 200, f"{made} {listed}"
    assert made["key_path"].startswith(place.state + "/keys/m.test/")
    assert "PRIVATE" not in made.body.decode() + listed.body.decode()
    read = place.exec(*member, "cat", made["key_path"], cwd="/")
    assert read.status != 0 and "Permission denied" in read.err, str(read)


def test_others_see_and_make_nothing(place, shared):  # noqa: F811
    nobody = as_user(NOBODY)
    for answer in ask_as(place, nobody, [
            ("GET", "/v1/identities", None), ("GET", "/v1/ca", None),
            ("GET", "/v1/identities/" + "a" * 64, None),
            ("POST", "/v1/identities", {"names": ["n.test"]}),
            ("POST", "/v1/ca", {"permit": ["**.test"]}),
            ("POST", "/v1/identities/" + "a" * 64 + "/renew", {}),
            ("DELETE", "/v1/identities/" + "a" * 64, None)]):
        assert answer.status == 403, str(answer)


def test_a_token_names_no_path_either(place):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    place.configure(listen={"tcp": f"127.0.0.1:{port}", "tcp_write": True})
    with Daemon(place):
        with open(place.state + "/token", encoding="ascii") as file:
            token = file.read().strip()
        with rest_module.Rest(("127.0.0.1", port), token=token) as rest:
            answer = rest.post("/v1/identities", {"names": ["t.test"],
                                                  "directory": place.path("out")})
            assert answer.status == 403, str(answer)
            assert rest.post("/v1/identities", {"names": ["t.test"]}).status == 201
    assert not os.path.exists(place.path("out"))
