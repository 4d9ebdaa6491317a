"""post_file.py URL FILE [VERIFY]: posts a file with requests, as a user's script does."""

import hashlib
import sys

import requests

options = {"verify": sys.argv[3]} if len(sys.argv) > 3 else {}
with open(sys.argv[2], "rb") as file:
    data = file.read()
    file.seek(0)
    try:
        answer = requests.post(sys.argv[1], files={"file": file}, timeout=60, **options)
    except requests.exceptions.SSLError as error:
        print("refused", error)
        sys.exit(3)
answer.raise_for_status()
assert answer.json()["sha256"] == hashlib.sha256(data).hexdigest(), answer.text
print("served", answer.json()["size"])
