"""Owns the screen's keys: each acts on the highlighted item, shown in full at that moment, and on nothing else.

A key that answers a permission counts only if the request was on the screen long enough to be read, and to its end,
and if nothing was typed just before it.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import redirect_stdout
from functools import partial
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.events import Key
from textual.widgets import OptionList, Static, TabbedContent

from intercom.cli.tui import acts, dialogs
from intercom.cli.tui.acts import Read
from intercom.cli.tui.colours import shade
from intercom.cli.tui.dialogs import Ask, Choose, Decide, Search, Show
from intercom.cli.tui.frame import Frame
from intercom.cli.tui.panels import Queue, Waits, Who
from intercom.cli.tui.talk import Card, Talk
from intercom.cli.tui.waits import PERMISSION, QUESTION, Item
from intercom.core.errors import IntercomError
from intercom.core.escaping import framed, sentence, value
from intercom.core.fleet_words import PermissionDecision
from intercom.core.message import KINDS

HELP = """\
Tab, arrows   from list to list, and within      1 2 3  talk, queue, health
a  d          allow, deny what is highlighted in "Waits for you"
r             reply to the question there, or to the message in focus
w             write to the agent highlighted in "Who"
n             nudge that agent                   p      peek at its terminal
o             open its terminal (back: tmux's prefix, then d)
Enter         on an agent: its messages; in the queue: the diff (v, too)
t             the thread of the message in focus, or of the question
y             one type of messages              Escape all messages again
/             search while you type              f      fold threads
Home, End     in the conversation: the first message of all, the newest
m             mark all that is for you as read
e             edit the log in $EDITOR            q      quit (Ctrl-Z: leave for a while, back with fg)
"""
_ANSWERS = ("a", "d")  #: the keys that answer a permission
#: Keys about things that the other tabs do not show.
_TALK_ONLY = {"answer", "reply", "search", "thread", "type", "fold"}


class Ui(Frame):
    """The screen of one project."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "answer('allow')", "allow"),
        Binding("d", "answer('deny')", "deny"),
        Binding("r", "reply", "reply"),
        Binding("w", "write", "write"),
        Binding("n", "nudge", "nudge", show=False),
        Binding("p", "peek", "peek"),
        Binding("o", "open", "open"),
        Binding("m", "mark", "read", show=False),
        Binding("t", "thread", "thread", show=False),
        Binding("y", "type", "type", show=False),
        Binding("v", "diff", "diff"),
        Binding("f", "fold", "fold", show=False),
        Binding("e", "edit", "edit", show=False),
        Binding("slash", "search", "search", key_display="/"),
        Binding("escape", "everything", "all", show=False),
        Binding("1", "tab('talk-tab')", show=False),
        Binding("2", "tab('queue-tab')", show=False),
        Binding("3", "tab('health-tab')", show=False),
        Binding("question_mark", "keys", "keys", key_display="?"),
        Binding("q", "quit", "quit"),
    ]

    _pressed = float("-inf")  #: when a key was last pressed behind which an answer comes too soon

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether to offer a key: not if it is about something on another tab."""
        del parameters
        tabs = self.screen_stack[0].query(TabbedContent) if self.screen_stack else None
        shown = tabs.first().active if tabs else "talk-tab"
        if action == "diff":
            return shown == "queue-tab"
        return shown == "talk-tab" or action not in _TALK_ONLY

    @property
    def _talks(self) -> bool:
        """Whether the lists and the conversation are shown."""
        return bool(self.part(TabbedContent).active == "talk-tab")

    def _worker(self) -> str:
        """The agent that a key applies to: that of the waiting item in focus, else of the agents' list."""
        if not self._talks:
            row = self.part(Queue).chosen
            if row is None:
                self.notify("highlight a branch in the queue (2), or an agent (1)", severity="warning")
            return row.worker if row is not None else ""
        item = self._chosen()
        if self.part(Waits).has_focus and item is not None:
            return item.who
        name = str(self.part(Who).chosen or (item.who if item else ""))
        if not name:
            self.notify('highlight an agent in "Who", or what one waits for', severity="warning")
        return name

    def _chosen(self) -> Item | None:
        found: Item | None = self.part(Waits).chosen if self._talks else None
        return found

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Show the conversation of an agent, the diff of a branch, or reply to a question."""
        if event.option_list.id == "who":
            self._start(partial(self._filter, about=self.part(Who).chosen))
        elif event.option_list.id == "queue":
            self.action_diff()
        elif event.option_list.id == "waits" and (item := self._chosen()) is not None and item.kind == QUESTION:
            self.action_reply()

    # -- answering --------------------------------------------------------------------------------

    @work
    async def action_answer(self, decision: PermissionDecision) -> None:
        """Allow or deny the highlighted request, if it is shown in full."""
        item = self._chosen()
        if item is None or item.kind != PERMISSION:
            self.notify("no permission is highlighted", severity="warning")
            return
        if not self.in_sight():
            self.notify("there is no room to show it: make the window larger", severity="warning")
            return
        pressed, self._pressed = self._pressed, time.monotonic()
        if min(self.since_told(), self._pressed - pressed) < dialogs.READ:  # a key held down answers only once
            self.notify("that came just now: read it, then press again", severity="warning")
            return
        if (
            decision == "allow"
            and not self.is_whole()
            and not await self.push_screen_wait(Decide(item.who, item.detail))
        ):
            return
        self._pressed = time.monotonic()  # it was read in full in the dialog
        done = await self.ask(lambda crew: acts.answer(crew, item, decision))
        if done is not None:
            self.notify(sentence(done.said), severity="warning" if done.changed else "information", markup=False)
        await self.redraw()

    def action_reply(self) -> None:
        """Answer the highlighted question, or the message in focus, as it is shown."""
        item, card = self._chosen(), self.focused
        if isinstance(card, Card):
            message = card.one.message
            self._reply(Read(message.id, message.sender, message.body))
        elif item is not None and item.kind == QUESTION:
            self._reply(Read(item.key, item.who, item.detail, waits=True))
        else:
            self.notify("highlight a question, or go to a message", severity="warning")

    def _reply(self, read: Read, text: str = "") -> None:
        async def send(text: str) -> None:
            if not await self.do(partial(acts.reply, read=read, text=text)):
                now = await self.ask(lambda crew: acts.find(crew, read.ident))
                if now is not None:
                    self._reply(read._replace(text=now.body, waits=read.waits and now.body != read.text), text)

        self._ask(Ask(f"To {read.sender}, who wrote:\n{read.text}", text), send)

    def action_write(self) -> None:
        """Write to the highlighted agent."""
        if name := self._worker():
            self._write_to(name)

    def _write_to(self, name: str, text: str = "") -> None:
        async def send(text: str) -> None:
            if not await self.do(partial(acts.say, to=name, text=text)):
                self._write_to(name, text)

        self._ask(Ask(f"To {name}:", text), send)

    def _ask(self, dialog: Ask | Choose, use: Callable[[str], Awaitable[None]]) -> None:
        """Open a dialog at once, so that what is typed next is typed there, and use its answer, if there is one."""

        def answered(text: str | None) -> None:
            if text is not None and text.strip():
                self._start(partial(use, text))

        self.push_screen(dialog, answered)

    def on_key(self, event: Key) -> None:
        """Type what came before a dialog took keys; what is typed where there is none answers nothing."""
        if event.is_printable and event.key not in _ANSWERS:
            self._pressed = time.monotonic()
        if isinstance(self.screen, Ask) and event.character is not None and event.is_printable:
            self.screen.typed(event.character)

    def _message(self) -> str:
        """The message in focus, else the highlighted question; "" for none."""
        item, card = self._chosen(), self.focused
        if isinstance(card, Card):
            return card.one.message.id
        return item.key if item is not None and item.kind == QUESTION else ""

    @work
    async def action_nudge(self) -> None:
        """Wake the highlighted agent."""
        if name := self._worker():
            await self.do(lambda crew: acts.nudge(crew, name))

    @work
    async def action_mark(self) -> None:
        """Mark everything for the person as read."""
        await self.do(acts.mark_read)

    # -- terminals --------------------------------------------------------------------------------

    @work
    async def action_peek(self) -> None:
        """Show a terminal without taking it over."""
        name = self._worker()
        if not name:
            return

        async def again() -> str:
            shown = await self.ask(lambda crew: acts.peek(crew, name))
            return shown.text if shown is not None else ""

        await self.push_screen_wait(Show(value(name), await again(), again))

    @work
    async def action_open(self) -> None:
        """Attach to a terminal, and return afterwards."""
        if not (name := self._worker()):
            return
        shown = await self.ask(lambda crew: acts.peek(crew, name))
        if shown is not None and shown.there:
            self._open_terminal(name)
        elif shown is not None:
            self.notify(sentence(shown.text), severity="warning", markup=False)

    def _open_terminal(self, name: str) -> None:
        from intercom.system import proc

        line = [sys.executable, "-m", "intercom", "attach", name, "--root", os.fspath(self._config.root)]
        codes: list[int] = []
        self._outside(lambda: codes.append(proc.attended(line)))
        if codes and codes[0]:
            self.notify(f"intercom attach ended with {codes[0]}", severity="error")
        self.post_message(self.Changed())

    def action_edit(self) -> None:
        """Edit the log."""
        from intercom.cli.edit import edit
        from intercom.cli.session import Asked

        said = io.StringIO()  # of the command; the editor has the terminal

        def act() -> None:
            with redirect_stdout(said):
                edit(Asked(os.fspath(self._config.root)))

        self._outside(act)
        if told := sentence(said.getvalue()):
            self.notify(told, markup=False)
        self.post_message(self.Changed())

    def _outside(self, act: Callable[[], object]) -> bool:
        """Run something with the normal terminal; False if there is none. Errors are shown once it is back."""
        failed: IntercomError | OSError | None = None
        try:
            with self.suspend():  # which does not come back from an exception
                try:
                    act()
                except (IntercomError, OSError) as error:
                    failed = error
        except SuspendNotSupported:
            return False
        if failed is not None:
            self.trouble(failed)
        return True

    @work
    async def action_diff(self) -> None:
        """Show what the highlighted branch changes, in the person's pager."""
        row = self.part(Queue).chosen if not self._talks else None
        if row is None:
            self.notify("highlight a branch in the queue (2)", severity="warning")
            return
        text = await self.ask(lambda crew: acts.diff(crew, row))
        if text is None:
            return
        from intercom.cli import show

        lines = framed(text, "")
        paged: list[bool] = []
        self._outside(lambda: paged.append(show.page("".join(f"{line}\n" for line in lines), at_end=False)))
        if not any(paged):
            await self.push_screen_wait(
                Show(f"{value(row.worker)}: {value(row.branch)} against {value(row.base)}", text)
            )

    # -- what the conversation shows ----------------------------------------------------------------

    async def _filter(self, **more: str | None) -> None:
        talk = self.part(Talk)
        with self.told():
            await talk.show(talk.wanted._replace(**more))

    @work
    async def action_thread(self) -> None:
        """Show only the thread of the message in focus."""
        ident = self._message()
        message = await self.ask(lambda crew: acts.find(crew, ident)) if ident else None
        if message is None or not message.thread:
            self.notify("go to a message of a thread", severity="warning")
        else:
            await self._filter(thread=message.thread)

    def action_type(self) -> None:
        """Show only messages of one type."""

        async def use(kind: str) -> None:
            await self._filter(type=kind)

        self._ask(Choose("Only messages of the type", sorted(kind for kind, _ in KINDS)), use)

    @work
    async def action_fold(self) -> None:
        """Fold or unfold threads."""
        await self.part(Talk).fold()

    def action_search(self) -> None:
        """Search messages while words are typed."""
        talk = self.part(Talk)

        async def find(words: str) -> None:
            try:
                await talk.show(None if words.strip() else talk.wanted, words.strip())
            except (IntercomError, OSError):
                pass  # an unfinished phrase

        async def end(words: str) -> None:
            with self.told():
                await talk.show(words=words.strip())

        dialog = Search('Search all messages: words, a "phrase", prefix*', find)
        self.push_screen(dialog, lambda words: self._start(partial(end, words or "")))

    @work
    async def action_everything(self) -> None:
        """Show all messages again."""
        with self.told():
            await self.part(Talk).show()

    def action_keys(self) -> None:
        """Show what the keys do."""
        self.push_screen(Show("Keys", HELP))

    # -- tabs ---------------------------------------------------------------------------------------

    async def action_tab(self, which: str) -> None:
        """Switch to another tab."""
        self.set_focus(None)  # the focused widget would bring its own tab back
        self.part(TabbedContent).active = which
        self.part({"talk-tab": "#waits", "queue-tab": "#queue"}.get(which, f"#{which} VerticalScroll")).focus()

    def on_tabbed_content_tab_activated(self, event: TabbedContent.TabActivated) -> None:
        """Load a tab's content each time it is shown."""
        self.refresh_bindings()
        if event.pane.id == "talk-tab":
            self.tell_in_full()
        elif event.pane.id == "queue-tab":
            self._start(self._load_queue)
        elif event.pane.id == "health-tab":
            self._start(self._load_health)

    async def _load_queue(self) -> None:
        rows = await self.ask(acts.queue) or []
        if not self.over:
            self.part(Queue).show(rows)

    async def _load_health(self) -> None:
        from rich.table import Table

        found = await self.ask(acts.health) or []
        if self.over:
            return
        table = Table.grid(padding=(0, 2, 0, 0))
        for state, check, says, do in found:
            told = Text(sentence(says)).append(f"\n→ {sentence(do)}" if do else "", "bold")
            table.add_row(Text(state, "" if state == "ok" else shade("bold red")), Text(check, "dim"), told)
        self.part("#health", Static).update(table)
