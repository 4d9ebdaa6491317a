"""Two hundred clients that change at once, and a reader who looks all the time."""

import json
import os
import threading

from harness import mint, published, wait

CLIENTS = 200
BY_COMMAND = 24  # of them trustctl processes, the others connections of their own


class Reader(threading.Thread):
    """Checks `current` over and over; what it found wrong is in `wrong`."""

    def __init__(self, current):
        super().__init__(daemon=True)
        self.current = current
        self.done = threading.Event()
        self.rounds = 0
        self.generations = []
        self.wrong = None

    def run(self):
        try:
            while not self.done.is_set():
                self.generations.append(published.check(self.current)["generation"])
                self.rounds += 1
        except BaseException as error:
            self.wrong = error

    def end(self):
        self.done.set()
        self.join(60)
        if self.wrong:
            raise self.wrong


def together(work):
    """Runs each of these at the same moment; the first failure is raised."""
    barrier = threading.Barrier(len(work))
    failures = []

    def one(function):
        try:
            barrier.wait(120)
            function()
        except BaseException as error:
            failures.append(error)
    threads = [threading.Thread(target=one, args=(function,), daemon=True) for function in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert not any(thread.is_alive() for thread in threads), "a client still waits"
    if failures:
        raise AssertionError(f"{len(failures)} of {len(work)} failed") from failures[0]


def test_every_change_is_one_generation_and_one_record(place, daemon):
    minted = [mint.self_signed(f"host-{n}.test") for n in range(CLIENTS)]
    answers = []  # (generation, what is expected in the end or None)
    with daemon.rest() as rest:
        rest.status()  # loads openapi.json before the threads
        first = rest.status()["generation"]

    def by_rest(number):
        def work():
            one = minted[number]
            with daemon.rest() as client:
                added = client.add(one, label=f"client-{number}")
                answers.append(added["generation"])
                changed = client.ok("PATCH", f"/v1/certificates/{one.fingerprint}",
                                    {"label": f"changed-{number}"})
                answers.append(changed["generation"])
                if number % 2:
                    gone = client.ok("DELETE", f"/v1/certificates/{one.fingerprint}")
                    answers.append(gone["generation"])
        return work

    def by_command(number):
        def work():
            path = place.write(f"client-{number}.pem", minted[number].pem)
            added = json.loads(place.done("--json", "add", path, "--label", f"changed-{number}").out)
            answers.append(added["generation"])
        return work

    reader = Reader(place.current)
    reader.start()
    together([by_command(n) if n < BY_COMMAND else by_rest(n) for n in range(CLIENTS)])
    reader.end()
    assert reader.rounds > 10
    assert reader.generations == sorted(reader.generations)

    assert len(set(answers)) == len(answers), "two changes share a generation"
    last = max(answers)
    assert last - first == len(answers)
    with daemon.rest() as rest:
        status = rest.status()
        assert status["generation"] == status["published"] == last
        expected = {minted[n].fingerprint: f"changed-{n}" for n in range(CLIENTS)
                    if n < BY_COMMAND or n % 2 == 0}
        stored = {entry["fingerprint"]: entry["label"] for entry in rest.certificates()}
        assert stored == expected
        records = rest.all("/v1/audit", "audit")
        of_changes = [r for r in records if r["after"] > first]
        assert sorted(r["after"] for r in of_changes) == sorted(answers)
        assert all(r["before"] == r["after"] - 1 for r in of_changes)
        numbers = [r["number"] for r in records]
        assert sorted(numbers) == list(range(min(numbers), max(numbers) + 1))
        verified = rest.ok("GET", "/v1/audit", query={"verify": "true", "limit": 1})
        assert verified["verified"] is True and verified["first_bad"] is None
        generations = [g["number"] if "number" in g else g["generation"]
                       for g in rest.all("/v1/generations", "generations")]
        assert set(range(first + 1, last + 1)) <= set(generations)
    place.done("log", "--verify")
    manifest = published.check(place.current, everything=True)
    assert manifest["generation"] == last
    assert manifest["audit_head"] == status["audit_head"]


def test_the_same_certificate_from_everybody_is_stored_once(place, daemon):
    one = mint.self_signed("same.test")
    created = []

    def add():
        with daemon.rest() as client:
            answer = client.post("/v1/certificates", {"pem": one.pem})
            assert answer.status in (200, 201), answer
            created.append(answer.status)
    with daemon.rest() as rest:
        first = rest.status()["generation"]
        together([add] * 50)
        assert sorted(created) == [200] * 49 + [201]
        assert rest.status()["generation"] == first + 1


def test_if_match_lets_one_of_many_through(place, daemon):
    minted = [mint.self_signed(f"host-{n}.test") for n in range(20)]
    with daemon.rest() as rest:
        etag = rest.get("/v1/certificates").headers["etag"]
    statuses = []

    def add(one):
        def work():
            with daemon.rest() as client:
                statuses.append(client.post("/v1/certificates", {"pem": one.pem},
                                            headers={"If-Match": etag}).status)
        return work
    together([add(one) for one in minted])
    assert sorted(statuses) == [201] + [412] * 19


def test_a_kept_generation_can_be_read_to_its_end(place, daemon, rest):
    """Opened before many changes, read after them."""
    rest.add(mint.self_signed("first.test"))
    old = os.open(place.current, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for n in range(30):
            rest.add(mint.self_signed(f"host-{n}.test"))
        published.check(f"/proc/self/fd/{old}")
    finally:
        os.close(old)
    wait.until(lambda: published.check(place.current)["generation"] == rest.status()["generation"],
               "the last generation")
