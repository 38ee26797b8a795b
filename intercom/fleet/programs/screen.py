"""Owns the program-independent description of an agent program's screen: a state, a dialog, choices.

The screen is only the second source of a session's state, after its hooks, because its wording drifts between
versions. So the rule everywhere is: what a program's package does not recognise is `unknown`, and nothing is ever
typed there.
"""

from __future__ import annotations

from typing import NamedTuple

from intercom.core.fleet_words import SessionState
from intercom.fleet.programs.wrapped import same

PERMISSION = "permission"
#: Dialogs of a first start; each is also a state.
FIRST_RUN: tuple[SessionState, ...] = ("trust", "mcp_approval", "bypass")
FOREIGN = frozenset({"held"})  #: dialogs about text from outside the log, which is not repeated to the session
AWAY = "away"  #: the view of all sessions is shown instead of this one
TYPEABLE = frozenset({"ready", "idle", "error"})  #: states with an empty box, nothing running, nothing asked


class Choice(NamedTuple):
    """One answer: the key that gives it at once, and its label.

    Without a key it is taken by arrows, which move the mark, and Enter, which takes the marked one.
    """

    key: str
    label: str


class Dialog(NamedTuple):
    """What is being asked.

    `kind`: permission, trust, mcp_approval, bypass, api_key, login, theme, notes, plan, question, elicitation or menu,
    or a name of its program's own for what only that program asks. `subject` is the command, address, call, plan or
    server that it is about, as shown (the screen wraps a long line); `detail` is what the model said about it.
    `default` is the position of the choice that Enter takes. `text` is the whole dialog as it stands on the screen,
    `columns` its width (0: not known).
    """

    kind: str
    header: str
    question: str
    choices: tuple[Choice, ...]
    default: int | None
    whole: bool
    text: str
    tool: str = ""
    subject: str = ""
    detail: str = ""
    paths: tuple[str, ...] = ()
    columns: int = 0

    def is_same(self, other: Dialog | None) -> bool:
        """Whether another look showed this dialog, wherever its mark is."""
        return other is not None and self._replace(default=None, text="") == other._replace(default=None, text="")

    def is_about(self, text: str) -> bool:
        """Whether this text is what it is about, as far as a screen can show that."""
        return same(text, self.subject, self.columns)


class Screen(NamedTuple):
    """What a pane shows.

    `state`: trust, mcp_approval, bypass, login (login, API key, theme, first-run notes), blocked (a permission is asked
    for; `dialog` says which, or is None while it is about to appear), plan, question, elicitation, menu, away,
    shell_mode, running, draft, ready (a fresh, empty box), idle (an empty box after a turn), error (the same after a
    turn that failed; or a start that failed), copy_mode, gone (the command has ended), unknown.
    `draft` is the text in the input box, "" if it is empty, None if there is no box. `text` is the whole screen if it
    was not recognised, so that a person can be shown it. `mode` is the permission mode, "" if the footer does not tell.
    `reason` is the error, or why the state is unknown. `under` is the state beneath copy mode.
    """

    state: str
    dialog: Dialog | None = None
    draft: str | None = None
    queued: bool = False
    mode: str = ""
    reason: str = ""
    under: str = ""
    text: str = ""

    @property
    def typeable(self) -> bool:
        """Whether text may be typed: the box is empty, and nothing else would take the keys."""
        return self.state in TYPEABLE and self.draft == ""
