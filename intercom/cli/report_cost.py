"""Owns the report's tokens and prices, by agent and by task, with "unknown" for missing data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from intercom.bus.figures import Figures
from intercom.core.escaping import value
from intercom.fleet.programs.known import programs
from intercom.fleet.spending import Amount, Priced, by_task, money, short, task, total

_MOST = 50  #: how many tasks the table has, most expensive first


class Costs(NamedTuple):
    """What was used; None for missing data."""

    agents: Mapping[str, Amount | None]
    tasks: Mapping[tuple[str, str], Amount | None]  #: by (id of the task, worker)
    titles: Mapping[str, str]  #: titles of tasks, by id

    def to_json(self) -> dict[str, Any]:
        """The public form."""
        return {
            "agents": {name: found.to_json() if found else None for name, found in self.agents.items()},
            "tasks": [
                {"id": ident, "worker": worker, "used": found.to_json() if found else None}
                for (ident, worker), found in self.tasks.items()
            ],
        }


def costs(found: Figures, used: Mapping[str, Sequence[Priced]], since: float = 0.0) -> Costs:
    """What the agents and tasks in these figures used; only calls from `since` on (seconds since 1970)."""
    recent = {name: [one for one in calls if one.call.at >= since] for name, calls in used.items()}
    names = [*dict.fromkeys([*(lane.name for lane in found.lanes if lane.sent), *recent])]
    tasks = [task(wait.id, wait.whom, wait.since, wait.until) for wait in found.tasks]
    shares = by_task(recent, tasks)
    return Costs(
        {name: total(recent[name]) if name in recent else None for name in names},
        {(one.ident, one.worker): shares.get((one.ident, one.worker)) for one in tasks},
        {wait.id: wait.title for wait in found.tasks},
    )


def tables(cost: Costs) -> str:
    """Two tables, by agent and by task; "" if nothing is known of anybody."""
    if not any(cost.agents.values()):
        return ""
    agents = "".join(f"<tr><th>{_text(name)}</th>{_cells(found)}</tr>" for name, found in cost.agents.items())
    known = sorted(cost.tasks.items(), key=lambda one: -(one[1].dollars or 0 if one[1] else -1))
    tasks = "".join(
        f'<tr><th><a href="#m-{_text(ident)}">{_text(cost.titles.get(ident, ident)[:60])}</a></th>'
        f"<td>{_text(worker)}</td>{_cells(found)}</tr>"
        for (ident, worker), found in known[:_MOST]
    )
    head = "<th>price</th><th>tokens</th><th>in</th><th>out</th><th>from cache</th><th>to cache</th>"
    parts = [f'<div class="wide"><table><tr><th></th>{head}</tr>{agents}</table></div>']
    if tasks:
        parts.append(f'<div class="wide"><table><tr><th>task</th><th>worker</th>{head}</tr>{tasks}</table></div>')
    return "".join([*parts, f'<p class="legend">{_text(_note())}</p>'])


def _note() -> str:
    lists = [found for one in programs() if (found := one.price_list())]
    return (
        f"Read from the agents' own transcripts, priced by {' and '.join(lists)} or your own [prices]; this is not a "
        "bill. Tokens read from a cache count, too."
    )


def _cells(found: Amount | None) -> str:
    if found is None:
        return '<td colspan="6">unknown</td>'
    price = "unknown" if found.dollars is None else money(found.dollars)
    counts = found.tokens, found.input, found.output, found.cached, found.stored
    return f"<td>{price}</td>{''.join(f'<td>{short(count)}</td>' for count in counts)}"


def _text(text: str) -> str:
    return escape(value(text))
