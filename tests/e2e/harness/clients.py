"""Real programs that fetch one URL, and what came of it."""

import os

from harness import need
from harness.servers import PROGRAMS

SERVED = "served"
REFUSED = "refused"  # by the verification of the certificate, nothing else


def _by_marker(result):
    """Our own small clients print SERVED, or REFUSED with the error, as their first word."""
    for line in result.out.splitlines():
        if line.startswith((SERVED, REFUSED)):
            return line.split()[0]
    return None


def _curl(url, _):
    return [need.program("curl"), "-sS", "--max-time", "60", url]


def _curl_says(result):
    return {0: SERVED, 60: REFUSED, 51: REFUSED}.get(result.status)


def _s_client(url, _):
    address = url.split("/")[2]
    host = address.rsplit(":", 1)[0]
    check = ["-verify_ip", host] if host[0].isdigit() else ["-verify_hostname", host]
    return [need.program("openssl"), "s_client", "-connect", address, "-brief",
            "-verify_return_error", *check]


def _s_client_says(result):
    text = result.out + result.err
    if result.status == 0 and "Verification: OK" in text:
        return SERVED
    return REFUSED if "certificate verify failed" in text or "verify error" in text else None


def _wget(url, _):
    return [need.program("wget"), "-q", "--tries=1", "--timeout=60", "-O", "-", url]


def _wget_says(result):
    return {0: SERVED, 5: REFUSED}.get(result.status)


def _python(script):
    return lambda url, _: ["/usr/bin/python3", os.path.join(PROGRAMS, script), url]


def _node(url, _):
    return [need.program("node", "nodejs"), os.path.join(PROGRAMS, "fetch.js"), url]


def _java(url, place):
    java = need.program("java", "default-jdk-headless")
    javac = need.program("javac", "default-jdk-headless")
    if not os.path.exists(place.path("Fetch.class")):
        built = place.exec(javac, "-d", place.root, os.path.join(PROGRAMS, "Fetch.java"))
        assert built.status == 0, str(built)
    return [java, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", place.root, "Fetch", url]


PROGRAM = {
    "curl": (_curl, _curl_says),
    "openssl": (_s_client, _s_client_says),
    "wget": (_wget, _wget_says),
    "urllib": (_python("fetch_urllib.py"), _by_marker),
    "requests": (_python("fetch_requests.py"), _by_marker),
    "node": (_node, _by_marker),
    "java": (_java, _by_marker),
}


def fetch(place, program, url, run=True, env=None, hosts=None):
    """SERVED or REFUSED; anything else that a program can end with fails here. With run, under
    `trustctl run --`."""
    make, says = PROGRAM[program]
    command = make(url, place)
    if run:
        command = ["trustctl", "run", "--", *command]
    result = place.exec(*command, env=env, hosts=hosts)
    outcome = says(result)
    assert outcome is not None, f"neither served nor refused: {result}"
    return outcome
