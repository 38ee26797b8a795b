"""Owns reading a dialog of Claude Code: what is asked, by which tool, and how it can be answered.

A dialog stands at the bottom of the screen, in place of the input box, under a rule across the
whole width:

    dialog   = rule header *line question *choice *hint
    choice   = [" "] ("❯ " / "  ") number ". " label      ; numbers in one column, 1, 2, 3 …
    hint     = "Esc to cancel · Tab to amend"

Everything between header and question is what a model or a web page wrote. So what a dialog is, is
told by its first line and by what follows the text (question, choices, hints), never by the text.
A tall dialog's head is off the screen: then it is not `whole`, and nobody has seen all of it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from intercom.fleet.programs.claude.ansi import Row
from intercom.fleet.programs.screen import PERMISSION, Choice, Dialog

_RULE = re.compile(r"─{10,}(?: .*─)?\Z")
_TABS = re.compile(r"(?:←  | ?)[☐☒✔] ")
_CHOICE = re.compile(r"( {0,4}(?:❯ )? {0,2})([1-9][0-9]?)\. (.+)\Z")
_TICK = re.compile(r" +(❯ )?\[(.)\] (.+)\Z")
_HINT = re.compile(r" {0,3}(?:(?:Esc|Enter|Space|Tab|↑/↓|←/→|ctrl\+\w) (?:.*\b)?to|Press Enter to) \w")
_INNER = re.compile(r"╌{10,}\Z")
_TOOLS = {
    "Bash command": "Bash",
    "Edit file": "Edit",
    "Create file": "Write",
    "Overwrite file": "Write",
    "Write file": "Write",
    "Read file": "Read",
    "Fetch": "WebFetch",
}
_HEADERS = {
    "trust": re.compile(r"Accessing workspace:"),
    "mcp_approval": re.compile(r"(New|\d+ new) MCP servers? found in this project"),
    "bypass": re.compile(r"WARNING: .*Bypass Permissions mode"),
    "elicitation": re.compile(r"MCP server .+ requests your input"),
    "plan": re.compile(r"Claude has written up a plan"),
}
_QUESTIONS = {
    "api_key": re.compile(r"Do you want to use this API key\?"),
    "login": re.compile(r"Select login method:"),
    "theme": re.compile(r"Choose the text style"),
}
_CALL = re.compile(r"(.+?) - ([^\s(]+)\((.*)\) \(MCP\)\Z", re.DOTALL)
_PATH_OF = re.compile(r"Do you want to (?:make this edit to|create|overwrite|write(?: to)?) (.+)\?\Z")


class _Parts(NamedTuple):
    """A dialog cut up; rows of `body` lie between the header and the question."""

    header: str
    body: list[Row]
    question: str
    choices: tuple[Choice, ...]
    default: int | None
    hints: list[Row]
    top: int | None


def parse(rows: list[Row]) -> Dialog | None:
    """The dialog at the bottom of the screen, or None if there is none whose shape we know."""
    parts = _cut(rows)
    kind = _kind(parts)
    if kind is None:
        return None
    tool, subject, detail, paths = _about(kind, parts)
    start = 0 if parts.top is None else parts.top
    return Dialog(
        kind=kind,
        header=parts.header,
        question=parts.question,
        choices=parts.choices,
        default=parts.default,
        whole=parts.top is not None,
        text="\n".join(row.text for row in rows[start:]).strip("\n"),
        tool=tool,
        subject=subject,
        detail=detail,
        paths=paths,
    )


def rules(rows: list[Row]) -> list[int]:
    """Where there is a rule across the whole screen; what a model writes is indented, or shorter."""
    found = [at for at, row in enumerate(rows) if _RULE.match(row.text)]
    width = max((len(rows[at].text) for at in found), default=0)
    return [at for at in found if len(rows[at].text) == width]


def is_choice(text: str) -> bool:
    """Whether a row is the marked choice of a dialog."""
    return "❯ " in text[:6] and _CHOICE.match(text) is not None


def key_for(dialog: Dialog, decision: str) -> str | None:
    """The key of the choice that allows once, or denies; None where there is no such plain choice."""
    labels = [(choice.key, choice.label) for choice in dialog.choices if choice.key]
    if dialog.kind == "permission":
        plain = [key for key, label in labels if (label == "Yes" if decision == "allow" else label.startswith("No"))]
    elif dialog.kind == "trust":
        plain = [key for key, label in labels if label.startswith("Yes" if decision == "allow" else "No")]
    elif dialog.kind == "mcp_approval":
        plain = [
            key for key, label in labels if label.startswith("Use this MCP" if decision == "allow" else "Continue")
        ]
    elif dialog.kind == "bypass":
        plain = [key for key, label in labels if label.startswith("Yes" if decision == "allow" else "No")]
    else:
        plain = []
    return plain[0] if len(plain) == 1 else None


def _cut(rows: list[Row]) -> _Parts:
    first, end, choices, default = _choices(rows)
    over = [at for at in rules(rows) if at + 1 < min(first + 1, len(rows))]
    tabs = [at for at in over if _TABS.match(rows[at + 1].text)]  # what is asked may hold a rule
    top: int | None = max(tabs or over, default=None)
    body = rows[0 if top is None else top + 1 : first]
    while body and not body[-1].text:
        body.pop()
    start = len(body)
    while start and body[start - 1].text and not _INNER.match(body[start - 1].text):
        start -= 1
    question = " ".join(row.text.strip() for row in body[start:])
    head = next((at for at, row in enumerate(body) if row.text), 0)
    header = body[head].text.strip() if body and top is not None else ""
    if top is not None and len(over) > 1 and header.startswith("Claude has written up a plan"):
        top, body = over[-2], rows[over[-2] + 1 : over[-1]]
    else:
        body = body[head + 1 if top is not None else 0 : max(start, head + 1)]
    hints = [row for row in rows[end:] if row.text]
    return _Parts(header, body, question, choices, default, hints, top)


def _choices(rows: list[Row]) -> tuple[int, int, tuple[Choice, ...], int | None]:
    """(first row, row after the last, choices, default); without choices the hints are left over."""
    found: list[tuple[int, str, bool]] = []
    column = number = 0
    for at in range(len(rows) - 1, -1, -1):
        match = _CHOICE.match(rows[at].text)
        if match is None or (found and (match.start(2), int(match[2])) != (column, number - 1)):
            continue
        column, number = match.start(2), int(match[2])
        found.append((at, match[3].strip(), "❯" in match[1]))
        if number == 1:
            break
    found.reverse()
    marked = [place for place, (_, _, mark) in enumerate(found) if mark]
    if number != 1 or len(marked) != 1 or len(rows) - found[-1][0] > 18:
        return _ticks(rows)
    end = found[-1][0] + 1
    while end < len(rows) and rows[end].text.startswith(" " * (column + 1)):
        end += 1  # a wrapped label, or what is said about the last choice
    choices = tuple(Choice(str(place + 1), label) for place, (_, label, _) in enumerate(found))
    return found[0][0], end, choices, marked[0]


def _ticks(rows: list[Row]) -> tuple[int, int, tuple[Choice, ...], int | None]:
    """Choices with boxes to tick, else none: then the hints begin after the last rule's text."""
    ticked = [(at, match) for at, row in enumerate(rows) if (match := _TICK.match(row.text))]
    hints = len(rows)
    while hints and (not rows[hints - 1].text or _HINT.match(rows[hints - 1].text)):
        hints -= 1
    last_rule = max(rules(rows), default=len(rows))
    ticked = [(at, match) for at, match in ticked if at > last_rule]
    if not ticked:
        return hints, hints, (), None
    default = next((place for place, (_, match) in enumerate(ticked) if match[1]), None)
    choices = tuple(Choice("", f"[{match[2]}] {match[3]}") for _, match in ticked)
    return ticked[0][0], ticked[-1][0] + 1, choices, default


