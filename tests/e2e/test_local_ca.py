"""The local CA: every program accepts what it signed for a permitted name, and none accepts what
its key signs for another; but Java, which ignores constraints of a CA that it trusts."""

import os
import shutil
import subprocess

import pytest

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from harness import clients, compiled, mint, need
from harness.servers import Tls

EMIT_PROGRAMS = os.path.join(os.environ["TRUST_SOURCE_DIR"], "tests/emit/programs")
PERMITTED = ("app.test", "deep.app.test")
OTHERS = ("app.example", "test.example.com", "apptest")
ENFORCE = ("requests", "urllib", "curl", "openssl", "wget", "node", "go", "chromium")
IGNORES = ("java",)  # tests/e2e shows it, docs/identities.md says it


class Files:
    """A pair that trustctl made, for harness.servers."""

    def __init__(self, directory):
        self.directory = directory

    def write(self, *_):
        return self.directory + "/cert.pem", self.directory + "/key.pem"


@pytest.fixture
def ca(place, daemon):
    place.done("ca", "init", "--permit", "**.test", "--permit", "127.0.0.0/8")
    directory = place.state + "/keys/local-ca"
    with open(directory + "/cert.pem", "rb") as file:
        certificate = x509.load_pem_x509_certificate(file.read())
    with open(directory + "/key.pem", "rb") as file:
        key = serialization.load_pem_private_key(file.read(), None)
    return mint.Minted(certificate, key)


def go(place, url, hosts):
    result = place.exec("trustctl", "run", "--", compiled.go("fetch", EMIT_PROGRAMS), url,
                        hosts=hosts)
    if result.status == 0 and "200" in result.out:
        return clients.SERVED
    assert "x509:" in result.out, str(result)
    return clients.REFUSED


def chromium(place, url, hosts):
    """With a certificate database of the test's own home, as the browser has it."""
    program = need.program("chromium")
    certutil = need.program("certutil", "libnss3-tools")
    database = os.path.join(place.home, ".pki/nssdb")
    if not os.path.exists(database):
        os.makedirs(database)
        anchor = place.done("path", "local-ca").out.strip()
        for command in (["-N", "--empty-password"], ["-A", "-n", "local-ca", "-t", "C,,", "-i", anchor]):
            subprocess.run([certutil, *command, "-d", "sql:" + database], check=True, timeout=60,
                           capture_output=True)
    profile = place.path("chromium")
    shutil.rmtree(profile, ignore_errors=True)
    rules = ",".join(f"MAP {host} {address}" for host, address in hosts.items())
    result = place.exec(
        program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--disable-dev-shm-usage", "--no-proxy-server", "--user-data-dir=" + profile,
        *(["--host-resolver-rules=" + rules] if rules else []), "--timeout=60000", "--dump-dom", url,
        timeout_s=180)
    if "<pre" in result.out and "served" in result.out:
        return clients.SERVED
    assert "ERR_CERT" in result.out + result.err or "CERT_" in result.out + result.err, str(result)
    return clients.REFUSED


def fetched(place, program, url, hosts):
    if program == "go":
        return go(place, url, hosts)
    if program == "chromium":
        return chromium(place, url, hosts)
    return clients.fetch(place, program, url, hosts=hosts)


@pytest.mark.parametrize("program", ENFORCE + IGNORES)
def test_permitted_names_are_served(place, ca, program):
    place.done("new", *PERMITTED, "127.0.0.1", "--from-ca", "--out", place.path("pair"))
    with Tls(place, Files(place.path("pair"))) as server:
        for host in PERMITTED:
            url = f"https://{host}:{server.port}/"
            assert fetched(place, program, url, {host: "127.0.0.1"}) == clients.SERVED
        assert fetched(place, program, f"https://127.0.0.1:{server.port}/", {}) == clients.SERVED


@pytest.mark.parametrize("program", ["requests", "curl", "node", "go", "chromium"])
def test_an_address_alone_is_served(place, ca, program):
    """Without a name there is no CN, which some would compare with the constraints."""
    place.done("new", "127.0.0.1", "--from-ca", "--out", place.path("pair"))
    with Tls(place, Files(place.path("pair"))) as server:
        assert fetched(place, program, f"https://127.0.0.1:{server.port}/", {}) == clients.SERVED


@pytest.mark.parametrize("program", ENFORCE)
def test_another_name_is_refused_even_if_the_key_is_stolen(place, ca, program):
    for host in OTHERS:
        with Tls(place, mint.server(ca, host)) as server:
            url = f"https://{host}:{server.port}/"
            assert fetched(place, program, url, {host: "127.0.0.1"}) == clients.REFUSED, host
            assert not server.served
    # One good name does not help another.
    with Tls(place, mint.server(ca, "app.test", "app.example")) as server:
        url = f"https://app.example:{server.port}/"
        assert fetched(place, program, url, {"app.example": "127.0.0.1"}) == clients.REFUSED


@pytest.mark.parametrize("program", [program for program in ENFORCE if program != "chromium"])
def test_another_address_is_refused(place, daemon, program):
    """With a CA for names alone, no address is anybody's."""
    place.done("ca", "init", "--permit", "**.test")
    directory = place.state + "/keys/local-ca"
    with open(directory + "/cert.pem", "rb") as file:
        certificate = x509.load_pem_x509_certificate(file.read())
    with open(directory + "/key.pem", "rb") as file:
        key = serialization.load_pem_private_key(file.read(), None)
    ca = mint.Minted(certificate, key)
    with Tls(place, mint.server(ca, "127.0.0.1", subject="app.test")) as server:
        url = f"https://127.0.0.1:{server.port}/"
        assert fetched(place, program, url, {}) == clients.REFUSED


@pytest.mark.parametrize("program", IGNORES)
def test_java_does_not_obey(place, ca, program):
    """The day this fails is a good one: then docs/identities.md has a sentence too many."""
    with Tls(place, mint.server(ca, "app.example")) as server:
        url = f"https://app.example:{server.port}/"
        assert fetched(place, program, url, {"app.example": "127.0.0.1"}) == clients.SERVED


def test_it_signs_nothing_else(place, ca):
    for name in ("app.example", "*.com", "10.0.0.1", "::1"):
        result = place.ctl("new", name, "--from-ca", "--out", place.path("out"))
        assert result.status == 7 and f"may not sign for {name}" in result.err, str(result)
        assert not os.path.exists(place.path("out/key.pem"))
    assert place.ctl("new", "a.test", "--from-ca", "--ca").status == 2


def test_there_is_one(place, ca):
    result = place.ctl("ca", "init", "--permit", "**.other")
    assert result.status == 7 and "trustctl ca show" in result.err, str(result)
    shown = place.done("ca", "show").out
    assert "**.test, 127.0.0.0/8" in shown and place.state + "/keys/local-ca/cert.pem" in shown


def test_without_one_it_says_how(place, daemon):
    for words in (["ca", "show"], ["new", "a.test", "--from-ca"]):
        result = place.ctl(*words)
        assert result.status == 5 and "trustctl ca init --permit '**.test'" in result.err
