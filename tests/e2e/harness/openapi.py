"""openapi.json: is it one, and is an answer what it says.

The shape of an OpenAPI 3.1 document is written down here as far as ours may go: an object of the
specification takes the members listed and no others, so a misspelt member is found.
"""

import functools
import json
import re
import socket

import jsonschema

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


def _object(members, required=(), **more):
    return {"type": "object", "properties": members, "required": list(required),
            "additionalProperties": False, "patternProperties": {"^x-": {}}, **more}


def _map(of, **more):
    return {"type": "object", "additionalProperties": of, **more}


def _or_reference(of):
    return {"if": {"type": "object", "required": ["$ref"]},
            "then": {"$ref": "#/$defs/reference"}, "else": of}


def _def(name):
    return {"$ref": f"#/$defs/{name}"}


TEXT = {"type": "string"}
FLAG = {"type": "boolean"}
# A schema object is JSON Schema 2020-12; check() looks at each with its own meta-schema.
SCHEMA = {"type": ["object", "boolean"]}

DOCUMENT = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    **_object({
        "openapi": {"type": "string", "pattern": r"^3\.1\.\d+$"},
        "info": _def("info"), "jsonSchemaDialect": TEXT,
        "servers": {"type": "array", "items": _def("server")},
        "paths": {"type": "object", "propertyNames": {"pattern": "^/"},
                  "additionalProperties": _def("path_item"), "minProperties": 1},
        "webhooks": _map(_def("path_item")), "components": _def("components"),
        "security": _def("security"),
        "tags": {"type": "array", "items": _object(
            {"name": TEXT, "description": TEXT, "externalDocs": _def("external_docs")}, ["name"])},
        "externalDocs": _def("external_docs"),
    }, ["openapi", "info", "paths"]),
    "$defs": {
        "info": _object({"title": TEXT, "summary": TEXT, "description": TEXT,
                         "termsOfService": TEXT, "contact": _object({"name": TEXT, "url": TEXT,
                                                                     "email": TEXT}),
                         "license": _object({"name": TEXT, "identifier": TEXT, "url": TEXT},
                                            ["name"]), "version": TEXT}, ["title", "version"]),
        "server": _object({"url": TEXT, "description": TEXT,
                           "variables": _map(_object({"enum": {"type": "array", "items": TEXT},
                                                      "default": TEXT, "description": TEXT},
                                                     ["default"]))}, ["url"]),
        "external_docs": _object({"description": TEXT, "url": TEXT}, ["url"]),
        "reference": {"type": "object", "required": ["$ref"], "additionalProperties": False,
                      "properties": {"$ref": {"type": "string", "pattern": "^#/components/"},
                                     "summary": TEXT, "description": TEXT}},
        "security": {"type": "array", "items": _map({"type": "array", "items": TEXT})},
        "path_item": _object({
            "summary": TEXT, "description": TEXT,
            "servers": {"type": "array", "items": _def("server")},
            "parameters": {"type": "array", "items": _or_reference(_def("parameter"))},
            **{method: _def("operation") for method in METHODS}}),
        "operation": _object({
            "tags": {"type": "array", "items": TEXT}, "summary": TEXT, "description": TEXT,
            "externalDocs": _def("external_docs"), "operationId": TEXT,
            "parameters": {"type": "array", "items": _or_reference(_def("parameter"))},
            "requestBody": _or_reference(_def("request_body")),
            "responses": {"type": "object", "minProperties": 1,
                          "propertyNames": {"pattern": r"^([1-5](\d\d|XX)|default)$"},
                          "additionalProperties": _or_reference(_def("response"))},
            "deprecated": FLAG, "security": _def("security")}, ["responses"]),
        "parameter": _object({
            "name": TEXT, "in": {"enum": ["query", "header", "path", "cookie"]},
            "description": TEXT, "required": FLAG, "deprecated": FLAG, "allowEmptyValue": FLAG,
            "style": TEXT, "explode": FLAG, "allowReserved": FLAG, "schema": SCHEMA, "example": {},
            "examples": _map({"type": "object"}), "content": _def("content")}, ["name", "in"],
            oneOf=[{"required": ["schema"]}, {"required": ["content"]}],
            **{"if": {"properties": {"in": {"const": "path"}}},
               "then": {"required": ["required"], "properties": {"required": {"const": True}}}}),
        "request_body": _object({"description": TEXT, "content": _def("content"),
                                 "required": FLAG}, ["content"]),
        "content": _map(_object({"schema": SCHEMA, "example": {},
                                 "examples": _map({"type": "object"}),
                                 "encoding": _map({"type": "object"})}),
                        propertyNames={"pattern": "^[^/]+/[^/]+$"}),
        "header": _object({"description": TEXT, "required": FLAG, "deprecated": FLAG,
                           "style": TEXT, "explode": FLAG, "schema": SCHEMA, "example": {},
                           "examples": _map({"type": "object"}), "content": _def("content")}),
        "response": _object({"description": TEXT, "headers": _map(_or_reference(_def("header"))),
                             "content": _def("content"), "links": _map({"type": "object"})},
                            ["description"]),
        "security_scheme": {
            "type": "object", "required": ["type"],
            "properties": {"type": {"enum": ["apiKey", "http", "mutualTLS", "oauth2",
                                             "openIdConnect"]}},
            "allOf": [{"if": {"properties": {"type": {"const": "http"}}},
                       "then": {"required": ["scheme"]}},
                      {"if": {"properties": {"type": {"const": "apiKey"}}},
                       "then": {"required": ["name", "in"]}}]},
        "components": _object({
            "schemas": _map(SCHEMA), "responses": _map(_or_reference(_def("response"))),
            "parameters": _map(_or_reference(_def("parameter"))),
            "examples": _map({"type": "object"}),
            "requestBodies": _map(_or_reference(_def("request_body"))),
            "headers": _map(_or_reference(_def("header"))),
            "securitySchemes": _map(_or_reference(_def("security_scheme"))),
            "links": _map({"type": "object"}), "callbacks": _map({"type": "object"}),
            "pathItems": _map(_def("path_item"))}),
    },
}


