"""The same of every language: what is trusted is reached, what is not is refused with a reason, and
the store's word holds in a process that runs."""

import time

import pytest

import driven
from harness import mint, wait
from server import Server, Silent


@pytest.fixture(params=driven.LANGUAGES, ids="in-{}".format)
def language(request):
    driven.command(request.param)
    return request.param


@pytest.fixture
def driver(place, trusted, language):
    with driven.Driver(place, language) as it:
        yield it


HOW = ("get", "pooled")


def served(driver, server, how="get"):
    said = driver.do(how, server)
    assert said["outcome"] == "served" and said["body"] == "served\n", said
    return said


def refused(driver, server, name, how="get"):
    said = driver.do(how, server)
    assert said["outcome"] == "refused", said
    assert said["name"] == name, said
    assert server.host in said["message"], said
    return said


@pytest.mark.parametrize("how", HOW)
def test_a_pinned_self_signed_server_is_reached_and_after_the_pin_changes_refused(
        driver, trusted, how):
    said = served(driver, trusted, how)
    if how == "get":
        assert said["fingerprint"] == trusted.minted.fingerprint
        assert said["tls"] == "TLSv1.3" and said["trusted"] is True and said["pinned"] is True

    trusted.pin_another(mint.self_signed("127.0.0.1").pin)
    driver.do("forget")
    time_of_refusal(driver, trusted, how, "TRUST_ERR_PIN_MISMATCH")
    said = refused(driver, trusted, "TRUST_ERR_PIN_MISMATCH", how)
    assert said["fingerprint"] == trusted.minted.fingerprint
    assert said["certificates"] == 1 and said["trusted"] is False
    # A person can act on it: the host, and what to type.
    assert "pin" in said["message"], said
    assert "trustctl" in said["hint"], said
    assert trusted.minted.fingerprint not in said["hint"], said

    trusted.pin_another(trusted.minted.pin)
    wait.until(lambda: driver.do(how, trusted)["outcome"] == "served", "to be served again", 2)


def time_of_refusal(driver, server, how, name):
    """What begins later than one second after the change is refused."""
    changed = time.monotonic()
    while True:
        began = time.monotonic()
        said = driver.do(how, server)
        if said["outcome"] == "refused":
            assert said["name"] == name, said
            return
        assert said["outcome"] == "served", said
        assert began <= changed + 1, f"served {began - changed:.2f} s after the change"


@pytest.mark.parametrize("how", HOW)
def test_distrust_takes_hold_in_a_running_process_within_a_second(
        place, driver, trusted, how):
    served(driver, trusted, how)
    before = trusted.connections
    second = served(driver, trusted, how)
    if how == "get":  # resumed connections too,
        assert second["resumed"] is True, second
    else:  # and pooled ones
        assert trusted.connections == before, "the connection was not used again"
    place.done("rm", f"server-{trusted.port}")
    place.done("distrust", place.write("server.pem", trusted.minted.pem))
    time_of_refusal(driver, trusted, how, "TRUST_ERR_DISTRUSTED")
    assert served_requests_stay(driver, trusted, how)


def served_requests_stay(driver, server, how):
    """Nothing more reaches the server."""
    before = len(server.requests)
    for _ in range(3):
        refused(driver, server, "TRUST_ERR_DISTRUSTED", how)
    return len(server.requests) == before


@pytest.mark.parametrize("how", HOW)
def test_what_was_removed_is_refused_in_a_running_process(place, driver, trusted, how):
    served(driver, trusted, how)
    place.done("rm", f"server-{trusted.port}")
    time_of_refusal(driver, trusted, how, "TRUST_ERR_SELF_SIGNED")


def test_a_daemon_that_is_down_changes_nothing(place, daemon, driver, trusted, language):
    served(driver, trusted)
    daemon.stop()
    for how in HOW:
        served(driver, trusted, how)
    with driven.Driver(place, language) as another:
        served(another, trusted)
        with Server(place, mint.self_signed("127.0.0.1")) as other:
            refused(another, other, "TRUST_ERR_SELF_SIGNED")


def test_a_changed_certificate_is_refused(driver, trusted):
    served(driver, trusted)
    trusted.present(mint.self_signed("127.0.0.1"))
    trusted.drop_all()
    for how in HOW:
        refused(driver, trusted, "TRUST_ERR_SELF_SIGNED", how)


def test_a_pin_of_the_programs_own_narrows(driver, trusted):
    assert driver.do("pinned", trusted, trusted.minted.pin)["outcome"] == "served"
    said = driver.do("pinned", trusted, mint.self_signed("x").pin)
    assert said["outcome"] == "refused" and said["name"] == "TRUST_ERR_PIN_MISMATCH", said


def test_an_end_is_told_from_a_truncation(driver, trusted):
    said = driver.do("read", trusted, "eof", 300_000)
    assert said == {"outcome": "served", "bytes": 300_000}
    said = driver.do("read", trusted, "truncate", 300_000)
    assert said["outcome"] == "failed" and said["name"] == "TRUST_ERR_TRUNCATED", said
    assert trusted.host in said["message"], said
    # Where the language has a word of its own for it, it is that.
    assert said.get("unexpected_eof", True) and said.get("truncated", True), said


def test_many_bytes_go_both_ways_at_once(driver, trusted):
    length = 16 * 1024 * 1024
    said = driver.do("echo", trusted, length)
    assert said == {"outcome": "served", "bytes": length, "equal": True}
    wait.until(lambda: trusted.endings, "the client to say goodbye")
    assert trusted.endings[-1] == "closed"


def test_many_at_once(driver, trusted):
    said = driver.do("parallel", trusted, 50)
    assert said == {"outcome": "served", "count": 50}


def test_a_read_is_cancelled(driver, trusted):
    said = driver.do("cancel", trusted)
    assert said["outcome"] == "failed" and said["name"] == "TRUST_ERR_CANCELLED", said


def test_silence_ends_a_read(driver, trusted):
    said = driver.do("timeout", trusted, 300)
    assert said["name"] == "TRUST_ERR_TIMEOUT", said
    assert 290 <= said["ms"] < 5000, said


def test_a_silent_server_ends_connecting(driver):
    with Silent() as silent:
        said = driver.do("connect-timeout", silent, 300)
    assert said["outcome"] == "failed" and said["name"] == "TRUST_ERR_TIMEOUT", said
    assert 290 <= said["ms"] < 5000 and silent.host in said["message"], said


def test_nobody_there_is_said(driver):
    with Silent() as silent:
        pass
    said = driver.do("get", silent)
    assert said["outcome"] == "failed" and said["name"] == "TRUST_ERR_CONNECT", said
    assert silent.host in said["message"], said


def test_no_descriptor_is_left_open(driver, trusted):
    def everything():
        for name, *more in (("get",), ("pooled",), ("read", "truncate", 1000), ("cancel",),
                            ("timeout", 50), ("echo", 100_000), ("parallel", 10)):
            driver.do(name, trusted, *more)
        driver.do("pinned", trusted, mint.self_signed("x").pin)  # refused
        driver.do("forget")
        return driver.do("fds")["count"]
    first = everything()

    def as_few():
        return driver.do("fds")["count"] <= first
    for _ in range(3):
        everything()
        wait.until(as_few, f"no more than {first} descriptors", 10)
