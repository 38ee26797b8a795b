"""Owns telling whether somebody is in the middle of writing a file, and waiting for them.

A file is *still* if nobody wrote to it for a moment. It is *in hand* if somebody who wrote to it lately has it open for
writing, as far as the system tells: what it holds now is not what it is going to hold.
"""

from __future__ import annotations

import time
from pathlib import Path

from intercom.system.files import being_written

PATIENCE = 5.0  #: seconds since the last write after which a file that is still open is not waited for
SETTLE = 0.02  #: seconds without a change after which a file counts as completely written
_CLOSED = 0.008  # the same if nobody has it open for writing; a script may reopen it for its next line
_LOOK = 0.003  # seconds between looks whether it has been closed
SETTLE_DAMAGE = 0.15  #: seconds to wait and look again before a file that seems damaged is repaired
_SETTLE_MOST = 1.0


def in_hand(path: Path) -> bool:
    """Whether some program is in the middle of writing the file: it has it open, and somebody wrote to it lately."""
    return lately(path) and being_written(path) is True


def lately(path: Path) -> bool:
    """Whether somebody wrote to the file so recently that they may not have finished."""
    try:
        return abs(time.time() - path.stat().st_mtime) < PATIENCE
    except OSError:
        return False


def settle(live: Path) -> None:
    """Wait briefly until the live log has not been written to for a moment."""
    deadline = time.monotonic() + _SETTLE_MOST
    while live.exists() and time.monotonic() < deadline:
        held = being_written(live)
        left = _unquiet(live, _CLOSED if held is False else SETTLE)
        if left <= 0:
            return
        time.sleep(min(left, _LOOK) if held else left)


def quiet(live: Path, seconds: float) -> bool:
    """Whether nobody has written to or removed the live log for this many seconds, according to its times."""
    return _unquiet(live, seconds) <= 0


def _unquiet(live: Path, seconds: float) -> float:
    """How many of the `seconds` without a write are still to come; 0 if the times do not tell."""
    try:
        changed = live.stat().st_mtime
    except FileNotFoundError:
        changed = live.parent.stat().st_mtime if live.parent.exists() else 0.0
    except OSError:
        return 0.0
    since = time.time() - changed
    return seconds - since if 0 <= since < seconds else 0.0
