#!/usr/bin/python3
"""Within /v1 the REST API only grows: what tests/structure/api-v1.txt lists stays.

The list has a line for each operation, parameter, answer, property of an answer and accepted
property of a request. A property that an answer always has stays one that it always has; a
request needs nothing that it did not need. `api_test.py --write` adds what is new.
"""

import json
import os
import pathlib
import sys

METHODS = ("get", "put", "post", "delete", "patch", "head", "options")


def facts(description):
    """The lines that describe an OpenAPI document, one fact each."""
    found = set()
    components = description.get("components", {})

    def resolved(node):
        while isinstance(node, dict) and "$ref" in node:
            target = components
            for part in node["$ref"].split("/")[2:]:
                target = target[part]
            node = target
        return node

    def schema(place, node, request, depth=0):
        node = resolved(node)
        if not isinstance(node, dict) or depth > 8:
            return
        kinds = node.get("type")
        for kind in kinds if isinstance(kinds, list) else [kinds] if kinds else []:
            found.add(f"{place} is {kind}")
        for value in node.get("enum", []):
            found.add(f"{place} can be {json.dumps(value)}")
        for name, value in node.get("properties", {}).items():
            schema(f"{place}.{name}", value, request, depth + 1)
            found.add(f"{place}.{name}")
        if not request:
            for name in node.get("required", []):
                found.add(f"{place}.{name} always")
        if "items" in node:
            schema(f"{place}[]", node["items"], request, depth + 1)
        for word in ("allOf", "anyOf", "oneOf"):
            for part in node.get(word, []):
                schema(place, part, request, depth + 1)

    for path, operations in description["paths"].items():
        for method in METHODS:
            if method not in operations:
                continue
            operation = operations[method]
            name = f"{method.upper()} {path}"
            found.add(name)
            for parameter in operations.get("parameters", []) + operation.get("parameters", []):
                parameter = resolved(parameter)
                found.add(f"{name} takes {parameter['in']} {parameter['name']}")
            for kind, content in resolved(operation.get("requestBody", {})).get("content",
                                                                                 {}).items():
                found.add(f"{name} takes {kind}")
                schema(f"{name} request", content.get("schema", {}), True)
            for status, answer in operation["responses"].items():
                if not status.startswith("2"):
                    continue
                found.add(f"{name} answers {status}")
                for kind, content in resolved(answer).get("content", {}).items():
                    found.add(f"{name} {status} {kind}")
                    schema(f"{name} {status}", content.get("schema", {}), False)
    return found


def needed(description):
    """What a request must have: may only shrink."""
    found = set()
    for path, operations in description["paths"].items():
        for method in METHODS:
            for parameter in operations.get(method, {}).get("parameters", []):
                if parameter.get("required") and parameter["in"] == "query":
                    found.add(f"{method.upper()} {path} needs {parameter['name']}")
    for name, node in description["components"]["schemas"].items():
        if name.endswith("Request"):
            found.update(f"{name} needs {each}" for each in node.get("required", []))
    return found


def missing(listed, description):
    """What was promised and is gone, and what is asked that was not."""
    now = facts(description)
    gone = sorted(line for line in listed if " needs " not in line and line not in now)
    promised = {line for line in listed if " needs " in line}
    return gone + sorted(f"new demand: {line}" for line in needed(description) - promised)


def self_test(listed, description):
    """A description with something taken away must fail."""
    poorer = json.loads(json.dumps(description))
    del poorer["paths"]["/v1/pins"]["get"]
    assert any("GET /v1/pins" in line for line in missing(listed, poorer))
    stricter = json.loads(json.dumps(description))
    stricter["components"]["schemas"]["AddRequest"]["required"] = ["reason"]
    assert any("new demand" in line for line in missing(listed, stricter))


def main():
    root = pathlib.Path(os.environ.get("TRUST_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
    description = json.loads((root / "daemon/openapi.json").read_text())
    path = pathlib.Path(__file__).with_name("api-v1.txt")
    if "--write" in sys.argv:
        kept = set(path.read_text().splitlines()) if path.exists() else set()
        kept = {line for line in kept if " needs " not in line}
        path.write_text("".join(line + "\n"
                                for line in sorted(kept | facts(description) | needed(description))))
        return 0
    listed = path.read_text().splitlines()
    self_test(listed, description)
    lost = missing(listed, description)
    for line in lost:
        print(line)
    print(f"{len(listed)} promises, {len(lost)} broken")
    return 1 if lost or not listed else 0


if __name__ == "__main__":
    sys.exit(main())
