"""Who may do what: another user, a web page, a member of trust."""

import json
import os
import re
import shutil
import socket

import pytest

from harness import mint, need, openapi, place as places, rest as rest_module, wait
from harness.daemon import Daemon

NOBODY = 65534
MEMBER = 4712
TRUST_GID = 4711
GROUPS = f"root:x:0:\ntrust:x:{TRUST_GID}:\nnogroup:x:65534:\n"
PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n" \
         f"member:x:{MEMBER}:{MEMBER}::/:/bin/false\n"


def as_user(uid, gid=None, groups=None):
    need.root()
    return [need.program("setpriv", "util-linux"), f"--reuid={uid}", f"--regid={gid or uid}",
            f"--groups={groups}" if groups else "--clear-groups"]


@pytest.fixture
def shared(place):
    """A daemon whose socket everybody may open, in a namespace where the group trust exists."""
    need.root()
    place.configure(listen={"socket_mode": "0666"})
    os.chmod(place.home, 0o755)
    prefix = place.with_files({"/etc/group": GROUPS, "/etc/passwd": PASSWD})
    with Daemon(place, prefix=prefix) as daemon:
        daemon.place.stored = mint.self_signed("stored.test")
        with daemon.rest() as client:
            client.add(daemon.place.stored, label="stored")
        yield daemon
        assert daemon.alive(), daemon.log()


def ctl_as(place, user, *arguments):
    environment = {"TRUSTD_SOCKET": place.socket, "TRUSTD_STORE": place.public, "HOME": "/",
                   "XDG_RUNTIME_DIR": None, "XDG_STATE_HOME": None, "XDG_CONFIG_HOME": None}
    return place.exec(*user, places.TRUSTCTL, *arguments, env=environment, cwd="/")


# Asked by a process of that user: the peer's credentials are the kernel's, not a header.
ASK = """
import http.client, json, socket, sys
class Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(sys.argv[1])
answers = []
for method, path, body in json.loads(sys.stdin.read()):
    connection = Unix("localhost")
    connection.request(method, path, json.dumps(body) if body is not None else None,
                       {"Content-Type": "application/json"} if body is not None else {})
    answer = connection.getresponse()
    answers.append([answer.status, answer.getheader("Content-Type"), answer.read().decode()])
print(json.dumps(answers))
"""


def ask_as(place, user, requests):
    result = place.exec(*user, "/usr/bin/python3", "-c", ASK, place.socket,
                        stdin=json.dumps(requests), cwd="/", env={"HOME": "/"})
    assert result.status == 0, str(result)
    return [rest_module.Answer(status, {"content-type": kind}, body.encode())
            for status, kind, body in json.loads(result.out)]


def changes(one, fingerprint, pin):
    return [
        ("POST", "/v1/certificates", {"pem": one.pem}),
        ("POST", "/v1/certificates", {"fingerprint": fingerprint, "trust": "distrusted"}),
        ("PATCH", f"/v1/certificates/{fingerprint}", {"label": "mine"}),
        ("DELETE", f"/v1/certificates/{fingerprint}", None),
        ("POST", "/v1/pins", {"pattern": "stored.test", "pins": [pin]}),
        ("DELETE", "/v1/pins/1", None),
        ("POST", "/v1/generations/1/rollback", {"accept": []}),
    ]


READS = ["/v1/status", "/v1/certificates", "/v1/certificates?base=true", "/v1/pins",
         "/v1/pins?host=stored.test", "/v1/bundle.pem", "/v1/extra.pem", "/v1/env?shell=sh",
         "/v1/generations", "/healthz", "/readyz", "/metrics", "/openapi.json"]


def test_another_user_reads_and_changes_nothing(place, shared):
    user = as_user(NOBODY)
    fingerprint = place.stored.fingerprint
    with shared.rest() as client:
        before = client.status()["generation"]
    read = ask_as(place, user, [("GET", path, None) for path in
                                READS + [f"/v1/certificates/{fingerprint}"]])
    assert [answer.status for answer in read] == [200] * len(read), list(map(str, read))
    refused = ask_as(place, user, changes(mint.self_signed("evil.test"), fingerprint,
                                          place.stored.pin) + [("GET", "/v1/audit", None)])
    for answer in refused:
        assert answer.status == 403 and answer.type == "application/problem+json", str(answer)
    with shared.rest() as client:
        assert client.status()["generation"] == before
        assert fingerprint in {entry["fingerprint"] for entry in client.certificates()}

    listed = ctl_as(place, user, "list")
    assert listed.status == 0 and "stored" in listed.out, str(listed)
    evil = place.write("evil.pem", mint.self_signed("evil.test").pem)
    for command in (["add", evil], ["rm", "stored"], ["distrust", "stored"]):
        result = ctl_as(place, user, *command)
        assert result.status == 6, str(result)
        assert result.err.strip(), str(result)


