"""Owns answering a dialog on a screen by keys: the intended choice in the intended dialog, and nothing else.

A dialog is read twice before the first key, and again before each further one. A choice with its own key is taken by
that key. Any other is taken by arrow keys, each of which must be seen to move the mark, and by Enter once the mark
was seen there twice. If the screen shows anything else on the way, no further key is sent.

Only one caller at a time may answer a session (`alone`): a digit acts on a dialog that just appeared, so if two callers
answer the same dialog at once, the second would answer the next one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from intercom.core.errors import LockTimeout, Refused
from intercom.fleet import kept, observe
from intercom.fleet.crew import Crew
from intercom.fleet.programs.known import program
from intercom.fleet.programs.screen import Dialog, Screen
from intercom.fleet.sessions import SessionRow
from intercom.system import tmux
from intercom.system.files import make_private_folder
from intercom.system.lock import flocked

GONE = "gone"  #: it was answered: the dialog is gone
STAYS = "stays"  #: the key was sent, but the dialog is still there
CHANGED = "changed"  #: the screen showed something else; no answer was given
_STEP = 0.05  #: seconds between looks
_STILL = 0.2  #: seconds between the two looks; a dialog that just appeared ignores Enter
_MOVES = 1.0  #: seconds for a mark to move


@contextmanager
def alone(crew: Crew, name: str, until: float) -> Iterator[None]:
    """Keep everybody else from answering that session's dialog within the block. `until`: monotonic seconds.

    Raises Refused if another caller is still answering it then, and StorageError.
    """
    path = kept.path_of(crew.bus.config, name, "keys")
    make_private_folder(path.parent)
    with ExitStack() as held:
        try:
            held.enter_context(flocked(path, max(0.0, until - time.monotonic())))
        except LockTimeout as error:
            raise Refused(f"somebody else is answering what {name} shows; nothing was answered. Look again.") from error
        yield


def take(crew: Crew, row: SessionRow, dialog: Dialog, place: int, until: float) -> str:
    """Take the choice at `place`; returns GONE, STAYS or CHANGED. `until`: monotonic seconds."""
    choice = dialog.choices[place]
    if not stands(crew, row, dialog):
        return CHANGED
    if choice.key:
        _send(crew, row, choice.key)
        return _await_gone(crew, row, dialog, place, until)
    if not _walk(crew, row, dialog, place):
        return CHANGED
    _send(crew, row, program(row.program).submit)
    return _await_gone(crew, row, dialog, None, until)


def stands(crew: Crew, row: SessionRow, dialog: Dialog, place: int | None = None) -> bool:
    """Whether two looks show this dialog, with its mark at `place`."""
    for pause in (_STILL, 0.0):
        now = _shown(crew, row, dialog)
        if now is None or now.default != (dialog.default if place is None else place):
            return False
        time.sleep(pause)
    return True


def _walk(crew: Crew, row: SessionRow, dialog: Dialog, place: int) -> bool:
    """Move the mark there, one row at a time; returns whether two looks show it there."""
    now: Dialog | None = dialog
    for _ in range(3 * len(dialog.choices)):
        if now is None or now.default is None:
            return False
        at = now.default
        if at == place:
            return stands(crew, row, dialog, place)
        _send(crew, row, "Down" if at < place else "Up")
        end = time.monotonic() + _MOVES
        while (now := _shown(crew, row, dialog)) is not None and now.default == at and time.monotonic() < end:
            time.sleep(_STEP)
    return False


def _await_gone(crew: Crew, row: SessionRow, dialog: Dialog, place: int | None, until: float) -> str:
    """Wait until the dialog is gone; a digit that only moved the mark to `place` is followed by Enter."""
    while (now := _shown(crew, row, dialog)) is not None:
        if time.monotonic() >= until:
            return STAYS
        if place is not None and now.default == place != dialog.default and stands(crew, row, dialog, place):
            _send(crew, row, program(row.program).submit)
            place = None
        time.sleep(_STEP)
    return GONE


def _shown(crew: Crew, row: SessionRow, dialog: Dialog) -> Dialog | None:
    """The dialog, if the screen shows this one and keys would reach it."""
    screen = _screen(crew, row)
    return screen.dialog if dialog.is_same(screen.dialog) and not screen.reason else None


def _screen(crew: Crew, row: SessionRow) -> Screen:
    assert row.pane is not None
    return observe.shown(crew.tmux_of(row.socket), row.pane, program(row.program))[1]


def _send(crew: Crew, row: SessionRow, key: str) -> None:
    assert row.pane is not None
    tmux.send_key(crew.tmux_of(row.socket), row.pane, key)
