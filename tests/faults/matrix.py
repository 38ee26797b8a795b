"""Owns the fault matrix: what is done to a bus, which call of the system fails in it and how, and what must hold then.

An operation runs in a process in which `faults.c` lets one call fail, the first of its kind on the project's files,
or the second …; or it kills the process there. Whatever happened, every message is there once, with its sender, what
was said to be done is done, what was said not to be done is not, and the bus goes on.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from intercom import Bus
from intercom.core.errors import StorageError

KINDS = (
    *("open", "read", "write", "sync", "rename", "unlink", "mkdir", "truncate", "lock", "utime", "chmod"),
    *("close", "stat", "list"),
)
#: calls that leave the disk as it is: to be killed there is to be killed after the change before
LOOKING = {"read", "sync", "lock", "close", "stat", "list"}
SHORT, BEFORE, AFTER, WITHIN = -1, -2, -3, -4
WAYS = {
    "EIO": errno.EIO,
    "ENOSPC": errno.ENOSPC,
    "EDQUOT": errno.EDQUOT,
    "EINTR": errno.EINTR,
    "EMFILE": errno.EMFILE,
    "ENOLCK": errno.ENOLCK,
    "short": SHORT,
    "killed-before": BEFORE,
    "killed-within": WITHIN,
    "killed-after": AFTER,
}
#: the ways in which it is worth to let a call fail on SQLite's files, which tells no others apart (`os_unix.c`)
SQLITES = {
    "open": ("EIO", "EINTR", "EMFILE", "killed-after"),
    "read": ("EIO", "EINTR"),
    "write": ("EIO", "ENOSPC", "EINTR", "short", "killed-before", "killed-within", "killed-after"),
    "lock": ("EIO", "ENOLCK"),
}
LASTING = {"EIO", "ENOSPC", "EMFILE"}  #: of these also that all later calls of the kind fail
SECRET = "a secret that is to be destroyed"  # not one
OLD, NEW = "a text with a mistake in it", "a text without a mistake in it"
HAND = "## [2026-01-12 10:00:00] user -> worker-1 [INFO]\n\nby hand\n\n---\n\n"
UNREAD = ("unread 1", "unread 2")


class Trial(NamedTuple):
    """One fault in one operation."""

    act: str
    kind: str
    number: int  #: of the calls of this kind, from 1
    way: str
    lasting: bool = False  #: all later calls of the kind fail, too


class Outcome(NamedTuple):
    """What became of the operation: its result, or the error that it ended with; neither where it was killed."""

    result: Any = None
    error: str = ""
    ours: bool = True  #: whether the error is one of Intercom's
    calls: dict[str, str] = {}  # noqa: RUF012  # never changed; by kind a sign each, "s" on a file of SQLite's


def ways(kind: str, whose: str) -> list[tuple[str, bool]]:
    """How a call of this kind can fail or be the last, on SQLite's files (`s`) or others; and whether for good."""
    if kind in {"stat", "list", "close"}:  # not for want of space, or of a lock
        return [("EIO", False)] if kind == "close" or whose == "s" else [("EIO", False), ("EIO", True)]
    chosen = SQLITES.get(kind, ("EIO", "ENOSPC", "killed-before", "killed-after")) if whose == "s" else tuple(WAYS)
    if kind != "write":
        chosen = tuple(way for way in chosen if way not in {"short", "killed-within"})
    if kind in LOOKING:
        chosen = tuple(way for way in chosen if not way.startswith("killed"))
    return [(way, lasting) for way in chosen for lasting in ((False, True) if way in LASTING else (False,))]


# -- operations -------------------------------------------------------------------------------------


def _send(bus: Bus) -> Any:
    return bus.send("worker-1", "sent", sender="master").id


def _read(bus: Bus) -> Any:
    return [one.body for one in bus.read("worker-1")]


def _redact(bus: Bus) -> Any:
    [found] = bus.search(f'"{SECRET}"')
    return bus.redact(found.id).id


ACTS: dict[str, Callable[[Bus], Any]] = {
    "send": _send,
    "read": _read,
    "history": lambda bus: len(bus.history()),
    "compact": lambda bus: bus.compact(2).archived,
    "rebuild": lambda bus: bus.rebuild(),
    "restore": lambda bus: len(bus.restore()),
    "redact": _redact,
    "register": lambda bus: bus.register("worker").name,
    "signoff": lambda bus: bus.signoff("worker-1"),
    "take-in": lambda bus: len(bus.history()),
    "edited": lambda bus: len(bus.history()),
    "stale-save": lambda bus: len(bus.history()),
    "emptied": lambda bus: len(bus.history()),
    "without-index": lambda bus: len(bus.history()),
    "receipts": lambda bus: len(bus.receipts("master")),
}