def test_another_user_sees_no_secret_on_disk(place, shared):
    user = as_user(NOBODY)
    script = 'for f in "$@"; do cat "$f" >/dev/null 2>&1 && echo "$f"; done; true'
    # The published files are for everybody; their directory is reached by its name alone.
    secret = []
    for directory, _, names in os.walk(place.state):
        if not directory.startswith(place.public):
            secret += [os.path.join(directory, name) for name in names]
    assert secret
    for path in secret:
        assert os.stat(path).st_mode & 0o077 == 0, f"{path} is for others"
    readable = place.exec(*user, "sh", "-c", script, "sh", *secret, cwd="/")
    assert readable.status == 0 and not readable.out.strip(), str(readable)
    with Daemon(place, "--state", place.path("two"), "--socket", place.path("two.sock"),
                "--listen", "127.0.0.1:0") as daemon:
        token = place.path("two/token")
        first = open(token, encoding="ascii").read().strip()
        assert os.stat(token).st_mode & 0o777 == 0o600
        assert len(first) >= 43  # 256 bits in base64
        assert place.exec(*user, "cat", token, cwd="/").status != 0
        daemon.stop()
        assert not os.path.exists(token)
        daemon.start()
        assert open(token, encoding="ascii").read().strip() != first


def test_with_the_default_mode_others_cannot_open_the_socket(place):
    user = as_user(NOBODY)
    with Daemon(place):
        assert os.stat(place.socket).st_mode & 0o777 == 0o660
        result = ctl_as(place, user, "list", "--socket", place.socket)
        assert result.status != 0, str(result)


def test_a_member_of_trust_changes(place, shared):
    member = as_user(MEMBER, groups=TRUST_GID)
    one = mint.self_signed("member.test")
    answer = ask_as(place, member, [("POST", "/v1/certificates", {"pem": one.pem})])[0]
    assert answer.status == 201, str(answer)
    with shared.rest() as client:
        newest = max(client.all("/v1/audit", "audit"), key=lambda record: record["number"])
        assert newest["uid"] == MEMBER
    # As primary group it counts as well; a group of that number alone without membership does not.
    primary = as_user(MEMBER, gid=TRUST_GID)
    two = mint.self_signed("member-2.test")
    assert ask_as(place, primary, [("POST", "/v1/certificates", {"pem": two.pem})])[0].status == 201


def every_text_field(document):
    """(method, path, body member) of every text or list that a request body may carry."""
    def members(schema):
        schema = openapi.follow(document, schema)
        for key in ("allOf", "anyOf", "oneOf"):
            for inner in schema.get(key, []):
                yield from members(inner)
        yield from schema.get("properties", {})
    for path, item in document["paths"].items():
        for method in ("post", "patch", "put", "delete"):
            if method in item:
                body = openapi.follow(document, item[method].get("requestBody", {}))
                content = body.get("content", {}).get("application/json", {})
                for member in sorted(set(members(content.get("schema", {})))):
                    yield method.upper(), path, member


