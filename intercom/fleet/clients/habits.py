"""Owns how MCP clients treat a call that takes long, by the name that each gives at connect.

Seen with the clients as they come, without settings of their own. A client that cancels what it gives up loses nothing;
one that stays silent leaves a server in the belief that its answer arrived.
"""

from __future__ import annotations

from typing import NamedTuple

LATE = 55.0  #: seconds after which a client that nobody knows may have stopped listening
_MARGIN = 10.0  #: seconds by which an answer comes before it is given up


class Habits(NamedTuple):
    """What a client does with a call that it has waited for."""

    gives_up: float | None = None  #: seconds after which it does; None: it never did, or it is not known
    says_so: bool = False  #: and whether it then cancels the call
    prompted: bool = False  #: its program has a way of its own to put a prompt before an idle session
    session_key: str = ""  #: in `_meta` of a call: the id of its session, that its hooks have, too

    @property
    def longest(self) -> float | None:
        """Seconds that a call may wait for something before it is better answered; None: as long as it likes."""
        return None if self.gives_up is None else self.gives_up - _MARGIN


_UNKNOWN = Habits()
#: By the beginning of the name in `clientInfo`, in small letters.
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
    """Those of the client that calls itself `name`; of one that nobody knows, that nothing is known."""
    low = name.casefold()
    return next((found for begin, found in _KNOWN.items() if low.startswith(begin)), _UNKNOWN)
