"""Owns looking at processes on Linux, macOS and other POSIX systems, through /proc or what the system has instead.

Also whom a program that root starts should run as.
"""

from __future__ import annotations

import os
import sys
from _thread import allocate_lock
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

assert sys.platform != "win32"


MARK = ""  #: prefix of start marks made by this system


def started(pid: int) -> str | None:
    """The start of process `pid` as an opaque mark; "?" if the system does not tell, None if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            stat = file.read(4096)
    except FileNotFoundError:
        return None if _has_proc() else _started_elsewhere(pid)
    except OSError:
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()
    if fields[0] in {b"Z", b"X"}:  # a zombie has ended; its parent has not reaped it yet
        return None
    return fields[19].decode()


_alone = allocate_lock()  # guards the descriptors: one may be closed while another thread asks
_HELD = 128  # maximum number of descriptors
_held: dict[tuple[int, str], tuple[int, Callable[[int], object]]] = {}  # process -> its pidfd, and how to ask it
_asked: set[tuple[int, str]] = set()  # processes asked about before


def lives(pid: int, mark: str) -> bool:
    """Whether `pid` is still the process that `started` gave this mark.

    A process asked about twice is then held by a pidfd, which names one process for good: reading /proc takes ten
    times as long, and an overview asks about everybody.
    """
    with _alone:
        return _lives((pid, mark))


def _lives(one: tuple[int, str]) -> bool:
    if (held := _held.get(one)) is not None:
        if not held[1](0):
            return True
        if _held.pop(one, None) is not None:
            os.close(held[0])
        return False
    if one in _asked and len(_held) < _HELD:
        _hold(one)
    _asked.add(one)
    if len(_asked) > 8 * _HELD:
        _asked.clear()
    return started(one[0]) == one[1]


def _hold(one: tuple[int, str]) -> None:
    """Keep a pidfd of a process, if it is still the one with this mark and the system has pidfds."""
    import select

    if not hasattr(os, "pidfd_open"):
        return
    with suppress(OSError):
        life = os.pidfd_open(one[0])
        if started(one[0]) != one[1] or one in _held:
            os.close(life)
            return
        ended = select.poll()
        ended.register(life, select.POLLIN)
        _held[one] = life, ended.poll


def _has_proc() -> bool:
    return os.path.exists("/proc/self/stat")


def _started_elsewhere(pid: int) -> str | None:
    if sys.platform == "darwin":
        from intercom.system.macos import process_start

        return process_start(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass
    return "?"


def wait_ended(pid: int) -> bool:
    """Block until a process has ended; False, at once, if the system cannot report that."""
    import select

    if not hasattr(os, "pidfd_open"):
        return False
    try:
        life = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    try:
        ended = select.poll()
        ended.register(life, select.POLLIN)
        ended.poll()
    finally:
        os.close(life)
    return True


def process(pid: int) -> tuple[int, str, str, int] | None:
    """A process's parent, start, short name and controlling terminal (0: none); None if it cannot be seen."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read()
    except OSError:
        return None if _has_proc() else _process_by_ps(pid)
    name = stat[stat.index(b"(") + 1 : stat.rindex(b")")].decode(errors="replace")
    fields = stat[stat.rindex(b")") + 2 :].split()
    return int(fields[1]), fields[19].decode(), name, int(fields[4])


def _process_by_ps(pid: int) -> tuple[int, str, str, int] | None:
    fields = _ps(pid, "ppid=,tty=,comm=").strip().split(None, 2)
    if len(fields) < 3 or not fields[0].isdecimal():
        return None
    terminal = 0 if fields[1].strip("?-") == "" else 1
    return int(fields[0]), started(pid) or "?", os.path.basename(fields[2]), terminal


def command_line(pid: int) -> list[str]:
    """The arguments with which a process was started; empty if they cannot be seen."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().decode("utf-8", "surrogateescape").split("\0")[:-1]
    except OSError:
        return [] if _has_proc() else _ps(pid, "args=").split()


def parents() -> list[tuple[int, int]]:
    """(pid, parent) of every visible process."""
    if not _has_proc():
        rows = _said(["ps", "-axo", "pid=,ppid="]).split()
        return [(int(a), int(b)) for a, b in zip(rows[::2], rows[1::2], strict=True)]
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    found.append((int(name), int(file.read().rpartition(b") ")[2].split()[1])))
            except OSError:
                continue  # it ended meanwhile
    return found


def _ps(pid: int, columns: str) -> str:
    return _said(["ps", "-o", columns, "-p", str(pid)])


def _said(words: list[str]) -> str:
    """The output of a system program; "" if it cannot be run."""
    import subprocess

    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "surrogateescape")


def kill(pid: int, *, hard: bool) -> None:
    """Terminate a process; `hard` means SIGKILL. OSError (ProcessLookupError if it is gone)."""
    import signal

    os.kill(pid, signal.SIGKILL if hard else signal.SIGTERM)


def kill_tree(pid: int) -> None:
    """Kill a process that leads its own session, and everything in that session."""
    import signal

    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


class Owner(NamedTuple):
    """A user for whom root runs a program."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str  #: "" if there is none


def owner_apart(folder: str | os.PathLike[str]) -> Owner | None:
    """Whose folder it is, if this is root and it is another user's: programs that write to it should run as they.

    None also if the folder lies where they cannot reach it, as in a container's `/root`.
    """
    if os.geteuid():
        return None
    try:
        found = os.stat(folder)
        if not found.st_uid:
            return None
        above = os.path.realpath(folder)
        around = [os.stat(above := os.path.dirname(above)) for _ in range(above.count(os.sep))]
    except OSError:
        return None
    import pwd

    owner = Owner(found.st_uid, found.st_gid, (), "")
    with suppress(KeyError):
        user = pwd.getpwuid(found.st_uid)
        groups = tuple(os.getgrouplist(user.pw_name, user.pw_gid))
        owner = Owner(found.st_uid, user.pw_gid, groups, user.pw_dir)
    return owner if all(_may_pass(owner, one) for one in around) else None


def _may_pass(owner: Owner, folder: os.stat_result) -> bool:
    """Whether a user may go through a folder."""
    import stat

    if folder.st_uid == owner.uid:
        return bool(folder.st_mode & stat.S_IXUSR)
    group = folder.st_gid in {owner.gid, *owner.groups}
    return bool(folder.st_mode & (stat.S_IXGRP if group else stat.S_IXOTH))