def test_a_member_of_trust_cannot_name_a_path_or_a_command(place):
    """A file and a program that nothing but a request names are never opened or run; strace
    looks."""
    strace = need.program("strace")
    member = as_user(MEMBER, groups=TRUST_GID)
    place.configure(listen={"socket_mode": "0666"})
    canary = place.write("canary.pem", mint.self_signed("canary.test").pem)
    program = place.write("canary-run", f"#!/bin/sh\ntouch {place.path('ran')}\n", 0o755)
    trace = place.path("trace")
    prefix = [*place.with_files({"/etc/group": GROUPS, "/etc/passwd": PASSWD}), strace, "-D", "-f",
              "-s", "4096", "-e", "trace=%file,%process", "-e", "signal=none", "-o", trace]
    daemon = Daemon(place, prefix=prefix)
    with daemon:
        with daemon.rest() as client:
            document = openapi.document(client).document
            client.add(mint.self_signed("stored.test"))
            stored = client.certificates()[0]["fingerprint"]
        started = len(open(trace, encoding="utf-8", errors="replace").read())
        requests = []
        values = [canary, program, f"file://{canary}", f"|{program}", f"$({program})",
                  f"`{program}`", f"; {program}", f"../../../../../../..{canary}", [canary],
                  {"path": canary}]
        fields = list(every_text_field(document))
        assert fields
        valid = {"pem": mint.self_signed("x.test").pem, "pattern": "x.test",
                 "pins": [mint.self_signed("x").pin], "host": "x.test", "port": 443,
                 "chain_pem": mint.self_signed("x.test").pem, "accept": []}
        for method, path, member_ in fields:
            named = {m for me, p, m in fields if (me, p) == (method, path)}
            at = re.sub("{(fingerprint|id)}", stored, path, count=1).replace(
                "{n}", "1").replace("{generation}", "1").replace("{id}", "1")
            for value in values:
                body = {key: valid[key] for key in named if key in valid}
                body[member_] = value
                requests.append((method, at, body))
        for unknown in ("path", "file", "command", "exec", "hook", "base", "out", "store", "socket",
                        "url", "secret_file"):
            requests.append(("POST", "/v1/certificates", {"pem": valid["pem"], unknown: canary}))
            requests.append(("POST", "/v1/pins", {"pattern": "x.test", "pins": valid["pins"],
                                                  unknown: canary}))
        requests += [("GET", f"/v1/certificates?{key}={canary}", None)
                     for key in ("q", "host", "label", "cursor", "path")]
        answers = ask_as(place, member, requests)
        assert len(answers) == len(requests)
        for (method, path, body), answer in zip(requests, answers):
            assert answer.status < 500, f"{method} {path} {body}: {answer}"
            if body and set(body) & {"path", "file", "command", "exec", "hook", "secret_file"}:
                assert answer.status >= 400, f"{method} {path} {body}: {answer}"
                named = set(body) & {"path", "file", "command", "exec", "hook", "secret_file"}
                assert any(name in answer.body.decode() for name in named), str(answer)
        assert not os.path.exists(place.path("ran"))

        daemon.stop()

        def whole():
            with open(trace, encoding="utf-8", errors="replace") as file:
                text = file.read()
            return text if re.search(rf"^{daemon.pid} +\+\+\+ exited", text, re.M) else None
        text = wait.until(whole, "the end of the trace")[started:]
        assert "canary" not in text, [line for line in text.splitlines() if "canary" in line][:5]
        assert "execve" not in text


# A web page: requests that a browser can be made to send.

@pytest.fixture
def listening(place):
    place.configure(listen={"tcp_write": True})
    with Daemon(place, "--listen", f"127.0.0.1:{free_port()}") as daemon:
        daemon.tcp = ("127.0.0.1", int(daemon.command[-1].rsplit(":", 1)[1]))
        with open(os.path.join(place.state, "token"), encoding="ascii") as file:
            daemon.token = file.read().strip()
        yield daemon
        assert daemon.alive(), daemon.log()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def browser(daemon, over, *fields, method="POST", path="/v1/certificates", host=None, token=True,
            kind="application/json"):
    """Sends the head of a change with a body announced and never sent: an answer proves that the
    body was not waited for."""
    where = daemon.socket if over == "unix" else daemon.tcp
    if host is None:
        host = "localhost" if over == "unix" else "127.0.0.1:%d" % daemon.tcp[1]
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *fields]
    if kind and method != "GET":
        lines.append(f"Content-Type: {kind}")
    if method != "GET":
        lines.append("Content-Length: 5000")
    if token and over == "tcp":
        lines.append("Authorization: Bearer " + daemon.token)
    return rest_module.raw(where, ("\r\n".join(lines) + "\r\n\r\n").encode(), 15)