def _kind(parts: _Parts) -> str | None:
    """What sort of dialog it is, or None for one that we do not know."""
    hints = " ".join(row.text.strip() for row in parts.hints)
    labels = [choice.label for choice in parts.choices]
    if labels and (hints.startswith("Enter to select") or _TABS.match(parts.header)):
        return "question"  # first, because here the model chooses all the words above
    for kind, words in _HEADERS.items():
        if words.match(parts.header):
            return kind
    for kind, words in _QUESTIONS.items():
        if labels and words.match(parts.question):
            return kind
    if labels and labels[0].startswith("Yes") and parts.question.startswith("Do you want to "):
        return PERMISSION
    if hints.startswith("Press Enter to continue"):
        return "notes"
    return "menu" if re.search(r"\b(Esc|Enter) to \w+", hints) else None


def _about(kind: str, parts: _Parts) -> tuple[str, str, str, tuple[str, ...]]:
    """(tool, subject, detail, paths) of a dialog."""
    texts = [row.text.strip() for row in parts.body if row.text and not _INNER.match(row.text)]
    if kind == "trust":
        path = texts[0] if texts else ""
        return "", path, "", (path,) if path else ()
    if kind == "mcp_approval":
        names = parts.header.partition("project: ")[2] or ", ".join(c.label[4:] for c in parts.choices)
        return "", names, "", ()
    if kind == "elicitation":
        return "", re.sub(r"\AMCP server .|. requests your input\Z", "", parts.header), " ".join(texts), ()
    if kind == "plan":
        return "ExitPlanMode", "\n".join(texts[2:]), "", ()
    if kind == "question":
        return "AskUserQuestion", parts.question, "", ()
    return _permission(parts, texts) if kind == PERMISSION else ("", "", "", ())


