"""Owns what a screen of Claude Code means: text of a pane in, one state out; no I/O.

The screen is the second source of a worker's state, after the hooks, because its wording drifts
between versions. So the rule everywhere is: what is not recognised is `unknown`, and nothing is ever
typed into that. The live screen is read from its bottom, where either the input box or a dialog is:

    box    = rule ("❯" / "!") no-break-space draft rule *footer
    dialog = see `intercom.fleet.programs.claude.dialog`

The transcript above them, which a model writes, decides nothing but `ready` or `idle` or `error`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from intercom.fleet.programs.claude.ansi import Row, rows, without_panel
from intercom.fleet.programs.claude.choices import is_choice, rules
from intercom.fleet.programs.claude.dialog import parse
from intercom.fleet.programs.screen import AWAY, PERMISSION, Dialog, Screen

_STATE_OF = {
    PERMISSION: "blocked",
    "api_key": "login",
    "theme": "login",
    "notes": "login",
    "auto_check": "question",
    "auto_offer": "question",
    "held": "question",
    "settings": "question",
}
_MODES = {
    "plan mode on": "plan",
    "accept edits on": "acceptEdits",
    "auto mode on": "auto",
    "don't ask on": "dontAsk",
    "bypass permissions on": "bypassPermissions",
    "manual mode on": "default",
    "? for shortcuts": "default",
}
_SPINNER = re.compile(r"[^\w\s❯●!│╰╭─>-] .*(…|\.\.\.|[Rr]etrying in )")
_WAITING = re.compile(r"  Waiting for permission(…|\.\.\.)\Z")
_SPOKEN = re.compile(r"●\s|❯ |  ⎿\s")
_FAILED = re.compile(
    r"(?:●|  ⎿)\s+(API Error|Please run /login|Not logged in|Context limit reached|Credit balance|Invalid API key"
    r"|OAuth token|Request too large|There's an issue with the selected model)"
)
_FATAL = re.compile(r"Unable to connect to Anthropic services|cannot be used with root/sudo privileges")
_OVERLAY = re.compile(r"❯|\b(Enter|Esc|Tab) to |search prompts:|/ for commands")
_OWN_FOOTER = re.compile(r"\? for shortcuts|← for agents|esc to interrupt|shift\+tab to cycle")
_PLACEHOLDERS = re.compile(r"Press up to edit queued messages\Z|Try \".*\"\Z")
_SHOWN = 30  #: rows of an unrecognised screen that are shown
_PROMPTS = ("❯\u00a0", "!\u00a0")


class _Box(NamedTuple):
    """The input box: its prompt sign, its text, the rows above and below it."""

    sign: str
    draft: str
    placeholder: str
    above: list[Row]
    footers: list[Row]


def read(text: str, *, title: str = "", in_mode: bool = False, dead: bool = False) -> Screen:
    """The meaning of a captured pane.

    `text` is the output of `tmux capture-pane -p`, preferably with `-e`: only colours tell a placeholder from a
    draft, and a command from its description. `title` is the pane's title, whose first character is a spinner while
    claude works. `in_mode` and `dead` are tmux's own flags of the pane.
    """
    lines = without_panel(rows(text))
    if dead:
        said = [row.text for row in lines if row.text and not row.text.startswith("Pane is dead")]
        return Screen("gone", reason=said[-1] if said else "")
    found = _live(lines, title)
    if in_mode:
        return found._replace(state="copy_mode", reason="tmux is in copy mode", under=found.state)
    return found


def _live(lines: list[Row], title: str) -> Screen:
    """What is at the bottom of a screen: the input box, a dialog, or neither."""
    box = _box(lines)
    dialog = None if box else parse(lines)
    if box is not None:
        return _at_prompt(box, title)
    if dialog is not None:
        why = "an answer is being written into the dialog, where digits are text" if _amending(dialog) else ""
        return Screen(_STATE_OF.get(dialog.kind, dialog.kind), dialog, reason=why)
    if _agents(lines):
        return Screen(AWAY, reason="the agents view: its session went to the background")
    fatal = next((row.text.strip() for row in lines if _FATAL.search(row.text)), "")
    if fatal:
        return Screen("error", reason=fatal)
    why = "neither an input box nor a known dialog" if lines else "it is empty"
    return Screen("unknown", reason=why, text="\n".join(row.text for row in lines[-_SHOWN:]))


def _amending(dialog: Dialog) -> bool:
    """Whether there is text after a plain yes or no."""
    labels = [choice.label for choice in dialog.choices]
    plain = "Yes" in labels and (dialog.choices[0].key or set(labels) == {"Yes", "No"})
    return dialog.kind == PERMISSION and not plain


def _agents(lines: list[Row]) -> bool:
    """Whether it is the view of all agents: it has a box with a different space after its sign."""
    across = rules(lines)
    return len(across) > 1 and lines[across[-2] + 1].text.startswith("❯ ") and across[-1] - across[-2] == 2


def _box(lines: list[Row]) -> _Box | None:
    """The input box at the bottom of the screen, if there is one with nothing else below it."""
    across = rules(lines)
    for top, bottom in zip(reversed(across[:-1]), reversed(across[1:]), strict=True):
        if not lines[top + 1].text.startswith(_PROMPTS):
            return None
        inside, footers = lines[top + 1 : bottom], lines[bottom + 1 :]
        if any(row.text and not row.text.startswith("  ") for row in inside[1:]):
            return None
        if any(is_choice(row.text) for row in footers):
            return None
        draft = "\n".join(row.text[2:] for row in inside)
        empty = _is_placeholder(inside, draft)
        return _Box(
            sign=inside[0].text[0],
            draft="" if empty else draft,
            placeholder=draft if empty else "",
            above=lines[:top],
            footers=[row for row in footers if row.text],
        )
    return None


def _is_placeholder(inside: list[Row], draft: str) -> bool:
    """Whether it is the grey hint of an empty box: faint, except the character under the cursor."""
    styles = [
        style
        for row in inside
        for char, style in zip(row.text[2:], row.styles[2:], strict=False)
        if not char.isspace() and not style.reverse
    ]
    if any(row.styles for row in inside):
        return bool(styles) and all(style.dim for style in styles)
    return bool(_PLACEHOLDERS.match(draft))


def _at_prompt(box: _Box, title: str) -> Screen:
    footer = " ".join(row.text.strip() for row in box.footers)
    mode = next((name for words, name in _MODES.items() if words in footer), "")
    queued = box.placeholder.startswith("Press up to edit queued")
    screen = Screen("idle", None, box.draft, queued, mode)
    if any(_WAITING.match(row.text) for row in box.above[-3:]):
        return screen._replace(state="blocked", reason="a permission dialog is about to appear")
    if box.sign == "!":
        return screen._replace(state="shell_mode")
    if any(not row.text.startswith("  ") for row in box.footers) or _OVERLAY.search(footer):
        return screen._replace(state="menu")
    if len(box.footers) > 3 and not _OWN_FOOTER.search(footer):  # the user's own status line may be long
        return screen._replace(state="menu")
    if "esc to interrupt" in footer or _spins(box.above) or "\u2801" <= title[:1] <= "\u28ff":
        return screen._replace(state="running")
    if box.draft:
        return screen._replace(state="menu" if _listed(box) else "draft")
    failed = _failure(box.above) or ("Not logged in" if "Not logged in" in footer else "")
    if failed:
        return screen._replace(state="error", reason=failed)
    talked = any(row.text.startswith(("❯ ", "● ", "! ")) for row in box.above)
    return screen if talked else screen._replace(state="ready")


def _listed(box: _Box) -> bool:
    """Whether a list of names to choose from is right above the box, as since 2.1.300."""
    over = box.above[-1].text if box.above else ""
    called = box.draft.startswith("/") or re.search(r"(?:\A|\s)@\S*\Z", box.draft)
    return bool(called) and over.startswith("  ") and not over.startswith(" " * 40)


def _spins(above: list[Row]) -> bool:
    """Whether the last thing above the box, apart from tips and queued messages, is an active spinner."""
    for row in reversed(above):
        if row.text and not row.text.startswith(" "):
            return bool(_SPINNER.match(row.text))
    return False


def _failure(above: list[Row]) -> str:
    """The error that ended the last turn, or ""."""
    for row in reversed(above):
        if _SPOKEN.match(row.text):
            return row.text.strip(" \u00a0●⎿") if _FAILED.match(row.text) else ""
    return ""
