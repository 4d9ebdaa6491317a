"""Watches and alerts: what ends, servers that change, files that are replaced."""

import datetime
import json
import os
import shutil
import subprocess
import tempfile

import pytest

from harness import mint, need, servers, wait
from harness.daemon import Daemon
from harness.place import TRUSTD
from test_peers import ctl_as, as_user, shared, MEMBER, TRUST_GID  # noqa: F401 (a fixture)


def alerts(rest, everything=False, **wanted):
    found = rest.all("/v1/alerts", "alerts", **({"all": "true"} if everything else {}))
    return [alert for alert in found
            if all(alert[key] == value for key, value in wanted.items())]


def watch(rest, target):
    found = [one for one in rest.all("/v1/watches", "watches") if one["target"] == target]
    return found[0] if found else None


def seconds(number):
    return datetime.timedelta(seconds=number)


def test_each_threshold_is_told_once_through_kills(place):
    """A certificate of a few seconds; the daemon is killed after each alert."""
    place.configure(expiry={"thresholds": ["8s", "5s", "0"]})
    one = mint.self_signed("short.test", not_before=mint.now() - seconds(100),
                           not_after=mint.now() + seconds(12))
    with Daemon(place) as daemon, daemon.rest() as rest:
        rest.add(one, label="short")
        assert not alerts(rest, target="short")
        daemon.kill()
    for threshold, kind in (("8s", "expiring"), ("5s", "expiring"), ("0", "expired")):
        daemon = Daemon(place).start()
        with daemon.rest() as rest:
            wait.until(lambda: alerts(rest, True, target="short", threshold=threshold),
                       f"the alert {threshold}", 30)
            found = alerts(rest, True, target="short", threshold=threshold)
            assert [alert["kind"] for alert in found] == [kind], found
        daemon.kill()
    with Daemon(place) as daemon, daemon.rest() as rest:
        found = alerts(rest, True, target="short")
        assert [alert["threshold"] for alert in found] == ["0", "5s", "8s"]
        assert [alert["state"] for alert in found] == ["open", "resolved", "resolved"]
        newest = found[0]
        assert newest["labels"] == ["short"] and newest["severity"] == "critical"
        assert "short.test" in newest["hosts"]
        assert os.path.join(place.public, "current", "bundle.pem") in newest["files"]
        for file in newest["files"]:
            assert os.path.exists(file), file
        place.done("rm", "short")
        wait.until(lambda: not alerts(rest, target="short"), "the alert to resolve")


def test_acknowledged_alerts_are_silent_until_they_say_so(place):
    place.configure(expiry={"thresholds": ["30d", "0"]})
    one = mint.self_signed("soon.test", not_before=mint.now() - seconds(300 * 86400),
                           not_after=mint.now() + seconds(86400))
    with Daemon(place) as daemon, daemon.rest() as rest:
        rest.add(one, label="soon")
        alert = wait.until(lambda: alerts(rest, target="soon"), "the alert")[0]
        assert alert["threshold"] == "30d" and alert["kind"] == "expiring"
        result = place.done("alerts")
        assert "soon" in result.out and "expiring" in result.out
        assert place.ctl("alerts", "ack", "999999").status == 5
        assert place.ctl("alerts", "ack", "soon").status == 2
        done = json.loads(place.done("--json", "alerts", "ack", str(alert["id"]), "--for", "2s",
                                     "--reason", "on it").out)
        assert done["alert"]["state"] == "acknowledged"
        record = rest.all("/v1/audit", "audit")[0]
        assert record["action"] == "acknowledge" and record["reason"] == "on it"
        assert record["before"] == record["after"]
        assert rest.get("/v1/audit", query={"verify": "true"})["verified"] is True
        wait.until(lambda: alerts(rest, target="soon", state="open"), "the reminder", 30)
        week = json.loads(place.done("--json", "alerts", "ack", str(alert["id"]), "--for", "7d").out)
        until = datetime.datetime.strptime(week["alert"]["acknowledged_until"], "%Y-%m-%dT%H:%M:%SZ")
        assert abs(until - mint.now() - seconds(7 * 86400)) < seconds(300)
        place.done("alerts", "ack", str(alert["id"]))
        assert alerts(rest, target="soon", state="acknowledged")
        assert "acknowledged" in place.done("alerts").out


