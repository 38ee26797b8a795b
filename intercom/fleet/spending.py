"""Owns what agents used: tokens and their price, by name and by task, read from their programs' own transcripts.

Where a program does not tell, or a transcript is gone, nothing is guessed: there is no amount. A price is the list's of
the model's maker, or the person's own under `[prices]` in their settings; where one call has none, the sum has none.
A budget warns, and stops nobody:

    [budget]              # in the project's settings: for each worker; a table for a name says otherwise
    dollars = 5
    tokens = 3_000_000
    [budget.worker-2]
    dollars = 20
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from intercom.core.errors import UsageError
from intercom.core.message import epoch
from intercom.fleet import personal
from intercom.fleet.programs.known import program
from intercom.fleet.programs.usage import Call, Meter, Price
from intercom.fleet.transcripts import Transcript

_KINDS = ("input", "output", "cache_read", "cache_write", "cache_write_1h")
_LIMITS = ("dollars", "tokens")
OVER = "over budget"  #: prefix of the note about an agent that exceeds its budget


class Amount(NamedTuple):
    """What was used."""

    calls: int
    input: int  #: uncached input tokens
    output: int
    cached: int  #: tokens read from a cache
    stored: int  #: tokens written to a cache
    dollars: float | None  #: None if the price of any call is unknown

    @property
    def tokens(self) -> int:
        """The sum of all tokens."""
        return self.input + self.output + self.cached + self.stored

    def to_json(self) -> dict[str, Any]:
        """The public form."""
        dollars = None if self.dollars is None else round(self.dollars, 6)
        return {**self._asdict(), "tokens": self.tokens, "dollars": dollars}


class Task(NamedTuple):
    """A task with its period (seconds since 1970), for assigning usage to it."""

    ident: str
    worker: str
    since: float
    until: float


class Priced(NamedTuple):
    """A call with its price."""

    call: Call
    dollars: float | None


class Spending:
    """Reads transcripts as they grow; keep it for repeated use."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._meters: dict[tuple[str, str], Meter | None] = {}
        self._prices = _prices(environ)

    def of(self, transcripts: Iterable[Transcript], *, former: bool = False) -> dict[str, list[Priced]]:
        """The calls of each name whose program records them; `former`: include torn-down workers.

        A conversation of two names, as when a person resumes it, counts for the first.
        """
        seen: set[str] = set()
        found: dict[str, list[Priced]] = {}
        for one in transcripts:
            calls = self._calls(one.program, one.path)
            if calls is None:
                continue
            new = [call for ident, call in calls.items() if ident not in seen]
            seen.update(calls)
            if former or one.ended is None:
                found.setdefault(one.name, []).extend(Priced(call, self._cost(one.program, call)) for call in new)
        return found

    def amounts(self, transcripts: Iterable[Transcript]) -> dict[str, Amount]:
        """What each name has used so far; names without data are left out."""
        return {name: total(calls) for name, calls in self.of(transcripts).items()}

    def _calls(self, name: str, path: str) -> Mapping[str, Call] | None:
        key = name, path
        if key not in self._meters:
            try:
                self._meters[key] = program(name).meter(path)
            except UsageError:  # a program that only a later version knows
                self._meters[key] = None
        meter = self._meters[key]
        return meter.calls() if meter is not None else None

    def _cost(self, name: str, call: Call) -> float | None:
        own = [key for key in self._prices if call.model.startswith(key)]
        return self._prices[max(own, key=len)].of(call) if own else program(name).cost(call)


def total(calls: Iterable[Priced]) -> Amount:
    """The sum of these calls."""
    number = fresh = output = cached = stored = 0
    dollars: float | None = 0.0
    for call, price in calls:
        number += 1
        fresh += call.input
        output += call.output
        cached += call.read
        stored += call.write + call.keep
        dollars = None if price is None or dollars is None else dollars + price
    return Amount(number, fresh, output, cached, stored, dollars)


def by_task(calls: Mapping[str, Iterable[Priced]], tasks: Sequence[Task]) -> dict[tuple[str, str], Amount]:
    """What each task used, by (id, worker): a call counts for the newest task that was open then."""
    shares: dict[tuple[str, str], list[Priced]] = {}
    for name, made in calls.items():
        mine = sorted((task for task in tasks if task.worker == name), key=lambda task: -task.since)
        shares.update({(task.ident, name): [] for task in mine})
        for one in made:
            task = next((task for task in mine if task.since <= one.call.at < task.until), None)
            if task is not None:
                shares[task.ident, name].append(one)
    return {key: total(found) for key, found in shares.items()}


def over(budget: Mapping[str, Any], name: str, used: Amount | None) -> str:
    """By how much a worker exceeds its budget, in words; "" if it does not, or nothing is known."""
    if used is None:
        return ""
    limits = {key: budget[key] for key in _LIMITS if key in budget}
    own = budget.get(name, {})
    limits.update({key: own[key] for key in _LIMITS if key in own} if isinstance(own, Mapping) else {})
    for limit in limits.values():
        if type(limit) not in {int, float} or limit < 0:
            return f"[budget] in .claude/intercom.toml has {limit!r}, which is not a number: it is not watched"
    said = []
    if "dollars" in limits and used.dollars is not None and used.dollars > limits["dollars"]:
        said.append(f"{money(used.dollars)} of {money(limits['dollars'])}")
    if "tokens" in limits and used.tokens > limits["tokens"]:
        said.append(f"{short(used.tokens)} of {short(int(limits['tokens']))} tokens")
    return f"{OVER}: {', '.join(said)}" if said else ""


def in_words(used: Amount | None) -> str:
    """An amount as people read it: "1.2M tokens, $3.40"; "unknown" for none."""
    if used is None:
        return "unknown"
    price = "price unknown" if used.dollars is None else money(used.dollars)
    return f"{short(used.tokens)} tokens, {price}"


def money(dollars: float) -> str:
    """Dollars, with as many decimals as are useful."""
    return f"${dollars:.2f}" if dollars >= 0.995 or dollars == 0 else f"${dollars:.3f}"


def short(count: int) -> str:
    """A token count: 950, 12k, 3.4M."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= size * 0.9995:
            number = count / size
            return f"{number:.1f}{unit}" if number < 9.95 else f"{number:.0f}{unit}"
    return str(count)


def task(ident: str, worker: str, since: str, until: str) -> Task:
    """A task with its times as on the bus (UTC); `until` is "" as long as it lasts."""
    return Task(ident, worker, epoch(since), epoch(until) if until else float("inf"))


def _prices(environ: Mapping[str, str]) -> dict[str, Price]:
    """The person's own prices, by prefix of the model's name. UsageError."""
    path, found = personal.table("prices", environ, "no price is known")
    out = {}
    for model, said in found.items():
        numbers = {key: said[key] for key in _KINDS if key in said} if isinstance(said, Mapping) else {}
        if not {"input", "output"} <= numbers.keys() or not all(
            type(number) in {int, float} and number >= 0 for number in numbers.values()
        ):
            raise UsageError(
                f"[prices] in {os.fspath(path)}: `{model}` must have input and output, and may have "
                f"{', '.join(_KINDS[2:])}, in dollars for a million tokens; no price is known."
            )
        whole = {"cache_read": numbers["input"], "cache_write": numbers["input"], **numbers}
        whole = {"cache_write_1h": whole["cache_write"], **whole}
        out[model] = Price(*(float(whole[key]) for key in _KINDS))
    return out
