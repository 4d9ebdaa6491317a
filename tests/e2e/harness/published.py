"""Reading what is published as a program does: `current` opened once, everything through it."""

import hashlib
import json
import os


def _read(directory, name):
    descriptor = os.open(name, os.O_RDONLY, dir_fd=directory)
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def _names(directory, prefix=""):
    """Every file below, symlinks to directories followed."""
    for name in os.listdir(directory):
        try:
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=directory)
        except NotADirectoryError:
            yield prefix + name
            continue
        try:
            yield from _names(inner, f"{prefix}{name}/")
        finally:
            os.close(inner)


def check(current, everything=False):
    """Opens `current` once and compares every file in MANIFEST.json with its digest; the manifest.
    With everything, also that no file is there that the manifest does not name."""
    directory = os.open(current, os.O_RDONLY | os.O_DIRECTORY)
    try:
        manifest = json.loads(_read(directory, "MANIFEST.json"))
        wrong = [name for name, digest in manifest["files"].items()
                 if hashlib.sha256(_read(directory, name)).hexdigest() != digest]
        assert not wrong, f"generation {manifest['generation']}: {wrong} differ from MANIFEST.json"
        assert {"bundle.pem", "extra.pem", "truststore.p12", "trust.db"} <= set(manifest["files"])
        if everything:
            # `certs` is shared by all generations, so it may hold more than this one names.
            more = {name for name in _names(directory) if not name.startswith("certs/")} - \
                set(manifest["files"]) - {"MANIFEST.json"}
            assert not more, f"not in MANIFEST.json: {sorted(more)}"
        return manifest
    finally:
        os.close(directory)