def schemas_of(document):
    """(where, schema) of every schema object outside other schemas."""
    for name, schema in document.get("components", {}).get("schemas", {}).items():
        yield f"components.schemas.{name}", schema

    def walk(node, where):
        if isinstance(node, dict):
            for key, value in node.items():
                if key == "schema":
                    yield f"{where}.{key}", value
                elif key not in ("schemas", "example", "examples"):
                    yield from walk(value, f"{where}.{key}")
        elif isinstance(node, list):
            for number, value in enumerate(node):
                yield from walk(value, f"{where}[{number}]")
    yield from walk(document, "")


def references_of(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references_of(value)
    elif isinstance(node, list):
        for value in node:
            yield from references_of(value)


def resolve(document, reference):
    assert reference.startswith("#/"), f"{reference} leads out of the document"
    node = document
    for part in reference[2:].split("/"):
        node = node[part.replace("~1", "/").replace("~0", "~")]
    return node


def follow(document, node):
    while isinstance(node, dict) and "$ref" in node:
        node = resolve(document, node["$ref"])
    return node


def check(document):
    """Raises if this is not an OpenAPI 3.1 document that holds together."""
    jsonschema.Draft202012Validator.check_schema(DOCUMENT)
    errors = sorted(jsonschema.Draft202012Validator(DOCUMENT).iter_errors(document), key=str)
    assert not errors, "\n".join(f"{'/'.join(map(str, e.absolute_path))}: {e.message[:300]}"
                                 for e in errors)
    for where, schema in schemas_of(document):
        try:
            jsonschema.Draft202012Validator.check_schema(schema)
        except jsonschema.SchemaError as error:
            raise AssertionError(f"{where}: {error.message}") from error
    for reference in references_of(document):
        resolve(document, reference)
    seen = set()
    for path, item in document["paths"].items():
        named = set(re.findall(r"{([^}]*)}", path))
        for method in METHODS:
            if method not in item:
                continue
            operation = item[method]
            identity = operation.get("operationId")
            assert identity is None or identity not in seen, f"operationId {identity} twice"
            seen.add(identity)
            parameters = [follow(document, p) for p in
                          item.get("parameters", []) + operation.get("parameters", [])]
            in_path = {p["name"] for p in parameters if p["in"] == "path"}
            assert in_path == named, f"{method} {path}: parameters {in_path}, in the path {named}"


class _Document:
    def __init__(self, document):
        self.document = document
        self.resolver = jsonschema.RefResolver.from_schema(document)
        self.paths = []
        for template, item in document["paths"].items():
            pattern = re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(template))
            self.paths.append((re.compile(f"^{pattern}$"), template, item))
        self.paths.sort(key=lambda path: path[1].count("{"))  # exact before templates

    def find(self, path):
        for pattern, _, item in self.paths:
            if pattern.match(path):
                return item
        return None

    @functools.lru_cache(maxsize=None)
    def validator(self, text):
        return jsonschema.Draft202012Validator(
            json.loads(text), resolver=self.resolver,
            format_checker=jsonschema.draft202012_format_checker)

    def errors(self, schema, value):
        return list(self.validator(json.dumps(schema)).iter_errors(value))

    def response(self, method, path, status):
        item = self.find(path)
        operation = (item or {}).get(method.lower())
        if operation is None:
            return None
        responses = operation["responses"]
        for key in (str(status), f"{status // 100}XX", "default"):
            if key in responses:
                return follow(self.document, responses[key])
        raise AssertionError(f"{method} {path}: openapi.json knows no answer {status}")


