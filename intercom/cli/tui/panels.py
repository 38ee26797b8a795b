"""Owns the lists beside the conversation: who there is, and what waits for a person."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from intercom.cli.show import since
from intercom.cli.tui.source import MERGE, PERMISSION, Item
from intercom.cli.tui.talk import colour_of
from intercom.core.display import sentence, value
from intercom.fleet.overview import Agent

#: A state's group, as people ask for it, and its sign: never a colour alone.
GROUPS = {
    "blocked": ("needs you", "!"),
    "trust": ("needs you", "!"),
    "mcp_approval": ("needs you", "!"),
    "bypass": ("needs you", "!"),
    "question": ("needs you", "!"),
    "waiting": ("needs you", "!"),
    "failed": ("stuck", "x"),
    "dead": ("stuck", "x"),
    "gone": ("stuck", "x"),
    "unknown": ("stuck", "?"),
    "running": ("working", "●"),
    "starting": ("working", "●"),
    "done": ("done", "✓"),
}
ORDER = ("needs you", "stuck", "working", "idle", "done")
_COLOUR = {"needs you": "bold red", "stuck": "red", "working": "green", "idle": "", "done": "dim"}


def group_of(agent: Agent) -> tuple[str, str]:
    """The group an agent belongs to, and its sign. Who is gone with nothing to do is no trouble."""
    group, sign = GROUPS.get(agent.state, ("idle", "○"))
    if agent.state in ("dead", "gone") and not (agent.task or agent.unread):
        return "done", "–"
    return group, sign


def agent_line(agent: Agent) -> Text:
    """One agent in two or three lines."""
    group, sign = group_of(agent)
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{sign} ", _COLOUR[group])
    text.append(value(agent.name), f"bold {colour_of(agent.name)}")
    text.append(f" {agent.state or '-'} {since(agent.since)}", "dim")
    if agent.unread:
        text.append(f" {agent.unread} unread", "yellow")
    if agent.task:
        text.append(f"\n  {sentence(agent.task)}")
    if agent.last:
        text.append(f"\n  {sentence(agent.last)}", "dim")
    if agent.branch:
        text.append(f"\n  {value(agent.branch)}", "dim")
    return text


class Who(OptionList):
    """The agents, those that need somebody first; choosing one shows its conversation."""

    BORDER_TITLE = "Who"

    def show(self, agents: Sequence[Agent]) -> None:
        """Show these, and keep what is highlighted."""
        keep = self.highlighted_option.id if self.highlighted_option else None
        self.clear_options()
        ordered = sorted(agents, key=lambda one: ORDER.index(group_of(one)[0]))
        shown = None
        for one in ordered:
            group = group_of(one)[0]
            if group != shown:
                self.add_option(Option(Text(group, "dim underline"), disabled=True))
                shown = group
            self.add_option(Option(agent_line(one), id=f"agent-{one.name}"))
        if not ordered:
            self.add_option(Option(Text("nobody yet", "dim"), disabled=True))
        if keep and any(option.id == keep for option in self.options):
            self.highlighted = self.get_option_index(keep)

    @property
    def chosen(self) -> str:
        """The agent that is highlighted; "" for none."""
        found = self.highlighted_option
        return found.id.removeprefix("agent-") if found and found.id else ""


class Waits(OptionList):
    """What waits for a person."""

    BORDER_TITLE = "Waits for you"

    def __init__(self) -> None:
        super().__init__(id="waits")
        self._items: dict[str, Item] = {}

    def show(self, items: Sequence[Item]) -> None:
        """Show these, and keep what is highlighted; what is gone takes the highlight with it."""
        keep = self.chosen
        self._items = {f"{item.kind}-{item.key}": item for item in items}
        self.clear_options()
        for ident, item in self._items.items():
            text = Text(no_wrap=True, overflow="ellipsis")
            text.append({PERMISSION: "may I ", MERGE: ""}.get(item.kind, "asks "), "bold")
            text.append(f"{value(item.who)} ", colour_of(item.who))
            text.append(f"{since(item.since)} ", "dim")
            text.append(sentence(item.title))
            self.add_option(Option(text, id=ident))
        if not items:
            self.add_option(Option(Text("nothing", "dim"), disabled=True))
        ident = f"{keep.kind}-{keep.key}" if keep else ""
        if ident in self._items:
            self.highlighted = self.get_option_index(ident)
        elif items and keep is None:
            self.highlighted = 0

    @property
    def chosen(self) -> Item | None:
        """What is highlighted."""
        found = self.highlighted_option
        return self._items.get(found.id or "") if found else None
