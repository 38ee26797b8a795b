"""Owns what is done to history on purpose: compacting it, bringing back what was deleted, destroying a secret.

All of it under the writer lock, after the live log and the journal were made to agree.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Container, Iterable
from pathlib import Path
from typing import NamedTuple

from intercom.agreement import carry, quick
from intercom.compact import Compaction, compact
from intercom.config import COMPACT_KEEP, Config
from intercom.errors import IntercomError, NotFound, Refused, StorageError
from intercom.files import joined, read_from, replace, storage
from intercom.format import MESSAGE, Entry, digest, parse, rendered
from intercom.index import Index, query
from intercom.keeping import Held, held
from intercom.listing import Listing
from intercom.log import Log, replace_journal
from intercom.model import Message, local_stamp, utc, utc_of_stamp
from intercom.reconcile import Thresholds
from intercom.reconcile.likeness import similarity
from intercom.state import State
from intercom.swap import overwrite, swap
from intercom.sync import Sync
from intercom.window import entries_of

_TRIES = 20
_COMPACT_TRIES = 3  #: other writers wait meanwhile
_TELLING = 8  #: characters; a line of a secret at least so long is searched for in damaged copies


class Redaction(NamedTuple):
    """What a redaction destroyed, and where the text may still stand."""

    id: str
    files: tuple[str, ...]  #: rewritten, relative to `.claude/local`
    quoted_in: tuple[str, ...]  #: ids of other messages that repeat a line of it
    left_in: tuple[str, ...]  #: files of other machines in which it stands, too


class Upkeep:
    """Compaction, restoring and redaction on one bus."""

    def __init__(self, config: Config, log: Log, index: Index, state: State, sync: Sync, notices: list[str]) -> None:
        self._config = config
        self._log = log
        self._index = index
        self._state = state
        self._sync = sync
        self._notices = notices

    # -- compaction -------------------------------------------------------------------------------

    def compact(self, keep: int) -> Compaction:
        """Move all but the newest `keep` messages to the archive. StorageError, LockTimeout."""
        self._sync.db()
        with self._log.locked():
            return self._compact(keep)

    def _compact(self, keep: int) -> Compaction:
        for _ in range(_COMPACT_TRIES):
            if not quick(self._log, self._state):
                self._sync.db()
            if not self._log.journal.exists():
                return Compaction(0, 0, None)
            done = compact(self._config, self._log.journal, keep, self._state, time.time())
            if done is not None:
                return done
        raise StorageError(f"{self._log.live} keeps being saved by another program; nothing was compacted. Try again.")

    def maintain(self) -> None:
        """Compact a log that grew too long; the caller holds the lock and has sent already: trouble is only noted."""
        try:
            self._compact(COMPACT_KEEP)
        except IntercomError as error:
            self._notices.append(f"the message was sent, but the log could not be compacted: {error}")

    # -- restoring --------------------------------------------------------------------------------

    def missing(self) -> list[Message]:
        """What was deleted by hand, or lost and not put back, in order of arrival."""
        return self._missing(self._sync.db(), held(self._log))

    def _missing(self, db: sqlite3.Connection, held: Held) -> list[Message]:
        hidden = self._state.traces().hidden
        names = [*hidden, *(name for name in held.spans if name not in held.present and name not in hidden)]
        found = query.by_ids(db, names)
        return [message for message in found if message.id in hidden or not message.file.startswith("archive/")]

    def restore(self, wanted: Callable[[Message], bool]) -> list[Message]:
        """Bring back those of the missing messages that are wanted; return them. StorageError."""
        self._sync.db()
        with self._log.locked():
            db, have = self._sync.db(), held(self._log)
            chosen = [message for message in self._missing(db, have) if wanted(message)]
            names = {message.id for message in chosen}
            back = [have.block(name) for name in have.spans if name in names and name not in have.present]
            if back:
                self._append(back)
            self._state.restore(names)
        self._sync.db()
        return chosen

    def save(self, base: bytes, edited: bytes) -> None:
        """Put an edit that was made from `base` into the live log, and keep what came meanwhile."""
        self._sync.db()
        with self._log.locked(), storage(f"write {self._log.live}", "the log is as it was"):
            for _ in range(_TRIES):
                live = read_from(self._log.live) or b""
                if swap(self._log.live, live, _merged(base, edited, live)):
                    break
        self._sync.db()

    def _append(self, back: list[bytes]) -> None:
        with storage(f"write {self._log.live}", "nothing was restored"):
            for _ in range(_TRIES):
                live = read_from(self._log.live) or b""
                after = joined([live, *back])
                if swap(self._log.live, live, after):
                    carry(self._state, self._log.journal, live, after)
                    return
        raise StorageError(f"{self._log.live} keeps being saved by another program; nothing was restored. Try again.")

    # -- versions and secrets ---------------------------------------------------------------------

    def versions(self, db: sqlite3.Connection, ident_: str) -> list[Message]:
        """Every text that a message had, oldest first, the present one last. NotFound."""
        present = query.by_ids(db, [ident_])
        if not present:
            raise NotFound(
                f"there is no message {ident_!r}. `intercom log` and `intercom search` show ids with --json."
            )
        return [present[0]._replace(body=body) for body in query.older_bodies(db, ident_)] + present

    def redact(self, ident_: str) -> Redaction:
        """Destroy the text of a message wherever Intercom keeps it; a stub stays. NotFound, Refused, StorageError."""
        db = self._sync.db()
        with self._log.locked():
            texts = self.versions(db, ident_)
            listing = Listing(self._config)
            theirs = [path for path, own in listing.all() if not (own or listing.copy(path)[1])]
            if (file := texts[-1].file) in theirs:
                raise Refused(
                    f"{ident_} stands in {file}, which is another machine's and never written here; "
                    "nothing was redacted. Redact it on that machine, or take it out of the file by hand."
                )
            stub = texts[-1]._replace(body=f"[redacted {local_stamp(time.time())}]")
            quoted = self._quoted(db, texts)
            self._state.redact(ident_)
            with storage("redact everywhere", "the text may still stand somewhere; try again"):
                copies = {self._config.folder / path for path, _ in listing.all() if listing.copy(path)[1]}
                kept = self._kept_files({self._config.folder / path for path in theirs})
                files = [path for path in kept if self._purge(path, texts, stub, near=False)]
                files += [path for path in sorted(copies) if self._purge(path, texts, stub, near=True)]
            self._index.discard()
        self._sync.db()
        folder = self._config.folder
        left = tuple(path for path in theirs if _tells(read_from(folder / path) or b"", texts, stub))
        return Redaction(ident_, tuple(str(path.relative_to(folder)) for path in files), tuple(quoted), left)

    def _kept_files(self, theirs: Container[Path]) -> Iterable[Path]:
        yield from (self._log.journal, self._log.live)
        yield from (path for path in sorted(self._config.archive.glob("*.md")) if path not in theirs)
        yield from sorted((self._config.archive / "damaged").glob("*"))
        yield from sorted((self._config.private / "replaced").glob("*"))
        yield from sorted((self._config.private / "edit").glob("*"))

    def _quoted(self, db: sqlite3.Connection, texts: list[Message]) -> list[str]:
        """Other messages that hold a telling line of the secret."""
        lines = _telling(texts)
        return [m.id for line in lines for m in query.holding(db, line) if m.id != texts[-1].id] if lines else []

    def _purge(self, path: Path, texts: list[Message], stub: Message, *, near: bool) -> bool:
        """Take the text out of one file; whether it was there. `near`: also what it may have been edited to there."""
        before = read_from(path)
        if before is None:
            return False
        if path == self._log.live:
            return self._purge_live(texts, stub)
        if path.parent.name == "replaced":  # somebody may be writing to it: nothing in it may change its place
            after = _blanked(before, texts, stub)
            if after != before:
                overwrite(path, before, after)
            return after != before
        after = _purged(before, texts, stub, once=path == self._log.journal, near=near)
        if near or path.parent.name in {"damaged", "edit"}:
            after = _struck(after, _telling(texts))
        if path == self._log.journal and after != before:
            replace_journal(path, (after,))
        elif after != before:
            replace(path, after)
        return after != before

    def _purge_live(self, texts: list[Message], stub: Message) -> bool:
        for _ in range(_TRIES):
            live = read_from(self._log.live) or b""
            after = _purged(live, texts, stub)
            if after == live or swap(self._log.live, live, after):
                carry(self._state, self._log.journal, live, after)
                return after != live
        raise StorageError(
            f"{self._log.live} keeps being saved by another program; the text still stands in it. Try again."
        )


def _mine(entry: Entry, texts: list[Message], stub: Message, *, near: bool = False) -> bool:
    """Whether an entry is a text of the message that the stub is to stand for."""
    same = entry.id == stub.id or (entry.id is None and any(entry.body == text.body for text in texts))
    if near and not same and entry.id is None and (entry.at or utc_of_stamp(entry.stamp)) == stub.at:
        same = any(similarity(text.body, entry.body) >= Thresholds().similar for text in texts)
    return entry.kind == MESSAGE and same and entry.body != stub.body


def _tells(data: bytes, texts: list[Message], stub: Message) -> bool:
    """Whether a file holds the text of the message, or a telling line of it."""
    lines = any(line.encode("utf-8", "surrogatepass") in data for line in _telling(texts))
    return lines or any(_mine(entry, texts, stub) for entry in entries_of(data))


def _purged(data: bytes, texts: list[Message], stub: Message, *, once: bool = False, near: bool = False) -> bytes:
    """A log without the text; `once`: of several versions one stub is left."""
    out, lines, done = [], _telling(texts), False
    for entry in parse(data):
        if _mine(entry, texts, stub, near=near):
            if not (once and done):
                out.append(_stub(entry, stub))
            done = True
        else:
            out.append(entry.raw if entry.kind == MESSAGE else _struck(entry.raw, lines))
    return b"".join(out)


def _blanked(data: bytes, texts: list[Message], stub: Message) -> bytes:
    """As long as `data`, with nothing where the text was."""
    lines = _telling(texts)
    parts = [
        _blank(entry.raw)
        if _mine(entry, texts, stub)
        else _struck(entry.raw, lines, _blank)
        if entry.kind != MESSAGE
        else entry.raw
        for entry in parse(data)
    ]
    return b"".join(parts)


def _blank(data: bytes) -> bytes:
    return b" " * (len(data) - 1) + data[-1:]


def _merged(base: bytes, edited: bytes, live: bytes) -> bytes:
    """The edit, with what the log has gained since; where the log is not just longer, only the edit's new messages."""
    if live.startswith(base):
        return joined([edited, live[len(base) :]])
    known = {digest(entry) for entry in parse(base)}
    return joined([live, *(e.raw for e in parse(edited) if e.kind == MESSAGE and digest(e) not in known)])


def _stub(entry: Entry, stub: Message) -> bytes:
    return rendered(entry._replace(body=stub.body), stub.id, entry.via or stub.via, entry.at or stub.at or utc())


def _struck(data: bytes, lines: list[str], by: Callable[[bytes], bytes] = lambda _: b"[redacted]") -> bytes:
    """Text that is no message, without these lines."""
    for line in (line.encode("utf-8", "surrogatepass") for line in lines):
        data = data.replace(line, by(line))
    return data


def _telling(texts: list[Message]) -> list[str]:
    """The lines of a secret that are long enough to be searched for."""
    lines = (line.strip() for text in texts for line in text.body.splitlines())
    return list(dict.fromkeys(line for line in lines if len(line) >= _TELLING))
