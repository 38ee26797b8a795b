"""Owns the screen's layout, and redrawing it when something changed instead of at intervals."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical, VerticalScroll
from textual.css.query import NoMatches
from textual.events import Resize
from textual.message import Message as Event
from textual.screen import Screen
from textual.widgets import Footer, OptionList, Static, TabbedContent, TabPane

from intercom.cli.tui.asking import Asker
from intercom.cli.tui.colours import SIXTEEN, own_colours
from intercom.cli.tui.panels import Queue, Waits, Who
from intercom.cli.tui.source import Picture, Source
from intercom.cli.tui.talk import Talk
from intercom.cli.tui.waits import CONFLICT, MERGE, PERMISSION, QUESTION, UNVERIFIED, Item
from intercom.core.config import Config
from intercom.core.errors import IntercomError
from intercom.core.escaping import framed, sentence, value
from intercom.core.fleet_words import IDLE, STUCK, WORKING
from intercom.system import host

if TYPE_CHECKING:
    from intercom.fleet.alerts import Alert
    from intercom.fleet.crew import Crew

T = TypeVar("T")
_WIDE, _LARGE, _HUGE = 110, 160, 220  #: terminal widths from which on there are three columns, and wider ones
_LOOK_ANYWAY = 20.0  #: seconds between refreshes of ages, and of what no file event reports
_HINTS = {
    PERMISSION: "a allow  d deny  p peek",
    QUESTION: "r reply",
    UNVERIFIED: "w write  2 queue",
    CONFLICT: "2 queue",
    MERGE: "2 queue",
}
_NOTICED = 15.0  #: seconds for which a notice of the bus is shown
_LEAVES = 3.0  #: seconds until a screen without a terminal ends, whatever it waits for
_PUSH_TITLE, _POP_TITLE = "\x1b[22;2t", "\x1b[23;2t"


class Ground(Screen[None]):
    """The base screen, below all dialogs."""

    def on_screen_resume(self) -> None:
        """Restart the reading time of what is shown in full, as it was covered or replaced."""
        if isinstance(self.app, Frame) and not self.app.over:
            self.app.tell_in_full()


class Frame(Asker):
    """The screen of one project, without its keys."""

    TITLE = "intercom"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+z", "suspend_process", show=False, priority=True)]
    CSS = """
    Screen { overflow: hidden; }
    TabbedContent, TabPane, ContentSwitcher { height: 1fr; }
    #top { height: 1; padding: 0 1; background: $panel; }
    #main { layout: grid; grid-size: 3 1; grid-columns: 34 1fr 44; height: 1fr; }
    #main.narrow { grid-size: 2 2; grid-columns: 28 1fr; grid-rows: 1fr 11; }
    #main.narrow #who { row-span: 2; }
    #main.large { grid-columns: 42 1fr 60; }
    #main.huge { grid-columns: 48 1fr 80; }
    #who, #talk, #right { border: round $surface-lighten-2; height: 100%; }
    #who, #talk, #right { border-title-color: $text-muted; }
    #who:focus, #talk:focus-within, #right:focus-within { border-title-color: $text-primary; }
    #who:focus, #talk:focus-within, #right:focus-within { border: round $primary; }
    #waits { height: auto; max-height: 50%; border: none; }
    #main.narrow #waits { max-height: 3; }
    #detail { height: 1fr; padding: 0 1; }
    #queue { height: 1fr; border: none; }
    OptionList { text-wrap: nowrap; text-overflow: ellipsis; scrollbar-size-vertical: 1; }
    #talk, #detail { scrollbar-size-vertical: 1; }
    TabPane { padding: 0; }
    OptionList:nocolor > .option-list--option-highlighted { text-style: bold underline; }
    #who:nocolor:focus, #talk:nocolor:focus-within, #right:nocolor:focus-within { border: heavy $primary; }
    """

    class Changed(Event):
        """Something happened on the bus."""

    def __init__(self, config: Config) -> None:
        own = own_colours()
        super().__init__(ansi_color=own or None)
        if own and SIXTEEN in self.available_themes:
            self.theme = SIXTEEN
        self._config = config
        self.source = Source(str(config.root), lambda: self.post_message(self.Changed()))
        self.picture: Picture | None = None
        self.failed: IntercomError | OSError | None = None  #: why there is no bus to show
        self._drawing = self._again = self._telling = False
        self._known: set[tuple[str, str]] = set()
        self._told: Item | None = None  #: the item shown in full
        self._read: tuple[Item | None, float] = (None, 0.0)  #: the item last seen in full, and since when
        self._titled = ""
        self._leaving = False

    def get_default_screen(self) -> Screen[None]:
        """The screen that holds the layout."""
        return Ground(id="_default")

    def compose(self) -> ComposeResult:
        """Agents, conversation and waiting items; the queue; the health."""
        yield Static(id="top")
        with TabbedContent(initial="talk-tab"):
            with TabPane("1 Talk", id="talk-tab"), Container(id="main"):
                yield Who(id="who")
                yield Talk(self.source, self.told)
                with Vertical(id="right") as right:
                    right.border_title = "Waits for you"
                    yield Waits()
                    with VerticalScroll(id="detail"):
                        yield Static(id="told")
            with TabPane("2 Queue", id="queue-tab"):
                yield Queue()
            with TabPane("3 Health", id="health-tab"), VerticalScroll():
                yield Static(id="health")
        yield Footer()

    async def on_mount(self) -> None:
        """Draw it, and start watching."""
        self.part(Waits).focus()
        self.app_resume_signal.subscribe(self, lambda _: self.refresh(layout=True))  # else only what changes is drawn
        if not self.is_headless:
            host.on_end(asyncio.get_running_loop(), sys.__stdin__.fileno(), self._ended)  # type: ignore[union-attr]
        self._start(self._begin)  # the frame is on the screen before that

    async def _begin(self) -> None:
        try:
            await self.source.ask(lambda _: None)
        except (IntercomError, OSError) as error:  # there is no bus to show
            self.failed = error
            self.exit()
            return
        if self.source.closed:
            return
        await asyncio.gather(self.redraw(), self._show())
        if self.over:
            return
        self.source.watch(self._config.folder)
        self.set_interval(_LOOK_ANYWAY, self.on_frame_changed)
        await self.ask(self.source.prepare, lists=True)
        if self.source.trouble and not self.over:
            self.notify(sentence(self.source.trouble), severity="warning", markup=False)
        await self.redraw()

    async def _show(self) -> None:
        with self.told():
            await self.part(Talk).show()

    def _ended(self, status: int) -> None:
        """Leave: the process is to end, or its terminal is gone, and then nothing else can be waited for."""

        def force() -> None:
            time.sleep(_LEAVES)
            os._exit(status)

        if self._leaving:
            return
        self._leaving = True
        threading.Thread(target=force, daemon=True).start()
        self.exit(return_code=status)

    def _start(self, work: Any) -> None:
        """Start background work; takes a function, as a closing screen would leave a coroutine unawaited."""
        self.run_worker(work)

    @property
    def over(self) -> bool:
        """Whether the screen is closing or closed."""
        return self.source.closed or not self.screen_stack or not self.screen_stack[0].query(Who)

    def part(self, which: Any, kind: Any = None) -> Any:
        """A widget of the base screen, even while a dialog is open."""
        return self.screen_stack[0].query_one(which, kind) if kind else self.screen_stack[0].query_one(which)

    def on_unmount(self) -> None:
        """Stop watching, and restore the terminal's title."""
        self.source.close()
        if self._titled:
            self._write(_POP_TITLE)

    def on_resize(self, event: Resize) -> None:
        """Use two columns if there is no room for three."""
        if self.over:
            return
        self.part("#main").set_class(event.size.width < _WIDE, "narrow")
        self.part("#main").set_class(_LARGE <= event.size.width < _HUGE, "large")
        self.part("#main").set_class(event.size.width >= _HUGE, "huge")
        self.call_after_refresh(self._lists)

    # -- drawing ----------------------------------------------------------------------------------

    def on_frame_changed(self) -> None:
        """Redraw; keys do not wait for that."""
        self._start(self.redraw)

    async def redraw(self) -> None:
        """Redraw; once more if something happened meanwhile."""
        self._again = True
        if self._drawing or self.over:
            return
        self._drawing = True
        self._start(self._talk)
        try:
            while self._again and not self.over:
                self._again = False
                await self._draw()
                self._start(self._talk)
        finally:
            self._drawing = False

    async def _talk(self) -> None:
        """Update the conversation, which does not wait for the lists."""
        if not self.over and self.picture is not None:
            with self.told():
                await self.part(Talk).refresh_end()

    async def _draw(self) -> None:
        if self.source.closed:
            return
        found: Picture | None
        try:
            found = await self.patiently(self.source.ask(self.source.picture, lists=True))
            self.behind = ""
        except (IntercomError, OSError) as error:
            found, self.behind = self.picture, sentence(str(error))
        if self.over:
            return
        for text in self.source.notices():
            self.notify(sentence(text), severity="warning", timeout=_NOTICED, markup=False)
        if found is None:
            self.draw_top()
            return
        if found.due and not self._telling:
            self._telling = True
            self._start(partial(self._tell, found.due))
        if found == self.picture:
            self._lists()  # ages
            return
        first, self.picture = self.picture is None, found
        self._lists()
        known = {(item.kind, item.key) for item in found.waits}
        if not first and known - self._known:
            self.bell()
        self._known = known

    async def _tell(self, due: tuple[Alert, ...]) -> None:
        try:
            told = await asyncio.to_thread(self.source.tell, due)
            for trouble in told.troubles:
                self.notify(f"not told: {sentence(trouble)}", severity="warning", markup=False)
        except (IntercomError, OSError) as error:
            self.notify(sentence(str(error)), severity="warning", markup=False)
        finally:
            self._telling = False

    def _lists(self) -> None:
        with suppress(NoMatches, IndexError):  # a screen that closes while being drawn loses its widgets one by one
            self._draw_lists()

    def _draw_lists(self) -> None:
        """Draw the lists and the top line, with present ages."""
        found = self.picture
        if found is None:
            return
        self.part(Who).show(found.agents)
        self.part(Waits).show(found.waits)
        self.draw_top()
        self.tell_in_full()

    def draw_top(self) -> None:
        """Draw the top line, and what keeps the screen from being up to date."""
        found, top = self.picture, Text(f"intercom {value(self._config.root.name)}  ", "bold")
        if self.over:
            return
        trouble = f"not up to date: {self.behind}" if self.behind else "the bus is busy" if self.slow else ""
        if trouble:
            top.append(trouble, "bold reverse").append("  ")
        if found is not None:
            self._count(found, top)
        self.part("#top", Static).update(top)

    def _count(self, found: Picture, top: Text) -> None:
        groups = [agent.group for agent in found.agents]
        waiting = f"{len(found.waits)} wait for you" if len(found.waits) != 1 else "1 waits for you"
        parts = [waiting if found.waits else "nothing waits", f"{found.unread} unread"]
        parts += [f"{groups.count(group)} {group}" for group in (STUCK, WORKING, IDLE) if group in groups]
        top.append(parts[0], "bold reverse" if found.waits else "dim").append("  ".join(["", *parts[1:]]), "dim")
        self._title(f"intercom {value(self._config.root.name)}" + (f": {waiting}" if found.waits else ""))

    def _title(self, text: str) -> None:
        """Set the terminal window's title, for people who see only its tab."""
        if text != self._titled:
            self._write(f"{'' if self._titled else _PUSH_TITLE}\x1b]2;{text}\x1b\\")
            self._titled = text

    def _write(self, text: str) -> None:
        if self._driver is not None and not self.is_headless:
            self._driver.write(text)

    def tell_in_full(self) -> None:
        """Show the highlighted waiting item in full."""
        item = self.part(Waits).chosen
        if item != self._told:
            self._told = item
            told = Text("\n".join(framed(item.detail, "")) if item else "")
            if item:
                told = Text.assemble((f"{value(item.who)}  ", "bold"), (f"{_HINTS[item.kind]}\n", "dim"), told)
            self.part("#told", Static).update(told)
            self.part("#detail").scroll_home(animate=False)
        if item != self._read[0] and self.in_sight():
            self._read = item, float("inf")  # until it is drawn
            self.call_after_refresh(self._drawn, item)

    def _drawn(self, item: Item | None) -> None:
        if item == self._read[0]:
            self._read = item, min(self._read[1], time.monotonic())

    def in_sight(self) -> bool:
        """Whether the full item is visible: nothing covers it, its tab is shown, and it has room."""
        box = self.part("#detail")
        shown = self.part(TabbedContent).active == "talk-tab" and len(self.screen_stack) == 1
        return bool(shown and self.size.region.contains_region(box.region) and box.size.height and box.size.width)

    def is_whole(self) -> bool:
        """Whether all of it is visible, or its end was scrolled to."""
        box = self.part("#detail")
        return bool(box.scroll_y >= box.max_scroll_y)

    def since_told(self) -> float:
        """For how many seconds the highlighted item has been visible unchanged; negative: not yet."""
        self.tell_in_full()  # the highlight may have moved since the last redraw
        return time.monotonic() - self._read[1]

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Show the highlighted item in full."""
        if event.option_list.id == "waits" and not self.over:
            self.tell_in_full()

    async def do(self, act: Callable[[Crew], str]) -> bool:
        """Run an action, show its result, and redraw; returns whether it succeeded."""
        told = await self.ask(act)
        if told is not None:
            self.notify(sentence(told), markup=False)
        await self.redraw()
        return told is not None
