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
from intercom.system import host
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


def lacking(config: Config, *, make: bool = True) -> str:
    """Why this person's key cannot be used here, and what to do; "" if it can. It is made if there is none."""
    place = trust.place(os.environ)
    if is_guest(config):
        owner = f"the user {host.user_name(os.stat(config.root).st_uid)}"
        return (
            f"the project is {owner}'s, whose key root does not use. Run it as {owner}; if git tracks what is theirs, "
            "stop that with: git rm -r -f --cached .claude/local"
        )
    if place is None:
        return "there is no home for your key. Set HOME, so that a new one can be marked."
    path = place.with_name(_NAME)
    if not trust.apart(place, config.root, os.environ):
        return f"your key {path} would lie in the project. Set XDG_CONFIG_HOME to a folder of yours outside it."
    if own(config, make=make) or not (make or os.path.lexists(path)):
        return ""
    if os.path.lexists(path):
        return (
            f"your key {path} cannot be used: it must be a file of yours that nobody else may read. Run `chmod 600 "
            f"{path}`; if that does not help, move it away: then a new one is made, and what only the old one shows "
            "to be yours counts as somebody else's."
        )
    return f"your key {path} cannot be made. Set XDG_CONFIG_HOME to a folder of yours that can be written to."


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
