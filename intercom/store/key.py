"""Owns this person's secret key, and what it signs: that a private folder, or a ledger, was made by this person.

It lies in the person's own folder, beside the record of `core.trust`, never in a project. Root, in a project of
somebody else's, signs nothing: what it makes there is the owner's.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from intercom.core import trust
from intercom.core.config import Config
from intercom.core.digests import blake2b
from intercom.core.errors import StorageError
from intercom.system.files import make_folder, opened, replace, storage
from intercom.system.lock import flocked

_NAME = "key"
_MOST = 64  #: bytes of it that count


def own(config: Config, *, make: bool = False) -> bytes:
    """This person's key; b"" if there is none, and none can be made. Never raises."""
    place = trust.place(os.environ)
    if place is None or is_guest(config) or not trust.apart(place, config.root, os.environ):
        return b""
    path = place.with_name(_NAME)
    found = _read(path)
    if found or not make or os.path.lexists(path):
        return found
    with suppress(OSError, StorageError):
        make_home(place)
        with flocked(place.with_suffix(".lock")):
            if not os.path.lexists(path):
                replace(path, os.urandom(32).hex().encode())
    return _read(path)


def is_guest(config: Config) -> bool:
    """Whether root acts in a project that belongs to somebody else."""
    with suppress(OSError):
        return trust.me() == 0 and os.stat(config.root).st_uid != 0
    return False


def make_home(place: Path) -> None:
    """Create the person's own folder, for the record at `place`. StorageError."""
    with storage(f"create the folder {place.parent}", "nothing was opened"):
        make_folder(place.parent, 0o700)


def sign(key: bytes, *parts: str) -> str:
    """What only the owner of this key can write about these texts."""
    text = "\0".join(parts).encode("utf-8", "surrogateescape")
    return blake2b(text, key=key, digest_size=20).hexdigest()


def _read(path: Path) -> bytes:
    with suppress(OSError), opened(path) as file:
        if trust.is_persons(os.fstat(file.fileno()), 0o077):
            return file.read(_MOST)
    return b""
