"""Input that is wrong, and what is said about it."""

import datetime
import json
import os
import re

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12

from harness import mint

DAYS = datetime.timedelta(days=1)


def generation(place):
    return json.loads(place.done("--json", "status").out)["generation"]


def listed(place):
    return json.loads(place.done("--json", "list").out)["certificates"]


def refused(place, rest, data, *words, statuses=(1, 2, 6), arguments=()):
    """By the command and by the API, with these words in what is said; nothing changed."""
    before = generation(place)
    path = place.write("input", data)
    result = place.ctl("add", path, *arguments)
    assert result.status in statuses, str(result)
    sentence = result.err.splitlines()[0] if result.err.strip() else ""
    for word in words:
        assert re.search(word, result.err, re.I), f"no {word!r} in: {result}"
    assert len(sentence) < 400, str(result)
    answer = rest.request("POST", "/v1/certificates", data if isinstance(data, bytes)
                          else data.encode(), {"Content-Type": "application/x-pem-file"})
    assert 400 <= answer.status < 500, str(answer)
    for word in words:
        assert re.search(word, answer["detail"], re.I), f"no {word!r} in: {answer}"
    assert generation(place) == before
    return answer


@pytest.mark.parametrize("form", ["PKCS8", "TraditionalOpenSSL", "encrypted"])
@pytest.mark.parametrize("order", ["before", "after"])
def test_a_private_key_is_refused_and_not_stored(place, daemon, rest, form, order):
    one = mint.self_signed("key.test")
    encryption = serialization.BestAvailableEncryption(b"x") if form == "encrypted" \
        else serialization.NoEncryption()
    key = one.key.private_bytes(
        serialization.Encoding.PEM, getattr(serialization.PrivateFormat,
                                            "PKCS8" if form == "encrypted" else form),
        encryption).decode()
    text = key + one.pem if order == "before" else one.pem + key
    answer = refused(place, rest, text, "private key", "not stored|not kept|nothing was stored")
    secret = key.splitlines()[2].encode()
    assert secret not in answer.body
    daemon.stop()
    for directory, _, names in os.walk(place.root):
        for name in names:
            if name in ("input", "key.pem"):
                continue
            with open(os.path.join(directory, name), "rb") as file:
                assert secret not in file.read(), os.path.join(directory, name)


def test_expired(place, daemon, rest):
    one = mint.self_signed("old.test", not_before=mint.now() - 30 * DAYS,
                           not_after=mint.now() - 2 * DAYS)
    refused(place, rest, one.pem, "expired", str((mint.now() - 2 * DAYS).date()))


def test_not_yet_valid(place, daemon, rest):
    """Taken, since it will be; that everybody refuses it until then is said."""
    one = mint.self_signed("young.test", not_before=mint.now() + 2 * DAYS)
    said = place.done("add", place.write("one.pem", one.pem))
    assert "not valid before " + str((mint.now() + 2 * DAYS).date()) in said.err, str(said)
    two = mint.self_signed("young.test", not_before=mint.now() + 2 * DAYS)
    warnings = rest.add(two)["warnings"]
    assert any("not valid before" in warning for warning in warnings), warnings


def test_weak_key(place, daemon, rest):
    refused(place, rest, mint.self_signed("weak.test", key=mint.weak_key()).pem, "weak|too short",
            "1024")


@pytest.mark.parametrize("digest", ["MD5", "SHA1"])
def test_weak_signature_of_a_ca_that_it_issued(place, daemon, rest, digest):
    """A self-signed signature proves nothing and is asked nothing; an issued one is."""
    root = mint.authority("R", key=__import__("cryptography.hazmat.primitives.asymmetric.rsa",
                                              fromlist=["rsa"]).generate_private_key(65537, 2048))
    one = mint.intermediate(root, "Weak", digest=getattr(hashes, digest)())
    before = generation(place)
    result = place.ctl("add", place.write("weak.pem", one.pem))
    text = result.out + result.err
    assert re.search(digest.replace("SHA1", "SHA-?1"), text, re.I), str(result)
    assert (result.status == 0) == (generation(place) > before)


def test_a_duplicate_is_no_second_one(place, daemon, rest):
    one = mint.self_signed("twice.test")
    path = place.write("one.pem", one.pem)
    place.done("add", path)
    before = generation(place)
    again = place.done("add", path)
    assert "already" in (again.out + again.err), str(again)
    assert generation(place) == before
    answer = rest.post("/v1/certificates", {"pem": one.pem})
    assert answer.status == 200 and answer["certificates"][0]["created"] is False
    assert rest.post("/v1/certificates", {"pem": one.pem + one.pem}).status == 200
    assert len(listed(place)) == 1


