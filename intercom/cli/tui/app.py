"""Owns the screen: its parts, its keys, and that it is drawn anew when something changed, not by the clock."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical, VerticalScroll
from textual.events import Resize
from textual.message import Message as Event
from textual.widgets import Footer, OptionList, Static, TabbedContent, TabPane

from intercom.cli.tui import source
from intercom.cli.tui.dialogs import Ask, Show
from intercom.cli.tui.panels import Waits, Who, group_of
from intercom.cli.tui.source import MERGE, PERMISSION, QUESTION, Item, Picture, Source
from intercom.cli.tui.talk import Card, Talk
from intercom.core.config import Config
from intercom.core.display import framed, sentence, value
from intercom.core.errors import IntercomError
from intercom.store.index.query import Filter

if TYPE_CHECKING:
    from intercom.fleet.crew import Crew

T = TypeVar("T")
_WIDE = 110  #: columns from which on there are three columns
_AGES = 20.0  #: seconds after which ages are told anew
HELP = """\
Tab        from list to list            1 2 3  talk, queue, health
Enter      on an agent: its messages    Escape all messages again
a  d       allow, deny what is highlighted in "Waits for you"
r          reply: to the question highlighted there, or to the message in focus
w          write to the agent highlighted in "Who"
n          nudge that agent             p      peek at its terminal
o          open its terminal (leave tmux with its prefix, then d)
m          mark all that is for you as read
f          fold threads                 /      search
e          edit the log in $EDITOR      q      quit
"""


class Ui(App[None]):
    """The screen of one project."""

    TITLE = "intercom"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { overflow: hidden; }
    TabbedContent, TabPane, ContentSwitcher { height: 1fr; }
    #top { height: 1; padding: 0 1; background: $panel; }
    #main { layout: grid; grid-size: 3 1; grid-columns: 34 1fr 44; height: 1fr; }
    #main.narrow { grid-size: 2 2; grid-columns: 26 1fr; grid-rows: 1fr 10; }
    #main.narrow #who { row-span: 2; }
    #who, #talk, #right { border: round $surface-lighten-2; height: 100%; }
    #who:focus, #talk:focus-within, #right:focus-within { border: round $primary; }
    #waits { height: auto; max-height: 50%; border: none; }
    #detail { height: 1fr; padding: 0 1; }
    OptionList { text-wrap: nowrap; text-overflow: ellipsis; scrollbar-size-vertical: 1; }
    #talk, #detail { scrollbar-size-vertical: 1; }
    TabPane { padding: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "answer('allow')", "allow"),
        Binding("d", "answer('deny')", "deny"),
        Binding("r", "reply", "reply"),
        Binding("w", "write", "write"),
        Binding("n", "nudge", "nudge"),
        Binding("p", "peek", "peek"),
        Binding("o", "open", "open"),
        Binding("m", "mark", "read"),
        Binding("f", "fold", "fold", show=False),
        Binding("e", "edit", "edit", show=False),
        Binding("slash", "search", "search"),
        Binding("escape", "everything", "all", show=False),
        Binding("1", "tab('talk-tab')", show=False),
        Binding("2", "tab('queue-tab')", show=False),
        Binding("3", "tab('health-tab')", show=False),
        Binding("question_mark", "keys", "keys"),
        Binding("q", "quit", "quit"),
    ]

    class Changed(Event):
        """Something happened on the bus."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self._config = config
        self.source = Source(str(config.root), lambda: self.post_message(self.Changed()))
        self.picture: Picture | None = None
        self._drawing = self._again = False

    # -- its parts --------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """Who, the conversation, what waits; the queue; the health."""
        yield Static(id="top")
        with TabbedContent(initial="talk-tab"):
            with TabPane("Talk", id="talk-tab"), Container(id="main"):
                yield Who(id="who")
                yield Talk(self.source)
                with Vertical(id="right"):
                    yield Waits()
                    with VerticalScroll(id="detail"):
                        yield Static(id="told")
            with TabPane("Queue", id="queue-tab"), VerticalScroll():
                yield Static(id="queue")
            with TabPane("Health", id="health-tab"), VerticalScroll():
                yield Static(id="health")
        yield Footer()

    async def on_mount(self) -> None:
        """Draw it, and watch from now on."""
        await self._draw()
        await self._part(Talk).show()
        self._part(Waits).focus()
        self.source.watch(self._config.folder)
        self.set_interval(_AGES, self._lists)

    def _part(self, which: Any, kind: Any = None) -> Any:
        """A part of the screen, whatever has come up over it."""
        return self.screen_stack[0].query_one(which, kind) if kind else self.screen_stack[0].query_one(which)

    def on_unmount(self) -> None:
        """End what watches."""
        self.source.close()

    def on_resize(self, event: Resize) -> None:
        """Two columns where there is no room for three."""
        self._part("#main").set_class(event.size.width < _WIDE, "narrow")

    # -- drawing ----------------------------------------------------------------------------------

    async def on_ui_changed(self) -> None:
        """Draw anew; once more if something happened meanwhile."""
        self._again = True
        if self._drawing:
            return
        self._drawing = True
        try:
            while self._again and not self.source.closed:
                self._again = False
                await self._draw()
        finally:
            self._drawing = False

    async def _draw(self) -> None:
        found = await self._ask(source.picture)
        if found is None or found == self.picture:
            return
        new = self.picture is None or found.newest != self.picture.newest
        self.picture = found
        self._lists()
        if new and self._part(Talk).cards:
            self.bell() if found.unread else None
        if not self.source.closed:
            await self._part(Talk).refresh_end()

    def _lists(self) -> None:
        """The lists and the top line, with ages as they are now."""
        found = self.picture
        if found is None:
            return
        self._part(Who).show(found.agents)
        self._part(Waits).show(found.waits)
        groups = [group_of(agent)[0] for agent in found.agents]
        parts = [f"{len(found.waits)} wait for you", f"{found.unread} unread"]
        parts += [f"{groups.count(group)} {group}" for group in ("stuck", "working", "idle") if group in groups]
        top = Text(f"intercom {value(self._config.root.name)}  ", "bold")
        top.append("  ".join(parts), "bold red" if found.waits else "dim")
        self._part("#top", Static).update(top)
        self._detail()

    def _detail(self) -> None:
        item = self._part(Waits).chosen
        text = "\n".join(framed(item.detail, "")) if item else ""
        hint = {PERMISSION: "a allow   d deny   p peek", QUESTION: "r reply", MERGE: "2 the queue"}
        told = Text(text)
        if item:
            told.append(f"\n\n{hint[item.kind]}", "dim")
        self._part("#told", Static).update(told)

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Tell in full what is highlighted."""
        if event.option_list.id == "waits":
            self._detail()

    async def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Show the conversation of an agent, or reply to a question."""
        if event.option_list.id == "who":
            name = self._part(Who).chosen
            talk = self._part(Talk)
            talk.border_title = f"with {value(name)}"
            await talk.show(Filter(about=name))
        elif (item := self._part(Waits).chosen) is not None and item.kind == QUESTION:
            self.action_reply()

    # -- the bus ----------------------------------------------------------------------------------

    async def _ask(self, find: Callable[[Crew], T]) -> T | None:
        """What the bus says; trouble is shown, and is None."""
        if self.source.closed:
            return None
        try:
            return await self.source.ask(find)
        except (IntercomError, OSError) as error:
            self.notify(sentence(str(error)), severity="error", markup=False)
            return None

    async def _do(self, act: Callable[[Crew], str]) -> None:
        told = await self._ask(act)
        if told is not None:
            self.notify(sentence(told), markup=False)
        await self.on_ui_changed()

    # -- keys -------------------------------------------------------------------------------------

    def _worker(self) -> str:
        """The agent that a key is about: of what waits where that is in focus, else of the list."""
        item = self._chosen()
        if self._part(Waits).has_focus and item is not None:
            return item.who
        return str(self._part(Who).chosen or (item.who if item else ""))

    def _chosen(self) -> Item | None:
        found: Item | None = self._part(Waits).chosen
        return found

    @work
    async def action_answer(self, decision: str) -> None:
        """Allow or deny what is highlighted and told in full; nothing else."""
        item = self._chosen()
        if item is None or item.kind != PERMISSION:
            self.notify("no permission is highlighted", severity="warning")
            return
        await self._do(lambda crew: source.answer(crew, item, decision))

    @work
    async def action_reply(self) -> None:
        """Answer the question that is highlighted, or the message in focus."""
        item, card = self._chosen(), self.focused
        if isinstance(card, Card):
            ident = card.one.message.id
        elif item is not None and item.kind == QUESTION:
            ident = item.key
        else:
            self.notify("highlight a question, or go to a message", severity="warning")
            return
        answers = await self._ask(lambda crew: source.find(crew, ident))
        if answers is None:
            return
        text = await self.push_screen_wait(Ask(f"To {answers.sender}, who wrote:\n{answers.body}"))
        if text.strip():
            await self._do(lambda crew: source.say(crew, answers.sender, text, answers))

    @work
    async def action_write(self) -> None:
        """Write to the agent that is highlighted."""
        name = self._worker()
        if name and (text := await self.push_screen_wait(Ask(f"To {name}:"))).strip():
            await self._do(lambda crew: source.say(crew, name, text))

    @work
    async def action_nudge(self) -> None:
        """Wake the agent that is highlighted."""
        if name := self._worker():
            await self._do(lambda crew: source.nudge(crew, name))

    @work
    async def action_peek(self) -> None:
        """Look at a terminal, without taking it over."""
        name = self._worker()
        if not name:
            return

        async def again() -> str:
            return await self._ask(lambda crew: source.peek(crew, name)) or ""

        await self.push_screen_wait(Show(value(name), await again(), again))

    def action_open(self) -> None:
        """Take a terminal over, and come back."""
        if name := self._worker():
            self._run("attach", name)

    def action_edit(self) -> None:
        """Edit the log."""
        self._run("edit")

    def _run(self, *words: str) -> None:
        with self.suspend():
            line = [sys.executable, "-m", "intercom", *words, "--root", os.fspath(self._config.root)]
            done = subprocess.run(line, check=False)  # noqa: S603  # ourselves, with words of our own
        if done.returncode:
            self.notify(f"intercom {words[0]} ended with {done.returncode}", severity="error")
        self.post_message(self.Changed())

    @work
    async def action_mark(self) -> None:
        """Mark everything for the person as read."""
        await self._do(source.mark_read)

    async def action_fold(self) -> None:
        """Fold threads, or unfold them."""
        await self._part(Talk).fold()

    @work
    async def action_search(self) -> None:
        """Show the messages with some words."""
        words = await self.push_screen_wait(Ask('Search all messages: words, a "phrase", prefix*'))
        if words.strip():
            talk = self._part(Talk)
            talk.border_title = f"search: {value(words)}"
            try:
                await talk.show(words=words)
            except IntercomError as error:
                self.notify(sentence(str(error)), severity="error", markup=False)

    async def action_everything(self) -> None:
        """All messages again."""
        talk = self._part(Talk)
        talk.border_title = None
        await talk.show()

    def action_keys(self) -> None:
        """What the keys do."""
        self.push_screen(Show("Keys", HELP))

    async def action_tab(self, which: str) -> None:
        """Go to another tab."""
        self.set_focus(None)  # what has it would bring its own tab back
        self._part(TabbedContent).active = which
        self._part({"talk-tab": "#waits"}.get(which, f"#{which} VerticalScroll")).focus()

    async def on_tabbed_content_tab_activated(self, event: TabbedContent.TabActivated) -> None:
        """Find what it shows, each time it is shown."""
        if event.pane.id == "queue-tab":
            lines = await self._ask(source.queue)
            told = "\n".join(map(value, lines or [])) or "Nothing waits to be merged."
            self._part("#queue", Static).update(Text(told))
        elif event.pane.id == "health-tab":
            found = await self._ask(source.health)
            told = "\n".join(
                f"{state:<8} {check:<14} {sentence(says)}" + (f"\n{'':<24}→ {sentence(do)}" if do else "")
                for state, check, says, do in found or []
            )
            self._part("#health", Static).update(Text(told))
