"""truststore.p12 in the hands of its readers."""

import re

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from emitted import REFUSED, SERVED
from harness import mint, need, servers

PASSWORD = "changeit"


def store_of(bench, **minted):
    """A trust store with these certificates, their aliases the names."""
    paths = [bench.write(f"{alias}.pem", one.pem) for alias, one in minted.items()]
    return bench.write("truststore.p12", bench.probe("truststore", *paths))


@pytest.fixture
def three():
    return {"one": mint.authority("One"), "two": mint.self_signed("127.0.0.1"),
            "three": mint.authority("Three", key=rsa.generate_private_key(65537, 2048))}


def test_keytool_lists_every_alias_with_its_certificate(bench, three):
    keytool = need.program("keytool", "default-jre-headless")
    store = store_of(bench, **three)
    ran = bench.done(keytool, "-list", "-keystore", store, "-storepass", PASSWORD)
    assert "contains 3 entries" in ran.out, str(ran)
    for alias, minted in three.items():
        at = ran.out.index(f"{alias}, ")
        entry = ran.out[at:].splitlines()
        assert "trustedCertEntry" in entry[0]
        assert entry[1].split(": ", 1)[1].replace(":", "").lower() == minted.fingerprint


def test_keytool_verifies_the_mac(bench, three):
    keytool = need.program("keytool", "default-jre-headless")
    store = store_of(bench, **three)
    wrong = bench.run(keytool, "-list", "-keystore", store, "-storepass", "wrong-one")
    assert wrong.status != 0 and "Integrity check failed" in wrong.out, str(wrong)


def test_of_nothing_is_an_empty_store(bench):
    keytool = need.program("keytool", "default-jre-headless")
    ran = bench.done(keytool, "-list", "-keystore", store_of(bench), "-storepass", PASSWORD)
    assert "contains 0 entries" in ran.out, str(ran)


def test_openssl_reads_it(bench, three):
    openssl = need.program("openssl")
    ran = bench.done(openssl, "pkcs12", "-info", "-nokeys", "-passin", f"pass:{PASSWORD}", "-in",
                     store_of(bench, **three))
    assert ran.out.count("BEGIN CERTIFICATE") == 3
    assert sorted(re.findall(r"friendlyName: (\S+)", ran.out)) == ["one", "three", "two"]
    assert ran.out.count("2.16.840.1.113894.746875.1.1") == 3
    assert "MAC: sha256" in ran.err
    refused = bench.run(openssl, "pkcs12", "-nokeys", "-passin", "pass:wrong", "-in",
                        bench.path("truststore.p12"))
    assert refused.status != 0


def test_gnutls_reads_it(bench, three):
    certtool = need.program("certtool", "gnutls-bin")
    ran = bench.done(certtool, "--p12-info", "--inder", "--password", PASSWORD, "--infile",
                     store_of(bench, **three))
    assert ran.out.count("BEGIN CERTIFICATE") == 3, str(ran)


def test_openssl_finds_a_flipped_bit(bench, three):
    openssl = need.program("openssl")
    with open(store_of(bench, **three), "rb") as file:
        whole = bytearray(file.read())
    whole[len(whole) // 2] ^= 1
    ran = bench.run(openssl, "pkcs12", "-nokeys", "-passin", f"pass:{PASSWORD}", "-in",
                    bench.write("damaged.p12", bytes(whole)))
    assert ran.status != 0


def test_java_connects_with_it_and_only_with_what_is_in_it(bench, three):
    java = bench.compiled_java()
    root = mint.authority("Private Root")
    store = store_of(bench, root=root, **three)
    told = [f"-Djavax.net.ssl.trustStore={store}", "-Djavax.net.ssl.trustStoreType=PKCS12",
            f"-Djavax.net.ssl.trustStorePassword={PASSWORD}"]

    def fetch(server, *options):
        ran = bench.run(java[0], *options, *java[1:], "Fetch", f"https://127.0.0.1:{server.port}/")
        return bench.fetched(server, ran)

    with servers.Tls(bench, mint.server(root, "127.0.0.1")) as private, \
         servers.Tls(bench, three["two"]) as self_signed, \
         servers.Tls(bench, mint.self_signed("127.0.0.1")) as other:
        for server in (private, self_signed):
            assert fetch(server) == REFUSED
            assert fetch(server, *told) == SERVED
        assert fetch(other, *told) == REFUSED


def test_ten_thousand_certificates(bench):
    keytool = need.program("keytool", "default-jre-headless")
    path = bench.write("one.pem", mint.authority("One").pem)
    store = bench.write("many.p12", bench.probe("many", 10_000, path))
    ran = bench.done(keytool, "-list", "-keystore", store, "-storepass", PASSWORD)
    assert "contains 10,000 entries" in ran.out, ran.out[:300]


def test_is_the_same_each_time(bench, three):
    paths = [bench.write(f"{alias}.pem", one.pem) for alias, one in three.items()]
    assert bench.probe("truststore", *paths) == bench.probe("truststore", *paths)
