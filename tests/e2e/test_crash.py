"""SIGKILL at random moments while clients change; whatever was answered is there afterwards.

TRUSTD_TEST_SEED repeats a run as far as a run of processes can be repeated; the seed is printed.
"""

import os
import random
import threading
import time

from harness import mint, need, published, wait
from harness.daemon import Daemon

ROUNDS = 200 if need.ALL else 50
CHANGERS = 4


class Changer(threading.Thread):
    """Adds and removes its own certificates until the daemon is gone. `answered` is what the store
    owes it; `open` is the one change that had no answer, which may have happened or not."""

    def __init__(self, daemon, stock):
        super().__init__(daemon=True)
        self.daemon_ = daemon
        self.stock = stock
        self.answered = {}  # fingerprint: is it there
        self.generation = 0
        self.open = None

    def run(self):
        try:
            with self.daemon_.rest(timeout_s=60) as client:
                while True:
                    for one in self.stock:
                        self.open = one.fingerprint
                        if self.answered.get(one.fingerprint):
                            answer = client.delete(f"/v1/certificates/{one.fingerprint}")
                        else:
                            answer = client.post("/v1/certificates", {"pem": one.pem})
                        assert answer.status in (200, 201), answer
                        self.generation = max(self.generation, answer["generation"])
                        self.answered[one.fingerprint] = not self.answered.get(one.fingerprint)
                        self.open = None
        except (OSError, EOFError, ConnectionError):
            pass  # killed
        except Exception as error:  # http.client's IncompleteRead and BadStatusLine are killed, too
            if type(error).__module__ != "http.client":
                self.wrong = error

    wrong = None


def test_killed_at_random_moments(place):
    seed = int(os.environ.get("TRUSTD_TEST_SEED", random.SystemRandom().randrange(10**9)))
    print(f"seed {seed}, {ROUNDS} rounds")
    chance = random.Random(seed)
    stocks = [[mint.self_signed(f"c{c}-{n}.test") for n in range(8)] for c in range(CHANGERS)]
    owed = {}  # fingerprint: is it there, by the last answer about it
    generation = changes = 0
    for number in range(ROUNDS):
        daemon = Daemon(place).start()
        try:
            with daemon.rest() as rest:
                status = rest.status()
                assert status["generation"] >= generation, "an answered generation is lost"
                wait.until(lambda: rest.get("/readyz").status == 200, "ready after a restart")
                status = rest.status()
                assert status["published"] == status["generation"] and not status["problem"]
                assert published.check(place.current)["generation"] == status["generation"]
                stored = {entry["fingerprint"] for entry in rest.certificates()}
                for fingerprint, there in owed.items():
                    assert (fingerprint in stored) == there, \
                        f"seed {seed}, round {number}: {fingerprint} is{'' if there else ' not'} owed"
            generation = status["generation"]
            changers = [Changer(daemon, stock) for stock in stocks]
            for changer in changers:
                changer.answered = {one.fingerprint: one.fingerprint in stored
                                    for one in changer.stock}
                chance.shuffle(changer.stock)
                changer.start()
            time.sleep(chance.uniform(0.0, 0.25))  # the random moment itself, waiting for nothing
        finally:
            daemon.kill()
        for changer in changers:
            changer.join(60)
            assert not changer.is_alive()
            if changer.wrong:
                raise changer.wrong
            generation = max(generation, changer.generation)
            owed.update(changer.answered)
            if changer.open is not None:
                owed.pop(changer.open, None)
        changes = max(changes, generation)
        published.check(place.current)  # also before the restart: the old one or the new one
    print(f"{changes} generations")
    assert changes > ROUNDS // 2, "hardly anything changed, so nothing was tested"
    with Daemon(place) as daemon:
        place.done("log", "--verify")
        with daemon.rest() as rest:
            numbers = [record["number"] for record in rest.all("/v1/audit", "audit")]
            assert sorted(numbers) == list(range(1, len(numbers) + 1))
    # What several generations share is a directory that each of them links to; nothing else stays.
    linked = set()
    for generation in os.listdir(place.public):
        if generation.startswith("gen-"):
            with os.scandir(os.path.join(place.public, generation)) as names:
                linked |= {os.path.basename(os.readlink(name)) for name in names
                           if name.is_symlink()}
    left = [name for name in os.listdir(place.public)
            if name not in linked | {"current", ".reserve"} and not name.startswith("gen-")]
    assert not left, f"left behind: {left}"
