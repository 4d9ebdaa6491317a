"""example.py HOST PORT: fetches https://HOST:PORT/ and says how the peer was judged."""

import sys

import requests
import trust
from trust.requests import TrustAdapter


def main(host, port):
    session = requests.Session()
    session.mount("https://", TrustAdapter())
    try:
        answer = session.get(f"https://{host}:{port}/", timeout=30)
    except requests.RequestException as error:
        refused = trust.TrustError.behind(error)
        if isinstance(refused, trust.UntrustedError):
            print(f"{refused.name}: {refused}", file=sys.stderr)
            return 3
        print(error, file=sys.stderr)
        return 1
    print(answer.text, end="")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: example.py HOST PORT")
    sys.exit(main(*sys.argv[1:]))
