"""openapi.json is one, names every route, and every answer is as it says: the client that the
other tests use checks each; here are the routes that they have no reason to ask."""

import json
import re

import pytest

from harness import mint, openapi, rest as rest_module

# interfaces that may not be missing
ROUTES = {
    "/v1/status": {"get"}, "/v1/certificates": {"get", "post"},
    "/v1/certificates/{}": {"get", "patch", "delete"}, "/v1/certificates/{}/pem": {"get"},
    "/v1/pins": {"get", "post"}, "/v1/pins/{}": {"get", "delete"},
    "/v1/verify": {"post"}, "/v1/probe": {"post"},
    "/v1/bundle.pem": {"get"}, "/v1/extra.pem": {"get"}, "/v1/truststore.p12": {"get"},
    "/v1/env": {"get"}, "/v1/generations": {"get"}, "/v1/generations/{}": {"get"},
    "/v1/generations/{}/diff": {"get"}, "/v1/generations/{}/rollback": {"post"},
    "/v1/identities": {"get", "post"}, "/v1/identities/{}": {"get", "delete"},
    "/v1/identities/{}/renew": {"post"}, "/v1/ca": {"get", "post"},
    "/v1/audit": {"get"}, "/v1/events": {"get"}, "/healthz": {"get"}, "/readyz": {"get"},
    "/metrics": {"get"}, "/openapi.json": {"get"},
}


@pytest.fixture
def document(rest):
    rest.status()
    return openapi.document(rest).document


def test_it_is_an_openapi_document(document):
    openapi.check(document)


def test_the_shape_finds_what_is_wrong(document):
    """The checker itself, on copies with one thing broken each."""
    def broken(change):
        copy = json.loads(json.dumps(document))
        change(copy)
        with pytest.raises((AssertionError, KeyError)):
            openapi.check(copy)
    path = next(iter(document["paths"]))
    method = next(m for m in openapi.METHODS if m in document["paths"][path])
    broken(lambda d: d.update(openapi="3.0.0"))
    broken(lambda d: d["info"].pop("version"))
    broken(lambda d: d["paths"][path][method].pop("responses"))
    broken(lambda d: d["paths"][path][method].update(respones={}))
    broken(lambda d: d["paths"].update({"no-slash": {}}))
    broken(lambda d: d["paths"].update({"/x/{id}": {"get": {"responses": {
        "200": {"description": ""}}}}}))
    broken(lambda d: d["components"]["schemas"].update(Bad={"type": "sting"}))
    broken(lambda d: d["components"]["schemas"].update(Bad={"$ref": "#/components/schemas/None"}))


def test_every_route_is_described(document):
    described = {re.sub("{[^}]*}", "{}", path): {m for m in item if m in openapi.METHODS}
                 for path, item in document["paths"].items()}
    for path, methods in ROUTES.items():
        assert methods <= described.get(path, set()), f"{path}: {described.get(path)}"


def test_every_described_route_is_served(rest, document):
    """No route of the document is unknown to the daemon; another method on it is 405."""
    rest.add(mint.self_signed("one.test"))
    for path, item in document["paths"].items():
        at = re.sub("{[^}]*}", "1", path.replace("{fingerprint}", "a" * 64))
        if path == "/v1/events":
            continue
        for method in openapi.METHODS:
            if method in ("head", "options", "trace", "put"):
                continue
            body = {} if method in ("post", "patch") else None
            answer = rest.request(method.upper(), at, body)
            if method in item:
                assert answer.status not in (405, 500, 501), f"{method} {at}: {answer}"
                if answer.status == 404:
                    assert "{" in path, f"{method} {at}: {answer}"
            else:
                assert answer.status == 405, f"{method} {at}: {answer}"
                assert "allow" in answer.headers, str(answer)


def test_what_is_documented_is_all_that_is_answered(rest, document):
    """Members that the document does not name would be found: every object schema in use is
    closed or names what came."""
    one = mint.self_signed("one.test")
    rest.add(one, label="one")
    rest.post("/v1/pins", {"pattern": "one.test", "pins": [one.pin]})
    known = openapi.document()
    for method, path in (("GET", "/v1/status"), ("GET", "/v1/certificates"), ("GET", "/v1/pins"),
                         ("GET", f"/v1/certificates/{one.fingerprint}"), ("GET", "/v1/generations"),
                         ("GET", "/v1/audit"), ("GET", "/v1/generations/1/diff")):
        answer = rest.request(method, path)
        response = known.response(method, path, 200)
        undocumented = set(names(answer.json())) - properties(
            document, response["content"]["application/json"]["schema"])
        # Whatever an action chose to record of itself is free.
        assert not {n for n in undocumented if not n.startswith("audit[].detail")}, \
            f"{path}: {undocumented}"


def names(value, prefix=""):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield prefix + key
            yield from names(inner, f"{prefix}{key}.")
    elif isinstance(value, list):
        for inner in value:
            yield from names(inner, prefix[:-1] + "[].")


def properties(document, schema, prefix="", depth=0):
    schema = openapi.follow(document, schema)
    if depth > 6 or not isinstance(schema, dict):
        return set()
    found = set()
    for key in ("allOf", "anyOf", "oneOf"):
        for inner in schema.get(key, []):
            found |= properties(document, inner, prefix, depth)
    for key, inner in schema.get("properties", {}).items():
        found.add(prefix + key)
        found |= properties(document, inner, f"{prefix}{key}.", depth + 1)
    if isinstance(schema.get("items"), dict):
        found |= properties(document, schema["items"], prefix[:-1] + "[].", depth + 1)
    return found


