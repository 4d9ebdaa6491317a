"""Webhooks and commands that alerts are brought to: real receivers, which fail, lie and hang."""

import json
import os
import re
import socket
import threading
import time

import pytest

from harness import mint, need, wait
from harness.daemon import Daemon
from harness.receiver import Receiver
from test_expiry import alerts
from test_secrets import files_below

SECRET = "0123456789abcdef0123456789abcdef"


def soon(name="dev.test", days=5):
    return mint.self_signed(name, not_before=mint.now() - 60 * mint.DAY,
                            not_after=mint.now() + days * mint.DAY)


def webhook(place, receiver, name="ops", signed=True, **keys):
    if signed:
        keys["secret_file"] = place.write("secret", SECRET + "\n", 0o600)
    place.add_table("sink", name=name, type="webhook", url=receiver.url, **keys)


def sink(rest, name="ops"):
    return next(one for one in rest.ok("GET", "/v1/sinks")["sinks"] if one["name"] == name)


def ok(result):
    return result if result.status == 0 else None


@pytest.fixture
def receiver():
    with Receiver() as it:
        yield it


# ---- webhook ------------------------------------------------------------------------


def test_what_is_refused_is_sent_again_signed_and_with_the_same_id(place, receiver):
    webhook(place, receiver)
    receiver.statuses = [503]
    with Daemon(place) as daemon, daemon.rest() as rest:
        rest.add(soon(), label="dev")
        wait.until(receiver.taken, "the alert to be taken", 60)
        first, second = receiver.all()
        assert first.status == 503 and second.status == 200
        assert first.id == second.id and first.json()["notices"] == second.json()["notices"]
        assert first.is_genuine(SECRET) and second.is_genuine(SECRET)
        assert not second.is_genuine(SECRET[::-1])
        alert = second.json()["notices"][0]["alert"]
        assert alert["kind"] == "expiring" and alert["labels"] == ["dev"]
        assert alert["hosts"] == ["dev.test"] and alert["threshold"] == "7d"
        assert place.bundle in alert["files"]
        wait.until(lambda: sink(rest)["deliveries"] == 1, "it to be counted")
        state = sink(rest)
        assert state["failures"] == 1 and "503" in state["last_error"] and not state["failing"]
        figures = rest.get("/metrics").body.decode()
        assert 'trustd_sink_deliveries_total{sink="ops",type="webhook"} 1' in figures
        assert 'trustd_sink_failures_total{sink="ops",type="webhook"} 1' in figures
        # it is resolved by itself, and that is told too
        place.done("rm", "dev")
        wait.until(lambda: len(receiver.taken()) == 2, "the resolution", 60)
        assert receiver.taken()[1].json()["notices"][0]["what"] == "resolved"


def test_nothing_is_lost_and_nothing_comes_twice_over_kills(place, receiver):
    """Each time a request has arrived and is not answered, the daemon is killed."""
    webhook(place, receiver)
    arrived, go_on = threading.Event(), threading.Event()

    def hang(handler, arrival):
        arrived.set()
        go_on.wait(60)
        handler.plain(arrival.status)
    answer = receiver.answer
    sure = []
    for turn in range(4):
        arrived.clear()
        go_on.clear()
        receiver.answer = hang
        daemon = Daemon(place).start()
        with daemon.rest() as rest:
            for number in range(3):
                rest.add(soon(f"h{turn}-{number}.test"), label=f"l{turn}-{number}")
            assert arrived.wait(60), daemon.log()
            if turn == 2:
                receiver.statuses = [503, 503]  # and what comes after the kill is refused
            daemon.kill()
        go_on.set()
        receiver.answer = answer
        sure.append(receiver.all()[-1].id)
    with Daemon(place) as daemon, daemon.rest() as rest:
        wait.until(lambda: sink(rest)["waiting"] == 0 and sink(rest)["deliveries"] > 0,
                   "everything to be delivered", 120)
        told = [alert["labels"][0] for alert in alerts(rest)]
    assert sorted(told) == sorted(f"l{turn}-{number}" for turn in range(4) for number in range(3))
    numbers = [number for arrival in receiver.taken() for number in arrival.numbers()]
    assert sorted(numbers) == list(range(1, len(told) + 1)), "each once, by id, and none lost"
    said = [notice["alert"]["labels"][0] for arrival in receiver.taken()
            for notice in arrival.json()["notices"]]
    assert sorted(said) == sorted(told)
    for one in sure:
        again = [arrival for arrival in receiver.all() if arrival.id == one]
        assert len(again) >= 2 and len({str(arrival.numbers()) for arrival in again}) == 1
    assert all(arrival.is_genuine(SECRET) for arrival in receiver.all())


