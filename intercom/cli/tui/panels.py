"""Owns the lists beside the conversation: agents, and what waits for a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from intercom.cli.show import since
from intercom.cli.tui.acts import Waiting
from intercom.cli.tui.colours import OF_GROUP, SIGNS, colour_of, shade
from intercom.cli.tui.waits import CONFLICT, PERMISSION, QUESTION, UNVERIFIED, Item
from intercom.core.escaping import sentence, value
from intercom.core.fleet_words import ELSEWHERE

if TYPE_CHECKING:
    from intercom.fleet.overview import Agent

_ASKS = {PERMISSION: "may I ", QUESTION: "asks ", UNVERIFIED: "not verified ", CONFLICT: "conflict "}


def agent_line(agent: Agent, width: int = 0) -> Text:
    """An agent in a few lines of this width; 0: unlimited."""
    from intercom.fleet.spending import in_words

    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{SIGNS[agent.group]} ", shade(OF_GROUP[agent.group]))
    text.append(value(agent.name), f"bold {colour_of(agent.name)}")
    stands = " ".join(filter(None, (agent.state, since(agent.since) if agent.since else "")))
    text.append(f" {stands}" if agent.group != ELSEWHERE else "", "dim")
    if agent.task:
        progress = f"{agent.progress} % " if agent.progress is not None else ""
        text.append(f"\n  {progress}", "bold").append(sentence(agent.task))
    if agent.last:
        text.append(f"\n  “{sentence(agent.last)}”", "dim")
    used = in_words(agent.used) if agent.used is not None else ""
    unread = f"{agent.unread} unread" if agent.unread else ""
    parts = [part for part in (unread, value(agent.branch), used) if part]
    fits = width == 0 or len("  ".join(parts)) + 2 <= width
    for place, part in enumerate(parts):
        text.append("  " if place and fits else "\n  ").append(part, shade("yellow") if part == unread else "dim")
    if agent.excess:
        text.append(f"\n  {value(agent.excess)}", shade("bold yellow"))
    return text


class Who(OptionList):
    """The list of agents, those that need attention first; choosing one shows its conversation."""

    BORDER_TITLE = "Who"

    def show(self, agents: Sequence[Agent]) -> None:
        """Show these agents, keeping the highlight."""
        keep = self.highlighted_option.id if self.highlighted_option else None
        self.clear_options()
        shown, width = None, self.scrollable_content_region.width - 2
        for one in agents:
            group = one.group
            if group != shown:
                head = Text().append(group, shade(f"underline {OF_GROUP[group].replace('dim', '')}"))
                self.add_option(Option(head, disabled=True))
                shown = group
            self.add_option(Option(agent_line(one, width), id=f"agent-{one.name}"))
        if not agents:
            self.add_option(Option(Text("nobody yet: intercom spawn"), disabled=True))
        if keep and any(option.id == keep for option in self.options):
            self.highlighted = self.get_option_index(keep)

    @property
    def chosen(self) -> str:
        """The highlighted agent; "" for none."""
        found = self.highlighted_option
        return found.id.removeprefix("agent-") if found and found.id else ""


class Waits(OptionList):
    """The list of what waits for a person."""

    BORDER_TITLE = "Waits for you"

    def __init__(self) -> None:
        super().__init__(id="waits")
        self._items: dict[str, Item] = {}

    def show(self, items: Sequence[Item]) -> None:
        """Show these items, keeping the highlight; if its item is gone, highlight the first."""
        keep = self.chosen
        self._items = {f"{item.kind}-{item.key}": item for item in items}
        self.clear_options()
        for ident, item in self._items.items():
            text = Text(no_wrap=True, overflow="ellipsis")
            text.append(f"{since(item.since):>6} ", "dim")
            text.append(f"{value(item.who)} ", "bold")  # coloured names are hard to read when highlighted
            text.append(_ASKS.get(item.kind, ""), "bold")
            text.append(sentence(item.title))
            self.add_option(Option(text, id=ident))
        if not items:
            self.add_option(Option(Text("nothing", "dim"), disabled=True))
        ident = f"{keep.kind}-{keep.key}" if keep else ""
        if ident in self._items:
            self.highlighted = self.get_option_index(ident)
        elif items:
            self.highlighted = 0  # the next one; no key answers it before it could be read

    @property
    def chosen(self) -> Item | None:
        """The highlighted item."""
        found = self.highlighted_option
        return self._items.get(found.id or "") if found else None


class Queue(OptionList):
    """The merge queue; choosing a row shows the diff of its branch."""

    def __init__(self) -> None:
        super().__init__(id="queue")
        self._rows: list[Waiting] = []

    def show(self, rows: Sequence[Waiting]) -> None:
        """Show these rows, keeping the highlight."""
        keep = self.chosen
        self._rows = list(rows)
        self.clear_options()
        for place, row in enumerate(self._rows):
            self.add_option(Option(Text(row.text), id=f"row-{place}"))
        if not self._rows:
            self.add_option(Option(Text("Nothing waits to be merged.", "dim"), disabled=True))
        names = [row.worker for row in self._rows]
        if self._rows:
            self.highlighted = names.index(keep.worker) if keep is not None and keep.worker in names else 0

    @property
    def chosen(self) -> Waiting | None:
        """The highlighted row."""
        found = self.highlighted_option
        place = int(found.id.removeprefix("row-")) if found and found.id else -1
        return self._rows[place] if 0 <= place < len(self._rows) else None
