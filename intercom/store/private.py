"""Owns checking that the private folder belongs to this person: nobody else's state is ever opened.

What git tracks came with a repository, or can come with the next pull; what another user owns, that user can change.
Such a folder is moved aside as a whole, under a name that says so, and a new one is created: names and read
positions start over, the messages of the log stay. A folder created that way, or by `init`, gets a mark that only
this person's key can make (`key`, beside the record of `core.trust`), so that a folder of one's own stays in use
even if somebody commits it to git by mistake.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from intercom.core import trust
from intercom.core.config import Config
from intercom.core.digests import blake2b
from intercom.core.errors import Refused, StorageError
from intercom.system import host
from intercom.system.files import make_private_folder, read_from, replace, storage
from intercom.system.git_index import tracked_in
from intercom.system.lock import flocked

_MARK = "mine"  #: its file in the private folder
_KEY = "key"
_ASIDE = "not-ours"


def vet(config: Config) -> str:
    """Move a private folder aside that is not this person's, and return what to tell them (""). StorageError, Refused.

    Refused if another user's folder is in that user's own project, or if there is no home for a mark.
    """
    reason = foreign(config)
    if not reason:
        return ""
    if _guest(config):
        raise Refused(f"{config.private} {reason}, and so does the project; nothing was opened. Ask them to share it.")
    place = trust.place(os.environ)
    if place is None or not trust.apart(place, config.root, os.environ):
        raise Refused(f"{config.private} {reason}; nothing was opened. Set HOME, so that a new one can be marked.")
    _home(place)
    with flocked(place.with_suffix(".lock")):
        if not foreign(config):
            return ""  # another process was faster
        aside = set_aside(config)
    return (
        f"{config.private} {reason}: it was not opened, and is {aside} now. Names and read positions start over "
        "here; messages in the log stay"
    )


def check(config: Config) -> None:
    """StorageError if the private folder is not this person's any more: something has replaced what is in it."""
    if reason := foreign(config):
        raise StorageError(
            f"{config.private} {reason}; nothing was opened. `intercom status` sets it aside and brings back the "
            "messages; then register again."
        )


def set_aside(config: Config) -> str:
    """Move the private folder aside and make a new one; return the name that it has now. StorageError."""
    brought = tracked_in(config.private)
    aside = _free(config.folder / f"{_ASIDE}-{time.strftime('%Y%m%d-%H%M%S')}")
    with storage(f"move {config.private} to {aside}", "nothing was opened"):
        config.private.rename(aside)
    mark(config, brought)
    return aside.name


def foreign(config: Config) -> str:
    """Why the private folder is not this person's, to end a sentence about it; "" if it is."""
    try:
        found = os.lstat(config.private)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    entries = [found]
    with suppress(OSError):  # a folder that cannot be listed is reported elsewhere
        for name in os.listdir(config.private):
            with suppress(FileNotFoundError):  # a draft that has got its name in between; the others are looked at
                entries.append(os.lstat(config.private / name))
    trusted = {trust.me(), 0, *([os.stat(config.root).st_uid] if trust.me() == 0 else [])}
    others = [one.st_uid for one in entries if one.st_uid not in trusted]
    if others and not _shared(config, found):
        return f"belongs to {_user(others[0])}"
    brought = tracked_in(config.private)
    if brought:
        known = _marked(config)
        # Files that git has, beside a mark that it does not have: a checkout wrote them over this person's own.
        if known is None or not (_MARK in brought or brought <= known):
            return "came with the repository (git tracks what is in it)"
    return ""


def mark(config: Config, brought: Iterable[str] = ()) -> None:
    """Create the private folder and mark it as this person's. StorageError.

    `brought`: files in it that git tracks, of which this folder has its own.
    """
    make_private_folder(config.private)
    if key := _key(os.environ, make=True):
        salt, known = os.urandom(8).hex(), sorted(brought)
        text = f"{salt} {_sign(key, salt, known)}\n" + "\0".join(known)
        replace(config.private / _MARK, text.encode("utf-8", "surrogateescape"))


def _marked(config: Config) -> set[str] | None:
    """The files in it of which the mark says that git tracks them; None without a mark of this person's."""
    key = _key(os.environ, make=False)
    if not key or os.path.islink(config.private / _MARK):
        return None
    text = (read_from(config.private / _MARK) or b"").decode("utf-8", "surrogateescape")
    first, _, rest = text.partition("\n")
    salt, _, said = first.partition(" ")
    known = [name for name in rest.split("\0") if name]
    return {*known} if salt and said == _sign(key, salt, known) else None


def _sign(key: bytes, salt: str, known: Sequence[str]) -> str:
    text = "\0".join([salt, *known]).encode("utf-8", "surrogateescape")
    return blake2b(text, key=key, digest_size=20).hexdigest()


def _key(environ: Mapping[str, str], *, make: bool) -> bytes:
    """This person's secret key; b"" if there is none."""
    place = trust.place(environ)
    if place is None:
        return b""
    path = place.with_name(_KEY)
    with suppress(OSError):
        about = os.stat(path)
        if not trust.is_persons(about, 0o077):
            return b""
    found = (read_from(path) or b"")[:64]
    if not found and make:
        _home(place)
        found = os.urandom(32).hex().encode()
        replace(path, found)
    return found


def _home(place: Path) -> None:
    with storage(f"create the folder {place.parent}", "nothing was opened"):
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def _shared(config: Config, found: os.stat_result) -> bool:
    """Whether a group that includes this user shares the whole project."""
    root = os.stat(config.root)
    both = found.st_mode & root.st_mode & stat.S_IWGRP
    groups: list[int] = getattr(os, "getgroups", list)()
    return bool(both) and found.st_gid == root.st_gid and found.st_gid in groups


def _guest(config: Config) -> bool:
    """Whether the project, too, belongs to another user, who may change it."""
    owner = os.stat(config.root).st_uid
    return owner not in {trust.me(), 0} and owner == os.lstat(config.private).st_uid and trust.me() != 0


def _user(uid: int) -> str:
    return f"the user {host.user_name(uid)}"


def _free(path: Path) -> Path:
    number, found = 1, path
    while os.path.lexists(found):
        number, found = number + 1, path.with_name(f"{path.name}-{number}")
    return found
