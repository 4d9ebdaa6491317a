"""Shadow anchors in the hands of the programs that are to obey them: what the scope names is
served, what else the CA signed is refused. Java obeys no constraint of an anchor, and it is said
here so that it is noticed the day it does."""

import os

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from emitted import PROGRAMS, REFUSED, SERVED
from harness import mint, need, servers

IN_SCOPE = "api.corp.test"
BELOW = "v2.api.corp.test"  # constraints know suffixes only; `wider_by` says so
OUTSIDE = "www.corp.test"


def by_openssl(_, url, anchors):
    address = url.split("/")[2]
    host = address.rsplit(":", 1)[0]
    check = ["-verify_ip", host] if host[0].isdigit() else ["-verify_hostname", host]
    # It sends nothing by itself: what stands on its standard input is the request.
    return ([need.program("openssl"), "s_client", "-connect", address, "-quiet", "-CAfile", anchors,
             "-no-CApath", "-no-CAstore", "-verify_return_error", *check], {})


def by_curl(_, url, anchors):
    return [need.program("curl"), "-sS", "--cacert", anchors, "--capath", "/nowhere", url], {}


def by_wget(_, url, anchors):
    return [need.program("wget"), "-nv", "-O-", "--tries=1", "--ca-certificate", anchors,
            "--ca-directory", "/nowhere", url], {}


def by_requests(_, url, anchors):
    return (["/usr/bin/python3", os.path.join(PROGRAMS, "fetch.py"), "requests", url],
            {"REQUESTS_CA_BUNDLE": anchors})


def by_urllib(_, url, anchors):
    return (["/usr/bin/python3", os.path.join(PROGRAMS, "fetch.py"), "urllib", url],
            {"SSL_CERT_FILE": anchors, "SSL_CERT_DIR": "/nowhere"})


def by_node(_, url, anchors):
    return ([need.program("node", "nodejs"), os.path.join(PROGRAMS, "fetch.js"), url],
            {"NODE_EXTRA_CA_CERTS": anchors})


def by_go(bench, url, anchors):
    return [*bench.compiled_go(), url], {"SSL_CERT_FILE": anchors, "SSL_CERT_DIR": "/nowhere"}


def by_gnutls(_, url, anchors):
    host, port = url.split("/")[2].rsplit(":", 1)
    return ([need.program("gnutls-cli", "gnutls-bin"), "--x509cafile", anchors, "--port", port, host],
            {})


def by_java(bench, url, anchors):
    with open(anchors, "rb") as file:
        text = file.read()
    store = bench.write("java.p12", bench.probe("truststore", bench.write("anchor.pem", text)))
    return ([bench.compiled_java()[0], f"-Djavax.net.ssl.trustStore={store}",
             "-Djavax.net.ssl.trustStorePassword=changeit", *bench.compiled_java()[1:], "Fetch",
             url], {})


READERS = {name[3:]: function for name, function in sorted(globals().items())
           if name.startswith("by_")}
OBEYS = [name for name in READERS if name != "java"]
# These need a path to a self-signed certificate, and refuse an intermediate for an anchor.
WITHOUT_PARTIAL_CHAINS = ("openssl", "requests", "urllib", "node")
KEYS = {
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}
REQUEST = b"GET / HTTP/1.0\r\n\r\n"


@pytest.fixture(scope="module", params=list(READERS))
def reader(request):
    return request.param


def fetch(bench, reader, server, host, anchors):
    """What comes of fetching from the server under that name, with these anchors alone."""
    url = f"https://{host}:{server.port}/"
    command, env = READERS[reader](bench, url, bench.write("anchors.pem", anchors))
    hosts = bench.hosts(IN_SCOPE, BELOW, OUTSIDE)
    return bench.fetched(server, bench.run(*command, env=env, mounts=hosts, stdin=REQUEST))


def authority(key="p256"):
    return mint.authority("Private Root", key=KEYS[key]())


