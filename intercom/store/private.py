"""Owns checking that the private folder belongs to this person: nobody else's state is ever opened.

What git tracks came with a repository, or can come with the next pull; what another user owns, that user can change.
A folder that neither has a mark of this person's key nor a state that this machine wrote came out of an archive, or was
copied from another user or machine. Such a folder is moved aside as a whole, under a name that says so, and a new one
is created: names and read positions start over, the messages of the log stay. One with a state that another machine
or user wrote may have been moved here: nothing is opened until a person says which it is (`intercom init --machine`).

Each folder gets a mark that only this person's key can make, when it is created or first used: so a copy, or what a
backup brings back, is the same person's; the mark that `init` makes keeps a folder in use even if somebody commits it
to git by mistake. Where a person's home is elsewhere (a container), there may be several marks, and the state tells
that it is this machine's.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from intercom.core import trust
from intercom.core.config import Config
from intercom.core.digests import blake2b
from intercom.core.errors import IntercomError, Refused, StorageError
from intercom.store import key
from intercom.store.state.origin import Origin, origin
from intercom.system import host
from intercom.system.boot import boot_id
from intercom.system.files import make_private_folder, opened, replace, storage
from intercom.system.git_index import tracked_in
from intercom.system.lock import flocked

#: Its file in the private folder; only this one, which `init` makes, tells a folder of one's own that git tracks from
#: one that it brought. Any other, made when a folder is first used, is `mine-<digest of the key>`.
_MARK = "mine"
_MOST = 1024 * 1024  #: bytes of a mark that count
_MOST_MARKS = 8  #: a home that is new each time, such as a container's, shall not fill the folder
_ASIDE = "not-ours"
#: What makes a folder speak for somebody: which segments are the ledger, what the page held, what is to be appended.
_SPEAKS = "ledger", "base.", "queue.", "journal", "replaced", "writing."
#: what to do with a folder that may have been moved here
WHOSE = (
    "If it is yours, and is to go on here, run `intercom init --machine {names}`: all goes on as it was. Else run "
    "`intercom init --machine NAME` with another name: that sets it aside, and what is in the log counts as written by "
    "hand. If another machine still uses it, keep your sync tool from .claude/local/.intercom, too."
)


def vet(config: Config) -> str:
    """Move a private folder aside that is not this person's, and return what to tell them (""). StorageError, Refused.

    Refused if another user's folder is in that user's own project, if there is no key for a mark, or if the folder
    may be another's and may have been moved here.
    """
    reason = foreign(config)
    if not reason:
        if _is_marked(config):
            return ""
        if asks := unproven(config):
            raise Refused(asks)
        own(config)
        return ""
    if _guest(config):
        raise Refused(f"{config.private} {reason}, and so does the project; nothing was opened. Ask them to share it.")
    # Without a key the new folder could not be marked, and would itself be set aside; or it is the old one's mark that
    # cannot be told.
    if lacking := key.lacking(config):
        raise Refused(f"{config.private} {reason}; nothing was opened: {lacking}")
    place = trust.place(os.environ)
    assert place is not None, "who has a key has a place for it"
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
        with storage(f"look at {config.private}", "nothing was opened"):
            found = os.lstat(config.private)
    except StorageError as error:
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            return ""
        raise
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
        secret = key.own(config)
        known = _known(config, _MARK, secret) if secret else None
        # Files that git has, beside a mark that it does not have: a checkout wrote them over this person's own.
        if known is None or not (_MARK in brought or brought <= known):
            return "came with the repository (git tracks what is in it)"
    if not _is_marked(config) and not key.is_guest(config) and _speaks(config) and _origin(config) is None:
        return "does not prove to be yours (it has neither a mark of your key nor this machine's state)"
    return ""


def unproven(config: Config) -> str:
    """What to say of a folder that another machine or user wrote, or that does not say who; "" if it is this one's."""
    if _is_marked(config):
        return ""
    about = _origin(config)
    if about is None:
        guest = key.is_guest(config) and _speaks(config)
        away = f"Or move {config.private} away: then what is in the log counts as written by hand."
        return f"{config.private} has no state; nothing was opened: {key.lacking(config)}. {away}" if guest else ""
    if about.unread and not _speaks(config):
        return ""  # whoever opens it gets the error
    if about.unread:
        return (
            f"{config.private / 'state.db'} cannot be used ({about.unread}), and nothing else shows whose the folder "
            "is; nothing was opened. Try again; if it stays so, move that file away: then the folder is set aside, "
            "and what is in the log counts as written by hand."
        )
    if _written_here(config, about):
        return ""
    who = "another machine" if about.machine not in {None, host.machine_id()} else "another user, home or machine"
    whose = WHOSE.format(names=" or ".join(config.pages()) or config.machine)
    return f"{who} wrote {config.private}; nothing was opened. {whose} {host.neighbour()}".rstrip()


