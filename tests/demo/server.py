#!/usr/bin/python3
"""A server with a self-signed certificate that receives files, to try a store on.

server.py [PORT]: listens on 127.0.0.1 (port 8443), keeps nothing but the count of bytes.
"""

import hashlib
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from flask import Flask, request

application = Flask(__name__)


@application.get("/")
def greet():
    return "Verified. Post a file to /upload.\n"


@application.post("/upload")
def receive():
    files = [(part.filename, part.read()) for part in request.files.values()]
    files = files or [("body", request.get_data())]
    return "".join(f"{name}: {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}\n"
                   for name, content in files)


def mint(directory):
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-days", "7", "-subj", "/CN=demo", "-keyout", key, "-out", certificate,
         "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
         "-addext", "basicConstraints=critical,CA:FALSE"],
        check=True, capture_output=True)
    der = subprocess.run(["openssl", "x509", "-in", certificate, "-outform", "DER"], check=True,
                         capture_output=True).stdout
    return key, certificate, hashlib.sha256(der).hexdigest()


def main(port="8443"):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)) # so that the key is removed
    with tempfile.TemporaryDirectory(prefix="demo-") as directory:
        key, certificate, fingerprint = mint(Path(directory))
        url = f"https://127.0.0.1:{port}"
        print(f"""
{url}, self-signed, SHA-256 {fingerprint}

In another terminal:
  curl {url}/                             # refused
  trustctl add 127.0.0.1:{port} --label demo \\
      --fingerprint {fingerprint}
  trustctl run -- curl {url}/             # verified
  trustctl run -- curl -F file=@README.md {url}/upload
  trustctl run -- /usr/bin/python3 -c 'import requests; print(requests.get("{url}/").text)'
  trustctl rm demo
""", flush=True)
        application.run("127.0.0.1", int(port), ssl_context=(str(certificate), str(key)))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
