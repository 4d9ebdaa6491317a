"""What is published is watched: that nobody else writes there, and what ends in it."""

import os
import shutil

import pytest

from harness import clients, mint, wait
from harness.daemon import Daemon
from harness.servers import Tls
from test_expiry import alerts, seconds

SOON_S = 30  # after something was written there


def read(path):
    with open(path, "rb") as file:
        return file.read()


def overwrite(path, data):
    os.chmod(path, 0o644)
    with open(path, "wb") as file:
        file.write(data)


def change_the_bundle(place, rogue):
    path = place.bundle
    overwrite(path, read(path) + rogue.pem.encode())
    return "current/bundle.pem"


def touch_up_the_bundle(place, _):
    """As long as before, and with the times of before."""
    path = os.path.realpath(place.bundle)
    data, facts = read(path), os.stat(path)
    overwrite(path, data[:-100] + b"A" + data[-99:])
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    return "current/bundle.pem"


def replace_the_truststore(place, _):
    path = os.path.join(place.current, "truststore.p12")
    with open(path + ".new", "wb") as file:
        file.write(b"nothing")
    os.rename(path + ".new", path)
    return "current/truststore.p12"


def add_to_the_hashed_directory(place, rogue):
    name = place.exec("openssl", "x509", "-hash", "-noout",
                      stdin=rogue.pem).out.strip() + ".0"
    with open(os.path.join(place.current, "hashed", name), "w", encoding="ascii") as file:
        file.write(rogue.pem)
    return "current/hashed/" + name


def remove_a_name(place, _):
    os.unlink(os.path.join(place.current, "by-label", "dev.pem"))
    return "current/by-label/dev.pem"


def let_others_write(place, _):
    os.chmod(os.path.join(place.current, "extra.pem"), 0o666)
    return "current/extra.pem"


def make_a_link_of_it(place, rogue):
    path = os.path.join(place.current, "extra.pem")
    os.unlink(path)
    os.symlink(place.write("rogue.pem", rogue.pem), path)
    return "current/extra.pem"


def remove_current(place, _):
    os.unlink(place.current)
    return "current"


def point_current_elsewhere(place, rogue):
    other = place.make("elsewhere")
    with open(os.path.join(other, "bundle.pem"), "w", encoding="ascii") as file:
        file.write(rogue.pem)
    os.symlink(other, place.current + ".new")
    os.rename(place.current + ".new", place.current)
    return "current"


def remove_the_generation(place, _):
    shutil.rmtree(os.path.realpath(place.current))
    return "current"


DAMAGE = [change_the_bundle, touch_up_the_bundle, replace_the_truststore,
          add_to_the_hashed_directory, remove_a_name, let_others_write, make_a_link_of_it,
          remove_current, point_current_elsewhere, remove_the_generation]


def contents(place):
    """Of everything that is published; what the names stand for in the shared directories too."""
    found = {}
    for directory, _, names in os.walk(place.current + "/", followlinks=True):
        for name in names:
            path = os.path.join(directory, name)
            found[os.path.relpath(path, place.current)] = read(path)
    found.pop("MANIFEST.json", None)  # says when it was made
    found.pop("trust.db", None)
    found.pop("pins.index", None)
    found.pop("truststore.p12", None)
    return found


@pytest.fixture
def published(place):
    with Daemon(place) as daemon, daemon.rest() as rest:
        rest.add(mint.authority("Dev CA"), label="dev", trust="root")
        rest.add(mint.self_signed("leaf.test"), label="leaf")
        yield daemon, rest


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_what_somebody_else_writes_is_an_alert_and_is_written_anew(place, published, damage):
    _, rest = published
    before = contents(place)
    generation = rest.status()["generation"]
    fault = damage(place, mint.authority("Rogue CA"))
    alert = wait.until(lambda: alerts(rest, kind="emitted"), "the alert", SOON_S)[0]
    assert alert["severity"] == "critical" and alert["target"] == place.current
    assert os.path.join(place.public, fault) in alert["files"], alert
    assert fault in alert["summary"]

    def is_mended():
        try:
            return contents(place) == before
        except FileNotFoundError:
            return False
    wait.until(is_mended, "what is published to be as it was", SOON_S)
    assert rest.status()["generation"] == generation, "nothing was decided anew"
    assert "Rogue" not in place.exec("openssl", "storeutl", "-noout", "-text", "-certs",
                                     place.bundle).out
    # it goes on: changes are published, and are nobody else's
    rest.add(mint.self_signed("more.test"), label="more")
    assert b"BEGIN" in read(os.path.join(place.current, "by-label", "more.pem"))
    assert len(alerts(rest, True, kind="emitted")) == 1


