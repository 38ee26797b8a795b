"""Owns the conversation on the screen: message cards, of which a limited number is held however long the history.

A text can only draw inside its own card: it is made inert before markdown is parsed, and links do nothing.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, ClassVar

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from intercom.cli.tui.colours import colour_of, shade
from intercom.core.contract import ContractError, parse
from intercom.core.escaping import framed, value
from intercom.core.message import SYSTEM, Message, epoch, local_stamp

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from contextlib import AbstractContextManager

    from intercom.cli.tui.source import Source, Ticked
    from intercom.store.index.query import Filter

_WINDOW = 50  #: messages fetched at a time
_LAID_OUT = 0.3  #: seconds after which cards are laid out
_MOST = 200  #: maximum number of cards held
_LONGEST = 20_000  #: maximum characters of a body in a card
_EMPTY = "No messages yet. w writes to the agent that is highlighted, ? shows the keys."


def ticks(one: Ticked) -> str:
    """A message's receipts as signs: stored, shown to all recipients, acted on by all."""
    if not one.of:
        return ""
    return "✓✓✓" if one.acted == one.of else "✓✓" if one.shown == one.of else "✓"


def header(one: Ticked) -> Text:
    """The first line of a card."""
    message = one.message
    text = Text(no_wrap=True, overflow="ellipsis")
    stamp, today = local_stamp(epoch(message.at)), local_stamp(time.time())[:10]
    text.append(f"{stamp[11:16] if stamp.startswith(today) else stamp[5:16]} ", "dim")
    text.append(value(message.sender), f"bold {colour_of(message.sender)}")
    text.append(f" → {value(message.to)} ", "")
    text.append(value(message.type), "italic")
    if message.urgent:
        text.append(" URGENT", shade("bold red"))
    if not message.proven:
        text.append(f" ({message.via})", shade("yellow"))
    text.append(f" {ticks(one)}", "dim")
    return text


def body(message: Message) -> RenderableType:
    """The text of a card: a contract as prose, else markdown."""
    try:
        contract = parse(message.body) if message.type == "task" else None
    except ContractError as error:
        return Text(f"not a valid contract: {value(str(error))}\n{_plain(message.body)}")
    if contract is not None:
        words = Text(_plain(contract.role_instructions))
        report = Text(f"report back: {value(', '.join(contract.report_back))}", "dim")
        return Group(Text(value(contract.role), "bold"), words, report)
    return _markdown(_plain(message.body))


def _markdown(text: str) -> RenderableType:
    """Markdown without links, and without entities, which would write what was made inert."""
    from markdown_it import MarkdownIt
    from rich.markdown import Markdown  # imported late: a fifth of the time to the first picture

    shown = Markdown("", hyperlinks=False, code_theme="ansi_dark")
    shown.parsed = MarkdownIt().enable(["strikethrough", "table"]).disable("entity").parse(text)
    return shown


def _plain(text: str) -> str:
    cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\n… {len(text) - _LONGEST} more characters"
    return "\n".join(framed(cut, ""))


class Card(Static):
    """One message."""

    DEFAULT_CSS = """
    Card { margin: 0 0 1 0; padding: 0 1; border-left: thick $surface-lighten-2; }
    Card.system { border-left: thick $accent; }
    Card.folded { display: none; }
    Card:focus { border-left: thick $primary; background: $boost; }
    Card:nocolor { border-left: wide $surface-lighten-2; }
    Card:nocolor:focus { border-left: thick $primary; }
    """
    can_focus = True

    def __init__(self, one: Ticked) -> None:
        super().__init__(markup=False)
        self.one = one
        self.replies = 0  #: number of replies folded below it
        self.set_class(one.message.sender == SYSTEM, "system")

    def on_mount(self) -> None:
        """Draw it."""
        self.draw()

    def draw(self, one: Ticked | None = None) -> None:
        """Redraw it if it changed."""
        if one is not None:
            if one == self.one:
                return
            self.one = one
        more = [Text(f"▸ {self.replies} more in this thread", "dim")] if self.replies else []
        self.update(Group(header(self.one), Padding(body(self.one.message), (0, 0, 0, 2)), *more))


