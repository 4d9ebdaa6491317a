"""The C library through ctypes: what it decides of a chain, as its JSON."""

import ctypes
import glob
import json
import os

from harness import need


def load():
    found = glob.glob(os.path.join(os.environ["TRUST_BINARY_DIR"], "**", "libtrust.so.1"),
                      recursive=True)
    if not found:
        need.skip("libtrust.so is not built")
    return Library(ctypes.CDLL(found[0]))


class Library:
    def __init__(self, dll):
        self.dll = dll
        for name in ("trust_peer_json", "trust_error_message"):
            getattr(dll, name).restype = ctypes.c_char_p
        dll.trust_error_peer.restype = ctypes.c_void_p
        for name in ("trust_peer_json", "trust_error_message", "trust_error_peer", "trust_peer_free",
                     "trust_error_free", "trust_store_free"):
            getattr(dll, name).argtypes = [ctypes.c_void_p]

    def verify(self, store_directory, host, port, chain):
        """The object that trust_peer_json gives, of a trusted peer or of a refused one."""
        store, peer, error = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
        status = self.dll.trust_store_open(store_directory.encode(), ctypes.byref(store),
                                           ctypes.byref(error))
        assert status == 0, self.dll.trust_error_message(error)
        data = chain.encode()
        status = self.dll.trust_verify(store, host.encode(), ctypes.c_uint16(port), data,
                                       ctypes.c_size_t(len(data)), None, ctypes.byref(peer),
                                       ctypes.byref(error))
        of = peer.value if status == 0 else self.dll.trust_error_peer(error)
        assert of, self.dll.trust_error_message(error)
        answer = json.loads(self.dll.trust_peer_json(of))
        self.dll.trust_peer_free(peer)
        self.dll.trust_error_free(error)
        self.dll.trust_store_free(store)
        return answer