def test_a_server_that_changes_is_classified(place):
    other = mint.authority("Other Root")
    with Daemon(place) as daemon, daemon.rest() as rest:
        rest.add(other, label="other", trust="root")
        ip = "127.0.0.1"
        first = mint.self_signed(ip)
        public = mint.server(place.base_root, ip)
        states = [
            ("self_signed_to_public", public, "info"),
            ("same_key", mint.server(place.base_root, ip, key=public.key), "info"),
            ("same_ca", mint.server(place.base_root, ip), "info"),
            ("other_ca", mint.server(other, ip), "warning"),
            ("other_ca", mint.server(place.base_root, ip), "warning"),
            ("public_to_unknown", mint.self_signed(ip), "critical"),
        ]
        with servers.Tls(place, first) as server:
            place.done("watch", "add", server.at)

            def shows(minted):
                return (watch(rest, server.at) or {}).get("fingerprint") == minted.fingerprint
            wait.until(lambda: shows(first), "the first look")
            assert watch(rest, server.at)["history"][0]["succession"] == "first"
            assert not alerts(rest, kind="changed")
            for succession, minted, severity in states:
                server.present(place, minted)
                place.done("watch", "add", server.at)
                wait.until(lambda: shows(minted), succession)
                newest = watch(rest, server.at)["history"][0]
                assert newest["fingerprint"] == minted.fingerprint
                assert newest["succession"] == succession
                alert = alerts(rest, kind="changed")
                assert [one["severity"] for one in alert] == [severity], alert
                assert alert[0]["hosts"] == [server.at]
            assert watch(rest, server.at)["code"] != "ok"
            # What it presented before is no news, and one that stays and is trusted resolves it.
            server.present(place, public)
            for _ in range(2):
                seen = watch(rest, server.at)["looked_at"]
                place.done("watch", "add", server.at)
                wait.until(lambda: shows(public) and not watch(rest, server.at)["failures"]
                           and watch(rest, server.at)["looked_at"] >= seen, "the old one")
            wait.until(lambda: place.done("watch", "add", server.at) and
                       not alerts(rest, kind="changed"), "the alert to resolve")
            assert len(watch(rest, server.at)["history"]) == 7
            # its alert on what ends names the server
            assert watch(rest, server.at)["code"] == "ok"
        for _ in range(3):
            failures = watch(rest, server.at)["failures"]
            place.done("watch", "add", server.at)
            wait.until(lambda: watch(rest, server.at)["failures"] > failures, "a failure")
        alert = alerts(rest, kind="unreachable")[0]
        assert alert["target"] == server.at
        assert server.at in place.done("watch", "list").out
        place.done("watch", "rm", server.at)
        assert not alerts(rest, kind="unreachable")
        assert watch(rest, server.at) is None
        actions = [record["action"] for record in rest.all("/v1/audit", "audit")]
        assert "watch" in actions and "unwatch" in actions


def test_an_issuer_that_ends_first_counts_and_is_one_alert(place):
    """Two servers below one intermediate that ends tomorrow."""
    issuer = mint.intermediate(place.base_root, not_after=mint.now() + seconds(20 * 3600))
    both = [mint.server(issuer, "127.0.0.1").presenting(issuer) for _ in range(2)]
    with Daemon(place) as daemon, daemon.rest() as rest, \
            servers.Tls(place, both[0]) as one, servers.Tls(place, both[1]) as two:
        for server in (one, two):
            place.done("watch", "add", server.at)
        wait.until(lambda: all((watch(rest, at) or {}).get("code") == "ok"
                               for at in (one.at, two.at)), "both looks")
        wait.until(lambda: sorted(alerts(rest, kind="expiring")[0]["hosts"] or [])
                   == sorted([one.at, two.at]) if alerts(rest, kind="expiring") else None,
                   "both names")
        found = alerts(rest, True, kind="expiring")
        assert [alert["fingerprint"] for alert in found] == [issuer.fingerprint]
        assert found[0]["threshold"] == "1d"