class Talk(VerticalScroll):
    """The conversation; it follows its end unless somebody scrolled away."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("home", "first", show=False),
        Binding("end", "newest", show=False),
    ]

    def __init__(self, source: Source, told: Callable[[], AbstractContextManager[None]]) -> None:
        super().__init__(id="talk")
        self._source = source
        self._told = told  #: shows the errors from within
        self._alone = asyncio.Lock()  #: serialises changes of the cards
        self._has_end = True  #: whether the newest messages are among the cards
        self._wanted: Filter | None = None  #: None: all
        self.words = ""
        self.folded = False

    @property
    def wanted(self) -> Filter:
        """Which messages are shown."""
        from intercom.store.index.query import Filter  # with all of the index, for which the frame does not wait

        return self._wanted or Filter()

    @property
    def cards(self) -> list[Card]:
        """The cards held, oldest first."""
        return list(self.query(Card))

    @property
    def at_end(self) -> bool:
        """Whether the end is visible."""
        return self.scroll_y >= self.max_scroll_y - 1

    async def show(self, wanted: Filter | None = None, words: str = "") -> None:
        """Show the newest messages that pass a filter, or those with these words."""
        async with self._alone:
            await self._show(wanted, words)

    async def _show(self, wanted: Filter | None, words: str) -> None:
        self._wanted, self.words = wanted, words
        self.border_title = self._named()
        found = await self._page(self.wanted, words)
        if not self.is_attached:
            return  # the screen closed meanwhile
        await self.remove_children()
        if found:
            await self.mount_all(map(Card, found))
        else:
            await self.mount(Static("Nothing found." if words else _EMPTY, classes="empty"))
        self._has_end = True
        self._fold()
        self.anchor()

    def _fill(self) -> None:
        """Fetch more if the cards do not fill the space when folded, as scrolling could not trigger that."""
        if self.max_scroll_y <= 0 and len(self.cards) >= _WINDOW:
            self._start(self.older)

    def _named(self) -> Text | None:
        """The filter in words."""
        told = ("with", self.wanted.about), ("thread", self.wanted.thread), ("only", self.wanted.type)
        parts = [f"{word} {value(name)}" for word, name in (*told, ("search:", self.words or None)) if name]
        return Text(f"{', '.join(parts)}  (Escape: all)") if parts else None

    async def refresh_end(self) -> None:
        """Add what came since, and update the receipts of the others."""
        async with self._alone:
            if self.words or not self.is_attached:
                return
            cards = self.cards
            if not cards:
                await self._show(self.wanted, "")
                return
            follows = self.at_end and self._has_end
            there = {card.one.message.id: card for card in cards[-2 * _WINDOW :]}
            first = next(iter(there.values())).one.message.seq or 0
            found = await self._onward(self.wanted._replace(after=first - 1), len(there) + _WINDOW)
            for one in found:
                if one.message.id in there and there[one.message.id].is_attached:
                    there[one.message.id].draw(one)
            if self._has_end:
                await self._add([one for one in found if one.message.id not in there])
            if follows and self.is_attached:
                await self._drop(self.cards[: max(0, len(self.cards) - _MOST)])
                self.anchor()

    async def _add(self, new: Sequence[Ticked]) -> None:
        if new and self.is_attached:
            await self.mount_all(map(Card, new))
            self._fold()

    async def older(self) -> None:
        """Add older messages above."""
        async with self._alone:
            cards = self.cards
            if self.words or not cards or self.scroll_y > 0:
                return
            first = cards[0]
            found = await self._page(self.wanted._replace(before=first.one.message.seq), "")
            if found and self.is_attached:
                await self.mount_all(map(Card, found), before=first)
                self._has_end = self._has_end and len(self.cards) <= _MOST
                await self._drop(self.cards[_MOST:])
                self._fold()
                self.call_after_refresh(self._stay_at, first)  # its position is known only after layout

    def _stay_at(self, card: Card) -> None:
        """Keep this card on top; never at the very top of the list, where scrolling up has no effect."""
        if card.is_attached:
            self.scroll_to(y=max(1, card.virtual_region.y), animate=False)

    async def newer(self) -> None:
        """Add newer messages below, if the cards do not reach the end."""
        async with self._alone:
            cards = self.cards
            if self.words or self._has_end or not cards:
                return
            found = await self._onward(self.wanted._replace(after=cards[-1].one.message.seq), _WINDOW)
            self._has_end = len(found) < _WINDOW
            await self._add(found)
            await self._drop(self.cards[: max(0, len(self.cards) - _MOST)])

    def action_first(self) -> None:
        """Go to the very first message, or found one, however many are between."""
        if self.words:
            self.scroll_home(animate=False)
        else:
            self._start(self._first)

    async def _first(self) -> None:
        async with self._alone:
            found = await self._onward(self.wanted._replace(after=0), _WINDOW)
            if not found or not self.is_attached:
                return
            self.release_anchor()
            await self.remove_children()
            await self.mount_all(map(Card, found))
            self._has_end = len(found) < _WINDOW
            self._fold()
            self.scroll_home(animate=False)

    def action_newest(self) -> None:
        """Go to the newest message, or found one, and follow what comes."""
        if self._has_end:
            self.anchor()
            self.scroll_end(animate=False)
        else:
            self._start(lambda: self.show(self._wanted))

    async def _onward(self, wanted: Filter, limit: int) -> list[Ticked]:
        from intercom.cli.tui.source import onward

        return await self._source.ask(lambda crew: onward(crew, wanted, limit))

    async def _page(self, wanted: Filter, words: str, limit: int = _WINDOW) -> list[Ticked]:
        from intercom.cli.tui.source import page

        return await self._source.ask(lambda crew: page(crew, wanted, limit, words))

    async def _drop(self, cards: Sequence[Card]) -> None:
        for card in cards:
            await card.remove()

    async def fold(self) -> None:
        """Show only the first message of each thread, or all again."""
        self.folded = not self.folded
        self._fold()
        self.set_timer(_LAID_OUT, self._fill)

    def _fold(self) -> None:
        roots: dict[str, Card] = {}
        before = {card: card.replies for card in self.cards}
        for card in self.cards:
            message = card.one.message
            root = roots.get(message.reply_to or "") or roots.get(message.thread or "")
            for key in filter(None, (message.id, message.thread)):
                roots.setdefault(key, root or card)
            card.replies = 0
            card.set_class(self.folded and root is not None, "folded")
            if self.folded and root is not None:
                root.replies += 1
        for card, replies in before.items():
            if card.replies != replies:  # to draw a long one takes time
                card.draw()

    def _start(self, work: Callable[[], Awaitable[None]]) -> None:
        async def act() -> None:
            with self._told():
                await work()

        self.run_worker(act())

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """At the top, fetch older messages; at the bottom, newer ones."""
        super().watch_scroll_y(old_value, new_value)
        if new_value <= 0 < old_value:
            self._start(self.older)
        elif not self._has_end and self.at_end and new_value > old_value:
            self._start(self.newer)
