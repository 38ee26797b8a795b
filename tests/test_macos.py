"""What only macOS does, with its own calls faked where another system has none: no machine here can prove the rest."""

from __future__ import annotations

import ctypes
import errno
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from intercom.system import macos

SYSTEM = Path(macos.__file__).parent
STARTED, MICROS = 1_764_000_000, 123_456


def _there(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of `system` as it is when it is imported on macOS."""
    monkeypatch.setattr(sys, "platform", "darwin")
    spec = importlib.util.spec_from_file_location(f"{name}_on_macos", SYSTEM / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _library(monkeypatch: pytest.MonkeyPatch, **calls: Callable[..., int]) -> None:
    """The C library that `macos` calls; it has these functions alone."""
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: SimpleNamespace(**calls))


def _process(status: int) -> Callable[..., int]:
    """proc_pidinfo(3) for a process in this state, laid out as <sys/proc_info.h> has `struct proc_bsdinfo`."""

    def proc_pidinfo(pid: int, flavour: int, argument: Any, held: Any, size: int) -> int:
        assert (flavour, argument.value, size) == (3, 0, 136)
        numbers = [0, status, 0, pid, 1] + [0] * 7  # flags … pid, parent, users and groups, reserved
        head = b"".join(number.to_bytes(4, "little") for number in numbers) + b"python3".ljust(16, b"\0") + bytes(32)
        rest = bytes(24) + STARTED.to_bytes(8, "little") + MICROS.to_bytes(8, "little")
        assert len(head + rest) == size
        held.raw = head + rest
        return size

    return proc_pidinfo


def _refused(number: int) -> Callable[..., int]:
    def proc_pidinfo(*_: Any) -> int:
        ctypes.set_errno(number)
        return 0

    return proc_pidinfo


def test_when_a_process_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds and microseconds make one mark; one that has ended, reaped or not, has none; unknown is not dead."""
    _library(monkeypatch, proc_pidinfo=_process(2))
    assert macos.process_start(os.getpid()) == f"{STARTED}{MICROS}"
    _library(monkeypatch, proc_pidinfo=_process(5))
    assert macos.process_start(os.getpid()) is None
    _library(monkeypatch, proc_pidinfo=_refused(errno.ESRCH))
    assert macos.process_start(os.getpid()) is None
    _library(monkeypatch, proc_pidinfo=_refused(errno.EPERM))
    assert macos.process_start(os.getpid()) == "?"


def test_which_boot_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its uuid, or nothing."""

    def sysctlbyname(name: bytes, held: Any, size: Any, new: object, length: Any) -> int:
        assert (name, new, length.value) == (b"kern.bootsessionuuid", None, 0)
        held.value = b"6F9619FF-8B86-D011-B42D-00CF4FC964FF"
        return 0

    _library(monkeypatch, sysctlbyname=sysctlbyname)
    assert macos.boot_session() == "6F9619FF-8B86-D011-B42D-00CF4FC964FF"
    _library(monkeypatch, sysctlbyname=lambda *_: -1)
    assert macos.boot_session() == ""


def test_processes_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    """ps(1) tells what /proc tells elsewhere: whole paths of programs, `??` where there is no terminal."""
    _library(monkeypatch, proc_pidinfo=_process(2))
    processes = _there("posix_processes", monkeypatch)
    monkeypatch.setattr(processes, "_has_proc", lambda: False)
    monkeypatch.setattr(processes, "open", _gone, raising=False)
    rows = {
        ("ps", "-o", "ppid=,tty=,comm=", "-p", "7"): b"    1 ??       /Applications/My Code.app/Code Helper\n",
        ("ps", "-o", "ppid=,tty=,comm=", "-p", "8"): b"    7 ttys003  -zsh\n",
        ("ps", "-o", "ppid=,tty=,comm=", "-p", "9"): b"",
        ("ps", "-o", "args=", "-p", "8"): b"-zsh -l\n",
        ("ps", "-axo", "pid=,ppid="): b"    1     0\n    7     1\n    8     7\n",
    }
    monkeypatch.setattr(subprocess, "run", lambda words, **_: SimpleNamespace(stdout=rows[tuple(words)]))
    mark = f"{STARTED}{MICROS}"
    assert processes.process(7) == (1, mark, "Code Helper", 0)
    assert processes.process(8) == (7, mark, "-zsh", 1)
    assert processes.process(9) is None
    assert processes.command_line(8) == ["-zsh", "-l"]
    assert processes.parents() == [(1, 0), (7, 1), (8, 7)]
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    assert [processes.lives(8, mark) for _ in range(3)] == [True] * 3
    assert not processes.lives(8, "1")
    assert not processes.wait_ended(8)


def _gone(path: str, *_: object, **__: object) -> None:
    raise FileNotFoundError(errno.ENOENT, "there is no /proc", path)


@pytest.mark.parametrize("refuses", [None, errno.ENOTSUP, errno.EINVAL])
def test_syncing_reaches_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refuses: int | None) -> None:
    """F_FULLFSYNC for files and folders; plain fsync(2) where a file system has none; fdatasync(2) never."""
    import fcntl

    asked: list[str] = []

    def control(handle: int, command: int, *_: object) -> int:
        asked.append(f"control {command}")
        if refuses is not None:
            raise OSError(refuses, os.strerror(refuses))
        return 0

    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", control)
    monkeypatch.setattr(os, "fsync", lambda _: asked.append("fsync"))
    monkeypatch.delattr(os, "fdatasync", raising=False)
    posix = _there("posix", monkeypatch)
    (tmp_path / "file").write_text("x")
    with (tmp_path / "file").open("r+b") as file:
        posix.sync(file.fileno())
    posix.sync_file(tmp_path / "file")
    posix.sync_folder(tmp_path)
    assert asked == (["control 51"] if refuses is None else ["control 51", "fsync"]) * 3


def test_what_linux_alone_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without leases, range locks, wider pipes, bells and ticks: who asks is told so, and locks still hold."""
    import fcntl

    for name in ("F_SETLEASE", "F_SETPIPE_SZ", "F_GETPIPE_SZ", "F_SETSIG"):
        monkeypatch.delattr(fcntl, name, raising=False)
    posix, bell = _there("posix", monkeypatch), _there("posix_bell", monkeypatch)
    path = tmp_path / "lock"
    first, second = (posix.open_file(path, os.O_RDWR | os.O_CREAT) for _ in range(2))
    try:
        assert posix.has_writer(first) is None
        assert posix.try_range(first)
        assert not posix.try_range(second)
        posix.unlock_range(first)
        assert posix.try_range(second)
    finally:
        os.close(first)
        os.close(second)
    assert posix.file_tick() == 0
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        posix.widen_pipe(child.stdout, 1 << 20)
    with pytest.raises(OSError, match="bells"):
        bell.Bell("x")
