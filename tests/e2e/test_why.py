"""`trustctl why` tells a decision, and what it says that programs do is what they then do."""

import json
import re

import pytest

from harness import clients, mint, servers
from harness.clients import REFUSED, SERVED

PROGRAMS = {"requests": "requests", "curl": "curl", "Node": "node"}


class Scene:
    """A server, its name as the test's programs resolve it, and how it is asked about."""

    def __init__(self, place, minted, host="127.0.0.1", address="127.0.0.1"):
        self.place = place
        self.hosts = None if host == address else {address: host}
        self.server = servers.Tls(place, minted, host=address, name=host)
        self.at = self.server.at

    def why(self, *arguments):
        command = ["--json", "why", self.at, *arguments]
        if self.hosts:
            command = ["trustctl", *command]
            result = self.place.exec(*command, hosts={v: k for k, v in self.hosts.items()})
        else:
            result = self.place.ctl(*command)
        answer = json.loads(result.out)
        assert result.status == (0 if answer["judgement"]["trusted"] else 3), str(result)
        return answer

    def does(self, program):
        hosts = {v: k for k, v in self.hosts.items()} if self.hosts else None
        return clients.fetch(self.place, program, self.server.url, hosts=hosts)

    def told(self, also=()):
        """What why says, once every program was found to do as it says."""
        answer = self.why()
        said = {tool["tool"]: tool for tool in answer["tools"]}
        for tool, program in [*PROGRAMS.items(), *also]:
            expected = SERVED if said[tool]["accepts"] else REFUSED
            assert self.does(program) == expected, f"{tool}: {said[tool]}"
            if said[tool]["accepts"] != answer["judgement"]["trusted"]:
                assert said[tool]["why"], f"{tool} does otherwise, and nobody says why"
        return answer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.close()


JAVA = [("Java", "java")]


def accepts(answer):
    return {tool["tool"] for tool in answer["tools"] if tool["accepts"]}


def files(answer):
    return {fact["file"]: fact for fact in answer["files"]}


def test_a_self_signed_server_before_and_after(place, daemon):
    with Scene(place, mint.self_signed("127.0.0.1")) as scene:
        before = scene.told()
        assert before["judgement"]["code"] == "self_signed" and accepts(before) == set()
        assert before["remedies"][0]["command"] == "trustctl add " + scene.at
        place.done("add", scene.at, "--fingerprint", scene.server.minted.fingerprint,
                   "--label", "it")
        after = scene.told(JAVA)
        assert accepts(after) == {"requests", "curl", "Node", "Java", "Go"}
        assert after["decided_by"]["label"] == "it"
        assert {fact["holds"] for fact in after["files"]} == {"original"}
        assert all(fact["accepts"] for fact in after["files"])
        own = files(after)[f"certs/{scene.server.minted.fingerprint}.pem"]
        assert own["path"].startswith(place.current)
        assert "trustctl rm it" in [remedy["command"] for remedy in after["remedies"]]


def test_a_root_with_a_scope_that_files_widen(place, daemon):
    """Constraints know suffixes only: what the pattern leaves out and files do not is said, and is
    what programs do."""
    root = mint.authority("Corp Root")
    place.done("add", place.write("root.pem", root.pem), "--host", "api.corp.test", "--label", "corp")
    with Scene(place, mint.server(root, "api.corp.test"), "api.corp.test") as inside:
        answer = inside.told(JAVA)
        assert answer["judgement"]["trusted_by"] == "added_root"
        assert accepts(answer) == {"requests", "curl", "Node", "Java", "Go"}
        assert files(answer)["bundle.pem"]["holds"] == "shadow"
        assert answer["decided_by"]["emitted"]["wider_by"]
    with Scene(place, mint.server(root, "x.api.corp.test"), "x.api.corp.test") as below:
        answer = below.told()
        assert answer["judgement"]["code"] == "out_of_scope"
        assert accepts(answer) >= {"requests", "curl", "Node"}
        assert any("corp" in remedy["command"] for remedy in answer["remedies"])
    with Scene(place, mint.server(root, "www.corp.test"), "www.corp.test") as outside:
        answer = outside.told(JAVA)
        assert answer["judgement"]["code"] == "out_of_scope"
        assert accepts(answer) == {"Java"}, "which does not obey the limits of an anchor"


def test_a_lone_leaf_of_a_ca(place, daemon):
    root = mint.authority("Hidden Root")
    with Scene(place, mint.server(root, "127.0.0.1")) as scene:
        place.done("add", scene.at, "--fingerprint", scene.server.minted.fingerprint, "--as", "leaf")
        answer = scene.told(JAVA)
        assert answer["judgement"]["trusted_by"] == "added_leaf"
        assert accepts(answer) == {"curl", "Java", "Go"}
        assert "the CA that issued" in next(t["why"] for t in answer["tools"]
                                            if t["tool"] == "requests")


def test_pins_are_for_those_who_know_them(place, daemon):
    with Scene(place, mint.self_signed("127.0.0.1")) as scene:
        place.done("add", scene.at, "--fingerprint", scene.server.minted.fingerprint)
        place.done("pin", "add", scene.at, mint.self_signed("x").pin)
        answer = scene.told()
        assert answer["judgement"]["code"] == "pin_mismatch"
        assert accepts(answer) >= {"requests", "curl", "Node"}
        assert {tool["why"] for tool in answer["tools"]} == {"it knows no pins"}
        assert answer["pins"][0]["matches"] is None
        place.done("pin", "add", scene.at, scene.server.minted.pin)
        assert [pin["matches"] for pin in scene.why()["pins"]] == [None, 0]


