"""inside_machine.py WHAT: run by test_machine.py, as root, in a mount namespace of its own."""

import contextlib
import datetime
import json
import os
import subprocess
import sys

from harness import clients, mint, published, servers, wait
from harness.clients import REFUSED, SERVED
from harness.daemon import Daemon
from harness.place import Place

USER = 4714
AS_USER = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
MACHINE_SOCKET = "/run/trustd/trustd.sock"
MACHINE_STORE = "/var/lib/trustd/public"


class UserPlace(Place):
    """A place of another user, whose programs run as that user."""

    def __init__(self):
        super().__init__(base=False)
        subprocess.run(["chown", "-R", f"{USER}:{USER}", self.root], check=True)

    def exec(self, *command, **options):
        return super().exec(*AS_USER, *command, **options)


@contextlib.contextmanager
def both():
    """(machine's place and REST, user's place and REST), the daemons running."""
    for directory in ("/var/lib", "/run"):
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "trustd-test", directory],
                       check=True)
    machine, user = Place(), UserPlace()
    config = machine.configure(listen={"socket_mode": "0666"})
    try:
        with Daemon(machine, "--system", "--config", config) as system:
            system.socket = MACHINE_SOCKET
            with Daemon(user, prefix=AS_USER) as own:
                with system.rest() as of_machine, own.rest() as of_user:
                    assert of_machine.status()["system"] is True
                    assert of_user.status()["system"] is False
                    yield machine, of_machine, user, of_user
    finally:
        machine.remove()
        user.remove()


def follows(of_user, change):
    """Makes a change of the machine's store and waits until the user's is published anew."""
    before = of_user.status()["published"]
    result = change()
    wait.until(lambda: of_user.status()["published"] > before, "the user's daemon to follow", 60)
    return result


def text(place):
    with open(place.bundle, encoding="ascii") as file:
        return file.read()


def what_the_machine_trusts_the_user_does():
    with both() as (machine, of_machine, user, of_user):
        assert machine.base_root.pem.strip() in text(user)  # the machine's base, through its store
        root = mint.authority("Machine Root")
        with servers.Tls(machine, mint.server(root, "127.0.0.1")) as server:
            assert clients.fetch(user, "curl", server.url) == REFUSED
            follows(of_user, lambda: of_machine.add(root, label="corp"))
            assert clients.fetch(user, "curl", server.url) == SERVED
            listed = [e for e in of_user.certificates(base="true") if e["layer"] == "machine"]
            assert [e["fingerprint"] for e in listed] == [root.fingerprint]
            follows(of_user,
                    lambda: of_machine.ok("DELETE", f"/v1/certificates/{root.fingerprint}"))
            assert clients.fetch(user, "curl", server.url) == REFUSED
        published.check(user.current)


def what_the_machine_forbids_stays_forbidden():
    with both() as (machine, of_machine, user, of_user):
        root, other = mint.authority("Forbidden"), mint.authority("Added First")
        of_user.add(other, label="first")
        with servers.Tls(machine, mint.server(other, "127.0.0.1")) as server:
            assert clients.fetch(user, "curl", server.url) == SERVED
            for one in (root, other):
                follows(of_user, lambda: of_machine.add(one, trust="distrusted"))
            assert clients.fetch(user, "curl", server.url) == REFUSED
        answer = of_user.post("/v1/certificates", {"pem": root.pem})
        assert answer.status == 409, str(answer)
        result = user.ctl("rm", root.fingerprint)
        assert result.status in (5, 6), str(result)
        same_key = mint.mint("Forbidden", ca=True, key=root.key)
        assert of_user.post("/v1/certificates", {"pem": same_key.pem}).status == 409
        assert root.pem.strip() not in text(user) and other.pem.strip() not in text(user)


def the_users_additions_are_the_users_alone():
    with both() as (machine, of_machine, user, of_user):
        root = mint.authority("User Root")
        before = of_machine.status()["generation"]
        added = user.done("--json", "add", user.write("root.pem", root.pem))
        assert json.loads(added.out)["certificates"][0]["layer"] == "own"
        assert of_machine.status()["generation"] == before
        with open(MACHINE_STORE + "/current/bundle.pem", encoding="ascii") as file:
            assert root.pem.strip() not in file.read()
        # The user may narrow: distrust, for oneself, what the machine trusts.
        corp = mint.authority("Machine Root")
        follows(of_user, lambda: of_machine.add(corp, label="corp"))
        assert corp.pem.strip() in text(user)
        user.done("distrust", corp.fingerprint)
        assert corp.pem.strip() not in text(user)
        refused = user.ctl("--system", "rm", "corp")
        assert refused.status == 6, str(refused)


def scopes_ends_and_pins_of_the_machine_hold():
    with both() as (machine, of_machine, user, of_user):
        root = mint.authority("Scoped Root")
        end = (mint.now() + datetime.timedelta(seconds=8)).strftime("%Y-%m-%dT%H:%M:%SZ")
        with servers.Tls(machine, mint.server(root, "127.0.0.1")) as server, \
             servers.Tls(machine, mint.server(root, "127.0.0.2"), host="127.0.0.2") as other:
            follows(of_user, lambda: of_machine.add(root, hosts=["127.0.0.1"], expires_at=end))
            assert clients.fetch(user, "curl", server.url) == SERVED
            assert clients.fetch(user, "curl", other.url) == REFUSED
            wait.until(lambda: clients.fetch(user, "curl", server.url) == REFUSED, "the end", 60)
        pin = mint.self_signed("pinned.test").pin
        of_machine.ok("POST", "/v1/pins", {"pattern": "pinned.test", "pins": [pin]})

        def pins():
            answer = of_user.ok("GET", "/v1/pins", query={"host": "pinned.test", "port": 443})
            return [one["pin"] for one in answer["pins"]]
        wait.until(lambda: pins() == [pin], "the machine's pin", 60)


def the_commands_find_the_machines_store():
    with both() as (machine, of_machine, user, of_user):
        one = mint.self_signed("one.test")
        follows(of_user, lambda: of_machine.add(one, label="of-the-machine"))
        assert user.done("path").out.strip() == user.bundle
        assert user.done("--system", "path").out.strip() == MACHINE_STORE + "/current/bundle.pem"
        assert "of-the-machine" in user.done("--system", "list").out
        empty = UserPlace()  # a user without a store of one's own has the machine's
        try:
            assert empty.done("path").out.strip() == MACHINE_STORE + "/current/bundle.pem"
            assert empty.done("path", "of-the-machine").out.strip() == \
                MACHINE_STORE + "/current/by-label/of-the-machine.pem"
            assert "of-the-machine" in empty.done("list").out
            # One that exists but cannot be used is an error, not a reason to take the next.
            os.makedirs(empty.public)
            os.symlink("gen-none", empty.current)
            result = empty.ctl("path")
            assert result.status != 0 and MACHINE_STORE not in result.out, str(result)
        finally:
            empty.remove()


if __name__ == "__main__":
    globals()[sys.argv[1]]()
