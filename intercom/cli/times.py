"""Owns parsing times as people write them: `14:00`, `yesterday`, `2h`, `1h30m`, `2026-01-31`, `monday 9:30`."""

from __future__ import annotations

import re
import time

from intercom.core.errors import UsageError
from intercom.core.message import utc

EXAMPLES = "2026-01-31, 2026-01-31T09:30, 14:00, yesterday, monday, 10m, 2h, 1h30m, 3d"  #: for help and errors
_PART = r"(\d+(?:\.\d+)?)\s*(s|sec|seconds?|m|min|mins|minutes?|h|hrs?|hours?|d|days?|w|weeks?)"
_AGE = re.compile(rf"(?:{_PART}\s*)+(?:ago)?\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?\Z")
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def moment(text: str, now: float | None = None) -> str:
    """Convert a person's time to UTC: ISO 8601 (local unless it has a zone), a day, a time of day, or an age.

    A time of day alone is its last occurrence; a day alone means its midnight. UsageError for anything else.
    """
    present = time.time() if now is None else now
    said = " ".join(text.lower().split())
    if _AGE.match(said):
        age = sum(float(count) * _SECONDS[unit[0]] for count, unit in re.findall(_PART, said))
        return utc(max(0.0, present - age))
    if said == "now":
        return utc(present)
    if not said:
        raise UsageError(f"a time cannot be empty; nothing was read. Write one like {EXAMPLES}.")
    day, _, clock = said.partition(" ") if not _CLOCK.match(said) else ("", "", said)
    back = _days_back(day, present)
    if back is not None and (not clock or _CLOCK.match(clock)):
        found = _at(present, back, clock)
        if found is not None:
            return utc(max(0.0, found))
    from datetime import datetime

    try:
        return utc(datetime.fromisoformat(text.strip()).timestamp())
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{text!r} is not a time; nothing was read. Write one like {EXAMPLES}.") from error


def _days_back(day: str, present: float) -> int | None:
    """How many days ago a day was; None if it names no day."""
    if day in {"", "today"}:
        return 0
    if day == "yesterday":
        return 1
    named = [number for number, name in enumerate(_DAYS) if name == day or name[:3] == day]
    return (time.localtime(present).tm_wday - named[0]) % 7 if named else None


def _at(present: float, back: int, clock: str) -> float | None:
    """Local midnight or a time of day, this many days ago; a time alone that is in the future means yesterday."""
    found = _CLOCK.match(clock or "0:00")
    hour, minute, second = (int(part or 0) for part in found.groups()) if found else (99, 0, 0)
    if hour > 23 or minute > 59 or second > 59:
        return None
    here = time.localtime(present)

    def on(days: int) -> float:
        return time.mktime((here.tm_year, here.tm_mon, here.tm_mday - days, hour, minute, second, 0, 0, -1))

    return on(1) if clock and not back and on(0) > present else on(back)