def _permission(parts: _Parts, texts: list[str]) -> tuple[str, str, str, tuple[str, ...]]:
    tool = _TOOLS.get(parts.header, "")
    path = _PATH_OF.match(parts.question)
    if tool in ("Edit", "Write") or (not parts.header and path):
        named = texts[0] if parts.header and texts else path[1] if path else ""
        kind = tool or ("Edit" if "make this edit" in parts.question else "Write")
        return kind, "\n".join(texts), "", (named,)
    subject, detail = _split(parts)
    if parts.header == "Tool use":
        call = _CALL.match(subject.replace("\n", " "))
        tool = f"mcp__{call[1]}__{call[2]}" if call else subject.partition("(")[0].replace(" ", "")
    if not tool:
        explains = any("ctrl+e to explain" in row.text for row in parts.hints)
        tool = parts.header or ("Bash" if explains else "")
    read = re.match(r"Read\((.+)\)\Z", subject, re.DOTALL)
    return tool, subject, detail, (read[1],) if read and tool == "Read" else ()


def _split(parts: _Parts) -> tuple[str, str]:
    """(subject, detail) of the indented block under the header.

    The detail is the last line, in the colour of the hints; without colours, the last of several.
    """
    block = []
    for row in parts.body:
        if row.text and not row.text.startswith("  "):
            break  # a note of Claude Code's own, such as "This command requires approval"
        block.append(row)
    while block and not block[-1].text:
        block.pop()
    while block and not block[0].text:
        block.pop(0)
    if not block:
        return "", ""
    muted = parts.hints[0].colours() if parts.hints else set()
    last = 1
    if any(row.styles for row in block) and muted:
        last = 0
        while last < len(block) and block[-1 - last].text and block[-1 - last].colours() == muted:
            last += 1
    cut = len(block) - min(last, len(block) - 1)
    texts = [row.text[3:] if row.text.startswith("   ") else row.text.strip() for row in block]
    return "\n".join(texts[:cut]).strip(), " ".join(texts[cut:]).strip()
