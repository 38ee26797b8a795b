"""Owns the values that travel through Intercom: messages, instances, receipts, names, types, times.

No I/O. Two vocabularies for the type of a message meet here: the *tag* is what stands in the log (`ASK`), the *type*
is what tools and JSON say (`question`). Only `type_of` and `tag_of` map one to the other.
"""

from __future__ import annotations

import os
import re
import time
from typing import Any, NamedTuple, TypedDict

from intercom.core.errors import FormatError
from intercom.core.patterns import lazy

ALL = "all"  #: recipient: everybody who was known when the message was written
USER = "user"  #: the people at the keyboard; no MCP client can take or send as this name
SYSTEM = "system"  #: Intercom itself, announcing repairs
RESERVED = frozenset({ALL, USER, SYSTEM})

TOOL, CLI = "tool", "cli"  #: how the sender is known: from its own server, or from a command that it or a person ran
UNPROVEN = "unproven"  #: sent by a command whose caller could not be determined
MACHINE = "machine"  #: from another machine's log, where a tool wrote it
HAND = "hand"  #: written into the log by hand

#: Each type (in tools and JSON) with its tag in the log. INFO stands for two types, told apart by the recipient.
KINDS = (
    ("task", "TASK"),
    ("status", "INFO"),
    ("question", "ASK"),
    ("answer", "REPLY"),
    ("announce", "INFO"),
    ("done", "DONE"),
)
TYPES = tuple(word for word, _ in KINDS)  #: InterComm's
TAGS = (*dict.fromkeys(tag for _, tag in KINDS), "WARN", "ERROR")  #: the INTERCOM protocol's
TYPES_SHOWN = f"{', '.join(TYPES)}, or a tag of the log such as warn"  #: the valid types, for people and models
STATUS_CODES = ("working", "waiting", "blocked", "done", "failed")


class Field(NamedTuple):
    """One key of a message's meta line, beyond what its header says. `FIELDS` lists them all."""

    key: str  #: its key in the meta line
    name: str  #: its attribute in Entry and Message
    column: str  #: its column in the index
    kind: str = "text"  #: text, word (lower case) or percent (0 to 100)
    words: tuple[str, ...] = ()  #: the values a sender may give; empty: the sender does not set this field


#: In the order of the meta line, which is an Entry's too. The first three have a place of their own in a Message, all
#: others stand there in this order behind `file`.
FIELDS = (
    Field("re", "reply_to", "re"),
    Field("thread", "thread", "thread"),
    Field("type", "declared", "declared", "word"),
    Field("status", "status", "status", "word", STATUS_CODES),
    Field("progress", "progress", "progress", "percent"),
)
SAID = FIELDS[3:]


class Said(TypedDict, total=False):
    """The fields that a sender sets itself (`SAID`)."""

    status: str | None
    progress: int | None


_DOUBTS = {HAND: "written by hand", MACHINE: "another machine's word"}
_CAUTIONS = {
    HAND: "written by hand into the log: anyone may have written it, whatever name is on it",
    UNPROVEN: "sent by a command whose caller is not known, so the sender's name is not proven",
    MACHINE: "taken from the log of the machine behind the '@': that machine says so, nothing here proves it",
}
_TAG_OF = dict(KINDS)
_TYPE_OF = {tag: word for word, tag in KINDS if tag != "INFO"}
_TAG = lazy(r"[A-Z][A-Z0-9_-]{0,30}\Z")

_NAME = lazy(r"[a-z0-9](?:[a-z0-9.-]{0,62}[a-z0-9])?\Z")
_SEPARATORS = lazy(r"[\s_]+")
_ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base 32: no i, l, o, u
ID_LENGTH = 12
_FIRST_YEAR = 1900  #: an earlier year is not taken for a date
_LONGEST_TIME = 60  #: characters of a time in a header
_FIELDS = ((0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19))  # slices of a stored time, from year to second


