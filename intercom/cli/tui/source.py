"""Owns the data that the screen shows, apart from its look: from the bus and the fleet.

Each thread here has a bus of its own, because a bus belongs to one thread; the screen awaits results. Nothing here
writes to the terminal.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from intercom.cli.tui.waits import Item, waits
from intercom.core.errors import UsageError
from intercom.core.message import USER, Message, Receipt

if TYPE_CHECKING:
    from intercom.fleet.alerts import Alert, Settings
    from intercom.fleet.crew import Crew
    from intercom.fleet.overview import Agent
    from intercom.fleet.spending import Spending
    from intercom.fleet.telling import Told
    from intercom.store.index.query import Filter
    from intercom.system.watch import Watch

T = TypeVar("T")
_LOOK_AGAIN = 1.0  #: seconds between the watching thread's checks whether to end
UNHURRIED = 1.0  #: seconds for which closing waits for what the bus is doing
_STATE = 0.25  #: seconds between checks of the state's files


class Picture(NamedTuple):
    """What the screen shows besides the conversation. Equal pictures look the same."""

    agents: tuple[Agent, ...]
    waits: tuple[Item, ...]
    unread: int
    newest: int  #: the highest sequence number
    root: str
    due: tuple[Alert, ...] = ()  #: alerts due to a person elsewhere, if their settings ask for them


class Ticked(NamedTuple):
    """A message and its receipts: stored, shown, acted on, with counts of recipients."""

    message: Message
    shown: int = 0
    acted: int = 0
    of: int = 0


class Source:
    """The bus of one project, for the screen. Close it after use."""

    def __init__(self, root: str | None, changed: Callable[[], object]) -> None:
        #: One thread for keys and the conversation, one for the lists, which are slow and which nobody waits for.
        self._pools = ThreadPoolExecutor(1, thread_name_prefix="bus"), ThreadPoolExecutor(1, thread_name_prefix="lists")
        self._root = root
        self._crews: list[Crew | None] = [None, None]
        self._changed = changed
        self._over = threading.Event()
        self._watching: list[threading.Thread] = []
        self._watch: Watch | None = None
        self._notices: list[str] = []
        self._heard: set[str] = set()
        self._closing: list[Future[None]] = []
        self._spending: Spending | None = None
        self.told: Settings | None = None  #: settings for alerting a person elsewhere, if any
        self.trouble = ""  #: the error in the person's own settings, if any

    async def ask(self, work: Callable[[Crew], T], *, lists: bool = False) -> T:
        """Run `work` on a thread with its own bus; returns its result or raises its exception."""
        return await asyncio.get_running_loop().run_in_executor(self._pools[lists], self._do, work, int(lists))

    def _do(self, work: Callable[[Crew], T], which: int) -> T:
        from intercom.fleet.crew import Crew  # all of the bus: the frame is on the screen by then

        crew = self._crews[which]
        if crew is None:
            crew = self._crews[which] = Crew.open(self._root)
        try:
            return work(crew)
        finally:
            self._notices += crew.bus.notices
            crew.bus.notices.clear()

    def notices(self) -> list[str]:
        """What the bus has had to say since the last call, such as what it repaired; each once."""
        new = [text for text in dict.fromkeys(self._notices) if text not in self._heard]
        self._notices.clear()
        self._heard.update(new)
        return new

    def picture(self, crew: Crew) -> Picture:
        """The present picture, using cached readings."""
        return picture(crew, self._spending, self.told)

    def prepare(self, crew: Crew) -> None:
        """Read the person's own settings, for which the first picture does not wait."""
        from intercom.fleet.alerts import settings
        from intercom.fleet.personal import wants_telling
        from intercom.fleet.spending import Spending

        try:
            self._spending = Spending(crew.environ)
            self.told = settings(crew.environ) if wants_telling(crew.environ) else None
        except UsageError as error:
            self.trouble = str(error)

    def tell(self, found: Sequence[Alert]) -> Told:
        """Alert a person elsewhere, on any thread. StorageError, UsageError."""
        from intercom.fleet.notebook import Notebook
        from intercom.fleet.telling import Told, tell

        if self.told is None or self._root is None:
            return Told()
        root = Path(self._root)
        return tell(found, self.told, Notebook(root, os.environ), root.name)

    def watch(self, folder: Path) -> None:
        """Call `changed`, on another thread, whenever the log or the state changes."""
        for follow in (self._follow, self._look):
            thread = threading.Thread(target=follow, args=(folder,), daemon=True)
            thread.start()
            self._watching.append(thread)

    def _follow(self, folder: Path) -> None:
        from intercom.system.watch import Watch

        with Watch(folder) as watch:
            self._watch = watch
            while not self._over.is_set():
                if watch.wait(_LOOK_AGAIN) and not self._over.is_set():
                    self._changed()

    def _look(self, folder: Path) -> None:
        """Poll the state's files: events would include our own reads."""
        paths = [folder / ".intercom" / name for name in ("state.db", "state.db-wal")]
        seen = list(map(_written, paths))
        while not self._over.wait(_STATE):
            if (now := list(map(_written, paths))) != seen:
                seen = now
                self._changed()

    def _close(self, which: int) -> None:
        crew = self._crews[which]
        if crew is not None:
            crew.close()

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return self._over.is_set()

    def close(self) -> None:
        """Stop its threads, once they have done what they were asked; `ended` waits for that."""
        if self._over.is_set():
            return
        self._over.set()
        if self._watch is not None:
            self._watch.wake()
        for which, pool in enumerate(self._pools):
            self._closing.append(pool.submit(self._close, which))
            pool.shutdown(wait=False)
        self.ended(UNHURRIED)

    def ended(self, seconds: float | None) -> bool:
        """Wait that long, or without end, for its threads to stop; returns whether they did."""
        for thread in self._watching:
            thread.join(seconds)
        return not wait(self._closing, seconds).not_done


