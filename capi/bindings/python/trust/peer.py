"""What a peer presented and how it was judged."""

from __future__ import annotations

import enum
import json
from ctypes import byref, c_size_t, c_void_p, string_at
from dataclasses import dataclass
from typing import Any

from ._library import library, text


class TrustedBy(enum.IntEnum):
    NOTHING = 0
    SYSTEM_ROOT = 1
    ADDED_ROOT = 2
    ADDED_LEAF = 3


class PinStatus(enum.IntEnum):
    NONE = 0
    MATCH = 1
    MISMATCH = 2
    LAPSED = 3
    REPORTED = 4


@dataclass(frozen=True)
class Peer:
    """A copy of the library's; it depends on nothing. Times are Unix seconds."""

    host: str
    port: int
    trusted_by: TrustedBy
    pin_status: PinStatus
    generation: int  # of the store that judged
    fingerprint: str  # of the leaf: 64 hex digits
    pin: str  # of the leaf: "sha256/<base64>"
    subject: str
    issuer: str
    not_before: int
    not_after: int
    path_not_after: int  # when anything in the path first ends
    path: tuple[bytes, ...]  # in DER, leaf first; as presented if it could not be verified
    json: str  # as the REST API writes it

    def as_dict(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.json)
        return found

    @classmethod
    def copied(cls, pointer: c_void_p) -> Peer:
        def certificate(index: int) -> bytes:
            length = c_size_t()
            start = library.peer_cert_der(pointer, index, byref(length))
            return string_at(start, length.value) if start else b""
        return cls(
            host=text(library.peer_host(pointer)),
            port=library.peer_port(pointer),
            trusted_by=TrustedBy(library.peer_trusted_by(pointer)),
            pin_status=PinStatus(library.peer_pin_status(pointer)),
            generation=library.peer_generation(pointer),
            fingerprint=text(library.peer_fingerprint(pointer)),
            pin=text(library.peer_pin(pointer)),
            subject=text(library.peer_subject(pointer)),
            issuer=text(library.peer_issuer(pointer)),
            not_before=library.peer_not_before(pointer),
            not_after=library.peer_not_after(pointer),
            path_not_after=library.peer_path_not_after(pointer),
            path=tuple(certificate(at) for at in range(library.peer_cert_count(pointer))),
            json=text(library.peer_json(pointer)))
