"""fetch_requests.py URL"""

import sys

import requests

try:
    answer = requests.get(sys.argv[1], timeout=60)
except requests.exceptions.SSLError as error:
    print("refused", error)
    sys.exit(3)
answer.raise_for_status()
print("served")