def _written(path: Path) -> tuple[int, ...]:
    """A fingerprint that changes when a file is written, but not when it is opened or its mode is set."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns


def picture(crew: Crew, spending: Spending | None = None, told: Settings | None = None) -> Picture:
    """The present picture; `spending` reads usage, `told` decides on alerts."""
    from intercom.fleet.overview import overview
    from intercom.fleet.telling import due

    now = crew.bus.status()
    found = overview(crew.bus, now, spending)
    newest = crew.bus.ask(lambda db: db.execute("SELECT coalesce(max(seq), 0) FROM messages").fetchone()[0])
    alerts = tuple(due(crew, told, found, now)) if told is not None else ()
    return Picture(tuple(found.agents), waits(crew, found), now.unread.get(USER, 0), newest, now.root, alerts)


def page(crew: Crew, wanted: Filter, limit: int, words: str = "") -> list[Ticked]:
    """The newest messages that pass a filter, or match words, oldest first, with their receipts."""
    from intercom.store.index.query import history

    bus = crew.bus
    messages = bus.search(words, limit=limit)[::-1] if words else bus.ask(lambda db: history(db, wanted, limit))
    return ticked(crew, messages)


def onward(crew: Crew, wanted: Filter, limit: int) -> list[Ticked]:
    """The oldest messages that pass a filter, in order, with their receipts."""
    from intercom.store.index.query import following

    return ticked(crew, crew.bus.ask(lambda db: following(db, wanted, limit)))


def ticked(crew: Crew, messages: Sequence[Message]) -> list[Ticked]:
    """Messages with their receipts."""
    became: dict[str, list[Receipt]] = {}
    for one in crew.bus.receipts_of(messages):
        became.setdefault(one.id, []).append(one)
    out = []
    for message in messages:
        found = became.get(message.id, [])
        acted = sum(one.acted is not None for one in found)
        out.append(Ticked(message, sum(bool(one.shown or one.acted) for one in found), acted, len(found)))
    return out