@pytest.mark.parametrize("cut", ["middle of a line", "no end", "base64", "DER"])
def test_truncated(place, daemon, rest, cut):
    pem = mint.self_signed("cut.test").pem
    lines = pem.splitlines()
    text = {"middle of a line": pem[:len(pem) // 2], "no end": "\n".join(lines[:-1]) + "\n",
            "base64": "\n".join([lines[0], *lines[1:-2], lines[-2][:-3] + "!*", lines[-1], ""]),
            "DER": "\n".join([lines[0], *lines[1:4], lines[-1], ""])}[cut]
    refused(place, rest, text, "truncated|cut off|incomplete|END|base64|damaged|malformed|not a cert",
            "line")


def test_truncated_der(place, daemon, rest):
    der = mint.self_signed("cut.test").der
    path = place.write("cut.der", der[:-20])
    result = place.ctl("add", path)
    assert result.status in (1, 2) and re.search("truncated|cut|incomplete|malformed|damaged|not a",
                                                 result.err), str(result)
    answer = rest.request("POST", "/v1/certificates", der[:-20],
                          {"Content-Type": "application/pkix-cert"})
    assert answer.status in (400, 422), str(answer)
    assert rest.request("POST", "/v1/certificates", der,
                        {"Content-Type": "application/pkix-cert"}).status == 201


@pytest.mark.parametrize("what", ["junk", "one long line", "one huge block"])
def test_ten_megabytes(place, daemon, rest, what):
    text = {"junk": "# nothing here\n" * 700_000, "one long line": "A" * 10_500_000,
            "one huge block": "-----BEGIN CERTIFICATE-----\n" + ("A" * 64 + "\n") * 160_000 +
                              "-----END CERTIFICATE-----\n"}[what]
    before = generation(place)
    result = place.ctl("add", place.write("huge.pem", text))
    assert result.status in (1, 2) and result.err.strip(), str(result)[:2000]
    assert re.search("no certificate|too large|larger than|too long|MiB|bytes|limit", result.err,
                     re.I), str(result)[:2000]
    answer = rest.post("/v1/certificates", {"pem": text})
    assert answer.status in (400, 413, 422), str(answer)
    assert generation(place) == before


@pytest.mark.parametrize("what", ["random", "zeros", "ELF", "empty", "NULs in PEM", "UTF-16"])
def test_rubbish(place, daemon, rest, what):
    pem = mint.self_signed("x.test").pem
    data = {"random": os.urandom(5000), "zeros": bytes(5000), "empty": b"",
            "ELF": open("/bin/true", "rb").read()[:5000],
            "NULs in PEM": pem.replace("\n", "\0\n").encode(),
            "UTF-16": pem.encode("utf-16")}[what]
    result = place.ctl("add", place.write("rubbish", data))
    assert result.status in (1, 2), str(result)
    assert result.err.strip() and len(result.err) < 1000, str(result)
    assert result.err.isprintable() or all(c.isprintable() or c == "\n" for c in result.err)
    answer = rest.request("POST", "/v1/certificates", data,
                          {"Content-Type": "application/x-pem-file"})
    assert answer.status in (400, 422), str(answer)


def test_each_has_a_message_of_its_own(place, daemon):
    one = mint.self_signed("x.test")
    inputs = {
        "key": one.pem + one.key_pem,
        "expired": mint.self_signed("x.test", not_before=mint.now() - 9 * DAYS,
                                    not_after=mint.now() - DAYS).pem,
        "young": mint.self_signed("x.test", not_before=mint.now() + DAYS).pem,
        "weak": mint.self_signed("x.test", key=mint.weak_key()).pem,
        "truncated": one.pem[:len(one.pem) // 2],
        "rubbish": os.urandom(3000),
        "huge": "A" * 10_500_000,
        "no name": mint.self_signed(subject="nobody").pem,
    }
    said = {}
    for name, data in inputs.items():
        result = place.ctl("add", place.write(f"{name}.in", data))
        assert (result.status == 0) == (name == "young"), f"{name}: {result}"[:2000]
        said[name] = re.sub(r"\S*\.in\b|[0-9a-f]{16,}|\d+", "", result.err.splitlines()[0])
    assert len(set(said.values())) == len(said), said


def test_no_such_file(place, daemon):
    result = place.ctl("add", place.path("nowhere.pem"))
    assert result.status in (2, 5) and "nowhere.pem" in result.err, str(result)


def test_a_leaf_without_a_name_wants_a_host(place, daemon, rest):
    one = mint.self_signed(subject="192.168.1.172")
    refused(place, rest, one.pem, "host|name")
    place.done("add", place.write("one.pem", one.pem), "--host", "192.168.1.172")
    assert listed(place)[0]["hosts"] == ["192.168.1.172"]


@pytest.fixture(scope="module")
def three_hundred():
    """300 certificates, three of them bad; the text and the lines at which the bad ones begin."""
    blocks = [mint.self_signed(f"host-{n}.test").pem for n in range(300)]
    blocks[17] = mint.self_signed("old.test", not_before=mint.now() - 9 * DAYS,
                                  not_after=mint.now() - DAYS).pem
    lines = blocks[150].splitlines()
    lines[3] = lines[3][:-8] + "!!!!!!!!"
    blocks[150] = "\n".join(lines) + "\n"
    blocks[299] = mint.self_signed("weak.test", key=mint.weak_key()).pem
    begins, line = [], 1
    for number, block in enumerate(blocks):
        if number in (17, 150, 299):
            begins.append(line)
        line += block.count("\n")
    return "".join(blocks), begins


def lines_named(text):
    return {int(number) for number in re.findall(r"line (\d+)", text)}


def near(begins, named):
    """Each bad one by its first line, or by the line in it that is wrong."""
    return all(any(begin <= line < begin + 30 for line in named) for begin in begins)


def test_three_bad_ones_among_300_add_none(place, daemon, rest, three_hundred):
    text, begins = three_hundred
    answer = refused(place, rest, text, "line")
    result = place.ctl("add", place.write("many.pem", text))
    assert near(begins, lines_named(result.err)) and len(lines_named(result.err)) == 3, str(result)
    assert not listed(place)
    said = json.dumps(answer.json())
    lines = lines_named(said) | {one["line"] for one in answer.json().get("skipped", [])}
    assert near(begins, lines), said


def test_skip_invalid_adds_the_others_in_one_change(place, daemon, rest, three_hundred):
    text, begins = three_hundred
    before = generation(place)
    result = place.done("add", place.write("many.pem", text), "--skip-invalid")
    assert near(begins, lines_named(result.err + result.out)), str(result)
    assert len(rest.certificates()) == 297
    assert generation(place) == before + 1
    answer = rest.request("POST", "/v1/certificates", text.encode(),
                          {"Content-Type": "application/x-pem-file"},
                          query={"skip_invalid": "true"})
    assert answer.status == 200
    assert near(begins, {one["line"] for one in answer["skipped"]}) and len(answer["skipped"]) == 3
    assert all(one["reason"] for one in answer["skipped"])


# What is good, in forms that are not plain.

@pytest.mark.parametrize("form", ["junk around", "CRLF", "DER", "PKCS7 PEM", "PKCS7 DER", "stdin",
                                  "directory", "PKCS12"])
def test_forms_that_are_read(place, daemon, form):
    one = mint.self_signed("good.test")
    stdin = b""
    source, more = None, []
    if form == "junk around":
        source = place.write("a.pem", "subject=/CN=x\n  text\n" + one.pem + "\ntrailing\n")
    elif form == "CRLF":
        source = place.write("a.pem", one.pem.replace("\n", "\r\n"))
    elif form == "DER":
        source = place.write("a.der", one.der)
    elif form.startswith("PKCS7"):
        encoding = getattr(serialization.Encoding, form.split()[1])
        source = place.write("a.p7b", pkcs7.serialize_certificates([one.certificate], encoding))
    elif form == "PKCS12":
        # Certificates alone; with a key in it, it is refused as every file with one.
        result = place.exec("openssl", "pkcs12", "-export", "-nokeys", "-in",
                            place.write("a.pem", one.pem), "-out", place.path("a.p12"),
                            "-passout", "pass:")
        assert result.status == 0, str(result)
        source = place.path("a.p12")
    elif form == "stdin":
        source, stdin = "-", one.pem
    else:
        place.make("certs")
        place.write("certs/a.pem", one.pem)
        place.write("certs/b.crt", mint.self_signed("other.test").pem)
        source = place.path("certs")
    place.done("add", source, *more, stdin=stdin)
    assert one.fingerprint in {entry["fingerprint"] for entry in listed(place)}
    assert len(listed(place)) == (2 if form == "directory" else 1)


def test_the_key_of_a_pkcs12_is_not_stored(place, daemon):
    """Such a file nearly always has one; what it says of the certificates is taken, and that the
    key was not, is said."""
    one = mint.self_signed("key.test")
    data = pkcs12.serialize_key_and_certificates(
        b"x", one.key, one.certificate, None, serialization.NoEncryption())
    result = place.ctl("add", place.write("a.p12", data))
    assert re.search("private key.*not stored", result.err), str(result)
    scalar = one.key.private_numbers().private_value.to_bytes(32, "big")
    daemon.stop()
    for directory, _, names in os.walk(place.state):
        for name in names:
            with open(os.path.join(directory, name), "rb") as file:
                assert scalar not in file.read(), name