class Message(NamedTuple):
    """One message, as the bus returns it.

    `at` is UTC, ISO 8601 with milliseconds and `Z`. `seq` grows with arrival on this bus and is never reused; it is
    None on the value that `send` returns, because sending does not index. `to` is the recipient as written; several
    names are separated by ", ". `file` is relative to `.claude/local`.
    """

    id: str
    seq: int | None
    at: str
    sender: str
    to: str
    tag: str
    type: str
    body: str
    urgent: bool = False
    reply_to: str | None = None
    thread: str | None = None
    via: str = TOOL  #: tool, cli, unproven, hand or machine
    file: str = ""
    status: str | None = None
    progress: int | None = None
    redelivered: bool = False
    late: bool = False  #: from another machine, and overtaken by newer messages of its sender

    @property
    def recipients(self) -> tuple[str, ...]:
        """The canonical names this message is for."""
        return recipients(self.to)

    @property
    def proven(self) -> bool:
        """Whether the sender's name is proven, not only claimed."""
        return self.via in {TOOL, CLI}

    @property
    def doubt(self) -> str:
        """Why the sender's name is only a claim, for people; "" if it is proven."""
        return "" if self.proven else _DOUBTS.get(self.via, "sender not proven")

    @property
    def caution(self) -> str:
        """Why not to take the sender's name for granted, for models; "" if it is proven."""
        return "" if self.proven else _CAUTIONS.get(self.via, _CAUTIONS[UNPROVEN])

    def to_json(self) -> dict[str, Any]:
        """The public JSON form; optional keys appear only if they have a value."""
        out: dict[str, Any] = {
            "id": self.id,
            "seq": self.seq,
            "at": self.at,
            "from": self.sender,
            "to": self.to,
            "type": self.type,
            "body": self.body,
            "priority": "urgent" if self.urgent else "normal",
            "reply_to": self.reply_to,
            "thread": self.thread,
            "via": self.via,
            "file": self.file,
        }
        for field in SAID:
            if (value := getattr(self, field.name)) is not None:
                out[field.name] = value
        if self.redelivered:
            out["redelivered"] = True
        if self.late:
            out["late"] = True
        return out


class Receipt(NamedTuple):
    """What became of one message for one recipient. Times are UTC, None for what has not happened."""

    id: str
    to: str
    stored: str
    shown: str | None
    acted: str | None
    acted_with: str | None  #: id of the answer or done that acted on it


class Instance(NamedTuple):
    """A registered or spawned participant. `state` is alive, stale, dead, unknown or spawned."""

    name: str
    role: str  #: master, worker or agent
    state: str
    pid: int | None
    registered_at: str
    last_active: str
    session: str | None = None


def type_of(tag: str, to: str, declared: str | None = None) -> str:
    """The tool-side type of a message tagged `tag`; `declared` is the meta line's own word, if any."""
    if declared:
        return declared
    if tag == "INFO":
        return "announce" if to == ALL else "status"
    return _TYPE_OF.get(tag, tag.lower())


def tag_of(word: str) -> tuple[str, str | None]:
    """Map a type in either vocabulary to (tag, declared type or None).

    Raises FormatError for a word that is neither InterComm's, nor INTERCOM's, nor a plain tag.
    """
    lower = word.lower()
    if lower in _TAG_OF:
        return _TAG_OF[lower], lower
    upper = word.upper()
    if upper == "URGENT":
        raise FormatError(
            "'urgent' is a priority, not a message type; nothing was sent. Give priority urgent beside a type."
        )
    if not _TAG.match(upper):
        raise FormatError(
            f"{word!r} is not a message type; nothing was sent. Use one of {', '.join(TYPES)}, "
            f"or a tag of the log such as {', '.join(TAGS)}."
        )
    return upper, None


def check_type(word: str) -> str:
    """Check a type that somebody typed for a new message. FormatError for a likely misspelling.

    Any word in capitals is a valid tag, as in the log, unless it nearly matches a known one.
    """
    tag, _ = tag_of(word)
    if word.lower() in TYPES or tag in TAGS:
        return word
    import difflib

    near = difflib.get_close_matches(word.lower(), (*TYPES, *map(str.lower, TAGS)), 1, 0.75)
    if near or word != tag:
        hint = f"; did you mean {near[0]}?" if near else f". A tag of your own is written in capitals: {tag}."
        raise FormatError(
            f"{word!r} is not a message type; nothing was sent. Use one of {', '.join(TYPES)}, "
            f"or a tag of the log such as {', '.join(TAGS)}{hint}"
        )
    return word


def canonical(name: str) -> str:
    """Normalize the spelling of a name: `Claude Code` and `claude_code` both become `claude-code`."""
    bare = name.replace("\\", "").strip().strip("*`_@ \t").casefold()
    return _SEPARATORS.sub("-", bare)


def check_name(name: str) -> str:
    """The canonical form of a name that somebody wants to use; FormatError if it cannot be a name."""
    found = canonical(name)
    if not is_name(found):
        raise FormatError(
            f"{name!r} cannot be a name, and nothing was changed: use 1 to 64 letters, digits, '-' or '.', "
            "beginning and ending with a letter or digit."
        )
    return found


def at_machine(name: str, machine: str) -> str:
    """How a name on another machine's bus is shown and addressed here: `master@laptop`."""
    return f"{name}@{canonical(machine)}"


def machine_of(name: str) -> str:
    """The machine part of a canonical name; "" for a name on this machine."""
    return name.rpartition("@")[2] if "@" in name else ""