@pytest.mark.parametrize("over", ["unix", "tcp"])
def test_a_web_page_is_refused_before_its_body_is_read(listening, over):
    port = listening.tcp[1]
    with listening.rest() as client:
        before = client.status()["generation"]
    for origin in ("https://evil.example", "null", f"http://localhost.evil.example:{port}",
                   "http://127.0.0.1:1", f"https://127.0.0.1:{port}", "file://", "http://[::1]"):
        answer = browser(listening, over, f"Origin: {origin}")
        assert answer.status == 403, f"{origin}: {answer}"
    for site in ("cross-site", "same-site", "Same-Origin", ""):
        answer = browser(listening, over, f"Sec-Fetch-Site: {site}")
        assert answer.status == 403, f"{site}: {answer}"
    for host in ("evil.example", f"evil.example:{port}", f"localhost.evil.example:{port}",
                 f"127.0.0.1.nip.io:{port}", f"127.1:{port}", f"0.0.0.0:{port}",
                 f"user@localhost:{port}"):
        answer = browser(listening, over, host=host)
        assert answer.status in (400, 421), f"{host}: {answer}"
        answer = browser(listening, over, host=host, method="GET", path="/v1/certificates")
        assert answer.status in (400, 421), f"{host}: {answer}"
    # What a form or a script without preflight can send.
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None,
                 "application/json; charset=utf-16", "text/plain, application/json"):
        answer = browser(listening, over, kind=kind)
        assert answer.status == 415, f"{kind}: {answer}"
    with listening.rest() as client:
        assert client.status()["generation"] == before


def test_tcp_wants_the_port_in_the_host(listening):
    for host in ("127.0.0.1", "localhost", "127.0.0.1:1", "[::1]"):
        assert browser(listening, "tcp", host=host).status == 421, host
    for host in ("127.0.0.1", "localhost", "[::1]"):
        answer = browser(listening, "tcp", host=f"{host}:{listening.tcp[1]}", method="GET",
                         path="/v1/status")
        assert answer.status == 200, f"{host}: {answer}"


def test_tcp_wants_the_token(listening):
    def get(path, *fields):
        return browser(listening, "tcp", *fields, method="GET", path=path, token=False)
    assert get("/healthz").status == 200
    for path in ("/v1/status", "/v1/certificates", "/v1/bundle.pem", "/metrics", "/openapi.json",
                 "/readyz", "/nowhere"):
        assert get(path).status == 401, path
        assert get(path + "?token=" + listening.token).status == 401
        assert get(path, "Cookie: token=" + listening.token).status == 401
        for wrong in ("Bearer", "Bearer x", "Basic " + listening.token, listening.token,
                      "Bearer " + listening.token[:-1], "Bearer " + listening.token + "x",
                      "Bearer  " + listening.token + " x"):
            assert get(path, "Authorization: " + wrong).status == 401, wrong
    assert get("/v1/status", "Authorization: Bearer " + listening.token).status == 200
    assert browser(listening, "tcp", token=False).status == 401
    answer = get("/v1/status")
    assert listening.token not in str(answer)
    assert "access-control-allow-origin" not in answer.headers


def test_tcp_reads_only_unless_told(place):
    with Daemon(place, "--listen", f"127.0.0.1:{free_port()}") as daemon:
        port = int(daemon.command[-1].rsplit(":", 1)[1])
        with open(os.path.join(place.state, "token"), encoding="ascii") as file:
            token = file.read().strip()
        with rest_module.Rest(("127.0.0.1", port), token=token) as client:
            assert client.get("/v1/certificates").status == 200
            answer = client.post("/v1/certificates", {"pem": mint.self_signed("x.test").pem})
            assert answer.status == 403, str(answer)
            assert client.get("/v1/audit").status in (200, 403)


def test_tcp_writes_when_told(listening, place):
    with rest_module.Rest(listening.tcp, token=listening.token) as client:
        assert client.post("/v1/certificates", {"pem": mint.self_signed("x.test").pem}).status == 201


def test_only_the_loopback_is_listened_on(place):
    for address in ("0.0.0.0:0", "[::]:0", "192.0.2.1:8443", "localhost:80x", "8443"):
        daemon = Daemon(place, "--listen", address).spawn()
        assert daemon.process.wait(30) != 0, address
        assert daemon.log().strip()
        shutil.rmtree(place.state, ignore_errors=True)


@pytest.mark.parametrize("label", ["../escaped", "../../escaped", "a/b", "/tmp/escaped", ".hidden",
                                   "", "UPPER", "bundle", "new\nline", "abc123", "x" * 64])
def test_a_label_names_a_file_in_its_directory_and_nothing_else(rest, place, label):
    one = mint.self_signed("one.test")
    rest.add(one, label="good")
    assert rest.patch(f"/v1/certificates/{one.fingerprint}", {"label": label}).status in (400, 413)
    if label:  # none said: one is made
        other = mint.self_signed("other.test")
        assert rest.post("/v1/certificates", {"pem": other.pem, "label": label}).status in (400, 413)
    status = rest.status()
    assert status["published"] == status["generation"]
    assert not [name for _, _, names in os.walk(place.root) for name in names if "escaped" in name]
