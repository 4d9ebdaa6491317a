"""What a chain is worth: asked of the daemon, of trustctl and of the C library, with one answer."""

import json
import os

import pytest

from harness import library, mint, need, servers
from harness.daemon import Daemon

HOST = "api.corp.test"


def scenes(place, rest):
    """(name, what is presented, the code that is right); the store is set up for all of them."""
    root = mint.authority("Corp Root")
    middle = mint.intermediate(root, "Corp Intermediate")
    rest.add(root, label="corp", trust="root", hosts=["**.corp.test"])
    device = mint.self_signed(HOST, subject="device")
    rest.add(device, label="device", trust="leaf")
    elsewhere = mint.authority("Elsewhere Root")
    rest.add(elsewhere, label="elsewhere", trust="root", hosts=["**.elsewhere.test"])
    bad = mint.authority("Bad Root")
    rest.add(bad, label="bad-root", trust="distrusted")
    server = mint.server(middle, HOST)
    old = mint.now() - 20 * mint.DAY
    return [
        ("by a root", server.presenting(middle), "ok"),
        ("with the root along", server.presenting(middle, root), "ok"),
        ("out of order", server.presenting(root, middle), "ok"),
        ("by its entry", device, "ok"),
        ("by the base", mint.server(place.base_root, HOST), "ok"),
        ("incomplete", server, "unknown_issuer"),
        ("nobody's", mint.server(mint.authority("Nobody"), HOST), "unknown_issuer"),
        ("its own", mint.self_signed(HOST), "self_signed"),
        ("ended", mint.server(root, HOST, not_before=old, not_after=mint.now() - mint.DAY),
         "expired"),
        ("to come", mint.server(root, HOST, not_before=mint.now() + mint.DAY), "not_yet_valid"),
        ("for another", mint.server(root, "other.corp.test"), "name_mismatch"),
        ("named by its CN alone", mint.mint(HOST, issuer=root), "name_mismatch"),
        ("out of scope", mint.server(elsewhere, HOST), "out_of_scope"),
        ("distrusted", mint.server(bad, HOST).presenting(bad), "distrusted"),
        ("weak", mint.server(root, HOST, key=mint.weak_key()), "weak"),
        ("issued by a server", mint.server(mint.server(root, HOST), HOST), "unknown_issuer"),
        ("32 certificates", server.presenting(middle, *[root] * 30), "ok"),
        ("33 certificates", server.presenting(middle, *[root] * 31), "bad_chain"),
    ]


def asked_of_trustctl(place, chain, host=HOST, port=443):
    path = place.write("chain.pem", chain)
    result = place.ctl("--json", "verify", "--chain", path, f"{host}:{port}")
    answer = json.loads(result.out)
    assert result.status == (0 if answer["trusted"] else 3), str(result)
    return answer


def test_the_daemon_and_trustctl_say_the_same_and_it_is_right(place, rest):
    for name, presented, code in scenes(place, rest):
        chain = presented.chain_pem()
        answer = rest.ok("POST", "/v1/verify", {"host": HOST, "port": 443, "chain_pem": chain})
        assert answer["code"] in (code, "bad_chain" if name == "issued by a server" else code), \
            f"{name}: {answer}"
        assert answer["trusted"] == (code == "ok"), f"{name}: {answer}"
        assert bool(answer["detail"]) != answer["trusted"], f"{name}: {answer}"
        assert asked_of_trustctl(place, chain) == answer, name


def test_the_c_library_says_the_same(place, rest):
    of_c = library.load()
    for name, presented, _ in scenes(place, rest):
        chain = presented.chain_pem()
        answer = rest.ok("POST", "/v1/verify", {"host": HOST, "port": 443, "chain_pem": chain})
        assert of_c.verify(place.public, HOST, 443, chain) == answer, name


def test_pins_count_for_their_port(place, rest):
    server = mint.self_signed(HOST)
    rest.add(server, label="server", trust="leaf")
    rest.ok("POST", "/v1/pins", {"pattern": HOST + ":8443", "pins": [mint.self_signed("x").pin]})
    def ask(port):
        return rest.ok("POST", "/v1/verify",
                       {"host": HOST, "port": port, "chain_pem": server.pem})
    assert ask(8443)["code"] == "pin_mismatch" and ask(8443)["pin_status"] == "mismatch"
    assert ask(443)["code"] == "ok" and ask(443)["pin_status"] == "none"
    refused = place.ctl("verify", "--chain", place.write("c.pem", server.pem), HOST + ":8443")
    assert refused.status == 3 and "pin" in refused.err, str(refused)


def test_as_of_another_time(rest):
    server = mint.self_signed(HOST, not_after=mint.now() + 5 * mint.DAY)
    rest.add(server, label="server", trust="leaf")
    def ask(**fields):
        return rest.ok("POST", "/v1/verify", {"host": HOST, "chain_pem": server.pem, **fields})
    later = (mint.now() + 6 * mint.DAY).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert ask()["code"] == "ok"
    assert ask(at=later)["code"] == "expired"


def test_the_answer_is_of_the_generation_that_is_published(rest):
    server = mint.self_signed(HOST)
    body = {"host": HOST, "chain_pem": server.pem}
    assert rest.ok("POST", "/v1/verify", body)["code"] == "self_signed"
    generation = rest.add(server, label="server", trust="leaf")["generation"]
    answer = rest.post("/v1/verify", body)
    assert answer["code"] == "ok" and answer["generation"] == generation
    assert answer.headers["etag"] == f'"g{generation}"'
    rest.ok("DELETE", f"/v1/certificates/{server.fingerprint}")
    assert rest.ok("POST", "/v1/verify", body)["code"] == "self_signed"


