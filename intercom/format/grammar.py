r"""Owns the grammar of the log, INTERCOM 1.2, beside the regexes that are it.

    log       = [front] [preamble] *(message / marker)
    front     = "---" NL *(line) "---" NL          ; at the file's start, with at least one "key:"
    message   = header NL [*blank meta NL] body    ; ends where the next message or marker begins
    header    = 1*3"#" "[" stamp "]" from arrow to ["[" tag "]" *("[" more "]")] [title]
    meta      = "<!-- intercom" 1*(SP key "=" value) "-->"
    marker    = ("### COMPACTED:" text / conflict) NL
    conflict  = 7"<" / 7"=" / 7">" / 7"|"          ; alone or with text after a blank

The dialects of people, on a page, are in `dialects` and `lines`; what follows holds for every file.

Reading is tolerant: any arrow that agents have been seen to write, mojibake included; any stamp;
names in bold or back-ticks. A header without a tag counts if its stamp is a date or `{DATE}`. What
follows the tags (the title) is the first paragraph of the body.

A line that git left is a marker where an entry, another such line or the end follows it (a `---` that
both sides share may stand between); `=======` and `|||||||` only if the next outer line is `>>>>>>>`.
Anywhere else it is text. So both sides' messages are read, each on its own.

A message with a meta line was written by a tool, which escaped every line of its body that could be
taken for something else: an unescaped header in it is a header. A message without one was written by
hand and may quote headers in fenced code: there, a header inside a fence that closes is text.

Escaping is one more backslash at the start of a line that (after any backslashes it has) begins
like a header, a meta line, a marker, a conflict line or a fence. Fences are escaped only where the
body leaves them open. A line starts after any character that some program somewhere splits lines at.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from intercom.core.message import FIELDS
from intercom.core.patterns import lazy

FRONT = "front"
PREAMBLE = "preamble"  #: text that is not a message: before the first one, or after a marker
MESSAGE = "message"
MARKER = "marker"


class Entry(NamedTuple):
    """A stretch of the log. The concatenated `raw` of all entries is the file.

    The fields after `raw` are a message's. `id` is None without a meta line. `sender` and `to` are canonical names;
    `body` is unescaped and has no closing rule.
    """

    kind: str
    start: int  #: byte offset of `raw` in the input
    raw: bytes
    stamp: str = ""
    sender: str = ""
    to: str = ""
    tag: str = ""
    urgent: bool = False
    body: str = ""
    id: str | None = None
    at: str | None = None
    via: str | None = None
    reply_to: str | None = None  #: from here on the FIELDS, which most messages do not have
    thread: str | None = None
    declared: str | None = None
    status: str | None = None
    progress: int | None = None
    wrote: tuple[str, str] | None = None  #: sender and recipients as another machine's log has them, if different


#: Bytes that a fence may span over quoted headers before it counts as never closed.
REACH = 64 * 1024

_ARROWS = (
    *("→", "->", "=>", "-->", "⇒", "➜", "➔", "➡", "➡\ufe0f", "⟶", "⟹", "—>", "–>"),
    *("â†’", "‚Üí", "Ã¢â€ â€™", "Ã¢â€\xa0â€™"),  # noqa: RUF001
)
ARROW = b"(?:" + b"|".join(re.escape(arrow.encode()) for arrow in sorted(_ARROWS, key=len, reverse=True)) + b")"
#: Forbidden in names, because the header would be read differently the next time.
ARROWISH = lazy("[→⇒➜➔➡⟶⟹>]|" + "|".join(arrow for arrow in _ARROWS if not arrow.isascii()))

#: The keys of the meta line after the id, in the order in which `render` writes them.
META_KEYS = ("at", *(field.key for field in FIELDS[:2]), "via", *(field.key for field in FIELDS[2:]))
_VALUES = {"text": rb"[A-Za-z0-9._:+%-]+", "word": rb"[a-z]+", "percent": rb"[0-9]{1,2}|100"}
_PATTERNS = {"at": rb"[0-9TZ:.-]+", "via": rb"[a-z]+", **{field.key: _VALUES[field.kind] for field in FIELDS}}

# What `render` writes, in its order: 6 groups from stamp to id, then one for each key. Anything else takes the
# tolerant way.
_STRICT = (
    rb"## \[([0-9][0-9:.TZ-]*(?: [0-9][0-9:.]*)?|)\] ([a-z0-9.-]+) \xe2\x86\x92 ([a-z0-9.-]+(?:, [a-z0-9.-]+)*)"
    rb" \[((?!URGENT\])[A-Z][A-Z0-9_-]{0,30})\]( \[URGENT\])?\n"
    rb"<!-- intercom id=([0-9a-z]{1,12})"
    + b"".join(rb"(?: %s=(%s))?" % (key.encode(), _PATTERNS[key]) for key in META_KEYS)
    + rb"(?: size=[0-9]{1,12} sum=[0-9a-f]{10})? -->(?=\n)"
)
_CONFLICT_LINE = rb"(?:[ \t][^\n]*)?\r?(?=\n|\Z)"
#: Where an entry may begin; the look-ahead rules out most lines cheaply.
#: Groups: those of the strict header; then compaction marker; stamp and rest; conflict line.
BOUNDARY = lazy(
    rb"\n(?=[#<=>|\xef])(?:\xef\xbb\xbf)?(?:"
    + _STRICT
    + rb"|(### COMPACTED:[^\n]*)|#{1,3}[ \t]*\[([^\]\n]{0,200})\]([^\n]*)"
    rb"|((?:<{7}|={7}|>{7}|\|{7})" + _CONFLICT_LINE + rb"))"
)
STRICT_FIRST_KEY = 7  #: the group of the first of META_KEYS
STRICT_LAST = STRICT_FIRST_KEY + len(META_KEYS) - 1
COMPACTED, STAMP, REST, CONFLICT = range(STRICT_LAST + 1, STRICT_LAST + 5)

#: The header after its stamp: from, to, tag, what follows. No piece has two ways to match, and none but the first,
#: which is short, gives back: a long line costs its length once. (Only single characters are repeated without giving
#: back, in all patterns here: before 3.11.5, Python reads other possessive repeats wrongly.)
HEADER_REST = lazy(
    rb"[ \t]*+((?:[^\[\]\n=\xc3\xe2-]|(?!" + ARROW + rb")[=\xc3\xe2-]){1,200})" + ARROW + rb"([^\[\]\n]++)"
    rb"(?:\[([^\[\]\n]{1,60}+)\])?([^\n]*+)"
)
MORE_TAG = lazy(rb"[ \t]*+\[([^\[\]\n]*+)\]")
DATED = lazy(rb"\s*(?:\d{4}-\d\d-\d\d|\d{1,2}[/.]\d{1,2}[/.]\d{2,4}|\{[^}]*\})")
META = lazy(rb"(?:[ \t]{0,80}\r?\n){1,9}[ \t]{0,80}<!--[ \t]{0,80}intercom[ \t]([^\n]*?)-->[ \t]{0,80}\r?(?=\n|\Z)")
META_PAIR = lazy(rb"([a-z]+)=(\S+)")
META_ID = lazy(rb"[0-9a-z]{1,12}\Z")
#: The outer lines of a git conflict, and what may stand between such a line and the entry after it.
CONFLICT_SIDE = lazy(rb"\n(?:\xef\xbb\xbf)?(<{7}|>{7})" + _CONFLICT_LINE)
BETWEEN = lazy(rb"(?:\n[ \t]{0,80}\r?(?=\n)){0,99}(?:\n---[ \t]{0,80}\r?(?=\n|\Z)(?:\n[ \t]{0,80}\r?(?=\n)){0,99})?")
FRONT_STOP = lazy(rb"\n#{1,3}[ \t]*\[")
FRONT_MATTER = lazy(
    rb"\n(?:\xef\xbb\xbf)?---[ \t]*\r?(?:\n(?!---[ \t]*\r?\n|#{1,3}[ \t]*\[)[^\n]*+)*?\n---[ \t]*\r?(?=\n|\Z)"
)
FRONT_KEY = lazy(rb"\n[A-Za-z_][\w-]*:(?=[\s])")
#: The beginning of a heading that somebody is still writing, or that is cut off.
BEGUN_HEADING = r"#{1,3}[ \t]*(?:\[[^\n]*)?"
FENCE = lazy(rb"\n {0,3}(?:(`{3,}+)([^`\n]*+)|(~{3,}+)([^\n]*+))(?=\n|\Z)")

_DANGER = (
    r"\ufeff?(?:#{1,3}[ \t]*\[|### COMPACTED|[ \t]*<!--[ \t]*intercom"
    r"|<{7}(?!<)|={7}(?!=)|>{7}(?!>)|\|{7}(?!\|))"
)
_FENCE_START = r" {0,3}(?:`{3,}|~{3,})"
_LINE_END = r"[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]"  # for any program
#: Where a line begins for any program; group 1 is what precedes it.
LINE_START = rf"(^|{_LINE_END})"
#: What precedes a line to escape whatever stands around it. (Not `LINE_START`, which takes five times as long to seek.)
TO_ESCAPE = lazy(rf"{_LINE_END}(?=\\*+{_DANGER}|\\++{_FENCE_START})")
ESCAPED = lazy(rf"{LINE_START}\\(?=\\*+(?:{_DANGER}|{_FENCE_START}))")


SECONDS = lazy(r"\d{1,2}:\d{2}:\d{2}")


class Header(NamedTuple):
    """The fields of a header line: the stamp as written (stripped), canonical names, upper-case tag."""

    stamp: str
    sender: str
    to: str
    tag: str

    @property
    def exact(self) -> bool:
        """Whether the stamp is precise to the second, and so nearly identifies the message."""
        return SECONDS.search(self.stamp) is not None
