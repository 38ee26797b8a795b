"""Owns what is done to history on purpose: compacting it, bringing back what was deleted, destroying a secret.

All of it under the writer lock, after the live log and the journal were made to agree.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from intercom.agreement import carry, quick
from intercom.compact import Compaction, blocks, compact, ident
from intercom.config import COMPACT_KEEP, Config
from intercom.errors import IntercomError, NotFound, StorageError
from intercom.files import joined, read_from, replace, storage
from intercom.format import MESSAGE, Entry, digest, hand_id, parse, rendered
from intercom.index import Index, query
from intercom.log import Log, replace_journal
from intercom.model import Message, local_stamp, utc
from intercom.state import State
from intercom.swap import overwrite, swap
from intercom.sync import Sync

_TRIES = 20
_COMPACT_TRIES = 3  #: other writers wait meanwhile
_TELLING = 8  #: characters; a line of a secret at least so long is searched for in damaged copies


class Redaction(NamedTuple):
    """What a redaction destroyed, and where the text may still stand."""

    id: str
    files: tuple[str, ...]  #: rewritten, relative to `.claude/local`
    quoted_in: tuple[str, ...]  #: ids of other messages that repeat a line of it


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
        hidden = self._state.traces().hidden
        found = query.by_ids(self._sync.db(), self._missing())
        return [message for message in found if message.id in hidden or not message.file.startswith("archive/")]

    def _missing(self) -> list[str]:
        hidden = self._state.traces().hidden
        present = self._present()
        held = dict.fromkeys(ident(block) for block in blocks(read_from(self._log.journal) or b""))
        return [*hidden, *(name for name in held if name not in present and name not in hidden)]

    def _present(self) -> set[str]:
        """Ids of what stands in the live log; it agrees with the journal."""
        found, counts = set(), dict[str, int]()
        for entry in parse(read_from(self._log.live) or b""):
            if entry.kind != MESSAGE:
                continue
            mark = digest(entry)
            counts[mark] = counts.get(mark, 0) + 1
            found |= {entry.id} if entry.id else {hand_id(mark, counts[mark]), f"={mark}"}
        return found | {
            entry.id
            for entry in parse(read_from(self._log.journal) or b"")
            if entry.id and f"={digest(entry)}" in found
        }

    def restore(self, wanted: Callable[[Message], bool]) -> list[Message]:
        """Bring back those of the missing messages that are wanted; return them. StorageError."""
        self._sync.db()
        with self._log.locked():
            chosen = [message for message in self.missing() if wanted(message)]
            names = {message.id for message in chosen}
            held = {ident(block): block for block in blocks(read_from(self._log.journal) or b"")}
            back = [block for name, block in held.items() if name in names and name not in self._present()]
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
        """Destroy the text of a message wherever Intercom keeps it; a stub stays. NotFound, StorageError."""
        db = self._sync.db()
        with self._log.locked():
            texts = self.versions(db, ident_)
            stub = texts[-1]._replace(body=f"[redacted {local_stamp(time.time())}]")
            quoted = self._quoted(db, texts)
            self._state.redact(ident_)
            with storage("redact everywhere", "the text may still stand somewhere; try again"):
                files = [path for path in self._kept_files() if self._purge(path, texts, stub)]
            self._index.discard()
        self._sync.db()
        folder = self._config.folder
        return Redaction(ident_, tuple(str(path.relative_to(folder)) for path in files), tuple(quoted))

    def _kept_files(self) -> Iterable[Path]:
        yield from (self._log.journal, self._log.live)
        yield from sorted(self._config.archive.glob("*.md"))
        yield from sorted((self._config.archive / "damaged").glob("*"))
        yield from sorted((self._config.private / "replaced").glob("*"))

    def _quoted(self, db: sqlite3.Connection, texts: list[Message]) -> list[str]:
        """Other messages that hold a telling line of the secret."""
        lines = _telling(texts)
        return [m.id for line in lines for m in query.holding(db, line) if m.id != texts[-1].id] if lines else []

    def _purge(self, path: Path, texts: list[Message], stub: Message) -> bool:
        """Take the text out of one file; whether it was there."""
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
        after = _purged(before, texts, stub, once=path == self._log.journal)
        if path.parent.name == "damaged":
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


def _mine(entry: Entry, texts: list[Message], stub: Message) -> bool:
    """Whether an entry is a text of the message that the stub is to stand for."""
    same = entry.id == stub.id or (entry.id is None and any(entry.body == text.body for text in texts))
    return entry.kind == MESSAGE and same and entry.body != stub.body


def _purged(data: bytes, texts: list[Message], stub: Message, *, once: bool = False) -> bytes:
    """A log without the text; `once`: of several versions one stub is left."""
    out, lines, done = [], _telling(texts), False
    for entry in parse(data):
        if _mine(entry, texts, stub):
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