def test_what_was_done_while_no_daemon_ran_is_found_at_its_start(place):
    rogue = mint.authority("Rogue CA")
    with Daemon(place) as daemon, daemon.rest() as rest:
        rest.add(mint.authority("Dev CA"), label="dev", trust="root")
    name = add_to_the_hashed_directory(place, rogue)
    change_the_bundle(place, rogue)
    server = mint.server(rogue, "127.0.0.1")
    with Tls(place, server) as tls:
        assert clients.fetch(place, "curl", tls.url) == clients.SERVED, "this is what it is about"
        with Daemon(place) as daemon, daemon.rest() as rest:
            alert = wait.until(lambda: alerts(rest, kind="emitted"), "the alert", SOON_S)[0]
            assert os.path.join(place.public, name) in alert["files"]
            wait.until(lambda: clients.fetch(place, "curl", tls.url) == clients.REFUSED,
                       "the rogue to be refused", SOON_S)


def test_what_the_daemon_publishes_itself_is_no_alert(place, published):
    """Changes of every kind, as fast as they go, with names that come and go."""
    _, rest = published
    for number in range(40):
        rest.add(mint.self_signed(f"h{number}.test"), label=f"l{number}")
        if number % 3 == 0:
            place.done("rm", f"l{number}")
    place.done("rollback", "2", "--yes")
    before = rest.status()["generation"]
    # Then a real fault, so that the look that finds it is one that came after all of that.
    fault = remove_a_name(place, None)
    found = wait.until(lambda: alerts(rest, True, kind="emitted"), "the alert", SOON_S)
    assert len(found) == 1 and found[0]["files"] == [os.path.join(place.public, fault)], found
    assert rest.status()["generation"] == before


# ---- the base ---------------------------------------------------------------------


def test_a_root_of_the_base_that_ends_is_told_with_the_files_that_hold_it(place):
    ending = mint.authority("Ending Root", not_before=mint.now() - seconds(900 * 86400),
                            not_after=mint.now() + seconds(5 * 86400))
    ended = mint.authority("Ended Root", not_before=mint.now() - seconds(900 * 86400),
                           not_after=mint.now() - seconds(86400))
    base = place.base_root.pem + ending.pem + ended.pem
    place.configure(store={"base": place.write("base.pem", base)})
    with Daemon(place) as daemon, daemon.rest() as rest:
        alert = wait.until(lambda: alerts(rest, kind="expiring"), "the alert")[0]
        assert alert["fingerprint"] == ending.fingerprint and alert["severity"] == "warning"
        assert "Ending Root" in alert["target"] and alert["threshold"] == "7d"
        assert alert["files"] == [os.path.join(place.current, name)
                                  for name in ("bundle.pem", "hashed", "truststore.p12")]
        assert not alerts(rest, kind="expired"), "one that had ended when it came is not mentioned"
        assert place.ctl(*alert["hint"].split()[1:]).out.count("Ending Root") == 1
        # distrusted, it is in no file any more
        place.done("distrust", ending.fingerprint, "--reason", "gone anyway")
        wait.until(lambda: not alerts(rest, kind="expiring"), "the alert to resolve")
        place.done("rm", ending.fingerprint)
        wait.until(lambda: alerts(rest, kind="expiring"), "the alert again")
        # the distribution removes it
        place.write("base.pem", place.base_root.pem + ended.pem)
        wait.until(lambda: not alerts(rest, kind="expiring"), "the alert to resolve")


def test_a_base_that_cannot_be_read_or_lost_much_is_an_alert_until_it_is_back(place):
    roots = [place.base_root] + [mint.authority(f"Root {number}") for number in range(4)]
    base = place.write("base.pem", "".join(root.pem for root in roots))
    with Daemon(place) as daemon, daemon.rest() as rest:
        before = rest.status()["generation"]
        bundle = read(place.bundle)
        for damage in ("", "no certificate at all", roots[0].pem + roots[1].pem, None):
            if damage is None:
                os.unlink(base)
            else:
                place.write("base.pem", damage)
            alert = wait.until(lambda: alerts(rest, kind="base"), "the alert", SOON_S)[0]
            assert alert["summary"].startswith("the base stays as it was"), alert
            assert alert["severity"] == "warning"
            assert read(place.bundle) == bundle and rest.status()["generation"] == before
            place.write("base.pem", "".join(root.pem for root in roots))
            wait.until(lambda: not alerts(rest, kind="base"), "the alert to resolve", SOON_S)
        place.write("base.pem", "".join(root.pem for root in roots[:3]))  # a normal update
        wait.until(lambda: rest.status()["generation"] > before, "the base to be followed", SOON_S)
        assert not alerts(rest, kind="base")
