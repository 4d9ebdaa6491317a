"""trustctl new: what is in the certificates, as OpenSSL, GnuTLS, Go and the Baseline Requirements
read them, and how the files come about."""

import datetime
import json
import os
import stat
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from harness import compiled, need

KINDS = {"ecdsa-p256": "id-ecPublicKey", "rsa-2048": "rsaEncryption", "rsa-4096": "rsaEncryption",
         "ed25519": "ED25519"}
SIGNATURES = {"ecdsa-p256": "ecdsa-with-SHA384", "rsa-2048": "sha384WithRSAEncryption",
              "rsa-4096": "sha384WithRSAEncryption", "ed25519": "ED25519"}
NAMES = ("dev.test", "*.dev.test", "127.0.0.1", "::1")


def said(*command, **options):
    process = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False,
                             **options)
    assert process.returncode == 0, f"{command}: {process.stdout}{process.stderr}"
    return process.stdout


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def made(place, *arguments):
    out = place.path("made")
    answer = json.loads(place.done("new", *arguments, "--out", out, "--json").out)
    assert answer["key_path"] == out + "/key.pem", answer
    return answer


def loaded(path):
    with open(path, "rb") as file:
        return x509.load_pem_x509_certificate(file.read())


def key_of(path, password=None):
    with open(path, "rb") as file:
        return serialization.load_pem_private_key(file.read(), password)


