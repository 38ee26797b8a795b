"""Owns deliberate changes to history: compacting, deleting, restoring, redacting.

All of it under the writer lock, after page and ledger were made to agree. A send that compacts imports this while it
has the lock and others wait, so what only the rarer ones need is imported by them.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from intercom.bus.freshness import Freshness
from intercom.core.config import Config
from intercom.core.errors import IntercomError, NotFound, Refused, StorageError
from intercom.core.message import Message
from intercom.format import MESSAGE, digest, parse
from intercom.format.record import REDACTED, REMOVED, RETURNED, as_is, control
from intercom.format.roster import Roster
from intercom.store.index import Index, IndexLost, query
from intercom.store.log.checkpoint import quick
from intercom.store.log.compact import Compaction, compact
from intercom.store.log.log import Log
from intercom.store.log.replace import check_names, swap
from intercom.store.log.unfinished import Read, without
from intercom.store.sources.inventory import Listing
from intercom.system.files import joined, read_from, storage

if TYPE_CHECKING:
    from intercom.bus.purge import Redaction

_TRIES = 20
_COMPACT_TRIES = 4  #: few, because other writers wait meanwhile
_UNDONE = "this is not done, or only half done"

P = ParamSpec("P")
T = TypeVar("T")


def guarded(method: Callable[Concatenate[History, P], T]) -> Callable[Concatenate[History, P], T]:
    """Decorate a method that reads the index: if the index fails, it raises StorageError."""

    @wraps(method)
    def run(self: History, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            with storage("use a file of the log", f"{_UNDONE}. Do it again"), self.index.guarded():
                return method(self, *args, **kwargs)
        except IndexLost as lost:
            raise StorageError(f"{lost}, so {_UNDONE}. Do it again.") from lost

    return run


class History:
    """Compaction, restoring and redaction on one bus."""

    def __init__(self, config: Config, log: Log, index: Index, freshness: Freshness, notices: list[str]) -> None:
        self._config = config
        self._log = log
        self.index = index
        self._freshness = freshness
        self._notices = notices

    # -- compaction -------------------------------------------------------------------------------

    @guarded
    def compact(self, keep: int) -> Compaction:
        """Remove all but the newest `keep` messages from the page. StorageError, LockTimeout."""
        self._freshness.db()
        with self._log.locked():
            return self._compact(keep)

    def _compact(self, keep: int) -> Compaction:
        for _ in range(_COMPACT_TRIES):
            done = compact(self._log, keep)
            if done is not None:
                return done
            found = quick(self._log)
            if found is None or found.behind:
                self._freshness.db()
            if not self._log.ledger.exists():
                return Compaction(0, 0, None)
        raise StorageError(f"{self._log.live} keeps being saved by another program; nothing was compacted. Try again.")

    def maintain(self) -> None:
        """Compact a log that is too long after a send; the caller holds the lock, and errors become notices."""
        try:
            self._compact(self._config.page.keep)
        except (IntercomError, OSError) as error:
            self._notices.append(f"the message was sent, but the log could not be compacted: {error}")

    # -- restoring --------------------------------------------------------------------------------

    @guarded
    def missing(self) -> list[Message]:
        """What was deleted by hand, or lost and not put back, in order of arrival."""
        return query.off_page(self._freshness.db())

    @guarded
    def restore(self, ident: str | None, since: str | None) -> list[Message]:
        """Bring back missing messages: one by id, or all since a time. NotFound, StorageError."""
        from intercom.repair.sides import entry_of

        def wanted(message: Message) -> bool:
            return (ident is None or message.id == ident) and (since is None or message.at >= since)

        self._freshness.db()
        with self._log.locked():
            db = self._freshness.db()
            chosen = [message for message in query.off_page(db) if wanted(message)]
            names = [message.id for message in chosen]
            back = [as_is(found[0]) for name in names if (found := entry_of(db, name)) is not None]
            if names:
                check_names(self._log.live, "nothing was restored")
                self._log.learn([control(RETURNED, names, time.time())], "nothing was restored")
                self._append(back)
        self._freshness.db()
        if ident is not None and not chosen:
            raise NotFound(
                f"{ident!r} is not among what was deleted; nothing was restored. `intercom restore` lists it."
            )
        return chosen

    @guarded
    def delete(self, ident: str) -> Message:
        """Take a message off the page and out of reads; returns it. NotFound, Refused, StorageError."""
        self._freshness.db()
        with self._log.locked():
            db = self._freshness.db()
            message = self.versions(db, ident)[-1]
            if not query.is_ours(db, ident):
                raise Refused(
                    f"{ident} stands in {message.file}, which is another machine's and never written here; "
                    "nothing was deleted. Delete it on that machine."
                )
            if ident not in {gone.id for gone in query.deleted(db)}:
                check_names(self._log.live, "nothing was deleted")
                self._take_off(ident)
                self._log.learn([control(REMOVED, [ident], time.time())], "it is off the page, but not deleted")
        self._freshness.db()
        return message

    def _take_off(self, ident: str) -> None:
        base = self._log.base.read(self._log.ledger.id)
        read = base or Read(Roster(), {})
        with storage(f"write {self._log.live}", "nothing was deleted"):
            for _ in range(_TRIES):
                live = read_from(self._log.live) or b""
                if swap(self._log.live, live, without(live, read, {ident})):
                    break

    @guarded
    def save(self, base: bytes, edited: bytes) -> None:
        """Merge an edit made from `base` into the page, keeping what came meanwhile."""
        self._freshness.db()
        with self._log.locked(), storage(f"write {self._log.live}", "the log is as it was"):
            check_names(self._log.live, "the log is as it was")
            for _ in range(_TRIES):
                live = read_from(self._log.live) or b""
                if swap(self._log.live, live, _merged(base, edited, live)):
                    break
        self._freshness.db()

    def _append(self, back: list[bytes]) -> None:
        with storage(f"write {self._log.live}", "what was restored is put there as soon as that works"):
            for _ in range(_TRIES):
                live = read_from(self._log.live) or b""
                if swap(self._log.live, live, joined([live, *back])):
                    return

    # -- versions and secrets ---------------------------------------------------------------------

    def versions(self, db: sqlite3.Connection, ident: str) -> list[Message]:
        """A message once for each text that it had, oldest first, the present one last. NotFound."""
        found = query.texts(db, ident)
        if not found:
            raise NotFound(f"there is no message {ident!r}. `intercom log` and `intercom search` show ids.")
        return found

    @guarded
    def redact(self, ident: str) -> Redaction:
        """Destroy the text of a message wherever Intercom keeps it; a stub stays. NotFound, Refused, StorageError."""
        from intercom.bus.purge import Purge

        self._freshness.db()
        with self._log.locked():
            db = self._freshness.db()
            texts = self.versions(db, ident)
            purge = Purge(self._config, self._log, Listing(self._config, self._log.ledger), db)
            if (file := texts[-1].file) in purge.theirs:
                raise Refused(
                    f"{ident} stands in {file}, which is another machine's and never written here; "
                    "nothing was redacted. Redact it on that machine, or take it out of the file by hand."
                )
            check_names(self._log.live, "nothing was redacted")
            self._log.learn([control(REDACTED, [ident], time.time())], "nothing was redacted")
            done = purge.run(texts)
            self.index.discard()
        self._freshness.db()
        return done


def _merged(base: bytes, edited: bytes, live: bytes) -> bytes:
    """The edit plus what the log gained since; if the log did more than grow, the log plus the edit's new messages."""
    if live.startswith(base):
        return joined([edited, live[len(base) :]])
    known = {digest(entry) for entry in parse(base)}
    return joined([live, *(e.raw for e in parse(edited) if e.kind == MESSAGE and digest(e) not in known)])