def test_a_root_of_the_base_and_its_distrust(place, daemon):
    with Scene(place, mint.server(place.base_root, "127.0.0.1")) as scene:
        answer = scene.told()
        assert answer["judgement"]["trusted_by"] == "system_root"
        assert accepts(answer) == {"requests", "curl", "Java", "Go"}, "Node keeps its own"
        command = "trustctl distrust " + place.base_root.fingerprint
        assert command in [remedy["command"] for remedy in answer["remedies"]]
        place.done(*command.split()[1:])
        answer = scene.told(JAVA)
        assert answer["judgement"]["code"] == "distrusted" and accepts(answer) == set()
        assert any(remedy["command"].startswith("trustctl rm ") for remedy in answer["remedies"])


def test_a_device_whose_names_are_wrong(place, daemon):
    """A leaf with a scope is its own identity; programs that read files ask its names all the
    same."""
    with Scene(place, mint.mint("127.0.0.1", constraints=True)) as scene:
        place.done("add", scene.at, "--fingerprint", scene.server.minted.fingerprint, "--as", "leaf",
                   "--host", "127.0.0.1")
        answer = scene.told()
        assert answer["judgement"]["trusted_by"] == "added_leaf"
        assert accepts(answer) == {"requests", "curl"}, "which take a CN that is the address"


def test_what_has_ended(place, daemon):
    old = mint.now() - 20 * mint.DAY
    with Scene(place, mint.self_signed("127.0.0.1", not_before=old,
                                       not_after=mint.now() - mint.DAY)) as scene:
        answer = scene.told()
        assert answer["judgement"]["code"] in ("expired", "self_signed")
        assert accepts(answer) == set()


def test_as_text(place, daemon):
    hostile = "Evil\x1b[31m\u202e CA"
    with Scene(place, mint.server(mint.authority(hostile), "127.0.0.1")) as scene:
        refused = place.ctl("why", scene.at)
        assert refused.status == 3, str(refused)
        assert "\x1b" not in refused.out and "\u202e" not in refused.out
        assert "refused, unknown_issuer" in refused.out
        remedies = refused.out.partition("What would change it")[2]
        assert "trustctl add " + scene.at in remedies
        assert "Evil" not in remedies
        assert scene.server.minted.fingerprint not in refused.out + refused.err
    root = mint.authority("Corp Root")
    place.done("add", place.write("root.pem", root.pem), "--host", "127.0.0.1", "--label", "corp")
    with Scene(place, mint.server(root, "127.0.0.1").presenting(root)) as scene:
        said = place.done("why", scene.at).out
        for text in (scene.at + " presents", "CN=Corp Root", "here trust begins: the entry corp (root)",
                     "since generation 2", "added ", "by uid ", "none for " + scene.at, "bundle.pem",
                     "shadow", "requests", "trustctl rm corp", "generation 2 of " + place.public):
            assert text in said, f"{text!r} is not in:\n{said}"
        daemon.stop()
        assert place.done("why", scene.at).out == said, "nobody was asked"


def test_of_an_entry(place, daemon):
    root = mint.authority("Corp Root")
    place.done("add", place.write("root.pem", root.pem), "--host", "**.corp.test", "--label", "corp")
    for name in ("corp", root.fingerprint, root.fingerprint[:8]):
        said = place.done("why", name).out
        for text in ("corp", "**.corp.test", "since generation 2", "Java does not obey",
                     "trustctl rm corp", f"certs/{root.fingerprint}.pem"):
            assert text in said, f"{text!r} is not in:\n{said}"
    answer = json.loads(place.done("--json", "why", "corp").out)
    assert answer["entry"]["emitted"]["as"] == "shadow" and answer["generation"] == 2
    place.done("distrust", place.write("bad.pem", mint.authority("Bad").pem))
    label = next(entry["label"] for entry in json.loads(place.done("--json", "list").out)
                 ["certificates"] if entry["trust"] == "distrusted")
    refused = place.ctl("why", label)
    assert refused.status == 3 and "everything with its key is refused" in refused.out, str(refused)
    assert place.ctl("why", "nosuch.entry.test").status in (1, 5)
    assert place.ctl("why", "a b").status in (2, 5)


def test_commands_that_it_offers_are_commands(place, daemon):
    """Each remedy of each scene is one that trustctl reads: nothing but a placeholder is wrong."""
    seen = set()
    root = mint.authority("Corp Root")
    place.done("add", place.write("root.pem", root.pem), "--host", "api.corp.test", "--label", "corp")
    for minted in (mint.self_signed("127.0.0.1"), mint.server(mint.authority("X"), "127.0.0.1"),
                   mint.server(root, "127.0.0.1"), mint.server(place.base_root, "127.0.0.1"),
                   mint.server(place.base_root, "other.test")):
        with Scene(place, minted) as scene:
            seen |= {remedy["command"] for remedy in scene.why()["remedies"]}
    seen.discard("")
    assert len(seen) > 6, seen
    for command in seen:
        words = command.split()
        if words[0] != "trustctl":
            continue
        assert place.ctl(*words[1:], "--help").status == 0, command
        assert not re.search("[0-9a-f]{64}", command) or place.base_root.fingerprint in command