def spki(key):
    return key.public_bytes(serialization.Encoding.DER,
                            serialization.PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("kind", KINDS)
def test_openssl_agrees(place, kind):
    answer = made(place, *NAMES, "--key", kind, "--digest", "sha384", "--days", "90")
    certificate = answer["certificate_path"]
    text = said("openssl", "x509", "-in", certificate, "-noout", "-text")
    for line in ("Version: 3 (0x2)", f"Public Key Algorithm: {KINDS[kind]}",
                 f"Signature Algorithm: {SIGNATURES[kind]}", "Subject: CN = dev.test",
                 "Issuer: CN = dev.test", "X509v3 Basic Constraints: critical", "CA:FALSE",
                 "X509v3 Key Usage: critical", "Digital Signature", "TLS Web Server Authentication",
                 "X509v3 Subject Key Identifier", "X509v3 Authority Key Identifier",
                 "DNS:dev.test, DNS:*.dev.test, IP Address:127.0.0.1, "
                 "IP Address:0:0:0:0:0:0:0:1"):
        assert line in text, f"{line} is not in {text}"
    assert ("Key Encipherment" in text) == kind.startswith("rsa")
    assert "Certificate Sign" not in text
    print_of = said("openssl", "x509", "-in", certificate, "-noout", "-fingerprint", "-sha256")
    assert print_of.split("=")[1].strip().replace(":", "").lower() == answer["fingerprint"]
    for host in (["-verify_hostname", "dev.test"], ["-verify_hostname", "a.dev.test"],
                 ["-verify_ip", "127.0.0.1"], ["-verify_ip", "::1"]):
        said("openssl", "verify", "-CAfile", certificate, "-x509_strict", "-purpose", "sslserver",
             *host, certificate)
    assert (said("openssl", "pkey", "-in", answer["key_path"], "-pubout")
            == said("openssl", "x509", "-in", certificate, "-noout", "-pubkey"))


@pytest.mark.parametrize("kind", KINDS)
def test_certtool_agrees(place, daemon, kind):
    """It does not take a certificate for its own issuer unless that is a CA: so what `--ca` makes
    verifies itself, and the local CA what it signed. The rest is read."""
    certtool = need.program("certtool", "gnutls-bin")

    def verify(anchor, certificate):
        said(certtool, "--verify", "--load-ca-certificate", anchor, "--infile", certificate,
             "--verify-hostname", "dev.test", "--verify-purpose", "1.3.6.1.5.5.7.3.1")
    certificate = made(place, *NAMES, "--key", kind)["certificate_path"]
    text = said(certtool, "--certificate-info", "--infile", certificate)
    for line in ("Version: 3", "DNSname: *.dev.test", "IPAddress: 127.0.0.1",
                 "Certificate Authority (CA): FALSE", "Key Purpose (not critical)",
                 "TLS WWW Server", "Digital signature", "Subject Key Identifier",
                 "Authority Key Identifier"):
        assert line in text, f"{line} is not in {text}"
    certificate = made(place, *NAMES, "--key", kind, "--ca", "--force")["certificate_path"]
    verify(certificate, certificate)
    place.done("ca", "init", "--permit", "dev.test", "--permit", "*.dev.test", "--permit",
               "127.0.0.1", "--permit", "::1")
    certificate = made(place, *NAMES, "--key", kind, "--from-ca", "--force")["certificate_path"]
    verify(place.state + "/keys/local-ca/cert.pem", certificate)


@pytest.mark.parametrize("kind", KINDS)
def test_go_agrees(place, kind):
    program = compiled.go("inspect")
    certificate = made(place, *NAMES, "--key", kind)["certificate_path"]
    read = json.loads(said(program, certificate, "dev.test", "b.dev.test", "127.0.0.1", "::1"))
    assert read == {
        "version": 3, "names": ["dev.test", "*.dev.test"], "addresses": ["127.0.0.1", "::1"],
        "ca": False, "constraints": True, "usage": 5 if kind.startswith("rsa") else 1,
        "extended": True, "serial_bits": 127, "serial_sign": 1, "unhandled": 0,
        "signature": {"ecdsa-p256": "ECDSA-SHA256", "ed25519": "Ed25519"}.get(kind, "SHA256-RSA"),
        "key": {"ecdsa-p256": "ECDSA", "ed25519": "Ed25519"}.get(kind, "RSA")}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("signed_by", ["itself", "ca"])
def test_baseline_requirements(place, daemon, kind, signed_by):
    """Sections 6.1.5, 6.3.2, 7.1.2.7 and 7.1.4 for a server's certificate."""
    more = []
    if signed_by == "ca":
        place.done("ca", "init", "--permit", "**.test", "--permit", "127.0.0.0/8")
        more = ["--from-ca"]
    names = ("dev.test", "*.dev.test", "127.0.0.1")
    certificate = loaded(made(place, *names, "--key", kind, *more)["certificate_path"])
    assert certificate.version == x509.Version.v3
    assert 64 <= certificate.serial_number.bit_length() <= 159
    lifetime = certificate.not_valid_after - certificate.not_valid_before
    assert lifetime <= datetime.timedelta(days=398)
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        assert key.key_size >= 2048 and key.key_size % 8 == 0 and key.public_numbers().e == 65537
    elif isinstance(key, ec.EllipticCurvePublicKey):
        assert key.curve.name == "secp256r1"
    else:
        assert isinstance(key, ed25519.Ed25519PublicKey)  # not public's business yet
    if certificate.signature_hash_algorithm is not None:
        assert certificate.signature_hash_algorithm.name in ("sha256", "sha384", "sha512")
    extensions = {extension.oid: extension for extension in certificate.extensions}
    san = extensions[ExtensionOID.SUBJECT_ALTERNATIVE_NAME]
    assert not san.critical
    assert [str(name.value) for name in san.value] == list(names)
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert len(certificate.subject) == 1 and common[0].value in names
    constraints = extensions[ExtensionOID.BASIC_CONSTRAINTS]
    assert constraints.critical and not constraints.value.ca
    usage = extensions[ExtensionOID.KEY_USAGE]
    assert usage.critical and usage.value.digital_signature
    assert not (usage.value.key_cert_sign or usage.value.crl_sign or usage.value.key_agreement
                or usage.value.content_commitment or usage.value.data_encipherment)
    extended = extensions[ExtensionOID.EXTENDED_KEY_USAGE]
    assert not extended.critical
    assert list(extended.value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    authority = extensions[ExtensionOID.AUTHORITY_KEY_IDENTIFIER]
    assert not authority.critical and authority.value.key_identifier
    assert authority.value.authority_cert_issuer is None
    assert not extensions[ExtensionOID.SUBJECT_KEY_IDENTIFIER].critical
    if signed_by == "ca":
        ca = loaded(place.state + "/keys/local-ca/cert.pem")
        assert certificate.issuer == ca.subject
        ca_extensions = {extension.oid: extension for extension in ca.extensions}
        assert (authority.value.key_identifier
                == ca_extensions[ExtensionOID.SUBJECT_KEY_IDENTIFIER].value.digest)
        assert ca_extensions[ExtensionOID.NAME_CONSTRAINTS].critical
        assert ca_extensions[ExtensionOID.BASIC_CONSTRAINTS].value.path_length == 0
        assert ca_extensions[ExtensionOID.KEY_USAGE].value.key_cert_sign


def test_the_classic_recipe(place):
    """The same as `openssl req -x509` of the articles makes, but for the key identifiers' order."""
    out = place.path("classic")
    place.done("new", "localhost", "127.0.0.1", "--key", "rsa-4096", "--digest", "sha512",
               "--days", "365", "--ca", "--key-format", "traditional", "--out", out)
    with open(out + "/key.pem", encoding="ascii") as file:
        assert file.readline() == "-----BEGIN RSA PRIVATE KEY-----\n"
    ours = loaded(out + "/cert.pem")
    said("openssl", "req", "-x509", "-newkey", "rsa:4096", "-sha512", "-days", "365", "-nodes",
         "-keyout", place.path("theirs.key"), "-out", place.path("theirs.pem"), "-subj",
         "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    theirs = loaded(place.path("theirs.pem"))

    def facts(certificate):
        get = certificate.extensions.get_extension_for_class
        return (certificate.subject, certificate.issuer, certificate.signature_hash_algorithm.name,
                certificate.public_key().key_size, get(x509.SubjectAlternativeName).value,
                get(x509.BasicConstraints),
                certificate.not_valid_after - certificate.not_valid_before)
    assert facts(ours) == facts(theirs)


@pytest.mark.parametrize("kind", KINDS)
def test_keys_are_read_by_others(place, kind):
    answer = made(place, "dev.test", "--key", kind)
    assert spki(key_of(answer["key_path"]).public_key()) == spki(
        loaded(answer["certificate_path"]).public_key())
    with open(answer["key_path"], encoding="ascii") as file:
        assert file.readline() == "-----BEGIN PRIVATE KEY-----\n"


@pytest.mark.parametrize("kind", KINDS)
def test_an_encrypted_key_wants_its_passphrase(place, kind):
    secret = place.write("passphrase", "correct horse battery staple\nnot this\n", 0o600)
    answer = made(place, "dev.test", "--key", kind, "--passphrase-file", secret)
    with pytest.raises(TypeError):
        key_of(answer["key_path"])
    with pytest.raises(ValueError):
        key_of(answer["key_path"], b"another")
    key = key_of(answer["key_path"], b"correct horse battery staple")
    assert spki(key.public_key()) == spki(loaded(answer["certificate_path"]).public_key())
    said("openssl", "pkey", "-in", answer["key_path"], "-noout", "-passin", "file:" + secret)
    with open(answer["key_path"], encoding="ascii") as file:
        assert file.readline() == "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"


def test_a_passphrase_that_others_can_read_is_refused(place):
    secret = place.write("passphrase", "correct horse\n", 0o644)
    result = place.ctl("new", "dev.test", "--passphrase-file", secret, "--out", place.path("out"))
    assert result.status != 0 and f"chmod 600 '{secret}'" in result.err, str(result)
    assert not os.path.exists(place.path("out/key.pem"))


def test_files_are_for_their_owner_from_the_first_byte(place):
    """strace sees every mode that a file with a key is opened with."""
    strace = need.program("strace")
    out = place.path("out")
    trace = place.path("trace")
    result = place.exec("sh", "-c", f"umask 0 && exec {strace} -f -e trace=openat,fchmod,rename,"
                        f"renameat,renameat2 -o {trace} trustctl new dev.test --out {out}")
    assert result.status == 0, str(result)
    with open(trace, encoding="utf-8") as file:
        created = [line for line in file if "O_CREAT" in line and ".tmp-" in line]
    assert len(created) == 2 and all("O_EXCL" in line and " 0600)" in line for line in created)
    assert mode(out) == 0o700
    assert mode(out + "/key.pem") == 0o600 and mode(out + "/cert.pem") == 0o644


def test_nothing_is_replaced_without_force(place):
    out = place.make("out")
    place.write("out/key.pem", "precious")
    result = place.ctl("new", "dev.test", "--out", out)
    assert result.status == 7 and "--force" in result.err, str(result)
    with open(out + "/key.pem", encoding="ascii") as file:
        assert file.read() == "precious"
    assert os.listdir(out) == ["key.pem"]
    place.done("new", "dev.test", "--out", out, "--force")
    assert key_of(out + "/key.pem") and mode(out + "/key.pem") == 0o600


def test_a_directory_that_others_may_write_to_is_refused(place):
    out = place.make("open", 0o777)
    result = place.ctl("new", "dev.test", "--out", out)
    assert result.status != 0 and "others may write" in result.err, str(result)
    assert os.listdir(out) == []


def test_what_cannot_be_told_to_the_daemon_is_not_left_lying(place):
    result = place.ctl("new", "dev.test", "--out", place.path("out"), "--trust")
    assert result.status == 4, str(result)
    assert not os.path.exists(place.path("out/key.pem"))


def test_trust_is_one_go(place, daemon):
    answer = made(place, "dev.test", "127.0.0.1", "--trust")
    with daemon.rest() as rest:
        entries = rest.certificates(label="dev.test")
        assert [entry["fingerprint"] for entry in entries] == [answer["fingerprint"]]
        assert entries[0]["trust"] == "leaf" and not entries[0]["could_sign"]
    with open(place.bundle, encoding="ascii") as bundle:
        assert answer["certificate_pem"] in bundle.read()


@pytest.mark.parametrize("arguments", [
    ("**.dev.test",), ("10.0.0.0/8",), ("dev.test", "--key", "rsa-1024"),
    ("dev.test", "--digest", "sha1"), ("dev.test", "--days", "0"), ("dev.test", "--days", "-1"),
    ("dev.test", "--key", "ed25519", "--key-format", "traditional"),
    ("dev.test", "--ca", "--from-ca"), ("dev.test", "--force"),
    ("dev.test", "--passphrase-file", "/dev/null", "--renew")])
def test_wrong_usage_is_said(place, arguments):
    result = place.ctl("new", *arguments)
    assert result.status == 2, str(result)
