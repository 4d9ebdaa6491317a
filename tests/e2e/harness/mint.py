"""Certificates for tests: made when needed, so none expires."""

import base64
import datetime
import hashlib
import ipaddress
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


def now():
    return datetime.datetime.utcnow().replace(microsecond=0)


def rfc3339(seconds):
    """Seconds since 1970, as the REST API writes them."""
    return datetime.datetime.utcfromtimestamp(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")


def name(common_name, organization=None):
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(parts)


def general_name(text):
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


class Minted:
    """A certificate with its key, and the certificates a server presents after it."""

    def __init__(self, certificate, key, chain=()):
        self.certificate = certificate
        self.key = key
        self.chain = list(chain)

    @property
    def der(self):
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self):
        return self.key.private_bytes(serialization.Encoding.PEM,
                                      serialization.PrivateFormat.PKCS8,
                                      serialization.NoEncryption()).decode()

    @property
    def fingerprint(self):
        return hashlib.sha256(self.der).hexdigest()

    @property
    def pin(self):
        spki = self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return "sha256/" + base64.b64encode(hashlib.sha256(spki).digest()).decode()

    def presenting(self, *chain):
        return Minted(self.certificate, self.key, chain)

    def chain_pem(self):
        return self.pem + "".join(other.pem for other in self.chain)

    def write(self, directory, stem="server"):
        """(certificate file with the chain, key file)"""
        paths = os.path.join(directory, stem + ".pem"), os.path.join(directory, stem + ".key")
        for path, text in zip(paths, (self.chain_pem(), self.key_pem)):
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
        return paths


def mint(subject, names=(), issuer=None, ca=False, key=None, not_before=None, not_after=None,
         constraints=True, path_length=None, usage=True, digest=None, organization=None):
    """Self-signed unless an issuer (a Minted) is given. constraints=False leaves basicConstraints
    out, usage=False leaves the key usages out."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = subject if isinstance(subject, x509.Name) else name(subject, organization)
    signer = issuer or Minted(None, key)
    builder = (x509.CertificateBuilder().subject_name(subject)
               .issuer_name(issuer.certificate.subject if issuer else subject)
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(not_before or now() - DAY)
               .not_valid_after(not_after or now() + 90 * DAY))
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([general_name(text) for text in names]), critical=False)
    if constraints:
        builder = builder.add_extension(x509.BasicConstraints(ca, path_length), critical=True)
    if usage:
        builder = builder.add_extension(
            x509.KeyUsage(not ca, False, False, False, False, ca, ca, False, False), critical=True)
        if not ca:
            builder = builder.add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    builder = builder.add_extension(
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    if issuer:
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()),
            critical=False)
    return Minted(builder.sign(signer.key, digest or hashes.SHA256()), key)


def authority(subject="Test Root", **options):
    return mint(subject, ca=True, **options)


def intermediate(issuer, subject="Test Intermediate", **options):
    return mint(subject, issuer=issuer, ca=True, **options)


def server(issuer, *names, **options):
    return mint(options.pop("subject", names[0]), names=names, issuer=issuer, **options)


def self_signed(*names, **options):
    return mint(options.pop("subject", names[0] if names else "server"), names=names, **options)


def weak_key():
    return rsa.generate_private_key(65537, 1024)
