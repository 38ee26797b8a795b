"""Owns reading a dialog of Claude Code: what is asked, by which tool, and how it can be answered.

A dialog stands at the bottom of the screen, in place of the input box, under a rule across the
whole width, or, indented by two, under a line of `▔`:

    dialog   = rule header *note [frame *line frame] *note question *choice *hint
    frame    = "╌╌╌…"                                      ; since 2.1.300 around what it is about
    hint     = "Esc to cancel · Tab to amend"

Everything between header and question is what a model or a web page wrote. So what a dialog is, is
told by its first line and by what follows the text (question, choices, hints), never by the text.
A tall dialog's head is off the screen: then it is not `whole`, and nobody has seen all of it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from intercom.core.columns import columns_of
from intercom.fleet.programs.claude.ansi import Row
from intercom.fleet.programs.claude.choices import FRAME, RULE, find, rules
from intercom.fleet.programs.screen import PERMISSION, Choice, Dialog

_MENU = re.compile(r"▔{10,}\Z")
_TABS = re.compile(r"(?:←  | ?)[☐☒✔] ")
_NOT_YET = "…"  #: placeholder for the text of an edit
_CUT = "…"  #: stands before the end of a long path
_SCROLLS = re.compile(r"\s[↑↓]\Z")
_MORE = re.compile(r" *↑ \d+ more lines?\b")
_OVER_QUESTION = re.compile(f"{FRAME.pattern}|{_MORE.pattern}")
_WITHHELD = re.compile(r"\(value cannot be shown in full\b.*\)\Z", re.DOTALL)
_OTHER_TOOL = "Tool use"  #: the header of tools that have none of their own
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
    "auto_check": re.compile(r"Auto mode can.t check actions"),
    "auto_offer": re.compile(r"Make auto mode your default"),
    "held": re.compile(r"Held message from another session"),
    "settings": re.compile(r"Settings (?:Warning|Error)"),
}
_QUESTIONS = {
    "api_key": re.compile(r"Do you want to use this API key\?"),
    "login": re.compile(r"Select login method:"),
    "theme": re.compile(r"Choose the text style"),
}
_MCP = re.compile(r"(.+ — .+) Tool: \(MCP\)\Z")
_BAR = re.compile(r"\A │ ?")  #: before each row of a note, and of a long command
_CALL = re.compile(r"(.+?) - ([^\s(]+)\((.*)\) \(MCP\)\Z", re.DOTALL)
_PATH_OF = re.compile(r"Do you want to (?:make this edit to|create|overwrite|write(?: to)?) (.+)\?\Z")


class _Parts(NamedTuple):
    """The parts of a dialog; rows of `body` are between the header and the question."""

    header: str
    body: list[Row]
    question: str
    choices: tuple[Choice, ...]
    default: int | None
    hints: list[Row]
    top: int | None  #: row of its rule; -1 for the line over a menu
    whole: bool


def parse(rows: list[Row]) -> Dialog | None:
    """The dialog at the bottom of the screen; None if there is none of a known shape."""
    menu = max((at for at, row in enumerate(rows) if _MENU.match(row.text)), default=None)
    if menu is not None and RULE.match(rows[-1].text):
        rows = rows[:-1]  # the upper edge of the box below, which stays in a named session
    columns = 0
    if menu is not None and menu > max(rules(rows), default=-1):
        columns = columns_of(rows[menu].text)
        rows = [Row(row.text[2:], row.styles[2:]) for row in rows[menu + 1 :]]
    else:
        menu = None
    parts = _cut(rows, -1 if menu is not None else None)
    kind = _kind(parts)
    if kind is None:
        return None
    tool, subject, detail, paths = _about(kind, parts)
    whole = parts.whole and _is_all(kind, parts) and not _WITHHELD.match(subject)
    start = 0 if parts.top is None else max(parts.top, 0)
    return Dialog(
        kind=kind,
        header=parts.header,
        question=parts.question,
        choices=parts.choices,
        default=parts.default,
        whole=whole,
        text="\n".join(row.text for row in rows[start:]).strip("\n"),
        tool=tool,
        subject=subject,
        detail=detail,
        paths=paths,
        columns=columns or (columns_of(rows[parts.top].text) if parts.top is not None else 0),
    )


def _cut(rows: list[Row], menu: int | None) -> _Parts:
    first, end, choices, default = find(rows)
    over = [at for at in rules(rows) if at + 1 < min(first + 1, len(rows))]
    tabs = [at for at in over if _TABS.match(rows[at + 1].text)]  # the request itself may contain a rule
    top = max(tabs or over, default=menu)
    body = rows[0 if top is None else top + 1 : first]
    while body and not body[-1].text:
        body.pop()
    start = len(body)
    while start and body[start - 1].text and not _OVER_QUESTION.match(body[start - 1].text):
        start -= 1
    question = " ".join(row.text.strip() for row in body[start:])
    head = next((at for at, row in enumerate(body) if row.text), 0)
    header = body[head].text.strip() if body and top is not None else ""
    whole = top is not None and not any(_MORE.match(row.text) for row in (*body, *rows[end:]))
    if top is not None and _HEADERS["plan"].match(header):  # the plan is above that, under a rule of its own
        above = over[-2] if len(over) > 1 else menu
        whole, top = whole and above is not None, top if above is None else above
        body = rows[top + 1 : over[-1]] if over else []
    else:
        body = body[head + 1 if top is not None else 0 : max(start, head + 1)]
    hints = [row for row in rows[end:] if row.text and not _MORE.match(row.text)]
    return _Parts(header, body, question, choices, default, hints, top, whole)


def _is_all(kind: str, parts: _Parts) -> bool:
    """Whether all is there, as far as what kind of dialog it is tells: no text to come, none out of sight."""
    if kind == "plan":  # one that is long scrolls within its frame
        frames = sum(bool(FRAME.match(row.text)) for row in parts.body)
        return frames == 2 and not any(_SCROLLS.search(row.text) for row in parts.body)
    if kind == "question":  # what is asked may stand at the edge, and hold a rule
        return _TABS.match(parts.header) is not None
    texts = [row.text.strip() for row in parts.body if row.text]
    cut = _TOOLS.get(parts.header) in ("Edit", "Write") and texts[:1] and texts[0].startswith(_CUT)  # the path
    return _NOT_YET not in texts and not cut


def _kind(parts: _Parts) -> str | None:
    """The kind of dialog; None if unknown."""
    hints = " ".join(row.text.strip() for row in parts.hints)
    labels = [choice.label for choice in parts.choices]
    if labels and (hints.startswith("Enter to select") or _TABS.match(parts.header)):
        return "question"  # first, because the model chooses all the words above it
    for kind, words in _HEADERS.items():
        if words.match(parts.header):
            return kind
    for kind, words in _QUESTIONS.items():
        if labels and words.match(parts.question):
            return kind
    asks = parts.question.startswith("Do you want to ") or parts.header.partition(" · ")[0] in (*_TOOLS, _OTHER_TOOL)
    if asks and any(re.match(r"Yes\b", label) for label in labels):
        return PERMISSION
    if any(row.text.strip().startswith("Choose the text style") for row in parts.body):
        return "theme"
    if hints.startswith("Press Enter to continue"):
        return "notes"
    return "menu" if parts.top == -1 or re.search(r"\b(Esc|Enter) to \w+", hints) else None


def _about(kind: str, parts: _Parts) -> tuple[str, str, str, tuple[str, ...]]:
    """(tool, subject, detail, paths) of a dialog."""
    texts = [row.text.strip() for row in parts.body if row.text and not FRAME.match(row.text)]
    if kind == "trust":
        path = texts[0] if texts else ""
        return "", path, "", (path,) if path else ()
    if kind == "mcp_approval":
        names = parts.header.partition("project: ")[2] or ", ".join(c.label[4:] for c in parts.choices if not c.key)
        return "", names, "", ()
    if kind == "elicitation":
        return "", re.sub(r"\AMCP server .|. requests your input\Z", "", parts.header), " ".join(texts), ()
    if kind == "plan":
        return "ExitPlanMode", "\n".join(line.strip() for line in _framed(parts)[1] if line.strip()), "", ()
    if kind == "question":
        return "AskUserQuestion", parts.question, "", ()
    if kind == PERMISSION:
        return _permission(parts, texts)
    if kind == "held":
        return "", "\n".join(_framed(parts)[1]), " ".join(_framed(parts)[0]), ()
    if kind in ("api_key", "auto_check", "auto_offer", "settings"):
        return "", texts[0] if kind in ("api_key", "settings") and texts else parts.header, " ".join(texts), ()
    return "", "", "", ()


def _permission(parts: _Parts, texts: list[str]) -> tuple[str, str, str, tuple[str, ...]]:
    header = parts.header.partition(" · ")[0]  # a subagent's request has its name behind
    tool = _TOOLS.get(header, "")
    path = _PATH_OF.match(parts.question)
    if tool in ("Edit", "Write") or (not header and path):
        named = texts[0] if header and texts else path[1] if path else ""
        kind = tool or ("Edit" if "make this edit" in parts.question else "Write")
        return kind, "\n".join(texts), "", (named,)
    above, framed = _framed(parts)
    subject, detail = ("\n".join(framed), " ".join(above)) if framed else _split(parts)
    if header == _OTHER_TOOL:
        call = _CALL.match(subject.replace("\n", " "))
        named_above = _MCP.match(detail)
        if call:
            tool = f"mcp__{call[1]}__{call[2]}"
        else:
            tool = named_above[1] if named_above else subject.partition("(")[0].replace(" ", "")
    if not tool:
        explains = any("ctrl+e to explain" in row.text for row in parts.hints)
        tool = header or ("Bash" if explains else "")
    read = re.match(r"Read\((.+)\)\Z", subject, re.DOTALL)
    return tool, subject, detail, (read[1],) if read and tool == "Read" else ()


def _framed(parts: _Parts) -> tuple[list[str], list[str]]:
    """(the note about it, the content of the frame); both empty without a frame."""
    frames = [at for at, row in enumerate(parts.body) if FRAME.match(row.text)]
    if len(frames) < 2:
        return [], []
    said = [row for row in parts.body[: frames[0]] if row.text]
    muted = parts.hints[0].colours() if parts.hints else set()
    about = [row for row in said if row.colours() == muted] if muted else said[-1:]
    return [_BAR.sub("", row.text).strip() for row in about or said], _inside(parts.body[frames[0] + 1 : frames[-1]])


def _inside(framed: list[Row]) -> list[str]:
    """The content of a frame. The bar before each row of a long command is faint; one of the command's own is not.

    Without colours: a bar before each of several rows is not the command's.
    """
    bars = [_BAR.match(row.text) is not None and (not row.styles or row.styles[1].dim) for row in framed]
    drawn = all(bars) and (len(framed) > 1 or any(row.styles for row in framed))
    return [_BAR.sub("", row.text) if drawn else row.text.removeprefix(" ") for row in framed]


def _split(parts: _Parts) -> tuple[str, str]:
    """(subject, detail) of the indented block under the header, as versions before 2.1.300 show it.

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
