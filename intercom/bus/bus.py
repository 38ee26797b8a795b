"""Owns the API that the command line, the MCP server and scripts call.

    with Bus.open() as bus:
        bus.register("worker", "worker-1")
        bus.send("roo", "hello", sender="worker-1")
        for message in bus.read("worker-1"): ...

A Bus belongs to one thread. Reads update the index first; sends only append.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Self, TypeVar

from intercom.bus.delivery import Delivery, Fits
from intercom.bus.freshness import Freshness
from intercom.bus.names import Names
from intercom.bus.outbox import Outbox
from intercom.core import arguments
from intercom.core.config import Config, load
from intercom.core.errors import NotFound, StorageError
from intercom.core.message import ALL, Instance, Message, Receipt, canonical, local_stamp, new_id, tag_of, type_of, utc
from intercom.core.pace import Pace
from intercom.format import render
from intercom.store.index import Index, IndexLost
from intercom.store.index import query as index_query
from intercom.store.log.log import Log
from intercom.store.private import check, prepares, vet
from intercom.store.state.db import State
from intercom.system.files import storage

if TYPE_CHECKING:
    from typing import Unpack

    from intercom.bus.history import History
    from intercom.bus.purge import Redaction
    from intercom.bus.status import Status
    from intercom.core.message import Said
    from intercom.store.log.compact import Compaction

_TRIES = 4  #: how often a read is repeated if the index turns out to be damaged
_RECEIPTS = 50  #: how many of the newest messages `receipts` covers by default
T = TypeVar("T")


class Bus:
    """One project's message bus. Open it with `Bus.open`, close it or use it as a context manager."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.notices = [*filter(None, [vet(config)])]  #: what to tell a person; whoever shows it clears it
        self.confirms = True  #: whether each call of a reader confirms; off for a caller that shows messages later
        self.tidies = True  #: whether a send compacts a log that is too long; off for a caller that calls `tidy`
        self.pace = Pace()  #: whether the caller prefers NotNow to a long wait
        self.state = self._state = State(config.private, self.pace)  #: what cannot be derived from the logs
        self._state.check = partial(check, config)
        self._state.prepare = prepares(config)
        self.moment = self._state.moment  #: for a block: changes to the state by others are treated as later
        self._log = Log(config, self.notices, self.pace)
        self._index = Index(config.private, self.pace)
        self._index.beside, self._state.beside = self._state.close, self._index.close
        self._log.on_failed_lock(self._index.close, self._state.close)
        self._names = Names(config, self._state, self._fresh)
        self._delivery = Delivery(self._state, self._index, self.pace)
        self._freshness = Freshness(config, self._log, self._index, self._state, self.notices, self.pace)
        self._outbox = Outbox(config, self._log, self._freshness, self._names, self._history, self.notices)

    @classmethod
    def open(cls, root: str | os.PathLike[str] | None = None, *, machine: str | None = None) -> Bus:
        """The bus of the working directory, or the one at `root`. Creates no file. UsageError, Refused."""
        bus = cls(load(root, machine=machine))
        if bus.notices or not bus.config.made:  # the private folder was set aside, or is gone
            bus._log.ledger.bring_back()
        return bus

    def close(self) -> None:
        """Close the databases. This does not confirm what was read last."""
        self._log.close()
        self._index.close()
        self._state.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- talking ----------------------------------------------------------------------------------

    def send(
        self,
        to: str,
        message: str,
        *,
        sender: str,
        type: str = "status",  # the word of the format
        priority: str | None = None,
        reply_to: str | None = None,
        thread: str | None = None,
        via: str = "tool",
        **said: Unpack[Said],
    ) -> Message:
        """Append a message; once this returns, it is on disk and will be delivered.

        `type` in either vocabulary, `priority` None, "normal" or "urgent"; `said`: a `status`, one of STATUS_CODES,
        and `progress`, 0 to 100 (percent).
        UnknownName, Refused, UsageError, FormatError, StorageError, LockTimeout: then nothing was sent.
        """
        arguments.texts("nothing was sent", to=to, message=message, sender=sender, type=type, via=via)
        arguments.maybe_texts("nothing was sent", priority=priority, reply_to=reply_to, thread=thread)
        arguments.check_values(priority, said, via)
        self._names.check_machine()
        with self.moment():
            name = self._names.check_sender(sender, via)
            recipient = self._names.check_recipients(to)
            if self.confirms:
                self._delivery.confirm(name)
            self._state.touch(name, acted=True)
        tag, declared = tag_of(type)
        now = time.time()
        what = tag, declared or type_of(tag, recipient), message, priority == "urgent", reply_to or None, thread or None
        sent = Message(new_id(), None, utc(now), name, recipient, *what, via, self.config.log.name, **said)
        self._outbox.store(render(sent, local_stamp(now)), tidies=self.tidies)
        return sent

    @property
    def untidy(self) -> bool:
        """Whether `tidy` has something to do."""
        return self._outbox.full

    def tidy(self) -> None:
        """Compact a log that the next send would make too long, if `tidies` is off. LockTimeout."""
        self._outbox.tidy()

    def broadcast(
        self, message: str, *, sender: str, type: str = "announce", priority: str | None = None, via: str = "tool"
    ) -> Message:
        """Send to everybody known at this moment. Otherwise as `send`."""
        return self.send(ALL, message, sender=sender, type=type, priority=priority, via=via)

    def read(
        self,
        reader: str,
        *,
        all: bool = False,  # InterComm's word
        thread: str | None = None,
        query: str | None = None,
        sender: str | None = None,
        type: str | None = None,
        limit: int | None = None,
        fits: Fits | None = None,
        acts: bool = False,
    ) -> list[Message]:
        """The new messages for `reader`, recorded as given; with `all`, everything it may see, recording nothing.

        In order of arrival. If `limit` cuts, or `fits` (called with the messages, returns how many can be taken),
        the urgent ones come first. `acts`: confirm also where `confirms` is off. UnknownName, StorageError.
        """
        arguments.texts("nothing was read", reader=reader)
        wanted = index_query.filter_of(thread=thread, sender=sender, type=type, words=query)
        limit = arguments.check_limit(limit)
        self._names.check_machine()
        with self.moment():
            name = self._names.check_reader(reader)
            self._state.touch(name, acted=True)
            joined, acts = self._names.joined(name), acts or self.confirms
            if all:
                if acts:
                    self._delivery.confirm(name)
                return self._fresh(lambda db: index_query.visible(db, name, wanted, limit))
            news = partial(self._delivery.read, acts=acts)
            return self._fresh(lambda db: news(db, name, joined, wanted, limit, fits), gives=True)

    def wait(
        self,
        reader: str,
        seconds: float,
        *,
        thread: str | None = None,
        query: str | None = None,
        sender: str | None = None,
        type: str | None = None,
        limit: int | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> list[Message]:
        """As `read`, but waits up to `seconds` for a message; `stop` is polled meanwhile."""
        from intercom.bus.waiting import until_found

        look = partial(self.read, reader, thread=thread, query=query, sender=sender, type=type, limit=limit)
        return until_found(look, self.config.folder, arguments.check_seconds(seconds), stop)

    def confirm(self, reader: str) -> None:
        """Mark what this process gave the reader as received, because the reader acts."""
        arguments.texts("nothing was confirmed", reader=reader)
        self._delivery.confirm(canonical(reader))

    def edited(self, reader: str) -> list[Message]:
        """Messages that somebody edited after `reader` got them, as they are now; told once per edit. UnknownName."""
        arguments.texts("nothing was read", reader=reader)
        name = self._names.check_reader(reader)
        if self._freshness.just_verified() and self._delivery.none_edited():
            return []
        return self._fresh(lambda db: self._delivery.edited(db, name))

    def unread(self, reader: str) -> int:
        """The number of messages waiting for `reader`."""
        arguments.texts("nothing was counted", reader=reader)
        with self.moment():
            name = self._names.check_reader(reader)
            joined = self._names.joined(name)
            if self._freshness.just_verified() and self._delivery.has_all(name):
                return 0
            return self._fresh(lambda db: self._delivery.unread(db, name, joined))

    # -- looking back -----------------------------------------------------------------------------

    def history(
        self,
        *,
        thread: str | None = None,
        sender: str | None = None,
        to: str | None = None,
        type: str | None = None,
        since: str | None = None,
        after: int | None = None,
        limit: int | None = None,
    ) -> list[Message]:
        """All messages, oldest first, archive included; `limit` selects the newest. Does not mark anything as read.

        `since` is a UTC ISO time, `after` a sequence number.
        """
        limit = arguments.check_limit(limit)
        wanted = index_query.filter_of(thread=thread, sender=sender, to=to, type=type, since=since, after=after)
        return self._fresh(lambda db: index_query.history(db, wanted, limit))

    def search(self, query: str, *, limit: int = 50) -> list[Message]:
        """Search all messages, best match first: an id, every word or part of a word, "a phrase", prefix*."""
        arguments.texts("nothing was read", query=query)
        most = arguments.check_count("limit", limit, "nothing was read", least=1)
        return self._fresh(lambda db: self._search(db, query, most))

    def _search(self, db: sqlite3.Connection, words: str, limit: int) -> list[Message]:
        from intercom.store.index.search import bring_up, search

        return search(self._freshness.db() if bring_up(self._index, db) else db, words, limit)

    def receipts(self, sender: str, message_id: str | None = None) -> list[Receipt]:
        """The fate of a sender's newest messages, or of one: stored, shown, acted on. UnknownName, NotFound."""
        arguments.texts("nothing was read", sender=sender)
        arguments.idents("nothing was read", message_id=message_id)
        name = self._names.check_reader(sender)
        messages = self._fresh(lambda db: index_query.sent_by(db, name, message_id, _RECEIPTS))
        if message_id is not None and not messages:
            raise NotFound(
                f"{name} has sent no message {message_id!r}. `intercom log --from {name}` shows what it sent."
            )
        return self.receipts_of(messages)

    def receipts_of(self, messages: Sequence[Message]) -> list[Receipt]:
        """The fate of these messages: stored, shown, acted on."""
        everybody = {name: self._names.joined(name) for name in self._names.names()}
        return self._fresh(lambda db: self._delivery.receipts(db, messages, everybody))

    # -- who there is -----------------------------------------------------------------------------

    def register(
        self, role: str = "worker", name: str | None = None, *, pid: int | None = None, session: str | None = None
    ) -> Instance:
        """Take a name: the requested one, `master`, or the lowest free `worker-N`. Atomic across processes.

        `pid` is the process that the instance lives and dies with (None: unknown); `session` lets a client session
        that comes back have its name again. Refused, FormatError.
        """
        arguments.texts("nothing was registered", role=role)
        arguments.maybe_texts("nothing was registered", name=name, session=session)
        arguments.check_pid(pid)
        self._names.check_machine()
        last = self._fresh(index_query.last_seq)
        taken = self._names.register(role, name, pid=pid, session=session, last_seq=last)
        self._freshness.meet()
        return taken

    def role_of(self, name: str | None) -> str:
        """The default role for a name: agent if the settings name it, else worker."""
        return self._names.role_of(name)

    def holds(self, name: str, *, pid: int, session: str | None = None) -> bool:
        """Whether `name` still belongs to process `pid`, or to the client session with this id."""
        return self._names.holds(name, pid, session)

    def heartbeat(self, name: str) -> None:
        """Record that the process of `name` is alive."""
        arguments.texts("nothing was noted", name=name)
        self._names.heartbeat(name)

    def signoff(self, name: str) -> None:
        """Leave the bus. UnknownName if `name` is not registered."""
        arguments.texts("nothing was changed", name=name)
        found = self._names.sign_off(name)
        if self.confirms:
            self._delivery.confirm(found)

    def instances(self) -> list[Instance]:
        """Everybody who registered and has not signed off."""
        return self._names.instances()

    def agents(self) -> list[str]:
        """Names that may send and receive without registering."""
        return self._names.agents()

    def addressees(self, to: str) -> str:
        """The canonical recipients in `to`. UnknownName, Refused, UsageError as `send` would raise."""
        arguments.texts("nothing was sent", to=to)
        return self._names.check_recipients(to)

    def add_agents(self, names: Iterable[str]) -> None:
        """Let these names send and receive without registering: all, or none on UsageError, FormatError, Refused."""
        self._names.add_agents(names)
        self._freshness.meet()

    def status(self) -> Status:
        """An overview of the bus."""
        from intercom.bus.status import collect

        look = partial(collect, self.config, self._state, self._names, self._delivery)
        with self.moment():
            now = self._fresh(look)
        with storage(f"look at {self.config.log}", "nothing was read"):
            return self._fresh(look) if now.unheard and self._freshness.reconsider() else now

    def ask(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` on the updated index (see `intercom.bus.pending`); it must not record anything."""
        return self._fresh(work)

    # -- history ----------------------------------------------------------------------------------

    def _history(self) -> History:
        """Imported on demand: most sends and reads never need it."""
        from intercom.bus.history import History

        return History(self.config, self._log, self._index, self._freshness, self.notices)

    def compact(self, keep: int | None = None) -> Compaction:
        """Remove all but the newest `keep` (None: as set) messages from the page. UsageError, StorageError."""
        keep = self.config.page.keep if keep is None else keep
        return self._history().compact(arguments.check_count("keep", keep, "nothing was compacted", least=0))

    def restore(self, ident: str | None = None, *, since: str | None = None) -> list[Message]:
        """Bring back what was deleted by hand or lost: one, all, or those since a time. NotFound, StorageError."""
        arguments.maybe_texts("nothing was restored", ident=ident)
        return self._history().restore(ident, arguments.check_since(since))

    def delete(self, ident: str) -> Message:
        """Take a message off the page, and from whoever has not read it, until it is restored. NotFound, Refused."""
        arguments.idents("nothing was deleted", ident=ident)
        return self._history().delete(ident)

    def save(self, base: bytes, edited: bytes) -> None:
        """Merge a person's edit, made from `base`, into the live log, whatever came meanwhile. StorageError."""
        self._history().save(base, edited)

    def missing(self) -> list[Message]:
        """What `restore` could bring back, in order of arrival."""
        return self._history().missing()

    def versions(self, ident: str) -> list[Message]:
        """A message once for each text that it had, oldest first, the present one last. NotFound."""
        arguments.idents("nothing was read", ident=ident)
        return self._fresh(lambda db: self._history().versions(db, ident))

    def redact(self, ident: str) -> Redaction:
        """Destroy the text of a message everywhere; a stub stays in its place. NotFound, Refused, StorageError."""
        arguments.idents("nothing was redacted", ident=ident)
        return self._history().redact(ident)

    def rebuild(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Rebuild the index from the logs; returns its number of messages. `progress(done, total)` in bytes."""
        return self._freshness.remake(progress)

    def _fresh(self, work: Callable[[sqlite3.Connection], T], *, gives: bool = False) -> T:
        """Run `work` on an updated index; repeated if the index turns out to be damaged.

        `gives`: the work itself ensures that what it records as given was read from a sound index.
        """
        for _ in range(_TRIES):
            with suppress(IndexLost), storage(f"look at the files in {self.config.folder}", "nothing was read"):
                db = self._freshness.db(patient=True)
                with self._index.guarded() if gives else self._index.checked():
                    return work(db)
        self._state.verify()
        raise StorageError(
            f"the index in {self.config.private} is damaged again each time it was rebuilt; nothing was read. "
            "Exclude the folder from whatever changes it."
        )
