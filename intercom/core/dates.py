"""Owns reading times as people spell them: `20 Nov 2026, 10:05 PM`, `20.11.2026`, `20261120T2205Z`."""

from __future__ import annotations

import re

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_HYPHENS = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2212"), "-")
_BASIC = re.compile(r"(\d{4})(\d\d)(\d\d)[Tt ]?(\d\d)(\d\d)(\d\d)?(?:[.,]\d+)?(.*)\Z")
_CLOCK = re.compile(r"(?<!\d)(\d{1,2})(?::(\d\d))?(?::(\d\d)(?:[.,]\d{1,9})?)?(?:\s?([ap])\.?m\b\.?)?", re.IGNORECASE)
_ZONE = re.compile(r"\s*(Z|UTC|GMT|[+-]\d\d:?\d\d)(?![\w])", re.IGNORECASE)
_ISO = re.compile(r"(?<!\d)(\d{4})[-/.](\d\d?)[-/.](\d\d?)(?:[Tt,]?\s*)")
_NUMBERS = re.compile(r"(?<!\d)(\d\d?)([/.])(\d\d?)[/.](\d{4})(?:[Tt,]?\s*)")
_WORDS = re.compile(
    r"(?:(\d\d?)(?:st|nd|rd|th|\.)?\s+)?([a-z]{3,9})\.?(?:\s+(\d\d?)(?:st|nd|rd|th)?(?![\d:]))?", re.IGNORECASE
)
_YEAR = re.compile(r"(?<!\d)(\d{4})(?!\d)")


def plain(spelled: str) -> str | None:
    """Convert to `YYYY-MM-DD HH:MM:SS zone`; None if it is not a time, or is ambiguous.

    A date needs a year. `11/5/2026` is ambiguous: May or November.
    """
    text = spelled.translate(_HYPHENS).strip()
    if (found := _BASIC.match(text)) is not None:
        year, month, day, hour, minute, second, zone = found.groups(default="00")
        return f"{year}-{month}-{day} {hour}:{minute}:{second} {zone.strip()}".rstrip()
    date = _date(text)
    if date is None:
        return None
    ymd, rest = date
    clock, zone = _clock(rest)
    if clock is None:
        return None if rest.strip(" ,") else ymd
    return f"{ymd} {clock} {zone}".rstrip()


def _date(text: str) -> tuple[str, str] | None:
    """Split a text into its date and the rest."""
    if (found := _ISO.search(text)) is not None:
        year, month, day = found.groups()
    elif (found := _NUMBERS.search(text)) is not None:
        first, dot, second, year = found.groups()
        turned = int(second) > 12 or (dot == "/" and re.search(r"\d\s?[ap]\.?m\b", text, re.IGNORECASE) is not None)
        if dot == "/" and not turned and int(first) <= 12 and first != second:
            return None
        day, month = (second, first) if turned else (first, second)
    else:
        return _in_words(text)
    return f"{year}-{month}-{day}", text[: found.start()] + text[found.end() :]


def _in_words(text: str) -> tuple[str, str] | None:
    year = _YEAR.search(text)
    if year is None:
        return None
    text = text[: year.start()] + text[year.end() :]
    for found in _WORDS.finditer(text):
        name = found[2].lower()[:3]
        day = found[1] or found[3]
        if name in _MONTHS and day:
            return f"{year[1]}-{_MONTHS.index(name) + 1}-{day}", text[: found.start()] + text[found.end() :]
    return None


def _clock(text: str) -> tuple[str | None, str]:
    """The time of day in a text, and its zone; the time is None if there is none or the zone is unknown."""
    for found in _CLOCK.finditer(text):
        hour, minute, second, half = found.groups()
        if minute is None and half is None:
            continue
        number = int(hour)
        if half is not None:
            if not 1 <= number <= 12:
                return None, ""
            number = number % 12 + 12 * (half in "pP")
        zone = _ZONE.match(text, found.end())
        rest = text[zone.end() if zone else found.end() :]
        known = not re.search(r"[A-Za-z]", rest)
        return (f"{number}:{minute or '00'}:{second or '00'}" if known else None), zone[1] if zone else ""
    return None, ""