def test_a_sink_that_keeps_failing_is_told_of_by_the_others(place, receiver):
    with Receiver() as other:
        other.statuses = [500] * 3
        webhook(place, receiver)
        webhook(place, other, "broken", signed=False)
        with Daemon(place) as daemon, daemon.rest() as rest:
            rest.add(soon(), label="dev")
            wait.until(lambda: any(notice["alert"]["kind"] == "delivery"
                                   for arrival in receiver.taken()
                                   for notice in arrival.json()["notices"]), "the alert", 120)
            assert "trustd_sink_failing{" in rest.get("/metrics").body.decode()
            assert alerts(rest, kind="delivery")[0]["target"] == "broken"
            assert alerts(rest, kind="delivery")[0]["hint"] == "trustctl alerts test broken"
            place.done("alerts", "test", "broken")  # it works again: what waits is sent at once
            wait.until(lambda: other.taken(), "what waited")
            wait.until(lambda: not alerts(rest, kind="delivery"), "the alert to resolve")


def test_https_is_judged_by_the_store_and_its_pins(place):
    certificate = mint.self_signed("127.0.0.1")
    with Receiver(place, certificate) as receiver:
        webhook(place, receiver)
        with Daemon(place):
            result = place.ctl("alerts", "test", "ops")
            assert result.status == 3 and receiver.at in result.err, str(result)
            assert not receiver.all(), "a server that is not trusted was sent something"
            # What is published is looked at once a second.
            place.done("add", place.write("receiver-ca.pem", certificate.pem))
            result = wait.until(lambda: ok(place.ctl("alerts", "test", "ops")), "it to be trusted")
            assert receiver.all()[0].is_genuine(SECRET) and receiver.all()[0].json()["test"]
            assert receiver.all()[0].id in result.out
            place.done("pin", "add", receiver.at, mint.self_signed("x.test").pin)
            wait.until(lambda: not ok(place.ctl("alerts", "test", "ops")), "the pin to count")
            before = len(receiver.all())
            result = place.ctl("alerts", "test", "ops")
            assert result.status == 3 and "pin" in result.err, str(result)
            assert len(receiver.all()) == before


def test_a_redirect_is_not_followed(place, receiver):
    with Receiver() as elsewhere:
        webhook(place, receiver)
        receiver.answer = lambda handler, _: handler.plain(307, Location=elsewhere.url)
        with Daemon(place):
            result = place.ctl("alerts", "test", "ops")
            assert result.status == 1 and "redirects are not followed" in result.err, str(result)
        assert len(receiver.all()) == 1 and not elsewhere.all()


@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_without_end_is_bounded(place, receiver, status):
    def endless(handler, _):
        handler.send_response(status)
        handler.end_headers()
        for _ in range(64):  # MiB; who listens to all of it holds it in memory
            handler.wfile.write(b"x" * (1 << 20))
        handler.server.heard_all = True
    webhook(place, receiver)
    receiver.answer = endless
    receiver.server.heard_all = False
    with Daemon(place) as daemon:
        before = daemon.resident_kib()
        result = place.ctl("alerts", "test", "ops")
        assert result.status == (0 if status == 200 else 1), str(result)
        assert len(result.err) < 1000
        assert daemon.resident_kib() - before < 8192
    assert not receiver.server.heard_all


def test_a_receiver_that_dawdles_has_ten_seconds_in_all(place, receiver):
    over = threading.Event()

    def drip(handler, _):
        handler.send_response(200)
        handler.end_headers()
        while not over.wait(0.5):
            handler.wfile.write(b".")
            handler.wfile.flush()
    webhook(place, receiver)
    receiver.answer = drip
    with Daemon(place):
        begun = time.monotonic()
        result = place.ctl("alerts", "test", "ops")
        took = time.monotonic() - begun
        over.set()
    assert result.status != 0 and receiver.at in result.err, str(result)
    assert 9 < took < 25, took  # 10 s, and a machine that is busy


@pytest.mark.parametrize("how", ["silent", "dropped"])
def test_stopping_waits_for_no_receiver(place, receiver, how):
    """One that takes the request and never answers, and one that never takes the connection."""
    over, arrived = threading.Event(), threading.Event()

    def hang(*_):
        arrived.set()
        over.wait(60)
    receiver.answer = hang
    full = []
    if how == "dropped":
        # A listener with a full queue answers no SYN.
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        full.append(listener)
        for _ in range(3):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
            full.append(client)
        place.add_table("sink", name="ops", type="webhook",
                        url="http://127.0.0.1:%d/" % listener.getsockname()[1])
    else:
        webhook(place, receiver)
    daemon = Daemon(place).start()
    with daemon.rest() as rest:
        rest.add(soon(), label="dev")
        wait.until(lambda: alerts(rest), "the alert")
        if how == "silent":
            assert arrived.wait(30)
        asked = []
        asking = threading.Thread(
            target=lambda: asked.append(place.ctl("alerts", "test", "ops")))
        waiting = daemon.requests_waiting()
        asking.start()
        wait.until(lambda: daemon.requests_waiting() > waiting or asked, "the test to wait")
    begun = time.monotonic()
    assert daemon.stop() == 0, daemon.log()
    took = time.monotonic() - begun
    asking.join()
    over.set()
    for one in full:
        one.close()
    assert took < 5, took
    assert asked[0].status != 0 and "stopping" in asked[0].err, str(asked[0])
    # What was being delivered is delivered after the next start.
    if how == "silent":
        receiver.answer = lambda handler, arrival: handler.plain(200)
        before = receiver.all()[0].id
        with Daemon(place):
            wait.until(lambda: len([one for one in receiver.all() if one.id == before]) >= 2,
                       "the same id again", 60)


