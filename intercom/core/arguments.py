"""Owns the checks of what callers of the API pass in: a value of the wrong kind is a UsageError, never a traceback.

Each check takes the words that say what did not happen. Nothing here depends on the state of a bus.
"""

from __future__ import annotations

from collections.abc import Mapping

from intercom.core.errors import UsageError
from intercom.core.message import CLI, SAID, TOOL, UNPROVEN, Field, utc

_MANY = 2**53  #: more than any history has; SQLite's limit is 2**63


def texts(outcome: str, **values: object) -> None:
    """Every value must be text. UsageError names the first that is not."""
    for name, value in values.items():
        if not isinstance(value, str):
            raise UsageError(f"{name} must be text, not {_kind(value)}; {outcome}.")


def maybe_texts(outcome: str, **values: object) -> None:
    """Every value must be text or None. UsageError names the first that is not."""
    texts(outcome, **{name: value for name, value in values.items() if value is not None})


def idents(outcome: str, **values: object) -> None:
    """Every value must be None, or text that could be a message's id. UsageError names the first that is not."""
    maybe_texts(outcome, **values)
    for name, value in values.items():
        if isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value):
            raise UsageError(f"{name} is {value!r}, which cannot be a message's id; {outcome}.")


def check_count(name: str, value: object, outcome: str, *, least: int) -> int:
    """Check a number of messages: whole, and at least `least`. An absurdly large one is capped, not refused."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise UsageError(f"{name} must be a whole number, not {_kind(value)}; {outcome}.")
    if value < least:
        raise UsageError(f"{name} is {_number(value)}; {outcome}. Give a number of messages, {least} or more.")
    return min(value, _MANY)


def check_limit(value: object) -> int | None:
    """Check the limit of a read: None, or a whole number from 1."""
    return None if value is None else check_count("limit", value, "nothing was read", least=1)


def check_seconds(value: object) -> float:
    """Check a waiting time in seconds; a negative one becomes 0. UsageError if it is not a number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:  # noqa: PLR0124  # NaN
        raise UsageError(f"seconds must be a number, not {_kind(value)}; nothing was read.")
    return max(0.0, float(min(value, _MANY)))


def check_pid(value: object) -> None:
    """Check a process id; None is allowed. UsageError."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 0 < value < _MANY):
        said = _number(value) if isinstance(value, int) and not isinstance(value, bool) else _kind(value)
        raise UsageError(f"pid must be the number of a process or None, not {said}; nothing was registered.")


def check_since(value: str | None) -> str | None:
    """Convert an ISO 8601 time (UTC unless it has an offset) to the form in which times are stored. UsageError."""
    if value is None:
        return None
    from datetime import datetime, timezone

    try:
        found = datetime.fromisoformat(value.strip())
        return utc((found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp())
    except (ValueError, OverflowError):
        raise UsageError(
            f"since is {value!r}, which is not a time; nothing was read. "
            "Write 2026-01-31 or 2026-01-31T09:30:00Z (UTC)."
        ) from None


def check_values(priority: str | None, said: Mapping[str, object], via: str) -> None:
    """Check the short values of a message about to be sent. TypeError for a field that messages do not have."""
    if priority not in {None, "normal", "urgent"}:
        raise UsageError(f"{priority!r} is not a priority; nothing was sent. Use normal or urgent.")
    known = {field.name: field for field in SAID}
    for name, value in said.items():
        if name not in known:
            raise TypeError(f"send() got an unexpected keyword argument {name!r}")
        if value is not None:
            _check_field(known[name], value)
    if via not in {TOOL, CLI, UNPROVEN}:
        raise UsageError(f"{via!r} is not a way to send; nothing was sent. Use tool, cli or unproven.")


def _check_field(field: Field, value: object) -> None:
    name = field.name
    if field.kind == "percent":
        if isinstance(value, bool) or not isinstance(value, int):
            raise UsageError(f"{name} must be a whole number, not {_kind(value)}; nothing was sent.")
        if not 0 <= value <= 100:
            raise UsageError(f"{name} is {_number(value)}; nothing was sent. Give a percentage from 0 to 100.")
        return
    texts("nothing was sent", **{name: value})
    if field.words and value not in field.words:
        raise UsageError(f"{value!r} is not a {name}; nothing was sent. Use one of {', '.join(field.words)}.")


def _kind(value: object) -> str:
    """Describe the type of a value for an error message; NaN is a float, but is named as itself."""
    if value is None or isinstance(value, float):
        return str(value)
    return type(value).__name__


def _number(value: int) -> str:
    """Format a number for an error message; a huge one without its digits, which Python may refuse to print."""
    return str(value) if abs(value) < _MANY else "far too large" if value > 0 else "far too small"