def template(root: Path) -> list[str]:
    """A bus in which there is something to do; the texts of its messages, in order."""
    with Bus.open(root) as bus:
        bus.register("master")
        bus.register("worker")
        for number in range(4):
            bus.send("worker-1", f"read {number}", sender="master")
        bus.send("worker-1", SECRET, sender="master")
        bus.read("worker-1")
        bus.confirm("worker-1")
        bus.compact(3)
        bus.send("user", OLD, sender="worker-1")
        bus.send("user", "deleted by hand", sender="worker-1")
        bus.read("user")
        bus.confirm("user")
        page = bus.config.log.read_text()
        start = page.rindex("## [")
        bus.config.log.write_text(page[:start])
        bus.history()
        for text in UNREAD:
            bus.send("worker-1", text, sender="master")
        (bus.config.folder / "INTERCOM-far.md").write_text(HAND.replace("by hand", "from far"))
        return [one.body for one in bus.history()]


def prepare(root: Path, act: str) -> None:
    """What people did to the page before the operation."""
    with Bus.open(root) as bus:
        bus.history()
        log = bus.config.log
        page = log.read_text()
        if act == "take-in":
            log.write_text(page + HAND)
        elif act == "edited":
            log.write_text(page.replace(OLD, NEW))
        elif act == "stale-save":
            log.write_text(page[: page.rindex("## [")])
        elif act == "emptied":
            log.write_text("")
        elif act == "without-index":
            (bus.config.private / "index2.db").unlink()


# -- what must hold ---------------------------------------------------------------------------------


def check(root: Path, trial: Trial, before: list[str], outcome: Outcome) -> None:
    """AssertionError where something was lost, doubled, forged or said that is not so."""
    assert outcome.ours, f"an error that is not ours: {outcome.error}"
    killed = outcome.result is None and not outcome.error and trial.way.startswith("killed")
    done = not outcome.error and not killed
    with Bus.open(root) as bus:
        history = bus.history()
        bodies = [one.body for one in history]
        wanted = [NEW if body == OLD and trial.act == "edited" else body for body in before]
        assert [body for body in bodies if body in wanted or SECRET in body] == [
            body for body in wanted if body in bodies
        ], bodies
        missing = set(wanted) - set(bodies) - ({SECRET} if trial.act == "redact" else set())
        assert missing <= {"deleted by hand"}, missing
        counted = {text: bodies.count(text) for text in ("sent", "by hand")}
        assert counted["by hand"] == (1 if trial.act == "take-in" else 0)
        if trial.act == "send":
            assert counted["sent"] == (1 if done else 0) or (killed and counted["sent"] <= 1), (counted, outcome)
        assert bodies.count("later") == (not killed)
        if trial.act == "read" and not killed:
            assert {*UNREAD, "from far"} <= set(outcome.result), outcome
        if trial.act == "restore" and done:
            assert "deleted by hand" in bodies
        if trial.act == "redact":
            if done:
                assert not _holding(root, SECRET)
            elif found := [one for one in bus.history() if one.body == SECRET]:
                bus.redact(found[0].id)
            bus.history()
            assert not _holding(root, SECRET)
        assert all((one.sender, one.via) in _SENDERS for one in history), [(one.sender, one.via) for one in history]
        _goes_on(bus, trial)


_SENDERS = {("master", "tool"), ("worker-1", "tool"), ("user", "hand"), ("user@far", "hand"), ("system", "tool")} | {
    ("worker-1", "hand")  # the one that was edited
}


def _holding(root: Path, text: str) -> list[Path]:
    """The files that hold a text; SQLite's are checked by what they give."""
    files = [path for path in root.rglob("*") if path.is_file() and ".db" not in path.name]
    return [path for path in files if text.encode() in path.read_bytes()]


def _goes_on(bus: Bus, trial: Trial) -> None:
    """Nothing that was unread is lost, nothing comes twice, and what is sent next arrives."""
    if trial.act == "signoff":
        return
    given = [one.body for one in bus.read("worker-1")]
    assert {*UNREAD, "from far"} <= set(given), given
    assert len(given) == len(set(given)), given
    bus.confirm("worker-1")
    bus.send("worker-1", "after", sender="master")
    assert [one.body for one in bus.read("worker-1")] == ["after"]
    bus.rebuild()
    try:
        assert bus.read("worker-1") == []
    except StorageError as error:
        raise AssertionError(str(error)) from error


def copied(source: Path, target: Path) -> Path:
    """A fresh copy of the template."""
    shutil.copytree(source, target)
    return target
