"""Owns the act of sending: append a record to the ledger, sync, then append the same bytes to the page.

The sync of the ledger is the commit: after it, neither a kill nor a power cut can lose the message or its
authorship, and whatever fails later the answer is "accepted". The page is written after that, and is not synced: the
next command adds what it lacks. Unfinished lines of other programs on the page are ended with a newline, and never
changed.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import NamedTuple

from intercom.core.config import Config, PageLimits, stay_inside
from intercom.core.errors import StorageError
from intercom.core.pace import Pace
from intercom.core.patterns import lazy
from intercom.format import MESSAGE, digest, parse
from intercom.format.record import END, META, START, ident, idents, seal
from intercom.format.render import LONGEST_HEADER, begun
from intercom.store.log import group
from intercom.store.log.base import Bases, Head
from intercom.store.log.in_place import finish
from intercom.store.log.ledger import Ledger, Position
from intercom.store.log.replace import gather
from intercom.system import host
from intercom.system.files import open_found, opened, read_from, storage, write_all
from intercom.system.folders import file_size, fingerprint_of
from intercom.system.lock import WAIT, Instead, WriterLock
from intercom.system.still import in_hand, lately

_LONG = 4 * 1024 * 1024  #: bytes; work on less is done before anybody loses patience
_PACE = 2 / 1_000_000  #: seconds per byte to promise for work under the lock: ten times what it takes
_DRAFT = lazy(r"\.(?:INTERCOM-.*\.md.*|base\.INTERCOM-.*|ledger)\.\d+\.tmp", re.IGNORECASE | re.DOTALL)
_OPEN = os.O_RDWR | os.O_APPEND


class Appended(NamedTuple):
    """The result of an append: what the caller needs to decide whether to compact."""

    messages: int  #: on the page, approximately
    size: int  #: bytes of the page
    notices: tuple[str, ...] = ()  #: what to tell a person; the message was accepted anyway
    limits: PageLimits = PageLimits()

    @property
    def too_long(self) -> bool:
        """Whether the page should be compacted."""
        many = self.messages > self.limits.messages
        return many or (self.size > self.limits.size and self.messages > self.limits.keep)

    @property
    def full(self) -> bool:
        """Whether one more message makes it too long."""
        return self.messages >= self.limits.messages


class _Left(NamedTuple):
    """The state after an append: while it is unchanged, nothing needs repair before the next one."""

    page: tuple[int, int, int, int]  #: fingerprint of the page
    end: Position  #: end of the ledger


class Log:
    """Ledger, page and base of one bus. Cheap to create; opens files only when used."""

    def __init__(self, config: Config, notices: list[str] | None = None, pace: Pace | None = None) -> None:
        self._config = config
        self._pace = pace or Pace()
        #: What to tell a person although everything went well.
        self.notices: list[str] = [] if notices is None else notices
        self.live = config.log
        self._page = os.fspath(config.log)
        self._requests = group.Queue(group.folder_of(config.private, config.log))
        self.ledger = Ledger(config, self.notices)
        self.base = Bases(config.private, config.log)
        #: The journal of versions before the ledger; one of them may still be running.
        self.journal = config.private / "journal.md"
        self._journal = os.fspath(self.journal)
        self._lock = WriterLock(config.private / "lock", self.notices, self._pace)
        self._lock.released = self._requests.release
        self.turns = 0  #: how often we held the writer lock, and so may have changed something
        self._looked = False  # whether the page was checked since the machine booted
        self._left: _Left | None = None
        # Position of the base, position counted to, messages in between.
        self._counted: tuple[Position, Position, int] | None = None

    def beside(self, config: Config) -> Log:
        """The same for a page under another machine name; both share the ledger and the lock."""
        other = Log(config, self.notices, self._pace)
        other.ledger, other._lock = self.ledger, self._lock
        return other

    def on_failed_lock(self, *calls: Callable[[], None]) -> None:
        """Call these whenever the system fails to lock, before the StorageError."""
        self._lock.failed = calls

    def close(self) -> None:
        """Close files kept open between messages; the next message opens them again."""
        self._lock.close()
        self._requests.close()

    @contextmanager
    def locked(self, wait: float = WAIT, instead: Instead | None = None) -> Iterator[bool]:
        """Hold the writer lock (creating our folders first), waiting `wait` seconds at most; yields True.

        Yields False if `instead` was done while others held the lock. LockTimeout, StorageError;
        Refused if the log now leads out of the root.
        """
        stay_inside(self._config.root, self.live)
        with self._lock.held(wait, instead) as held:
            self.turns += 1
            size = file_size(self._page) + file_size(self.base.path) if held else 0
            if size > _LONG:
                self.promise(size)
            yield held

    def long(self) -> bool:
        """Whether the page is so long that comparing it takes noticeable time."""
        return file_size(self.live) > _LONG

    def promise(self, size: int) -> None:
        """Announce to those waiting for the lock that this many bytes will be processed; the caller holds it."""
        self._lock.promise(size * _PACE)

    def mend(self) -> None:
        """Repair what a writer that died left torn; fetch late writes to a page that was replaced.

        StorageError. The caller holds the lock.
        """
        self.sweep()
        with storage(f"write {self.live}", "nothing was read"):
            finish(self.live)
        self.cut_back()
        with storage(f"add to {self.live} what was written into the file that it replaced", "nothing was read"):
            gather(self.live, self._known)

    def cut_back(self) -> bytes:
        """Cut back what a writer that died left torn at the ledger's end; returns the last whole record.

        StorageError. The caller holds the lock.
        """
        return self.ledger.mend(self._accepted)

    def sweep(self) -> None:
        """Remove drafts of dead writers, which may contain redacted texts. The caller holds the lock."""
        group.sweep(self._requests.folder)
        page = Path(os.path.realpath(self.live))
        folders = (self._config.folder, self._config.archive, self._config.archive / "damaged", self._config.private)
        for folder in folders:
            with suppress(OSError):
                for name in os.listdir(folder):
                    if _DRAFT.fullmatch(name):
                        (folder / name).unlink()
        for draft in page.parent.glob(f".{glob.escape(page.name)}.*.tmp"):
            if draft.name[len(page.name) + 2 : -len(".tmp")].isdecimal():
                with suppress(OSError):
                    draft.unlink()

    def _accepted(self, name: str) -> bool:
        """Whether page or base has a message with this id: tools write there only after the ledger."""
        mark = META + name.encode() + b" "
        return bool(name) and any(mark in (read_from(path) or b"") for path in (self.live, self.base.path))

    def _known(self) -> set[str]:
        """Digests of the texts that a recently replaced page may contain."""
        recent = self.ledger.segments()[-2:]
        texts = (read_from(path) or b"" for path in (self.live, *map(self.ledger.path, recent)))
        return {digest(entry) for text in texts for entry in parse(text) if entry.kind == MESSAGE}

    def append(self, block: bytes, first: Callable[[], bytes]) -> Appended:
        """Append one rendered message to ledger and page; `first` makes the beginning of an empty page.

        Requests of other senders are appended with it. Returns once the ledger is synced, whatever fails after that.
        On StorageError neither file contains anything of the messages. The caller holds the lock.
        """
        record = seal(block)
        with self._requests.taken() if len(record) <= group.LONGEST else nullcontext(()) as taken:
            appended = self._append([*(one.record for one in taken), record], first)
            for one in taken:
                one.accept(*appended.notices)
            return appended

    def request(self, block: bytes) -> group.Request:
        """A request to whoever holds the lock, for the caller to close."""
        return group.Request(self._requests, block)

    def has_taken(self, request: group.Request) -> bool:
        """Whether the request was appended by another process; the caller holds the lock. StorageError.

        It is given up in any case: otherwise the caller's own append could take it, too.
        """
        if not request.made:
            return False
        taken = request.done()
        if not taken and not request.withdraw() and self.ledger.holds(request.record):
            self.ledger.settle()  # whoever took it died before it could answer
            taken = True
        request.close()
        return taken

    def _append(self, records: Sequence[bytes], first: Callable[[], bytes]) -> Appended:
        busy = self._busy()
        page, found = self._open_page()
        try:
            with storage(f"prepare {self.live}", "nothing was sent"):
                size, left = found.st_size, self._as_left(found)
                head = self.base.head() if left else None
                if head is None:
                    last, left, head = self.cut_back(), None, self.base.head()
                    if not busy and (head is None or head.seen < (self.ledger.end() or head.seen)):
                        _complete(page, last)  # a record torn after it was seen whole was cut by somebody
                    size = os.fstat(page).st_size
                head = None if busy else head
                joint = _joint(page, size)
            # A page that is empty although messages are known is being saved, or needs repair: do not add a new top.
            new = not size and not self.ledger.exists() and not busy
            top = first() if new else b""
            self._pace.begun()
            end = self.ledger.append(records, at=left)
            text = b"".join(records)
            began = end._replace(offset=end.offset - len(text))
            if new:
                head = None
            appended = self._accepted_with(page, size, top, b"" if busy else joint + text, (began, end), head)
            self._leave(page, appended, end, head)
        except BaseException:
            with suppress(OSError):
                os.close(page)
            raise
        try:
            os.close(page)
        except OSError as error:
            return appended._replace(notices=(*appended.notices, self._not_shown(error)))
        return appended

    def _busy(self) -> bool:
        """Whether somebody is in the middle of writing the page: what we put there could end up within their text.

        The message is then owed to the page, and comes there with a later look.
        """
        with suppress(OSError):
            if self._left is not None and self._left.page == fingerprint_of(os.stat(self._page)):
                return False
        return lately(self.live) and (self._begun() or in_hand(self.live))

    def _begun(self) -> bool:
        """Whether the page ends in a header by hand without a text, which may come with the next `echo >>`."""
        with suppress(OSError), opened(self.live) as file:
            file.seek(-min(LONGEST_HEADER, os.fstat(file.fileno()).st_size), os.SEEK_END)
            return begun(file.read())
        return False

    def _as_left(self, page: os.stat_result) -> Position | None:
        """The ledger's end, if page and ledger are as our last append left them."""
        left = self._left
        if left is None or left.page != fingerprint_of(page) or left.end != self.ledger.end():
            return None
        return left.end

    def _leave(self, page: int, appended: Appended, end: Position, head: Head | None) -> None:
        """Remember the state after an append, if nobody else wrote at the same time."""
        self._left = None
        with suppress(OSError):
            found = os.fstat(page)
            if head is not None and not appended.notices and found.st_size == appended.size:
                self._left = _Left(fingerprint_of(found), end)

    def _accepted_with(
        self, page: int, size: int, top: bytes, text: bytes, at: tuple[Position, Position], head: Head | None
    ) -> Appended:
        """Do everything that follows the commit; none of it can undo that, so errors become notices."""
        notice = self._put(page, size, top + text)
        notices, count, length = [notice] if notice else [], 0, size + len(top) + len(text)
        try:
            if top and not notices:
                self.base.write(self.ledger.id, at[0], top, {}, ())
                head = self.base.head()
            count = self._count(page, length, head, *at, text.count(META))
        except (OSError, StorageError) as error:
            notices.append(f"the message was accepted and is delivered, but what else was to be done was not: {error}")
        return Appended(count, length, tuple(notices), self._config.page)

    def has_journal(self) -> bool:
        """Whether a journal of a version before the ledger lies beside the page."""
        return os.access(self._journal, os.F_OK)

    def to_look_at(self) -> bool:
        """Whether the page must be taken in before anything is added to it.

        It must be if people wrote before the first tool came, if a version before the ledger kept it, or if a power
        cut may have torn it.
        """
        if self.has_journal():
            return True
        if not self._looked:
            head = self.base.head()
            self._looked = not (self.ledger.exists() or self.live.exists() if head is None else head.rebooted)
        return not self._looked

    def _open_page(self) -> tuple[int, os.stat_result]:
        try:
            return open_found(self._page, _OPEN | os.O_CREAT)
        except OSError as error:
            raise StorageError(f"cannot open {self.live}: {error.strerror}; nothing was sent.") from error

    def _count(self, page: int, size: int, head: Head | None, began: Position, end: Position, more: int) -> int:
        """The number of messages on the page without further copies; approximate if it was not recorded."""
        if head is None:
            return (b"\n" + host.pread(page, size, 0)).count(b"\n## [")
        known = self._counted
        if known is not None and known[:2] == (head.at, began):
            since = known[2] + more
        else:
            since = self.ledger.tail(head.at).count(META)
        self._counted = head.at, end, since
        return head.own + since

    def _put(self, page: int, size: int, text: bytes) -> str:
        """Write what the ledger has to the page; returns what to tell a person if that fails (it was accepted)."""
        try:
            write_all(page, text)
        except OSError as error:
            # Take back only what we wrote: bytes that somebody appended meanwhile stay.
            with suppress(OSError):
                if text.startswith(host.pread(page, len(text) + 1, size)):
                    host.truncate(page, size)
            return self._not_shown(error)
        return ""

    def _not_shown(self, error: OSError) -> str:
        return (
            f"the message was accepted and is delivered, but cannot be written to {self.live}: {error.strerror}; "
            "it is put there as soon as that works"
        )

    def idents(self) -> set[str]:
        """All ids in the ledger. Reads all of it."""
        texts = (read_from(self.ledger.path(segment)) or b"" for segment in self.ledger.segments())
        return {ident for text in texts for ident in idents(text)}

    def learn(self, records: Sequence[bytes], outcome: str = "what was written by hand is not delivered yet") -> None:
        """Append records to the ledger only: text written into the page by hand, or what became of messages.

        StorageError, which ends with `outcome`. The caller holds the lock.
        """
        if records:
            self.cut_back()
            self.ledger.append(records, outcome)


def _joint(page: int, size: int) -> bytes:
    """The separator needed between the page's present end and a new record. OSError."""
    if not size:
        return b""
    end = host.pread(page, 2, max(0, size - 2))
    if end.endswith(b"\n\n") or (size == 1 and end == b"\n"):
        return b""
    return b"\n" if end.endswith(b"\n") else b"\n\n"


def _complete(page: int, last: bytes) -> None:
    """Finish the ledger's last record on the page, if a killed writer left it torn there. OSError.

    The torn record begins at the last header in the file, since no rendered text contains one. If the whole one stands
    above, that header is somebody's, who is in the middle of it.
    """
    size = os.fstat(page).st_size
    start = max(0, size - len(last))
    tail = host.pread(page, size - start, start)
    if not last or tail == last:
        return
    begin = tail.rfind(b"\n## [") + 1
    if tail[(line := tail.rfind(b"\n") + 1) :] and tail[:line].endswith(END) and START.startswith(tail[line:]):
        begin = line  # not even a complete header start
    length = len(tail) - begin
    torn = (begin or start == 0) and 0 < length < len(last) and last.startswith(tail[begin:])
    if torn and META + ident(last).encode() + b" " not in host.pread(page, start + begin, 0):
        write_all(page, last[length:])
