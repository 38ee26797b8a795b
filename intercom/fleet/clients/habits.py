"""Owns how MCP clients treat long calls, by the name that each gives at connect.

Observed with the clients' default settings. A client that cancels a call it gives up loses nothing; one that gives
up silently leaves a server to believe that its answer arrived.
"""

from __future__ import annotations

from typing import NamedTuple

LATE = 55.0  #: seconds after which an unknown client may have stopped listening
_MARGIN = 10.0  #: seconds before the client's limit at which we answer


class Habits(NamedTuple):
    """What a client does with a long call."""

    gives_up: float | None = None  #: seconds after which it gives up; None: never observed, or unknown
    says_so: bool = False  #: whether it then cancels the call
    prompted: bool = False  #: whether its program can put a prompt before an idle session
    session_key: str = ""  #: key in a call's `_meta` with the session id that its hooks use, too

    @property
    def longest(self) -> float | None:
        """Seconds that a call may wait before it is better answered; None: no limit."""
        return None if self.gives_up is None else self.gives_up - _MARGIN


_UNKNOWN = Habits()
#: By prefix of the name in `clientInfo`, in lower case.
_KNOWN = {
    "claude-code": Habits(None, says_so=True),
    "codex": Habits(300, says_so=True, prompted=True, session_key="sessionId"),
    "opencode": Habits(60, says_so=True),
    "kilo": Habits(60, says_so=True),
    "gemini-cli": Habits(None, says_so=True),
    "qwen-cli": Habits(300, says_so=True, prompted=True),
    "continue": Habits(60, says_so=True),
    "cline": Habits(60),
    "@cline/": Habits(60),
    "roo": Habits(60),
}


def habits(name: str) -> Habits:
    """The habits of the client that calls itself `name`; defaults for an unknown one."""
    low = name.casefold()
    return next((found for begin, found in _KNOWN.items() if low.startswith(begin)), _UNKNOWN)