def test_many_at_once_are_one_message_to_people(place, receiver):
    webhook(place, receiver, "chat", signed=False, format="slack")
    ending = [soon(f"h{number}.test") for number in range(150)]
    with Daemon(place) as daemon, daemon.rest() as rest:
        rest.ok("POST", "/v1/certificates", b"".join(one.pem.encode() for one in ending),
                headers={"Content-Type": "application/x-pem-file"})
        wait.until(lambda: len(alerts(rest)) == 150, "all alerts", 60)

        def told():
            return sum(int(re.search(r"(\d+) alerts", arrival.json()["text"])[1])
                       for arrival in receiver.all())
        wait.until(lambda: told() == 150, "all to be told", 60)
    assert len(receiver.all()) <= 2, "what came while the first was on its way is the second"
    assert all(len(arrival.json()["attachments"]) <= 20 for arrival in receiver.all())


def test_shells_complete_the_names_of_sinks(place):
    for name in ("chat", "mail"):
        place.add_table("sink", name=name, type="journal")
    with Daemon(place):
        assert place.done("__complete", "alerts", "test", "").out.split() == ["chat", "mail"]
        bash = place.exec(need.program("bash"), "--norc", "-c", """
            eval "$(trustctl completion bash)"; COMP_WORDS=(trustctl alerts test c); COMP_CWORD=3
            _trustctl; printf '%s\\n' "${COMPREPLY[@]}" """)
        assert bash.out.split() == ["chat"], str(bash)
        fish = place.exec(need.program("fish"), "-c", 'trustctl completion fish | source; '
                          'complete -C "trustctl alerts test "')
        assert fish.out.split() == ["chat", "mail"], str(fish)
    assert place.ctl("__complete", "alerts", "test", "").out == "", "and says nothing without one"


# ---- secrets ------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["secret_file", "url_file"])
def test_a_secret_that_others_may_read_is_not_used(place, receiver, key):
    keys = {"url": receiver.url, "secret_file": place.write("secret", SECRET + "\n", 0o640)}
    if key == "url_file":
        keys = {"url_file": place.write("url", receiver.url + "/" + SECRET, 0o604)}
    place.add_table("sink", name="ops", type="webhook", **keys)
    with Daemon(place) as daemon:
        result = place.ctl("alerts", "test", "ops")
        assert result.status != 0 and "not its owner's alone" in result.err, str(result)
        assert SECRET not in result.err + result.out + daemon.log()
        os.chmod(keys[key], 0o600)
        assert place.ctl("alerts", "test", "ops").status == 0
    assert len(receiver.all()) == 1


def test_secrets_are_in_no_log_answer_or_file_but_their_own(place, receiver):
    """Through deliveries that succeed and fail, to a URL and with a key that are secret."""
    files = [place.write("secret", SECRET + "\n", 0o600),
             place.write("url", receiver.url + "/" + SECRET[::-1], 0o600)]
    place.add_table("sink", name="ops", type="webhook", url_file=files[1], secret_file=files[0])
    receiver.statuses = [200, 302, 500, 500]
    with Daemon(place) as daemon, daemon.rest() as rest:
        said = "".join(str(place.ctl("--json", "alerts", "test", "ops")) for _ in range(3))
        rest.add(soon(), label="dev")
        wait.until(receiver.taken, "the alert", 60)
        for path in ("/v1/sinks", "/v1/alerts", "/v1/audit", "/v1/status", "/metrics"):
            said += rest.get(path).body.decode()
        said += daemon.log()
        with open(f"/proc/{daemon.pid}/cmdline", "rb") as file:
            said += file.read().decode()
        with open(f"/proc/{daemon.pid}/environ", "rb") as file:
            said += file.read().decode()
        assert receiver.all()[0].path.endswith(SECRET[::-1])
    for secret in (SECRET, SECRET[::-1]):
        assert secret not in said
        for path in files_below(place.root):
            if path not in files:
                with open(path, "rb") as file:
                    assert secret.encode() not in file.read(), path