@pytest.mark.parametrize("key", ["p256", "rsa"])
def test_names(shared_bench, reader, key):
    bench = shared_bench
    ca = authority(key)
    shadow = bench.shadow(ca, IN_SCOPE)
    both = mint.server(ca, IN_SCOPE, OUTSIDE)
    with servers.Tls(bench, mint.server(ca, IN_SCOPE)) as right, \
         servers.Tls(bench, mint.server(ca, BELOW)) as below, \
         servers.Tls(bench, mint.server(ca, OUTSIDE)) as outside, \
         servers.Tls(bench, both) as mixed, \
         servers.Tls(bench, mint.server(ca, "127.0.0.1")) as address:
        assert fetch(bench, reader, right, IN_SCOPE, ca.pem) == SERVED
        assert fetch(bench, reader, outside, OUTSIDE, ca.pem) == SERVED
        assert fetch(bench, reader, address, "127.0.0.1", ca.pem) == SERVED
        assert fetch(bench, reader, right, IN_SCOPE, shadow) == SERVED
        assert fetch(bench, reader, below, BELOW, shadow) == SERVED
        obeyed = REFUSED if reader in OBEYS else SERVED
        assert fetch(bench, reader, outside, OUTSIDE, shadow) == obeyed
        assert fetch(bench, reader, address, "127.0.0.1", shadow) == obeyed
        # Every name of a certificate has to be in the scope, not only the one that is asked for.
        assert fetch(bench, reader, mixed, IN_SCOPE, shadow) == obeyed


def test_addresses(shared_bench, reader):
    bench = shared_bench
    ca = authority()
    shadow = bench.shadow(ca, "127.0.0.0/8")
    other = bench.shadow(ca, "10.0.0.0/8", "::/0")
    with servers.Tls(bench, mint.server(ca, "127.0.0.1")) as address, \
         servers.Tls(bench, mint.server(ca, IN_SCOPE)) as name:
        assert fetch(bench, reader, address, "127.0.0.1", shadow) == SERVED
        obeyed = REFUSED if reader in OBEYS else SERVED
        assert fetch(bench, reader, name, IN_SCOPE, shadow) == obeyed
        assert fetch(bench, reader, address, "127.0.0.1", other) == obeyed


def test_names_and_addresses(shared_bench, reader):
    bench = shared_bench
    ca = authority("rsa")
    shadow = bench.shadow(ca, "**.corp.test", "127.0.0.1")
    with servers.Tls(bench, mint.server(ca, OUTSIDE, "127.0.0.1")) as server, \
         servers.Tls(bench, mint.server(ca, "127.0.0.1", "127.0.0.2")) as more:
        assert fetch(bench, reader, server, OUTSIDE, shadow) == SERVED
        assert fetch(bench, reader, server, "127.0.0.1", shadow) == SERVED
        assert fetch(bench, reader, more, "127.0.0.1",
                     shadow) == (REFUSED if reader in OBEYS else SERVED)


@pytest.mark.parametrize("scope", [(), (IN_SCOPE,)], ids=["unscoped", "scoped"])
def test_an_intermediate_as_anchor(shared_bench, reader, scope):
    bench = shared_bench
    root = authority("rsa")
    between = mint.intermediate(root, key=KEYS["p256"]())
    leaf = mint.server(between, IN_SCOPE)
    shadow = bench.shadow(between, *scope)
    for presented in (leaf, leaf.presenting(between), leaf.presenting(between, root)):
        with servers.Tls(bench, presented) as server:
            assert fetch(bench, reader, server, IN_SCOPE, shadow) == SERVED
            if reader in WITHOUT_PARTIAL_CHAINS:
                assert fetch(bench, reader, server, IN_SCOPE, between.pem) == REFUSED
    with servers.Tls(bench, mint.server(between, OUTSIDE).presenting(between)) as outside:
        expected = REFUSED if scope and reader in OBEYS else SERVED
        assert fetch(bench, reader, outside, OUTSIDE, shadow) == expected