def test_a_pin_that_does_not_match_is_seen_by_the_daemon_itself(place):
    good = mint.server(place.base_root, "127.0.0.1")
    with Daemon(place) as daemon, daemon.rest() as rest, servers.Tls(place, good) as server:
        wrong = mint.self_signed("x.test").pin
        rest.ok("POST", "/v1/pins", {"pattern": server.at, "pins": [wrong]})
        place.done("watch", "add", server.at)
        alert = wait.until(lambda: alerts(rest, kind="pin_mismatch"), "the alert")[0]
        assert alert["target"] == server.at and alert["severity"] == "critical"
        lone = wait.until(lambda: alerts(rest, kind="lock_out"), "no backup pin")[0]
        assert lone["hosts"] == [server.at] and lone["severity"] == "info"
        rest.ok("POST", "/v1/pins", {"pattern": server.at, "pins": [good.pin]})
        place.done("watch", "add", server.at)
        wait.until(lambda: not alerts(rest, kind="pin_mismatch"), "the alert to resolve")
        backup = mint.self_signed("y.test").pin
        rest.ok("POST", "/v1/pins", {"pattern": server.at, "pins": [backup], "role": "backup"})
        wait.until(lambda: not alerts(rest, kind="lock_out"), "the backup")


def test_every_pinned_key_that_ends_is_a_lock_out(place):
    soon = mint.self_signed("pinned.test", not_before=mint.now() - seconds(300 * 86400),
                            not_after=mint.now() + seconds(5 * 86400))
    with Daemon(place) as daemon, daemon.rest() as rest:
        rest.add(soon, label="pinned")
        rest.ok("POST", "/v1/pins", {"pattern": "pinned.test", "pins": [soon.pin]})
        wait.until(lambda: [one for one in alerts(rest, kind="lock_out") if one["threshold"] == "7d"],
                   "the lock-out")
        later = mint.self_signed("pinned.test", key=soon.key)
        rest.add(later, label="later")
        wait.until(lambda: not [one for one in alerts(rest, kind="lock_out") if one["threshold"]],
                   "the renewed certificate with the same key")


def test_addresses_that_are_never_dialled(rest):
    for address in ("169.254.169.254:80", "224.0.0.1:443", "0.0.0.0:443", "[fe80::1]:443",
                    "[::]:443", "[ff02::1]:443"):
        assert rest.post("/v1/watches", {"endpoint": address}).status == 400, address
    for body in ({}, {"endpoint": "a.test", "file": "/x"}, {"file": "x.pem"},
                 {"endpoint": "a.test", "command": "x"}):
        assert rest.post("/v1/watches", body).status == 400, body


# ---- files --------------------------------------------------------------------


@pytest.fixture(params=["disk", "tmpfs"])
def folder(request, place):
    if request.param == "disk":
        yield place.make("tls")
        return
    path = tempfile.mkdtemp(dir="/dev/shm")
    yield path
    shutil.rmtree(path)


def put(path, data):
    """Whole or not at all, as programs replace files."""
    with open(path + ".new", "wb") as file:
        file.write(data.encode() if isinstance(data, str) else data)
    os.rename(path + ".new", path)


def ends(rest, target, minted):
    found = watch(rest, target)
    wanted = minted.certificate.not_valid_after.strftime("%Y-%m-%dT%H:%M:%SZ")
    return found and found["state"] == "ok" and found["ends_at"] == wanted


def test_a_file_is_followed_through_replacement_and_links(place, rest, folder):
    far, near = (mint.self_signed("file.test", not_before=mint.now() - seconds(300 * 86400),
                                  not_after=mint.now() + seconds(days * 86400))
                 for days in (80, 5))
    path = os.path.join(folder, "server.pem")
    put(path, far.key_pem + far.pem)
    place.done("watch", "add", "server.pem", cwd=folder)  # a relative path is made absolute
    wait.until(lambda: ends(rest, path, far), "the first look")
    assert not alerts(rest, kind="expiring")
    put(path, near.pem)
    wait.until(lambda: ends(rest, path, near), "the replacement", 10)
    alert = wait.until(lambda: alerts(rest, kind="expiring"), "the alert")[0]
    assert alert["files"] == [path] and alert["threshold"] == "7d"
    # as a mounted volume is switched: the file is a link through a link that is renamed
    for name, minted in (("one", far), ("two", near)):
        os.mkdir(os.path.join(folder, name))
        put(os.path.join(folder, name, "server.pem"), minted.pem)
    os.symlink("one", os.path.join(folder, "..data"))
    os.symlink("..data/server.pem", path + ".link")
    os.rename(path + ".link", path)
    wait.until(lambda: ends(rest, path, far), "the link", 10)
    wait.until(lambda: not alerts(rest, kind="expiring"), "the alert to resolve")
    os.symlink("two", os.path.join(folder, "..new"))
    os.rename(os.path.join(folder, "..new"), os.path.join(folder, "..data"))
    wait.until(lambda: ends(rest, path, near), "the switched link", 10)
    os.unlink(path)
    wait.until(lambda: watch(rest, path)["state"] == "failing", "the file to be missed", 10)
    assert ends_still(rest, path, near)  # for a moment it may be missing
    put(path, far.pem)
    wait.until(lambda: ends(rest, path, far), "the file again", 10)