# ---- exec ---------------------------------------------------------------------------


def script(place, text, name="page"):
    return place.write(name + ".sh", "#!/bin/sh\n" + text, 0o755)


def test_a_command_knows_what_is_documented_and_nothing_else(place):
    out = place.path("env")
    word = "$(touch " + place.path("shell") + "); ${HOME} *"
    place.add_table("sink", name="page", type="exec", command=[
        script(place, f"env -0 > {out}.new; pwd > {place.path('pwd')}; id -u > {place.path('id')}; "
               f"cat > {place.path('stdin')}; printf %s \"$*\" > {place.path('words')}; "
               f"ls /proc/self/fd > {place.path('fds')}; mv {out}.new {out}\n"), word])
    with Daemon(place, env={"SECRET_OF_THE_DAEMON": "x", "LD_PRELOAD": "", "PATH": "/nowhere"}) \
            as daemon, daemon.rest() as rest:
        rest.add(soon(days=0.5), label="dev")
        wait.until(lambda: os.path.exists(out), "the command", 60)
        alert = alerts(rest)[0]

    def read(name):
        with open(place.path(name), encoding="utf-8") as file:
            return file.read()
    variables = dict(line.split("=", 1) for line in read("env").split("\0") if line)
    ours = {name: value for name, value in variables.items() if name.startswith("TRUSTD_")}
    told = json.loads(ours.pop("TRUSTD_JSON"))
    assert told["notices"][0]["alert"]["id"] == alert["id"]
    assert ours.pop("TRUSTD_DELIVERY") == told["id"]
    assert ours.pop("TRUSTD_SOURCE") == socket.gethostname()
    assert ours.pop("TRUSTD_TITLE") == alert["summary"]
    assert alert["summary"] in ours.pop("TRUSTD_TEXT")
    assert ours == {
        "TRUSTD_SINK": "page", "TRUSTD_TEST": "0", "TRUSTD_COUNT": "1", "TRUSTD_WHAT": "raised",
        "TRUSTD_SEVERITY": "critical", "TRUSTD_ALERT": str(alert["id"]),
        "TRUSTD_KIND": "expiring", "TRUSTD_TARGET": "dev", "TRUSTD_THRESHOLD": "1d",
        "TRUSTD_FINGERPRINT": alert["fingerprint"], "TRUSTD_ENDS_AT": alert["ends_at"],
        "TRUSTD_HINT": alert["hint"]}
    others = set(variables) - set(ours) - {
        "TRUSTD_JSON", "TRUSTD_DELIVERY", "TRUSTD_SOURCE", "TRUSTD_TITLE", "TRUSTD_TEXT"}
    assert others - {"PWD", "OLDPWD", "SHLVL", "_"} <= {  # those four are the shell's own
        "PATH", "LANG", "HOME", "USER", "LOGNAME", "SHELL", "XDG_RUNTIME_DIR",
        "DBUS_SESSION_BUS_ADDRESS"}
    assert variables["PATH"] != "/nowhere"
    assert read("words") == word and not os.path.exists(place.path("shell"))
    assert read("pwd") == "/\n" and read("stdin") == "" and int(read("id")) == os.geteuid()
    assert set(read("fds").split()) <= {"0", "1", "2", "3"}  # 3 is the directory that ls reads
    with open(os.environ["TRUST_SOURCE_DIR"] + "/docs/sinks.md", encoding="utf-8") as file:
        documented = file.read()
    for name in variables:
        assert f"`{name}`" in documented or name in ("PWD", "OLDPWD", "SHLVL", "_"), name


def test_a_command_that_fails_or_takes_too_long_is_a_failure(place):
    children = place.path("children")
    place.add_table("sink", name="fails", type="exec",
                    command=[script(place, "echo no such pager >&2; exit 3\n", "fails")])
    place.add_table("sink", name="hangs", type="exec", time_limit="1s", command=[
        script(place, f"sleep 1000 & echo $! > {children}; sleep 1000\n", "hangs")])
    with Daemon(place):
        result = place.ctl("alerts", "test", "fails")
        assert result.status == 1 and "no such pager" in result.err, str(result)
        assert "status 3" in result.err
        begun = time.monotonic()
        result = place.ctl("alerts", "test", "hangs")
        assert result.status == 1 and "1 s" in result.err, str(result)
        assert time.monotonic() - begun < 20
        with open(children, encoding="ascii") as file:
            child = int(file.read())

        def is_gone():
            try:
                with open(f"/proc/{child}/stat", encoding="ascii") as file:
                    return file.read().rsplit(")", 1)[1].split()[0] == "Z"
            except FileNotFoundError:
                return True
        wait.until(is_gone, "what the command left running to be killed")
        assert place.ctl("alerts", "test", "nobody").status == 5