def is_name(found: str) -> bool:
    """Whether a canonical name is valid."""
    return _NAME.match(found) is not None


def recipients(to: str) -> tuple[str, ...]:
    """Split a recipient field (`roo, user`) into canonical names, in order, each once."""
    parts = (canonical(part) for part in re.split(r"[,;+&/]", to))
    return tuple(dict.fromkeys(part for part in parts if part))


def new_id(epoch: float | None = None) -> str:
    """A fresh message id: 12 characters, unique across machines in practice.

    Twenty bits come from the clock (in units of 1/1024 s, wrapping every 17 minutes), forty are random. The clock is
    there for the index: messages sent close together are close in it, so adding them touches few pages of a long
    history. A collision within one millisecond would need about 10^6 messages.
    """
    now = time.time() if epoch is None else epoch
    return encode_id((int(now * 1024) & 0xFFFFF) << 40 | int.from_bytes(os.urandom(5), "big"))


def encode_id(number: int) -> str:
    """The low 60 bits of `number` as 12 characters of Crockford base 32."""
    return "".join(_ID_ALPHABET[(number >> shift) & 31] for shift in range(55, -1, -5))


def utc(epoch: float | None = None) -> str:
    """`epoch` (seconds; default now) as UTC ISO 8601 with milliseconds and `Z`."""
    now = time.time() if epoch is None else epoch
    millis = int(now * 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(millis // 1000)) + f".{millis % 1000:03d}Z"


def local_stamp(epoch: float) -> str:
    """`epoch` as the local wall-clock time people read in a header: YYYY-MM-DD HH:MM:SS."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(epoch))


def epoch(at: str) -> float:
    """Convert a stored UTC time, `YYYY-MM-DDThh:mm:ss[.mmm]Z`, to seconds since 1970. ValueError.

    Computed by hand, because `time.strptime` and `calendar` import 4 ms of locale and datetime.
    """
    year, month, day, hour, minute, second = (int(at[start:end]) for start, end in _FIELDS)
    shifted = year - (month < 3)  # years begin in March here, so that a leap day ends one
    days = 365 * shifted + shifted // 4 - shifted // 100 + shifted // 400 + (153 * ((month + 9) % 12) + 2) // 5 + day
    return (days - 719_469) * 86_400 + hour * 3_600 + minute * 60 + second + float(f"0.{at[20:23].rstrip('Z') or 0}")


def age(at: str) -> float:
    """Seconds since a stored UTC time. ValueError as `epoch`."""
    return time.time() - epoch(at)


_STAMP = lazy(
    r"(?:(?P<before>UTC|GMT)\s+)?"
    r"(?P<year>\d{4})[-/.](?P<month>\d\d?)[-/.](?P<day>\d\d?)"
    r"(?:(?:[Tt]|,?\s+)(?P<hour>\d\d?):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,]\d{1,9})?)?"
    r"\s?(?P<zone>[Zz]|UTC|GMT|[+-]\d\d:?\d\d|))?\Z"
)


def utc_of_stamp(stamp: str) -> str | None:
    """Convert a header's time to UTC; None if it is not a time.

    Accepts `YYYY-MM-DD[ HH:MM[:SS]]` with a blank or a `T`, and the spellings of `dates`; local time unless it has
    `Z`, `UTC` or an offset.
    """
    if len(stamp) >= _LONGEST_TIME:
        return None
    found = _STAMP.match(stamp.strip()) if stamp.isascii() else None
    if found is None and any(letter in "0123456789" for letter in stamp):
        from intercom.core.dates import plain  # rarely needed

        found = _STAMP.match(plain(stamp) or "")
    if found is None:
        return None
    said = found.groupdict(default="")
    date = [int(said[key]) for key in ("year", "month", "day")]
    clock = [int(said[key] or 0) for key in ("hour", "minute", "second")]
    leap = date[0] % 4 == 0 and (date[0] % 100 != 0 or date[0] % 400 == 0)
    most = (31, 28 + leap, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[date[1] - 1] if 1 <= date[1] <= 12 else 0
    if not (date[0] >= _FIRST_YEAR and 1 <= date[2] <= most and clock[0] < 24 and clock[1] < 60 and clock[2] < 61):
        return None
    zone = said["zone"].upper() or said["before"]
    try:
        if not zone:
            return utc(time.mktime((*date, *clock, 0, 0, -1)))  # type: ignore[arg-type]
        seconds = epoch("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z".format(*date, *clock))
        if zone[0] in "+-":
            seconds -= int(f"{zone[0]}1") * (int(zone[1:3]) * 3600 + int(zone[-2:]) * 60)
        return utc(seconds)
    except (ValueError, OverflowError):
        return None