def ends_still(rest, target, minted):
    return watch(rest, target)["ends_at"] == \
        minted.certificate.not_valid_after.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_change_is_seen_where_the_kernel_tells_of_none(place):
    """As on a network's file system: a daemon without inotify looks by itself."""
    unshare = need.program("unshare", "util-linux")
    without = [unshare, "-Ur", "sh", "-c",
               'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"', "sh"]
    if subprocess.run([*without, "true"], capture_output=True, check=False).returncode != 0:
        need.skip("no user namespaces here")
    folder = place.make("tls")
    first, second = (mint.self_signed("file.test", not_before=mint.now() - seconds(300 * 86400),
                                      not_after=mint.now() + seconds(days * 86400))
                     for days in (80, 5))
    path = os.path.join(folder, "server.pem")
    put(path, first.pem)
    with Daemon(place, prefix=without) as daemon, daemon.rest() as rest:
        descriptors = os.listdir(f"/proc/{daemon.pid}/fd") if os.geteuid() == 0 else []
        assert not any("inotify" in os.readlink(f"/proc/{daemon.pid}/fd/{each}")
                       for each in descriptors), "the test would show nothing"
        for target in (path, folder):
            place.done("watch", "add", target)
        wait.until(lambda: ends(rest, path, first) and ends(rest, folder, first), "the first look")
        put(path, second.pem)
        wait.until(lambda: ends(rest, path, second) and ends(rest, folder, second), "the scan", 60)
        assert wait.until(lambda: alerts(rest, kind="expiring"), "the alert")[0]["files"] == [path]