def test_a_common_name_is_no_way_around(shared_bench, reader):
    """A certificate without names whose CN looks like one, under a scope that excludes it."""
    bench = shared_bench
    ca = authority()
    for_names = bench.shadow(ca, IN_SCOPE)
    for_addresses = bench.shadow(ca, "10.0.0.0/8")
    with servers.Tls(bench, mint.mint("127.0.0.1", issuer=ca)) as address, \
         servers.Tls(bench, mint.mint(OUTSIDE, issuer=ca)) as name:
        if reader in OBEYS:
            assert fetch(bench, reader, address, "127.0.0.1", for_names) == REFUSED
            assert fetch(bench, reader, name, OUTSIDE, for_names) == REFUSED
            assert fetch(bench, reader, name, OUTSIDE, for_addresses) == REFUSED


@pytest.mark.parametrize("key", list(KEYS))
def test_openssl_verify(bench, key):
    openssl = need.program("openssl")
    bench.write("key.pem", mint.Minted(None, KEYS[key]()).key_pem)
    bench.done(openssl, "req", "-x509", "-key", bench.path("key.pem"), "-subj", "/CN=Private Root",
               "-days", "30", "-addext", "keyUsage=critical,keyCertSign", "-out", bench.path("ca.pem"))
    bench.write("shadow.pem", bench.probe("shadow", bench.path("ca.pem"), f"**.{IN_SCOPE}"))
    for name, accepted in ((BELOW, True), (OUTSIDE, False)):
        bench.write("leaf.key", mint.Minted(None, KEYS["p256"]()).key_pem)
        bench.done(openssl, "req", "-new", "-key", bench.path("leaf.key"), "-subj", "/CN=leaf",
                   "-addext", f"subjectAltName=DNS:{name}", "-out", bench.path("leaf.csr"))
        bench.done(openssl, "x509", "-req", "-in", bench.path("leaf.csr"), "-days", "20", "-CA",
                   bench.path("ca.pem"), "-CAkey", bench.path("key.pem"), "-copy_extensions",
                   "copyall", "-out", bench.path("leaf.pem"))
        for strict in ([], ["-x509_strict"]):
            ran = bench.run(openssl, "verify", "-no-CApath", "-no-CAstore", *strict, "-CAfile",
                            bench.path("shadow.pem"), bench.path("leaf.pem"))
            said = ran.out + ran.err
            if accepted:
                assert ran.status == 0, str(ran)
            else:
                assert ran.status != 0 and "permitted subtree violation" in said, str(ran)
    ran = bench.done(openssl, "verify", "-partial_chain", "-no-CApath", "-no-CAstore", "-CAfile",
                     bench.path("shadow.pem"), bench.path("shadow.pem"))
    assert "OK" in ran.out


@pytest.mark.parametrize("scope, names, accepted", [
    ((IN_SCOPE,), (IN_SCOPE,), True),
    ((IN_SCOPE,), (OUTSIDE,), False),
    ((IN_SCOPE,), ("127.0.0.1",), False),
    (("127.0.0.1",), ("127.0.0.1",), True),
    (("127.0.0.0/8",), ("127.0.0.1",), True),
    (("127.0.0.0/8",), (IN_SCOPE,), False),
    (("10.0.0.0/8",), ("127.0.0.1",), False),
    ((IN_SCOPE, "127.0.0.1"), (IN_SCOPE, "127.0.0.1"), True),
])
def test_nss(bench, scope, names, accepted):
    certutil = need.program("certutil", "libnss3-tools")
    ca = authority("rsa")
    bench.write("shadow.pem", bench.shadow(ca, *scope))
    bench.write("leaf.pem", mint.server(ca, *names).pem)
    bench.write("db/empty", "")
    database = ["-d", bench.path("db")]
    bench.done(certutil, "-N", *database, "--empty-password")
    bench.done(certutil, "-A", *database, "-n", "anchor", "-t", "C,,", "-a", "-i",
               bench.path("shadow.pem"))
    bench.done(certutil, "-A", *database, "-n", "leaf", "-t", ",,", "-a", "-i",
               bench.path("leaf.pem"))
    ran = bench.run(certutil, "-V", *database, "-n", "leaf", "-u", "V", "-e")
    assert (ran.status == 0) == accepted, str(ran)
    assert accepted or "not permitted to issue" in ran.out + ran.err, str(ran)