_loaded = None
checked = 0  # how many answers were


def document(client=None):
    """openapi.json of the daemon under test, asked for once in this process."""
    global _loaded
    if _loaded is None and client is not None:
        answer = _get(client)
        if answer is not None:
            _loaded = _Document(answer)
    return _loaded


def _get(client):
    from harness import rest
    authorization = f"Authorization: Bearer {client.token}\r\n" if client.token else ""
    host = "localhost" if isinstance(client.where, str) else "%s:%d" % client.where
    try:
        answer = rest.raw(client.where, f"GET /openapi.json HTTP/1.1\r\nHost: {host}\r\n"
                          f"{authorization}\r\n".encode())
    except (OSError, socket.timeout):
        return None
    return answer.json() if answer is not None and answer.status == 200 else None


def check_answer(client, method, path, answer):
    """Fails unless the document of this daemon describes this answer."""
    global checked
    known = document(client)
    if known is None:
        return
    checked += 1
    response = known.response(method, path, answer.status)
    if response is None:  # a path or method that is none of ours
        assert answer.status >= 400, f"{method} {path} is not in openapi.json: {answer}"
        check_problem(known, answer)
        return
    content = response.get("content", {})
    if not content:
        assert not answer.body or answer.status == 304, f"{method} {path}: a body: {answer}"
        return
    if method == "HEAD":
        return
    assert answer.type in content, \
        f"{method} {path}: {answer.status} is {answer.type!r}, openapi.json says {list(content)}"
    schema = content[answer.type].get("schema")
    if schema is None or not answer.type.endswith("json"):
        return
    value = answer.json()
    errors = known.errors(schema, value)
    assert not errors, f"{method} {path} {answer.status} is not what openapi.json says:\n" + \
        "\n".join(f"  {'/'.join(map(str, e.absolute_path))}: {e.message[:300]}" for e in errors)
    if answer.type == "application/problem+json":
        check_problem(known, answer)


def check_problem(known, answer):
    assert answer.type == "application/problem+json", str(answer)
    value = answer.json()
    for member, kind in (("type", str), ("title", str), ("status", int), ("detail", str),
                         ("code", str)):
        assert isinstance(value.get(member), kind), f"problem without {member}: {value}"
    assert value["status"] == answer.status, str(answer)
    assert "hint" not in value or isinstance(value["hint"], str), value
    schema = known.document.get("components", {}).get("schemas", {}).get("Problem")
    if schema is not None:
        errors = known.errors(schema, value)
        assert not errors, f"{value}: {[e.message for e in errors]}"


def check_value(method, path, status, value):
    """For what `trustctl --json` prints: the same shape as the answer."""
    if _loaded is None:
        return
    response = _loaded.response(method, path, status)
    schema = response["content"]["application/json"]["schema"]
    errors = _loaded.errors(schema, value)
    assert not errors, f"{method} {path}: " + "; ".join(
        f"{'/'.join(map(str, e.absolute_path))}: {e.message[:200]}" for e in errors)
