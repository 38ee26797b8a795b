"""Owns redaction: destroying the text of a message wherever Intercom keeps it.

A record in the ledger says that it is to be destroyed before anything is touched, and another one afterwards says
that it was. Whoever finds the first without the second continues, so a redaction that was killed is completed.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from intercom.core.config import Config
from intercom.core.errors import StorageError
from intercom.core.message import Message, local_stamp, utc, utc_of_stamp
from intercom.format import MESSAGE, Entry, parse, rendered
from intercom.format.likeness import similarity
from intercom.format.record import PURGED, control, idents, seal
from intercom.format.roster import Roster
from intercom.repair.rules import Thresholds
from intercom.store.index import query
from intercom.store.log import group, spare
from intercom.store.log.log import Log
from intercom.store.log.replace import overwrite, swap
from intercom.store.log.unfinished import entries_of
from intercom.store.sources.inventory import Listing
from intercom.system import host
from intercom.system.files import read_from, replace, storage

_TRIES = 20
_STUB = "[redacted "
_TELLING = 8  #: characters; lines of a secret from this length on are searched for in damaged copies


class Redaction(NamedTuple):
    """The result of a redaction, and where the text may still be."""

    id: str
    files: tuple[str, ...]  #: files rewritten, relative to `.claude/local`
    quoted_in: tuple[str, ...]  #: ids of other messages that repeat a line of it
    left_in: tuple[str, ...]  #: files of other machines that contain it, too
    strays: tuple[str, ...] = ()  #: files below `.claude/local` that we cannot rewrite and that contain a line of it


class Purge:
    """Removes the texts of a message from every file of ours. Created and run under the writer lock."""

    def __init__(self, config: Config, log: Log, listing: Listing, db: sqlite3.Connection) -> None:
        self._config = config
        self._log = log
        self._listing = listing
        self._db = db
        base = log.base.read(log.ledger.id)
        self._roster = base.roster if base else Roster()
        #: Other machines' files, below `.claude/local`, which are never written.
        self.theirs = [file.path for file in listing.all() if not (file.own or listing.origin(file.path).ours)]

    def run(self, texts: list[Message]) -> Redaction:
        """Destroy these texts of one message, the last of which is the present one. StorageError."""
        ident, folder = texts[-1].id, self._config.folder
        body = texts[-1].body if texts[-1].body.startswith(_STUB) else f"{_STUB}{local_stamp(time.time())}]"
        stub = texts[-1]._replace(body=body)
        quoted = self._quoted(texts)
        with storage("redact everywhere", "the text may still stand somewhere; try again"):
            group.clear(self._config.private)
            files = [path for path in self._segments() if self._purge(path, texts, stub, sealed=True)]
            files += [page for page in self._pages() if self._purge_page(page, texts, stub)]
            files += [path for path in self._kept_files() if self._purge(path, texts, stub)]
            others = [file for file in self._listing.all() if not file.own and self._listing.origin(file.path).ours]
            copies = sorted(folder / file.path for file in others)
            files += [path for path in copies if self._purge(path, texts, stub, near=True)]
            self._agree(texts, stub)
            page = Path(os.path.realpath(self._log.live)).parent
            for where in {folder, self._config.archive, self._config.private, page}:
                host.sync_folder(where)  # so that no older file comes back under its name
            spare.renew(self._config, [segment.name for segment in self._log.ledger.segments() if segment.sealed])
            self._log.learn([control(PURGED, [ident], time.time())], "the text is destroyed, but that is not noted")
        left = tuple(path for path in self.theirs if _tells(read_from(folder / path) or b"", texts, stub))
        names = tuple(path.relative_to(folder).as_posix() for path in files)
        return Redaction(ident, names, tuple(quoted), left, tuple(self._strays(texts)))

    def _strays(self, texts: list[Message]) -> Iterable[str]:
        """Files that contain a telling line and that we cannot rewrite: other programs', workers' output."""
        lines = [line.encode("utf-8", "surrogatepass") for line in _telling(texts)]
        read = (self._config.folder / file.path for file in self._listing.all())
        known = {*self._pages(), *self._segments(), *read}
        for path in _files(self._config.folder.rglob("*")) if lines else ():
            if path in known or (path.parent == self._config.private and path.name.startswith(("base.", "index2."))):
                continue
            with suppress(StorageError):  # what we cannot read we cannot name
                data = read_from(path) or b""
                if any(line in data for line in lines):
                    yield path.relative_to(self._config.folder).as_posix()

    def _segments(self) -> Iterable[Path]:
        return [self._log.ledger.path(segment) for segment in self._log.ledger.segments()]

    def _pages(self) -> list[Path]:
        return [self._log.live, *(self._config.under(machine).log for machine in self._listing.pages)]

    def _kept_files(self) -> Iterable[Path]:
        archive, private = self._config.archive, self._config.private
        for folder in (archive / "damaged", private / "replaced", private / "edit"):
            yield from _files(folder.rglob("*"))
        yield from _files(self._config.folder.glob(f"{self._log.live.name}?*"))
        yield from _files(archive.glob(f"{self._log.live.stem}-[0-9]*.md?*"))

    def _quoted(self, texts: list[Message]) -> list[str]:
        """Other messages that contain a telling line of the secret."""
        lines = _telling(texts)
        return [m.id for line in lines for m in query.holding(self._db, line) if m.id != texts[-1].id] if lines else []

    def _purge(
        self, path: Path, texts: list[Message], stub: Message, *, sealed: bool = False, near: bool = False
    ) -> bool:
        """Remove the text from one file; returns whether it was there.

        `sealed`: a segment. `near`: also remove what the text may have been edited to there.
        """
        before = read_from(path)
        if before is None:
            return False
        if path.parent.name == "replaced":  # somebody may be writing to it: offsets must not change
            after = _blanked(before, texts, stub, self._roster)
            if after != before:
                overwrite(path, before, after)
            return after != before
        roster = None if sealed or near else self._roster
        after = _purged(before, texts, stub, roster, sealed=sealed, near=near)
        if near or path.parent.name in {"damaged", "edit"}:
            after = _struck(after, _telling(texts))
        if after != before:
            replace(path, after)
        return after != before

    def _purge_page(self, path: Path, texts: list[Message], stub: Message) -> bool:
        for _ in range(_TRIES):
            page = read_from(path) or b""
            after = _purged(page, texts, stub, self._roster, sealed=True)
            if after == page or swap(path, page, after, sync=True):
                return after != page
        raise StorageError(f"{path} keeps being saved by another program; the text still stands in it. Try again.")

    def _agree(self, texts: list[Message], stub: Message) -> None:
        """Write the base without the text. Bases of other pages are emptied: those pages get back what they lack.

        Drafts of dead writers are removed, too: nobody else has the lock.
        """
        self._log.sweep()
        self._log.base.drop_others()
        base, end = self._log.base.read(self._log.ledger.id), self._log.ledger.end()
        page = read_from(self._log.live) or b""
        if base is None or end is None:
            self._log.base.drop()
            return
        since = (
            page[len(before) :]
            if page.startswith(before := _purged(base.page, texts, stub, base.roster, sealed=True))
            else None
        )
        names = idents(since or b"")
        if since is not None and since.count(b"\n## [") + since.startswith(b"## [") == len(names):
            self._log.base.write(
                self._log.ledger.id, end, page, base.marks, [*base.arrived, *names], base.late, base.names
            )
        else:
            self._log.base.drop()


def _files(paths: Iterable[Path]) -> list[Path]:
    """Those that are regular files: what a link leads to is not ours to change, and a pipe holds no text."""
    return sorted(path for path in paths if path.is_file() and not path.is_symlink())


def _mine(entry: Entry, texts: list[Message], stub: Message, *, near: bool = False) -> bool:
    """Whether an entry is a text of the message that the stub replaces."""
    same = entry.id == stub.id or (entry.id is None and any(entry.body == text.body for text in texts))
    if near and not same and entry.id is None and (entry.at or utc_of_stamp(entry.stamp)) == stub.at:
        same = any(similarity(text.body, entry.body) >= Thresholds().similar for text in texts)
    return entry.kind == MESSAGE and same and entry.body != stub.body


def _tells(data: bytes, texts: list[Message], stub: Message) -> bool:
    """Whether a file contains the text of the message, or a telling line of it."""
    lines = any(line.encode("utf-8", "surrogatepass") in data for line in _telling(texts))
    return lines or any(_mine(entry, texts, stub) for entry in entries_of(data))


def _purged(
    data: bytes,
    texts: list[Message],
    stub: Message,
    roster: Roster | None,
    *,
    sealed: bool = False,
    near: bool = False,
) -> bytes:
    """A log without the text; `sealed`: with a record in its place. A page is parsed with a `roster`."""
    out, lines = [], _telling(texts)
    for entry in parse(data, roster):
        if _mine(entry, texts, stub, near=near):
            block = _stub(entry, stub)
            out.append(seal(block) if sealed else block)
        else:
            out.append(entry.raw if entry.kind == MESSAGE else _struck(entry.raw, lines))
    return b"".join(out)


def _blanked(data: bytes, texts: list[Message], stub: Message, roster: Roster) -> bytes:
    """`data` with the text blanked out, in the same length."""
    lines = _telling(texts)
    parts = [
        _blank(entry.raw)
        if _mine(entry, texts, stub)
        else _struck(entry.raw, lines, _blank)
        if entry.kind != MESSAGE
        else entry.raw
        for entry in parse(data, roster)
    ]
    return b"".join(parts)


def _blank(data: bytes) -> bytes:
    return b" " * (len(data) - 1) + data[-1:]


def _stub(entry: Entry, stub: Message) -> bytes:
    return rendered(entry._replace(body=stub.body), stub.id, entry.via or stub.via, entry.at or stub.at or utc())


def _struck(data: bytes, lines: list[str], by: Callable[[bytes], bytes] = lambda _: b"[redacted]") -> bytes:
    """Text that is not a message, without these lines."""
    for line in (line.encode("utf-8", "surrogatepass") for line in lines):
        data = data.replace(line, by(line))
    return data


def _telling(texts: list[Message]) -> list[str]:
    """The lines of a secret that are long enough to be searched for."""
    lines = (line.strip() for text in texts for line in text.body.splitlines())
    return list(dict.fromkeys(line for line in lines if len(line) >= _TELLING))