def _origin(config: Config) -> Origin | None:
    return origin(config.private / "state.db")


def _written_here(config: Config, about: Origin) -> bool:
    """Whether a state says that it was written on this machine, and no mark says that it was by another user."""
    mine, this_boot = host.machine_id(), bool(about.boot) and about.boot == boot_id()
    if about.machine is None and not about.used:
        here = this_boot or not _speaks(config)
    else:
        here = about.machine == mine if mine else this_boot
    users = {user for name in _marks(config) if (user := _said(config, name)[0].partition("-")[0]).isdigit()}
    with suppress(OSError):
        # What root made and gave away is the owner's; Windows knows no such numbers.
        known = not users or users & {str(trust.me()), "0"} or not hasattr(os, "geteuid")
        return here and (bool(known) or _shared(config, os.lstat(config.private)))
    return False


def _speaks(config: Config) -> bool:
    """Whether there is anything in the folder that could give somebody a word."""
    with suppress(OSError), os.scandir(config.private) as found:
        return any(one.name.startswith(_SPEAKS) and (one.is_file() or _is_full(one)) for one in found)
    return False


def _is_full(one: os.DirEntry[str]) -> bool:
    """Whether it is a folder of ours with something in it: an empty one may stand where a file should be."""
    return one.is_dir() and bool(os.listdir(one))


def prepares(config: Config) -> Callable[[], None]:
    """What creates the private folder, and marks it if it is not there now; raises StorageError."""
    if os.path.isdir(config.private):
        return partial(make_private_folder, config.private)

    def prepare() -> None:
        make_private_folder(config.private)
        own(config)

    return prepare


def own(config: Config) -> None:
    """Mark a folder as this person's that is known to be. Failures are ignored: then the state has to tell."""
    if os.path.isdir(config.private) and not _is_marked(config) and len(_marks(config)) < _MOST_MARKS:
        with suppress(OSError, IntercomError):
            if secret := key.own(config, make=True):
                _write(config, _other(secret), secret)


def mark(config: Config, brought: Iterable[str] = ()) -> None:
    """Create the private folder and mark it as this person's. StorageError.

    `brought`: files in it that git tracks, of which this folder has its own.
    """
    make_private_folder(config.private)
    if secret := key.own(config, make=True):
        _write(config, _MARK, secret, sorted(brought))


def _write(config: Config, name: str, secret: bytes, known: Sequence[str] = ()) -> None:
    salt = f"{trust.me()}-{os.urandom(8).hex()}"
    text = f"{salt} {key.sign(secret, salt, *known)}\n" + "\0".join(known)
    replace(config.private / name, text.encode("utf-8", "surrogateescape"))


def _is_marked(config: Config) -> bool:
    """Whether the folder has a mark of this person's."""
    secret = key.own(config)
    return any(_known(config, name, secret) is not None for name in (_MARK, _other(secret))) if secret else False


def _known(config: Config, name: str, secret: bytes) -> set[str] | None:
    """The files in it of which a mark says that git tracks them; None if it is not this person's mark."""
    salt, said, known = _said(config, name)
    return {*known} if salt and said == key.sign(secret, salt, *known) else None


def _said(config: Config, name: str) -> tuple[str, str, list[str]]:
    """What a mark says: its salt, which begins with the user's number, its signature, and what git tracks."""
    path, text = config.private / name, ""
    with suppress(OSError):
        if not path.is_symlink():
            with opened(path) as file:
                text = file.read(_MOST).decode("utf-8", "surrogateescape")
    first, _, rest = text.partition("\n")
    salt, _, said = first.partition(" ")
    return salt, said, [one for one in rest.split("\0") if one]


def _marks(config: Config) -> list[str]:
    with suppress(OSError):
        return [name for name in os.listdir(config.private) if name == _MARK or name.startswith(f"{_MARK}-")]
    return []


def _other(secret: bytes) -> str:
    return f"{_MARK}-{blake2b(b'', key=secret, digest_size=4).hexdigest()}"


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
