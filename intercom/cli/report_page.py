"""Owns the report's HTML: one self-contained file that loads nothing and runs only its own few lines of script.

Its content security policy allows one style and one script, by digest; all text by others is escaped. It follows the
reader's light or dark setting, prints well, and fits a phone.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Iterable, Sequence
from html import escape

from intercom.bus.figures import Figures
from intercom.cli.report_chart import chart, duration
from intercom.cli.report_cost import Costs, tables
from intercom.cli.report_style import SCRIPT, STYLE
from intercom.core.contract import readable
from intercom.core.escaping import framed, value
from intercom.core.message import SYSTEM, USER, Message, epoch, local_stamp
from intercom.core.patterns import lazy

NONE = "·"
_MOST_OPEN = 200  #: open items in the page, those for a person and the oldest first
_MOST_PAIRS = 12  #: rows in the table of who talks to whom
_LONG = 500  #: messages; of more, a browser lays out those that come into view,
_TOGETHER = 50  #: so many at once
_ENTITY = lazy(r"&(?=[A-Za-z#])")  #: what a browser would read as a character's name
_BREAK = "\n"  #: the first one in a <pre> is not part of its text


def page(
    name: str,
    messages: Sequence[Message],
    found: Figures,
    now: float,
    cost: Costs | None = None,
    edited: Collection[str] = (),
) -> str:
    """The whole file: `name` is the project's, `now` in seconds since 1970, `edited` the ids of edited messages."""
    policy = f"default-src 'none'; style-src '{_digest(STYLE)}'; script-src '{_digest(SCRIPT)}'; base-uri 'none'"
    title = f"Intercom report: {_text(name)}"
    return "\n".join(
        [
            '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="referrer" content="no-referrer">',
            f"<title>{title}</title><style>{STYLE}</style></head><body>",
            f"<header><h1>{title}</h1><p>{_span(found, now)}</p></header><main>",
            *_open(found, now),
            *_section("timeline", "Timeline", chart(messages, found, now), _LEGEND),
            *_section("waits", "Waiting times", _waits(found, now)),
            *_section("pairs", "Who talks to whom", _pairs(found)),
            *_section("cost", "What it used", tables(cost) if cost is not None else ""),
            *_conversation(messages, edited),
            f"</main><script>{SCRIPT}</script></body></html>\n",
        ]
    )


_LEGEND = (
    '<p class="legend"><span class="key task"></span> task <span class="key wait"></span> somebody waits '
    '<span class="key merge"></span> waits for its merge; a mark is a message</p>'
)


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _text(text: str) -> str:
    return escape(value(text))


def _section(id: str, heading: str, *parts: str) -> Iterable[str]:
    if parts[0]:
        yield f'<section id="{id}"><h2>{heading}</h2>'
        yield from parts
        yield "</section>"


def _span(found: Figures, now: float) -> str:
    if not found.messages:
        return "No messages."
    when = f"{local_stamp(epoch(found.since))} to {local_stamp(epoch(found.until))}"
    return f"{found.messages} messages by {len(found.lanes)}, {when}. Made {local_stamp(now)}."


def _open(found: Figures, now: float) -> Iterable[str]:
    rows = [
        f'<li><a href="#m-{_text(wait.id)}">{_text(wait.kind)}</a> {_text(wait.who)} → {_text(wait.whom)}, '
        f"{duration(wait.seconds(now))}: {_text(wait.title)}</li>"
        for wait in sorted(found.open, key=lambda wait: (wait.whom != USER, wait.since))[:_MOST_OPEN]
    ]
    if (more := len(found.open) - len(rows)) > 0:
        rows.append(f"<li>and {more} more; <code>intercom report --json</code> lists them all</li>")
    body = f"<ul>{''.join(rows)}</ul>" if rows else "<p>Nothing is open.</p>"
    return _section("open", "Open", body)


def _waits(found: Figures, now: float) -> str:
    summary = found.summary(now)
    if not summary:
        return ""
    longest = max(float(one["worst"]) for one in summary.values()) or 1.0
    rows = []
    for kind, one in summary.items():
        share = max(0.5, 100 * one["median"] / longest)
        bar = f'<svg viewBox="0 0 100 6" class="bar" aria-hidden="true"><rect width="{share:.1f}" height="6"/></svg>'
        rows.append(
            f"<tr><th>{_text(kind)}</th><td>{one['count']}</td><td>{one['open']}</td><td>{duration(one['median'])}</td>"
            f'<td>{bar}</td><td><a href="#m-{_text(one["worst_id"])}">{duration(one["worst"])}</a></td></tr>'
        )
    head = "<tr><th></th><th>how many</th><th>open</th><th>median</th><th></th><th>worst</th></tr>"
    return f'<div class="wide"><table>{head}{"".join(rows)}</table></div>'


def _pairs(found: Figures) -> str:
    names = [lane.name for lane in sorted(found.lanes, key=lambda lane: -lane.sent - lane.received)][:_MOST_PAIRS]
    count = {(sender, to): number for sender, to, number in found.pairs}
    to = [*names, *(["all"] if any(one == "all" for _, one, _ in found.pairs) else [])]
    rows = [
        f"<tr><th>{_text(sender)}</th>{''.join(f'<td>{count.get((sender, one), NONE)}</td>' for one in to)}</tr>"
        for sender in names
        if any((sender, one) in count for one in to)
    ]
    head = f"<tr><th>from, to</th>{''.join(f'<th>{_text(one)}</th>' for one in to)}</tr>"
    return f'<div class="wide"><table>{head}{"".join(rows)}</table></div>' if rows else ""


def _conversation(messages: Sequence[Message], edited: Collection[str]) -> Iterable[str]:
    long = ' class="long"' if len(messages) > _LONG else ""
    yield f'<section id="conversation"{long}><h2>Conversation</h2>'
    yield '<p><input id="search" type="search" placeholder="Search" aria-label="Search the conversation"> '
    yield '<span id="found" role="status"></span></p>'
    before, count = "", 0
    for message in messages:
        day, _, clock = local_stamp(epoch(message.at)).partition(" ")
        if day != before or count == _TOGETHER:
            yield f"{'</div>' if before else ''}<div>{f'<h3>{day}</h3>' if day != before else ''}"
            before, count = day, 0
        count += 1
        yield _message(message, clock, edited=message.id in edited)
    yield f"{'</div>' if before else ''}</section>"


def _message(message: Message, clock: str, *, edited: bool) -> str:
    """Its head and its text. Short, because a report may have very many: the script makes the head a link."""
    notes = [message.doubt] if message.doubt else []
    notes += ["repair"] * (message.sender == SYSTEM) + ["edited"] * edited + ["urgent"] * message.urgent
    told = "".join(f" <u>{_text(note)}</u>" for note in notes)
    told += f", re {_text(message.reply_to)}" if message.reply_to else ""
    told += f", thread {_text(message.thread)}" if message.thread else ""
    kind = " class=repair" if message.sender == SYSTEM else " class=hand" if not message.proven else ""
    body = "\n".join(framed(readable(message.body) if message.type == "task" else message.body, ""))
    body = _ENTITY.sub("&amp;", body).replace("<", "&lt;")  # all that a text needs; quotes and > are frequent
    return (
        f"<p id={_id(message)}{kind}>{clock} <b>{_text(message.sender)}</b> → {_text(message.to)} "
        f"<i>{_text(message.type)}</i>{told}<pre>{_BREAK if body.startswith(_BREAK) else ''}{body}</pre>"
    )


def _id(message: Message) -> str:
    return f"m-{message.id}" if message.id.isalnum() else f'"m-{_text(message.id)}"'