def test_files_are_read_by_a_process_without_rights(place):
    """What the daemon starts for each file, held up before it has read all of its input."""
    process = subprocess.Popen([TRUSTD, "--decode-standard-input"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, env=place.environment)

    def status():
        with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
            return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    try:
        wait.until(lambda: status().get("Seccomp") == "2", "the filter of system calls")
        assert status()["NoNewPrivs"] == "1"
        assert int(status()["CapEff"], 16) == 0
        if os.geteuid() == 0:
            assert status()["Uid"].split() == ["65534"] * 4 and not status()["Groups"].strip()
        with open(f"/proc/{process.pid}/limits", encoding="ascii") as file:
            limits = {line[:26].strip(): line[26:].split()[0] for line in file}
        assert limits["Max file size"] == limits["Max processes"] == limits["Max core file size"] == "0"
        assert int(limits["Max open files"]) == 3 and int(limits["Max cpu time"]) <= 10
        assert int(limits["Max address space"]) <= 512 << 20
        one = mint.self_signed("apart.test")
        out, _ = process.communicate(one.pem.encode(), timeout=60)
        assert process.returncode == 0 and one.der in out
    finally:
        process.kill()
        process.wait()


def test_every_form_that_programs_keep_certificates_in(place, rest):
    keytool = need.program("keytool", "default-jre-headless")
    openssl = need.program("openssl")
    folder = place.make("forms")
    one = mint.self_signed("forms.test")
    certificate, key = one.write(place.root, "forms")

    def run(*command):
        subprocess.run(command, check=True, capture_output=True, timeout=120,
                       env=place.environment)
    at = {name: os.path.join(folder, name)
          for name in ("a.pem", "b.der", "c.p12", "d.jks", "e.p7b", "f.jks")}
    put(at["a.pem"], one.key_pem + one.pem)
    put(at["b.der"], one.der)
    run(openssl, "pkcs12", "-export", "-in", certificate, "-inkey", key, "-out", at["c.p12"],
        "-passout", "pass:changeit")
    run(keytool, "-importcert", "-noprompt", "-storetype", "JKS", "-alias", "one", "-file",
        certificate, "-keystore", at["d.jks"], "-storepass", "another-password")
    run(openssl, "crl2pkcs7", "-nocrl", "-certfile", certificate, "-out", at["e.p7b"])
    run(keytool, "-genkeypair", "-keyalg", "EC", "-storetype", "JKS", "-alias", "own", "-dname",
        "CN=own.test", "-startdate", "-300d", "-validity", "303", "-keystore", at["f.jks"],
        "-storepass", "changeit", "-keypass", "changeit")
    rest.ok("POST", "/v1/watches", {"directory": folder})
    found = wait.until(lambda: watch(rest, folder)["state"] == "ok" and watch(rest, folder), "it")
    assert found["certificates"] == 6, found
    assert {seen["fingerprint"] for seen in found["history"]} > {one.fingerprint}
    alert = wait.until(lambda: alerts(rest, kind="expiring"), "the key store's own")[0]
    assert alert["files"] == [at["f.jks"]]


def test_hostile_files_are_told_by_line_and_reason_alone(place, daemon, rest):
    folder = place.make("hostile")
    one = mint.self_signed("good.test")
    secret = "c2VjcmV0LW9mLW1pbmU"
    pem = one.pem.strip().split("\n")
    broken = "\n".join([*pem[:2], secret + "!!", *pem[3:]])
    bad = {
        "broken.pem": "text before\n" + broken + "\n" + one.pem,
        "cut.pem": one.pem[:200],
        "key.pem": one.key_pem,
        "empty.pem": b"",
        "text.pem": "password: " + secret,
        "random.p12": b"\x30\x82\xff\xff" + os.urandom(5000),
        "nested.der": b"\x30\x80" * 100_000,
        "bomb.jks": b"\xfe\xed\xfe\xed" + b"\x00\x00\x00\x02" + b"\xff\xff\xff\xff" * 4,
        "length.jks": b"\xfe\xed\xfe\xed" + b"\x00\x00\x00\x02" + b"\x00\x00\x00\x01"
                      + b"\x00\x00\x00\x02\x00\x01a" + b"\0" * 8 + b"\x00\x05X.509\xff\xff\xff\xff",
        "large.pem": b"A" * (9 << 20),
        "rounds.p12": rounds_p12(place, one),
    }
    for name, data in bad.items():
        put(os.path.join(folder, name), data)
    os.mkfifo(os.path.join(folder, "pipe.pem"))
    os.symlink("/dev/zero", os.path.join(folder, "zero.pem"))
    put(os.path.join(folder, "good.pem"), one.pem)
    rest.ok("POST", "/v1/watches", {"directory": folder})
    found = wait.until(lambda: watch(rest, folder)["state"] != "new" and watch(rest, folder),
                       "the look", 60)
    assert found["certificates"] == 2, found  # the good one, and what stands behind a broken one
    for name, data in bad.items():
        rest.ok("POST", "/v1/watches", {"file": os.path.join(folder, name)})
    for name in bad:
        path = os.path.join(folder, name)
        wait.until(lambda: watch(rest, path)["state"] != "new", name, 60)
        problem = watch(rest, path)["problem"]
        assert problem.startswith(path + ":"), problem
        assert secret not in problem and "\\x" not in problem, problem
    assert ":2: it is not base64" in watch(rest, os.path.join(folder, "broken.pem"))["problem"]
    text = daemon.log() + json.dumps(rest.all("/v1/alerts", "alerts", all="true"))
    assert secret not in text
    assert daemon.alive()


def rounds_p12(place, one):
    """A PKCS#12 whose key derivation would run for hours."""
    certificate, key = one.write(place.root, "rounds")
    path = place.path("rounds.p12")
    subprocess.run([need.program("openssl"), "pkcs12", "-export", "-in", certificate, "-inkey", key,
                    "-iter", "100000", "-out", path, "-passout", "pass:x"], check=True, timeout=120)
    with open(path, "rb") as file:
        data = file.read()
    return data.replace(b"\x02\x03\x01\x86\xa0", b"\x02\x03\x7f\xff\xff")


def test_paths_are_for_root_and_the_daemons_own_user(shared):  # noqa: F811
    place = shared.place
    member = as_user(MEMBER, groups=TRUST_GID)
    path = place.write("server.pem", mint.self_signed("member.test").pem)
    result = ctl_as(place, member, "watch", "add", path)
    assert result.status == 6, str(result)
    assert "root" in result.err
    assert ctl_as(place, member, "watch", "add", "localhost:1").status == 0
    assert ctl_as(place, member, "watch", "list").status == 0
    assert ctl_as(place, member, "alerts").status == 0
    nobody = as_user(65534)
    assert ctl_as(place, nobody, "alerts").status == 6
    assert ctl_as(place, nobody, "watch", "list").status == 6
    place.done("watch", "add", path)
