"""Owns the report's chart as SVG: a lane per agent, messages as marks, tasks as bars, waits as hatched bars.

It is drawn here because chart libraries without scripts have no lanes, and a script in the page would have to be
trusted with the text of every message. Every text in it is escaped.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from intercom.bus.figures import MERGE, TASK, Figures, Wait
from intercom.core.escaping import value
from intercom.core.message import Message, epoch
from intercom.core.texts import cut

WIDTH, _LEFT, _RIGHT = 1000, 130, 12  #: units of the chart, which is scaled to the page
_LANE, _TOP = 46, 26
_TICKS = 8
_MOST_BARS = 300  #: of more, those that are close are drawn as one
_MANY = 1_000  #: messages; the same
_SHORT = 60  #: characters of a text in front of "and N more"
_HATCH = (
    '<defs><pattern id="wait" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="2" height="5" class="hatch"/></pattern></defs>'
)
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800)


class _Scale(NamedTuple):
    """Maps times to positions."""

    start: float
    end: float

    def at(self, when: float) -> float:
        """The horizontal position of a time in seconds since 1970."""
        share = (min(max(when, self.start), self.end) - self.start) / (self.end - self.start)
        return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)


def chart(messages: Sequence[Message], found: Figures, now: float) -> str:
    """The chart of these messages; "" if there are none."""
    if not found.lanes:
        return ""
    first, last = epoch(found.since), epoch(found.until)
    lasting = any(not wait.until for wait in found.waits if wait.kind == TASK)
    scale = _Scale(first, max(last if not lasting else min(now, last + (last - first) * 0.1 + 60), first + 1))
    lanes = {lane.name: place for place, lane in enumerate(found.lanes)}
    height = _TOP + _LANE * len(lanes) + 24
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Timeline by agent" class="chart">',
        _HATCH,
        *_axis(scale, height),
    ]
    for name, place in lanes.items():
        y = _TOP + place * _LANE
        parts.append(f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y + 32}" y2="{y + 32}" class="lane"/>')
        parts.append(f'<text x="{_LEFT - 10}" y="{y + 36}" text-anchor="end" class="name">{_text(name, 16)}</text>')
    parts += _bars(found.waits, scale, lanes, now)
    parts += _marks(messages, scale, lanes)
    return "\n".join([*filter(None, parts), "</svg>"])


def _axis(scale: _Scale, height: int) -> list[str]:
    span = scale.end - scale.start
    step = next((one for one in _STEPS if span / one <= _TICKS), _STEPS[-1] * int(span / _STEPS[-1] / _TICKS + 1))
    offset = time.localtime(scale.start).tm_gmtoff
    parts, when = [], (int(scale.start + offset) // step + 1) * step - offset
    form = "%H:%M:%S" if step < 60 else "%H:%M" if span < 86400 else "%d %b %H:%M" if step < 86400 else "%d %b"
    while when <= scale.end:
        x, label = scale.at(when), time.strftime(form, time.localtime(when))
        parts.append(f'<line x1="{x}" x2="{x}" y1="{_TOP - 6}" y2="{height - 20}" class="tick"/>')
        side = "end" if x > WIDTH - 50 else "middle"
        parts.append(f'<text x="{x}" y="{_TOP - 11}" text-anchor="{side}" class="when">{label}</text>')
        when += step
    return parts


def _bars(waits: Sequence[Wait], scale: _Scale, lanes: dict[str, int], now: float) -> list[str]:
    """One bar per wait; where there are many, one for those of a lane that begin and end nearly together."""
    shown = [wait for wait in waits if _lane_of(wait) in lanes and wait.kind != "first act"]
    bars, near = [(wait, 1) for wait in shown], 8
    while len(bars) > _MOST_BARS:
        seen: dict[object, tuple[Wait, int]] = {}
        for wait in shown:
            times = epoch(wait.since), epoch(wait.until) if wait.until else now
            key = _lane_of(wait), wait.kind, *(int(scale.at(when) / near) for when in times), bool(wait.until)
            first, count = seen.get(key, (wait, 0))
            seen[key] = first, count + 1
        bars, near = [*seen.values()], near * 2
        if near > WIDTH:
            break
    return [_bar(wait, count, scale, lanes, now) for wait, count in bars]


def _lane_of(wait: Wait) -> str:
    """Whose lane it is on: a task is its worker's, any other wait that of whoever waits."""
    return wait.whom if wait.kind == TASK else wait.who


def _bar(wait: Wait, count: int, scale: _Scale, lanes: dict[str, int], now: float) -> str:
    """The bar of a wait, and of so many like it."""
    name = _lane_of(wait)
    begin, end = scale.at(epoch(wait.since)), scale.at(epoch(wait.until) if wait.until else now)
    y = _TOP + lanes[name] * _LANE
    top, tall = (y + 4, 10) if wait.kind == TASK else (y + 16, 7)
    kind = "task" if wait.kind == TASK else "merge" if wait.kind == MERGE else "wait"
    told = f"{wait.kind}: {wait.title} ({duration(wait.seconds(now))}{'' if wait.until else ', still open'})"
    told = f"{cut(told, _SHORT)}, and {count - 1} more" if count > 1 else told
    still = "" if wait.until else " still"
    return (
        f'<a href="#m-{escape(wait.id)}"><rect x="{begin:g}" y="{top}" width="{max(2.0, round(end - begin, 1)):g}" '
        f'height="{tall}" rx="2" class="{kind}{still}"><title>{_text(told)}</title></rect></a>'
    )


def _marks(messages: Sequence[Message], scale: _Scale, lanes: dict[str, int]) -> list[str]:
    """One mark per message, or for several messages of a lane that are too close."""
    near = 6 if len(messages) > _MANY else 2
    seen: dict[tuple[str, int], tuple[Message, int]] = {}
    for message in messages:
        key = message.sender, int(scale.at(epoch(message.at)) / near)
        first, count = seen.get(key, (message, 0))
        seen[key] = first if count else message, count + 1
    parts = []
    for (name, _), (message, count) in seen.items():
        told = f"{message.type} to {cut(message.to, _SHORT)}" + (f", and {count - 1} more" if count > 1 else "")
        parts.append(
            f'<a href="#m-{escape(message.id)}"><circle cx="{scale.at(epoch(message.at)):g}" '
            f'cy="{_TOP + lanes[name] * _LANE + 32}" r="{3 if count == 1 else 4}"{_kind(message)}>'
            f"<title>{_text(told)}</title></circle></a>"
        )
    return parts


def _kind(message: Message) -> str:
    return f' class="t-{message.type}"' if message.type in ("task", "question", "answer", "done") else ""


def _text(text: str, most: int = 200) -> str:
    return escape(value(cut(text, most)))


def duration(seconds: float) -> str:
    """A duration as people say it: 4 s, 3 min, 2 h 10 min, 3 d 4 h."""
    whole = round(seconds)
    for unit, size, less, small in (("d", 86400, "h", 3600), ("h", 3600, "min", 60)):
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size} {unit}" + (f" {rest} {less}" if rest else "")
    return f"{whole // 60} min" if whole >= 60 else f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
