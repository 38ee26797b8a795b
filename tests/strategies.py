"""Owns the hypothesis strategies for the log: bodies, messages and whole files made of nasty lines."""

from __future__ import annotations

from hypothesis import strategies as st

from intercom.core.message import STATUS_CODES, TAGS, Message, tag_of, type_of
from intercom.format import encode, marker, render

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"

#: Lines that are, or nearly are, something to the reader.
NASTY = (
    "## [2026-01-12 23:50:00] worker-1 → master [ASK]",
    "## [2026-01-12 23:50] Claude Code -> roo [info] [URGENT]",
    "# [{DATE}] roo => all [TASK]",
    "### [12.01.2026] **roo** â†’ `claude_code` [REPLY] and a title",  # noqa: RUF001 (mojibake, as found)
    "## [2026-01-12] roo --> all",
    "## [later] roo → all",
    "## [] → [x]",
    "## [x",
    "##[2026-01-12T10:00] a,b ⇒ c; d [WARN][URGENT]",
    "<!-- intercom id=k7q294xmbd3t at=2026-01-12T22:50:00.123Z -->",
    "<!-- intercom id=zzz re=%2D- thread=a%20b via=cli status=done progress=100 -->",
    " <!--intercom id=UPPER -->",
    "<!-- intercom id=1 -->",
    "### COMPACTED: 3 older messages archived (2026-01-12 10:00:00)",
    "### COMPACTED",
    "<<<<<<< HEAD",
    "=======",
    ">>>>>>> theirs",
    "||||||| base",
    "========",
    "---",
    "--- ",
    "***",
    "```",
    "```python",
    "````",
    "~~~",
    "~~~~ x",
    "   ```",
    "    ```",
    "``` a`b",
    "> ```",
    "\\",
    "\\\\## [2026-01-12] a → b [INFO]",
    "\\```",
    "\\<<<<<<<",
    "title: x",
    "",
    "",
    "",
    " ",
    "\t",
    "plain text",
    "naïve café → ✓",
    "# Heading",
    "| a | b |",
    "\x00",
    "\ud83d",
    "\udce9\udc80",
    "\ufeff",
    "\ufeff## [2026-01-12] a → b [INFO]",
)
#: What some program somewhere ends a line with; the reader knows only the first.
ENDS = (
    "\n",
    "\n",
    "\n",
    "\n",
    "\n",
    "\n",
    "\r\n",
    "\r",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x1d",
    "\x1e",
    "\x85",
    "\u2028",
    "\u2029",
)

#: Names, tags and stamps as they should not be.
odd_words = st.one_of(
    st.text(st.sampled_from("ab->=→⇒â†’‚Üí[]*`_@\\ ,;\t\r\x85\u2028\ufeffßİÂ\ud83d"), max_size=6),  # noqa: RUF001
    st.sampled_from(("a → b", "a\n## [x] b", "x]", "URGENT", "-->", "Claude Code", "2026-01-12", "*", "\\-\\>")),
)
odd_headers = st.builds(
    "{} [{}]{}{}{}[{}]{}".format,
    st.sampled_from(("#", "##", "###", "####")),
    st.one_of(st.just("2026-01-12 23:50"), odd_words),
    odd_words,
    st.sampled_from(("→", " → ", " -> ", "=>", "—>", "â†’", "-")),  # noqa: RUF001
    odd_words,
    st.one_of(st.sampled_from(TAGS), odd_words),
    st.one_of(st.just(""), st.just(" [URGENT]"), odd_words),
)
lines = st.one_of(st.sampled_from(NASTY), odd_headers, st.text(st.characters(codec=None), max_size=8))


@st.composite
def bodies(draw: st.DrawFn, max_lines: int = 8) -> str:
    """A body: any lines, with backslashes before them and any line ends after them, or nothing."""
    parts = draw(
        st.lists(
            st.tuples(st.sampled_from(("", "", "", "\\", "\\\\")), lines, st.sampled_from(ENDS)), max_size=max_lines
        )
    )
    text = "".join(slashes + line + end for slashes, line, end in parts)
    return text if draw(st.booleans()) else text.rstrip("\n")


names = st.one_of(
    st.sampled_from(("master", "worker-1", "roo", "claude-code", "user", "all")),
    st.from_regex(r"[a-z0-9](?:[a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True),
)
idents = st.text(_ALPHABET, min_size=12, max_size=12)
stamps = st.sampled_from(("2026-01-12 23:50:00", "2026-01-12T23:50:00Z", "2026-01-12 23:50", "{DATE}", "", "soon"))
values = (
    st.none()
    | st.text(st.characters(codec=None), min_size=1, max_size=12)
    | st.sampled_from(("a-->b", "x y", "%", "--", "k7q294xmbd3t"))
)
types = st.sampled_from((*TAGS, "task", "status", "question", "answer", "announce", "done", "BLOCKED", "x-1"))


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """A message as the bus makes it: canonical names, everything else as odd as it may be."""
    to = ", ".join(dict.fromkeys(draw(st.lists(names, min_size=1, max_size=3))))
    tag, declared = tag_of(draw(types))
    return Message(
        id=draw(idents),
        seq=None,
        at="2026-01-12T22:50:00.123Z",
        sender=draw(names),
        to=to,
        tag=tag,
        type=declared or type_of(tag, to),
        body=draw(bodies()),
        urgent=draw(st.booleans()),
        reply_to=draw(values),
        thread=draw(values),
        via=draw(st.sampled_from(("tool", "cli", "hand"))),
        status=draw(st.none() | st.sampled_from(STATUS_CODES)),
        progress=draw(st.none() | st.integers(0, 100)),
    )


rendered_blocks = st.builds(render, messages(), stamps)

#: What people and other programs write: lines of any kind, with a line end that the reader knows.
hand_written = st.lists(
    st.one_of(
        st.builds(
            lambda line, end: encode(line) + end, lines, st.sampled_from((b"\n", b"\n", b"\n\n", b"\r\n", b" \n", b""))
        ),
        st.binary(max_size=6),
    ),
    max_size=8,
).map(b"".join)
front_matter = st.sampled_from(
    (b"", b"", b"---\nmachine: box\n---\n", b"\xef\xbb\xbf---\r\na: 1\r\n---\r\n\r\n", b"---\n", b"---\nx\n---\n")
)

#: Little but fences, headers and conflict lines, so that they meet often.
tangles = st.lists(
    st.sampled_from(
        (
            b"## [2026-01-12] a -> b\n",
            b"## [x] a -> b [INFO]\n",
            b"<!-- intercom id=1 -->\n",
            b"## [2026-01-12 23:50:00] a \xe2\x86\x92 b [ASK]\n<!-- intercom id=2 -->\n\nx\n\n---\n\n",
            b"```\n",
            b"```py\n",
            b"````\n",
            b"~~~\n",
            b"<<<<<<< a\n",
            b"=======\n",
            b">>>>>>> b\n",
            b"### COMPACTED: 1\n",
            b"---\n",
            b"\n",
            b"some text\n",
            b"y",
        )
    ),
    max_size=24,
).map(b"".join)


@st.composite
def logs(draw: st.DrawFn) -> bytes:
    """A whole file: front matter perhaps, then rendered blocks, markers and hand-written stretches in any order."""
    pieces = draw(
        st.lists(st.one_of(rendered_blocks, hand_written, st.just(marker(7, "2026-01-12 10:00:00"))), max_size=7)
    )
    return draw(front_matter) + b"".join(pieces)
