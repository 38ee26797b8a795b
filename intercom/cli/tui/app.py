"""Owns the screen's keys: each acts on the highlighted item, shown in full at that moment, and on nothing else.

A key that answers a permission counts only if the request was on the screen long enough to be read, and to its end.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.widgets import OptionList, Static, TabbedContent

from intercom.cli.tui import acts, dialogs
from intercom.cli.tui.dialogs import Ask, Choose, Decide, Search, Show
from intercom.cli.tui.frame import Frame
from intercom.cli.tui.panels import Queue, Waits, Who
from intercom.cli.tui.talk import Card, Talk, shade
from intercom.cli.tui.waits import PERMISSION, QUESTION, Item
from intercom.core.display import framed, sentence, value
from intercom.core.errors import IntercomError
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
m             mark all that is for you as read
e             edit the log in $EDITOR            q      quit
"""
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

    _pressed = float("-inf")  #: when an answering key was last pressed

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

    async def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Show the conversation of an agent, the diff of a branch, or reply to a question."""
        if event.option_list.id == "who":
            await self._filter(about=self.part(Who).chosen)
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
        await self.on_frame_changed()

    @work
    async def action_reply(self) -> None:
        """Answer the highlighted question, or the message in focus."""
        ident = self._message()
        if not ident:
            self.notify("highlight a question, or go to a message", severity="warning")
            return
        text = ""
        while (answers := await self.ask(lambda crew: acts.find(crew, ident))) is not None:
            text = await self.push_screen_wait(Ask(f"To {answers.sender}, who wrote:\n{answers.body}", text))
            if not text.strip() or await self.do(partial(acts.reply, answers=answers, text=text)):
                return

    def _message(self) -> str:
        """The message in focus, else the highlighted question; "" for none."""
        item, card = self._chosen(), self.focused
        if isinstance(card, Card):
            return card.one.message.id
        return item.key if item is not None and item.kind == QUESTION else ""

    @work
    async def action_write(self) -> None:
        """Write to the highlighted agent."""
        name, text = self._worker(), ""
        while name and (text := await self.push_screen_wait(Ask(f"To {name}:", text))).strip():
            if await self.do(partial(acts.say, to=name, text=text)):
                return

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
            self._run("attach", name)
        elif shown is not None:
            self.notify(sentence(shown.text), severity="warning", markup=False)

    def action_edit(self) -> None:
        """Edit the log."""
        self._run("edit")

    def _run(self, *words: str) -> None:
        line = [sys.executable, "-m", "intercom", *words, "--root", os.fspath(self._config.root)]
        codes: list[int] = []
        self._outside(lambda: codes.append(subprocess.run(line, check=False).returncode))  # noqa: S603  # ourselves
        if codes and codes[0]:
            self.notify(f"intercom {words[0]} ended with {codes[0]}", severity="error")
        self.post_message(self.Changed())

    def _outside(self, act: Callable[[], object]) -> bool:
        """Run something with the normal terminal; False if there is none."""
        try:
            with self.suspend():
                act()
        except SuspendNotSupported:
            return False
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

    @work
    async def action_type(self) -> None:
        """Show only messages of one type."""
        kind = await self.push_screen_wait(Choose("Only messages of the type", sorted(kind for kind, _ in KINDS)))
        if kind:
            await self._filter(type=kind)

    async def action_fold(self) -> None:
        """Fold or unfold threads."""
        await self.part(Talk).fold()

    @work
    async def action_search(self) -> None:
        """Search messages while words are typed."""
        talk = self.part(Talk)

        async def find(words: str) -> None:
            try:
                await talk.show(None if words.strip() else talk.wanted, words.strip())
            except IntercomError:
                pass  # an unfinished phrase

        words = await self.push_screen_wait(Search('Search all messages: words, a "phrase", prefix*', find))
        try:
            await talk.show(words=words.strip())
        except IntercomError as error:
            self.notify(sentence(str(error)), severity="error", markup=False)

    async def action_everything(self) -> None:
        """Show all messages again."""
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

    async def on_tabbed_content_tab_activated(self, event: TabbedContent.TabActivated) -> None:
        """Load a tab's content each time it is shown."""
        self.refresh_bindings()
        if event.pane.id == "talk-tab":
            self.tell_in_full()
        elif event.pane.id == "queue-tab":
            self.part(Queue).show(await self.ask(acts.queue) or [])
        elif event.pane.id == "health-tab":
            from rich.table import Table

            table = Table.grid(padding=(0, 2, 0, 0))
            for state, check, says, do in await self.ask(acts.health) or []:
                told = Text(sentence(says)).append(f"\n→ {sentence(do)}" if do else "", "bold")
                table.add_row(Text(state, "" if state == "ok" else shade("bold red")), Text(check, "dim"), told)
            self.part("#health", Static).update(table)
