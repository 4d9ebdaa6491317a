"""fetch_urllib.py URL"""

import ssl
import sys
import urllib.error
import urllib.request

try:
    with urllib.request.urlopen(sys.argv[1], timeout=60) as answer:
        assert answer.status == 200
except urllib.error.URLError as error:
    if not isinstance(error.reason, ssl.SSLCertVerificationError):
        raise
    print("refused", error.reason)
    sys.exit(3)
print("served")
