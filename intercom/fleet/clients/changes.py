"""Owns changing clients' files for a set-up, and back: everything is planned first, then written, one file at a time.

A file in an unexpected form is left alone and reported. What others wrote after us always stays.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from intercom.fleet.clients.edit.splice import CannotEdit, Edited, without
from intercom.fleet.clients.part import Own, Part, other
from intercom.fleet.clients.record import Record, Recorded, sum_of
from intercom.system.files import make_folder, replace

_MOST = 64 * 1024 * 1024  #: bytes of a client's file; one's own may hold the history of every project

ADDED, THERE, REMOVED, ALONE = "added", "there", "removed", "left alone"


class Change(NamedTuple):
    """The planned change of one file."""

    path: Path
    what: str  #: ADDED, THERE, REMOVED or ALONE
    before: str | None = None  #: its present text; None: there is no file
    after: str | None = None
    why: str = ""  #: why it, or some part of it, is left alone; what else stands in our place
    kept: Recorded | None = None  #: what to remember afterwards
    mode: int = 0o644  #: mode of a new file


def adding(
    root: Path, path: Path, parts: Iterable[Part], record: Record, *, user: bool, former: Iterable[Part] = ()
) -> Change:
    """The change that adds these parts to `path`."""
    parts = list(parts)
    try:
        real, before = _open(root, path)
        known = record.get(path)
        ours = known if known is not None and before is not None and known.after == sum_of(before) else None
        base = without(before, ours.inserts) if ours is not None and before is not None and ours.inserts else before
        edited = Edited((before if base is None else base) or "")
        if known is not None:
            edited = Edited(_rid(edited.text, (one for one in former if one not in parts)))
        others: list[str] = []
        for part in parts:
            if part.there(edited.text):
                others += filter(None, [other(part, edited.text)])
                continue
            try:
                edited = part.put(edited)
            except CannotEdit:
                if getattr(part, "needed", True):
                    raise
    except (CannotEdit, OSError, UnicodeDecodeError) as error:
        return Change(path, ALONE, why=_why(error))
    if edited.text == (before or ""):
        return Change(real, THERE, before, before, why="; ".join(others), kept=known)
    if before is not None and _kept_so(real):
        return Change(path, ALONE, why=_READ_ONLY)
    created = before is None if known is None else known.created
    clean = known is None or ours is not None
    kept = Recorded(
        sum_of(edited.text),
        edited.inserts if clean else (),
        created,
        known.made if known else tuple(map(str, _missing(real.parent))),
        "" if user else str(root),
        user,
    )
    mode = max((part.mode for part in parts if isinstance(part, Own)), default=0o644)
    return Change(real, ADDED, before, edited.text, "; ".join(others), kept, mode)


def taking(root: Path, path: Path, parts: Iterable[Part], record: Record) -> Change | None:
    """The change that removes our parts from `path`; None if it has none."""
    try:
        real, before = _open(root, path)
        known = record.get(path)
        if before is None:
            return Change(path, THERE) if known else None
        after = None
        if known is not None and known.inserts and known.after == sum_of(before):
            after = without(before, known.inserts)
        if after is None:
            after = before
            for part in parts:
                after = part.cut(after)
    except (CannotEdit, OSError, UnicodeDecodeError) as error:
        return Change(path, ALONE, why=_why(error)) if record.get(path) is not None else None
    gone = not after.strip("\ufeff \t\r\n{}") and (known is not None and known.created)
    if after == before and not gone:
        return Change(real, THERE, before, before) if known else None
    if _kept_so(real):
        return Change(path, ALONE, why=_READ_ONLY)
    own = not after and any(isinstance(part, Own) for part in parts)
    return Change(real, REMOVED, before, None if gone or own else after, kept=known)


_READ_ONLY = "it is read-only"


def _kept_so(real: Path) -> bool:
    """Whether somebody made the file read-only; replacing it would work all the same."""
    try:
        return not real.stat().st_mode & 0o222
    except OSError:
        return False


def _rid(text: str, former: Iterable[Part]) -> str:
    """The text without those parts that are still as we put them; what a person changed since is theirs."""
    for part in former:
        text = part.cut(text) if part.whole(text) else text
    return text


def apply(change: Change, record: Record, path: Path) -> None:
    """Write the file, and what is to be remembered. OSError, StorageError."""
    if change.what == ADDED:
        assert change.after is not None
        make_folder(change.path.parent)
        new = change.before is None
        replace(change.path, change.after.encode())
        if new:
            os.chmod(change.path, change.mode & ~_umask())
        record.put(path, change.kept)
    elif change.what == REMOVED:
        if change.after is None:
            change.path.unlink(missing_ok=True)
            _tidy(change.kept)
        else:
            replace(change.path, change.after.encode())
        record.put(path, None)
    elif change.what == THERE and change.kept is None:
        record.put(path, None)


def _tidy(known: Recorded | None) -> None:
    """Remove the folders created for a file, as far as they are empty."""
    for folder in known.made if known else ():
        try:
            os.rmdir(folder)
        except OSError:
            return  # something else has been put into it


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _missing(folder: Path) -> list[Path]:
    """The folders that must be created, innermost first."""
    return [one for one in (folder, *folder.parents) if not one.exists()]


def _open(root: Path, path: Path) -> tuple[Path, str | None]:
    """The file's real path, and its text (None if it does not exist). CannotEdit, OSError, UnicodeDecodeError."""
    real = Path(os.path.realpath(path))
    if path.is_relative_to(root) and not real.is_relative_to(os.path.realpath(root)):
        raise CannotEdit(f"it leads out of the project, to {real}")
    if real.exists() and not real.is_file():
        raise CannotEdit("it is not a regular file")
    try:
        if real.stat().st_size > _MOST:
            raise CannotEdit(f"it has more than {_MOST >> 20} MiB")
        return real, real.read_bytes().decode()
    except FileNotFoundError:
        return real, None


def _why(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
