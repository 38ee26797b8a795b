"""Owns the table: what a figure is, how samples become one line, and whether a budget holds.

Times on a shared machine mean little, so a figure stands beside a floor that was measured in the same
run, turn by turn, and what a budget limits is the ratio of the two medians. A p99 is compared with the
p99 of the floor. Two units more: a *ping* is the median of MCP pings of the same server that went through the SDK, in
the same run; and what the Node original took in the same unit, where it was measured, stands beside.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

UNITS = """\
A ping, as a unit, is the median of MCP pings that went through the SDK of the same server, in the same run: what a
server that is made with an SDK takes to answer nothing. The Node original's figures are in pings of its own server,
which go through its SDK, so the two columns compare. Ours answers what is plain without the SDK, its pings too: how
much longer the unit is than such a plain ping says the second row, and in plain pings all ratios are that much larger.
The times themselves stand in the column "ours"; the original took 429 µs to read, 442 to send, 922 for both and 268
for status when it was measured, once, on a machine with two cores.
A ratio is that of the medians of ours and of the floor beside it, which is measured turn by turn in the same run.
Measured once by hand, as it takes too long for a row: sending and reading a message take the same processor time,
within 5 %, with 10³, 10⁴, 10⁵, 10⁶ and 9.3 × 10⁶ messages in the history (8 rounds of 200 of each in turn)."""
#: Where the rest of a figure goes that is above its budget, by the beginning of its row; from `make bench-profile`.
REASONS = {
    "intercomm_read": "0.05 ms are the way in and out; the rest are the arguments, 12 calls of the system that look at "
    "what others did, and Python between them.",
    "intercomm_send and the other's read": "each way in and out is 0.05 ms, the send 0.3, for the reader changes base "
    "and state in between. The reader compares page, ledger and base (0.1 ms), writes the message to the index (0.3), "
    "finds it there (0.1) and notes that it gave it (0.1): 118 calls of the system, of which 32 are SQLite's locks.",
    "intercomm_send": "0.05 ms are the way in and out. The rest are some 40 calls of the system (two locks; files "
    "opened, and looked at for what others did; a third of the time), the checks, the rendering and the seal.",
    "p99 of status": "one of fifty is the first after others wrote, who compacted the page as well: proving the files "
    "takes 0.2 ms, counting in the index 0.5, the seals of what is new on the page 0.2; with caches that others have "
    "emptied meanwhile.",
    "p99 of send, ": "every fiftieth send compacts the page, and that is it: 1.2 ms, of which proving page, ledger and "
    "base takes 0.2, cutting the page 0.3, replacing it without losing what others write meanwhile 0.4.",
    "30 senders": "a message that waits is written into a file, taken from there, answered, and its sender woken: that "
    "takes about twice the processor of sending it alone. Two cores are the limit; the slower the disk, the more "
    "one sync for many is worth.",
    "hand-written": "8 ms without a change, 20 as long as somebody has the log open; then what is new on the page "
    "is read, all of it compared with what is known, and its base written: 5 to 7 ms of processor with a hundred "
    "messages on it, and 4 syncs.",
    "catching up": "parsing is the floor; SQLite's insertions take 0.7 as long again, the transaction around them 0.6, "
    "comparing page, ledger and base 0.6.",
    "memory of a waiter": "it holds all that a look may need, for an upgrade may take the package away while it waits. "
    "Bare Python is 9 MiB, with re, typing, pathlib and an open sqlite3 13, before a line of ours; watchdog 3, YAML 1.",
    "`intercom read`": "Python's own modules (re, typing, argparse, pathlib, sqlite3) are two fifths of it; three are "
    "the named tuples of forty modules.",
    "`intercom hook`": "Python's own modules (re, typing, json, pathlib, sqlite3) are two thirds of it: 20 ms.",
}
OK, BROKEN = "ok", "BROKEN"
HEADINGS = ("figure", "ours", "p99", "floor", "p99", "ratio", "budget", "Node", "")


class Row(NamedTuple):
    """One line of the table, ready to print. `holds` is None where there is no budget."""

    figure: str
    ours: str
    ours_p99: str
    floor: str
    floor_p99: str
    ratio: str
    budget: str
    holds: bool | None
    node: str = "–"  #: the same ratio of the Node original


class Run(NamedTuple):
    """What every measurement is given: a scratch folder on a real disk, and how long it may take."""

    folder: Path
    quick: bool

    def rounds(self, full: int, quick: int) -> int:
        """How often to do something."""
        return quick if self.quick else full

    def project(self, name: str) -> Path:
        """A new, empty project folder."""
        path = self.folder / name
        path.mkdir()
        return path


class Figure(NamedTuple):
    """A row of the list of benchmarks: the name for `--only`, and what measures it."""

    name: str
    measure: Callable[[Run], Iterable[Row]]


def against_floor(
    figure: str, ours: Sequence[float], floor: Sequence[float], limit: float, *, p99: float | None = None
) -> Row:
    """Two series of seconds, and the budget for the ratio of their medians and perhaps of their 99th percentiles."""
    ratio = statistics.median(ours) / statistics.median(floor)
    holds, budget, shown = ratio <= limit, f"≤ {limit:g}×", f"{ratio:.2f}×"
    if p99 is not None:
        tail = percentile(ours, 99) / percentile(floor, 99)
        holds = holds and tail <= p99
        budget += f", p99 ≤ {p99:g}×"
        shown += f", p99 {tail:.2f}×"
    return _row(figure, ours, floor, shown, budget, holds=holds)


def in_pings(figure: str, ours: Sequence[float], ping: Sequence[float], limit: float, *, node: float = 0) -> Row:
    """Seconds of calls and of pings, and the budget for the ratio of their medians."""
    ratio = statistics.median(ours) / statistics.median(ping)
    row = _row(figure, ours, ping, f"{ratio:.2f} pings", f"≤ {limit:g} pings", holds=ratio <= limit)
    return row._replace(node=f"{node:g}" if node else "–")


def steady(figure: str, ours: Sequence[float], limit: float) -> Row:
    """A series of seconds, and the budget for its 99th percentile in medians."""
    ratio = percentile(ours, 99) / statistics.median(ours)
    shown = duration(statistics.median(ours)), duration(percentile(ours, 99))
    return Row(figure, *shown, "–", "–", f"p99 {ratio:.1f}×", f"p99 ≤ {limit:g}×", ratio <= limit)


def above_floor(figure: str, ours: Sequence[float], floor: Sequence[float], limit: float) -> Row:
    """Two series of seconds, and the budget in seconds for how much later ours may be."""
    more = statistics.median(ours) - statistics.median(floor)
    return _row(figure, ours, floor, f"+{duration(more)}", f"≤ +{duration(limit)}", holds=more <= limit)


def within(figure: str, ours: Sequence[float], limit: float, part: int) -> Row:
    """A series of seconds without a floor, and the budget for its percentile `part`."""
    value = percentile(ours, part)
    shown = (duration(statistics.median(ours)), duration(percentile(ours, 99)))
    return Row(figure, *shown, "–", "–", f"p{part} {duration(value)}", f"p{part} ≤ {duration(limit)}", value <= limit)


def plain(figure: str, value: float, limit: float, unit: str) -> Row:
    """A figure that is no time."""
    return Row(figure, f"{value:,.0f} {unit}", "–", "–", "–", "–", f"≤ {limit:,.0f} {unit}", value <= limit)


def left_out(figure: str) -> Row:
    """A figure that cannot be measured here."""
    return Row(figure, "LEFT OUT", "–", "–", "–", "–", "–", None)


def _row(figure: str, ours: Sequence[float], floor: Sequence[float], ratio: str, budget: str, *, holds: bool) -> Row:
    middle = (duration(statistics.median(ours)), _tail(ours), duration(statistics.median(floor)), _tail(floor))
    return Row(figure, *middle, ratio, budget, holds)


def _tail(samples: Sequence[float]) -> str:
    """The 99th percentile, where there are samples enough to have one."""
    return duration(percentile(samples, 99)) if len(samples) >= 100 else "–"


def percentile(samples: Sequence[float], part: int) -> float:
    """The sample that `part` percent of all do not exceed."""
    return sorted(samples)[max(0, math.ceil(len(samples) * part / 100) - 1)]


def duration(seconds: float) -> str:
    """A time with three digits at most."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if abs(seconds) >= size:
            value = seconds / size
            return f"{value:.2f} {unit}" if abs(value) < 10 else f"{value:.0f} {unit}"
    return f"{seconds * 1e6:.0f} µs"


def printed(rows: Sequence[Row]) -> str:
    """The table."""
    cells = [list(HEADINGS), *([*row[:7], row.node, _verdict(row.holds)] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADINGS))]
    lines = []
    for line in cells:
        first, *rest, last = (
            cell.ljust(width) if column in {0, 6, 8} else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        lines.append("  ".join([first, *rest, last]).rstrip())
    return "\n".join([lines[0], "─" * max(map(len, lines)), *lines[1:]])


def reasons(rows: Sequence[Row]) -> list[str]:
    """What is known of the rows that are above their budgets."""
    broken = [row.figure for row in rows if row.holds is False]
    told = {one: max((name for name in REASONS if one.startswith(name)), key=len, default="") for one in broken}
    return [f"{name}: {why}" for name, why in REASONS.items() if name in told.values()]


def _verdict(holds: bool | None) -> str:
    return "" if holds is None else OK if holds else BROKEN
