"""inside_full_disk.py WHAT: run by test_full_disk.py in a mount namespace of its own."""

import os
import subprocess
import sys

from harness import mint, need, published, wait
from harness.daemon import Daemon
from harness.place import Place


def mount(place, options):
    os.makedirs(place.state, mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "trustd-test", place.state], check=True)
    os.chmod(place.state, 0o700)


def fill(place, leave=0):
    """Takes all of the disk but `leave` bytes."""
    path = os.path.join(place.state, "filler")
    with open(path, "ab", buffering=0) as file:
        block = 65536
        while block:
            try:
                if file.write(bytes(block)) < block:
                    block //= 2
            except OSError:
                block //= 2
    if leave:
        os.truncate(path, max(os.path.getsize(path) - leave, 0))
    return path


def clearly(answer):
    """A change that could not be made, or was stored and not published: it says which."""
    assert answer.status in (503, 507), str(answer)
    problem = answer.json()
    if answer.status == 503:
        assert problem["code"] == "not_published", problem
    text = problem["detail"].lower()
    assert "space" in text or "disk" in text or "full" in text, problem
    return answer.status


def as_before(place, daemon, rest, owed):
    """The store answers, holds what it owes, and what is published is whole."""
    assert daemon.alive(), daemon.log()
    stored = {entry["fingerprint"] for entry in rest.certificates()}
    assert owed <= stored, f"lost: {owed - stored}"
    published.check(place.current)


def recovers(place, daemon, rest, owed):
    wait.until(lambda: rest.get("/readyz").status == 200, "ready with space again", 60)
    status = rest.status()
    assert status["published"] == status["generation"] and not status["problem"], status
    one = mint.self_signed("after.test")
    rest.add(one)
    as_before(place, daemon, rest, owed | {one.fingerprint})
    place.done("log", "--verify")


def full_before_a_change(place):
    mount(place, "size=8m")
    with Daemon(place) as daemon, daemon.rest() as rest:
        owed = {rest.add(mint.self_signed(f"host-{n}.test"))["fingerprint"] for n in range(5)}
        before = rest.status()["generation"]
        filler = fill(place)
        refused = 0
        for n in range(40):
            one = mint.self_signed(f"full-{n}.test")
            answer = rest.post("/v1/certificates", {"pem": one.pem})
            if answer.status in (200, 201):
                owed.add(one.fingerprint)  # what is kept in reserve was enough
                continue
            refused += 1
            if clearly(answer) == 503:
                owed.add(one.fingerprint)
            else:
                assert one.fingerprint not in {e["fingerprint"] for e in rest.certificates()}
            said = place.ctl("add", place.write("one.pem", mint.self_signed("cli.test").pem))
            if said.status != 0:
                assert said.status == 1 and "Traceback" not in said.err and said.err.strip(), said
            if refused > 5:
                break
            fill(place)
        assert refused, "the disk never was full"
        as_before(place, daemon, rest, owed)
        assert rest.status()["generation"] >= before
        # Reading goes on, and a restart on the full disk finds what there was.
        place.done("list")
        daemon.kill()
        published.check(place.current)
        daemon.start()
        rest.close()
        as_before(place, daemon, rest, owed)
        os.unlink(filler)
        recovers(place, daemon, rest, owed)


def full_at_a_random_byte(place):
    """With a little left, a change fails at another place each time."""
    # Room for every generation, since each stays for a minute: the filler alone decides.
    mount(place, "size=48m")
    with Daemon(place) as daemon, daemon.rest() as rest:
        owed = {rest.add(mint.self_signed("first.test"))["fingerprint"]}
        refused = 0
        for leave in range(0, 200_000, 5_000 if need.ALL else 25_000):
            filler = fill(place, leave)
            for n in range(3):
                one = mint.self_signed(f"host-{leave}-{n}.test")
                answer = rest.post("/v1/certificates", {"pem": one.pem})
                if answer.status in (200, 201):
                    owed.add(one.fingerprint)
                    continue
                refused += 1
                if clearly(answer) == 503:
                    owed.add(one.fingerprint)
            as_before(place, daemon, rest, owed)
            os.unlink(filler)
            wait.until(lambda: rest.get("/readyz").status == 200, "ready with space again", 60)
        assert refused
        recovers(place, daemon, rest, owed)


def no_inodes(place):
    mount(place, "size=32m,nr_inodes=400")
    with Daemon(place) as daemon, daemon.rest() as rest:
        owed = {rest.add(mint.self_signed("first.test"))["fingerprint"]}
        made = []
        try:
            while True:
                made.append(os.path.join(place.state, f"filler-{len(made)}"))
                with open(made[-1], "xb"):
                    pass
        except OSError:
            made.pop()
        one = mint.self_signed("second.test")
        answer = rest.post("/v1/certificates", {"pem": one.pem})
        if answer.status in (200, 201) or clearly(answer) == 503:
            owed.add(one.fingerprint)
        as_before(place, daemon, rest, owed)
        for path in made:
            os.unlink(path)
        recovers(place, daemon, rest, owed)


if __name__ == "__main__":
    it = Place()
    try:
        globals()[sys.argv[1]](it)
    finally:
        subprocess.run(["umount", "-l", it.state], check=False, capture_output=True)
        it.remove()