def test_unknown_fields_are_refused_by_name(rest):
    for path, body in (("/v1/certificates", {"pem": mint.self_signed("x.test").pem, "trsut": "root"}),
                       ("/v1/pins", {"pattern": "x.test", "pins": [], "modee": "enforce"}),
                       ("/v1/verify", {"host": "x.test", "chain_pem": "", "prot": 443}),
                       ("/v1/probe", {"host": "x.test", "prot": 443}),
                       ("/v1/generations/1/rollback", {"acept": []})):
        answer = rest.post(path, body)
        assert answer.status in (400, 422), str(answer)
        unknown = next(key for key in body if key in ("trsut", "modee", "acept", "prot"))
        assert unknown in answer["detail"], str(answer)


def test_etags(rest):
    first = rest.add(mint.self_signed("one.test"))["generation"]
    answer = rest.get("/v1/certificates")
    assert answer.headers["etag"] == f'"g{first}"'
    for path in ("/v1/certificates", "/v1/pins", "/v1/bundle.pem", "/v1/extra.pem",
                 "/v1/truststore.p12", "/v1/generations"):
        assert rest.get(path, headers={"If-None-Match": f'"g{first}"'}).status == 304, path
        assert rest.get(path, headers={"If-None-Match": '"g0"'}).status == 200, path
    pem = mint.self_signed("two.test").pem
    assert rest.post("/v1/certificates", {"pem": pem}, headers={"If-Match": '"g0"'}).status == 412
    assert rest.post("/v1/certificates", {"pem": pem},
                     headers={"If-Match": f'"g{first}"'}).status == 201
    assert rest.get("/v1/certificates", headers={"If-None-Match": f'"g{first}"'}).status == 200


def test_pages(rest):
    pems = "".join(mint.self_signed(f"host-{n}.test").pem for n in range(25))
    assert rest.ok("POST", "/v1/certificates", {"pem": pems})["generation"]
    seen, cursor = [], None
    while True:
        page = rest.ok("GET", "/v1/certificates",
                       query={"limit": 7, **({"cursor": cursor} if cursor else {})})
        assert len(page["certificates"]) <= 7
        seen += [entry["fingerprint"] for entry in page["certificates"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 25
    for query in ({"limit": 0}, {"limit": 1001}, {"limit": "x"}, {"cursor": "x"}, {"nonsense": 1}):
        assert rest.get("/v1/certificates", query=query).status in (400, 422), query


def test_filters(rest):
    root = mint.authority("Some Root")
    leaf = mint.self_signed("a.corp.test", not_after=mint.now() + 5 * mint.DAY)
    rest.add(root, label="root", hosts=["**.corp.test"])
    rest.add(leaf, label="leaf")

    def labels(**query):
        return {entry["label"] for entry in rest.certificates(**query)}
    assert labels() == {"root", "leaf"}
    assert labels(trust="root") == {"root"}
    assert labels(label="leaf") == {"leaf"}
    assert labels(host="b.corp.test") == {"root"}
    assert labels(host="a.corp.test") == {"root", "leaf"}
    assert labels(q="some root") == {"root"}
    end = (mint.now() + 10 * mint.DAY).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert labels(expires_before=end) == {"leaf"}
    base = [entry for entry in rest.certificates(base="true") if entry["base"]]
    assert [entry["subject"] for entry in base] and base[0]["layer"] == "base"


def test_what_the_command_prints_is_what_is_answered(place, rest):
    one = mint.self_signed("one.test")
    path = place.write("one.pem", one.pem)
    rest.status()

    def printed(method, at, status, *arguments):
        value = json.loads(place.done("--json", *arguments).out)
        openapi.check_value(method, at, status, value)
        return value
    printed("POST", "/v1/certificates", 201, "add", path, "--label", "one")
    printed("GET", "/v1/status", 200, "status")
    assert printed("GET", "/v1/certificates", 200, "list")["certificates"]
    printed("GET", f"/v1/certificates/{one.fingerprint}", 200, "show", "one")
    printed("POST", "/v1/pins", 201, "pin", "add", "one.test", one.pin)
    printed("GET", "/v1/pins", 200, "pin", "list")
    printed("GET", "/v1/generations", 200, "generations")
    printed("GET", "/v1/generations/1/diff", 200, "diff", "1", "2")
    printed("GET", "/v1/audit", 200, "log")
    printed("POST", "/v1/verify", 200, "verify", "--chain", path, "one.test")
    printed("DELETE", f"/v1/certificates/{one.fingerprint}", 200, "rm", "one")
    failed = place.ctl("--json", "show", "nothing")
    assert failed.status == 5


def test_metrics_are_prometheus(rest):
    rest.add(mint.self_signed("one.test"))
    answer = rest.get("/metrics")
    assert answer.type == "text/plain"
    sample = re.compile(r'^[a-z_:][a-z0-9_:]*(\{([a-z_]+="[^"]*",?)+\})? [-+0-9.eEinfNa]+$')
    typed, seen = set(), set()
    for line in answer.body.decode().splitlines():
        if line.startswith("# TYPE "):
            typed.add(line.split()[2])
        elif line and not line.startswith("#"):
            assert sample.match(line), line
            seen.add(re.split(r"[ {]", line)[0])
    assert seen
    assert all(any(name == t or name.startswith(t + "_") for t in typed) for name in seen), \
        seen - typed


def test_a_head_request_has_no_body(daemon):
    with rest_module.connect(daemon.socket) as connection:
        connection.sendall(b"HEAD /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n"
                           b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        first = rest_module.read_answer(connection, head_only=True)
        assert first.status == 200 and int(first.headers["content-length"]) > 0
        assert rest_module.read_answer(connection).status == 200