def test_what_cannot_be_asked_is_refused(rest):
    server = mint.self_signed(HOST)
    for body, word in (({"host": HOST}, "chain_pem"),
                       ({"host": "127.1", "chain_pem": server.pem}, "127.1"),
                       ({"host": ".corp.test", "chain_pem": server.pem}, "host"),
                       ({"host": HOST, "chain_pem": ""}, "chain_pem"),
                       ({"host": HOST, "chain_pem": "nothing"}, "chain_pem"),
                       ({"host": HOST, "chain_pem": server.pem + server.key_pem}, "private key"),
                       ({"host": HOST, "chain_pem": server.pem, "chian": 1}, "chian")):
        answer = rest.post("/v1/verify", body)
        assert 400 <= answer.status < 500 and word in answer["detail"], f"{body}: {answer}"
    big = rest.post("/v1/verify", {"host": HOST, "chain_pem": "x" * 300_000})
    assert big.status == 413, str(big)


def test_a_store_that_cannot_be_read_trusts_nothing(place, rest):
    server = mint.self_signed(HOST)
    rest.add(server, label="server", trust="leaf")
    database = os.path.join(os.path.realpath(place.current), "trust.db")
    os.chmod(database, 0o644)
    size = os.path.getsize(database)
    with open(database, "r+b") as file:
        file.write(b"\xff" * size)
    answer = rest.post("/v1/verify", {"host": HOST, "chain_pem": server.pem})
    assert answer.status == 500 and answer["code"] == "store_invalid", str(answer)
    result = place.ctl("verify", "--chain", place.write("c.pem", server.pem), HOST)
    assert result.status == 1 and "trust.db" in result.err, str(result)
    rest.status()  # nothing else minds


def test_who_may_only_read_may_ask(place):
    need.root()
    place.configure(listen={"socket_mode": "0666"})
    server = mint.self_signed(HOST)
    with Daemon(place) as daemon, daemon.rest() as rest:
        rest.add(server, label="server", trust="leaf")
        body = json.dumps({"host": HOST, "chain_pem": server.pem})
        for path, status in (("verify", "200"), ("probe", "403")):
            asked = place.exec("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "curl",
                               "-sS", "--unix-socket", daemon.socket, "-o", "/dev/null", "-w",
                               "%{http_code}", "-H", "Content-Type: application/json", "-d",
                               body if path == "verify" else '{"host":"127.0.0.1"}',
                               f"http://localhost/v1/{path}", cwd="/")
            assert asked.out == status, str(asked)


def test_trustctl_dials_and_needs_no_daemon(place, daemon):
    with servers.Tls(place, mint.self_signed("127.0.0.1")) as server:
        refused = place.ctl("verify", server.at)
        assert refused.status == 3, str(refused)
        assert "signed by itself" in refused.err and "hint: trustctl add " + server.at in refused.err
        assert server.minted.fingerprint not in refused.err + refused.out
        place.done("add", server.at, "--fingerprint", server.minted.fingerprint, "--label", "it")
        daemon.stop()
        trusted = place.done("verify", server.at)
        assert "trusted" in trusted.out and "the entry it (leaf)" in trusted.out, str(trusted)
        assert place.done("--quiet", "verify", server.at).out == ""
        answer = json.loads(place.done("--json", "verify", server.at).out)
        assert answer["trusted_by"] == "added_leaf" and answer["port"] == server.port
        server.present(place, mint.self_signed("127.0.0.1"))
        assert place.ctl("verify", server.at).status == 3
    assert place.ctl("verify", server.at).status == 1  # nobody there: nothing was decided


@pytest.mark.parametrize("protocol", ["smtp", "imap", "postgres"])
def test_servers_that_begin_in_clear(place, daemon, protocol):
    with servers.StartTls(place, mint.self_signed("127.0.0.1"), protocol) as server:
        # openssl finds them to be what they say
        seen = place.exec(need.program("openssl"), "s_client", "-starttls", protocol, "-connect",
                          server.at, "-brief")
        assert "CONNECTION ESTABLISHED" in seen.out + seen.err, str(seen)
        assert place.ctl("verify", server.at, "--starttls", protocol).status == 3
        said = place.ctl("add", server.at, "--starttls", protocol)
        assert said.status == 6 and f"--starttls {protocol} --fingerprint" in said.err, str(said)
        place.done("add", server.at, "--starttls", protocol, "--fingerprint",
                   server.minted.fingerprint)
        place.done("verify", server.at, "--starttls", protocol)
        assert not any(server.heard[1:]), "something was sent after the handshake"


def test_a_real_postgres(place, daemon):
    with servers.Postgres(place, mint.self_signed("127.0.0.1", "localhost")) as server:
        place.done("add", server.at, "--starttls", "postgres", "--fingerprint",
                   server.minted.fingerprint, "--label", "database")
        place.done("verify", server.at, "--starttls", "postgres")
        said = place.exec(need.program("psql", "postgresql-client"),
                          f"host=127.0.0.1 port={server.port} user=test dbname=postgres "
                          f"sslmode=verify-full sslrootcert={place.current}/by-label/database.pem",
                          "-Atc", "select ssl from pg_stat_ssl where pid = pg_backend_pid()")
        assert said.out == "t\n", str(said)
