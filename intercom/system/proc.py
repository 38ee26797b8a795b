"""Owns every process that Intercom starts, inspects or ends; nothing else calls subprocess or kill.

A process is identified by its pid *and* its start mark (`intercom.system.liveness`), because pids are reused.
Inspecting processes (`children`) needs no import; `subprocess` is imported only by the functions that start
something.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from intercom.core.errors import CommandFailed, IntercomError, ProgramMissing, UsageError
from intercom.core.escaping import value
from intercom.core.texts import cut
from intercom.system import host
from intercom.system.liveness import alive, started

if TYPE_CHECKING:
    import subprocess

INSTALL = {
    "git": "install git (apt install git, brew install git)",
    "tmux": host.TMUX,
}


class Done(NamedTuple):
    """A finished command: its exit status (negative: the signal) and its output."""

    code: int
    out: str
    err: str


class Process(NamedTuple):
    """A process by its pid and opaque start mark (None: whichever process has that pid)."""

    pid: int
    started: str | None


def run(
    args: Sequence[str],
    *,
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
    timeout: float = 30.0,
    check: bool = True,
    log: str | os.PathLike[str] | None = None,
    owner: host.Owner | None = None,
) -> Done:
    """Run `args` (never through a shell) to its end and return its status and output.

    Text is UTF-8 with surrogates for other bytes, both ways. `env` replaces the environment; `timeout` is in seconds,
    after which the command and everything it started is killed. It runs as `owner`, if that is given and possible.
    With `log` both outputs go to that file (0600) and `out` and `err` are empty. Raises ProgramMissing,
    CommandFailed (timeout; with `check`, a status other than 0) or UsageError (NUL in an argument).
    """
    import subprocess

    data = stdin.encode("utf-8", "surrogateescape")
    sink = _open_log(log) if log is not None else None
    try:
        child = _start(
            args,
            cwd=cwd,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if sink is None else sink,
            stderr=subprocess.PIPE if sink is None else sink,
            owner=owner,
        )
    finally:
        if sink is not None:
            os.close(sink)
    with child:
        try:
            out, err = child.communicate(data, timeout=timeout)
        except subprocess.TimeoutExpired:
            host.kill_tree(child.pid)
            child.communicate()
            said = f"{args[0]} did not finish within {timeout:g} s and was ended"
            raise CommandFailed(f"{said}: {_shown(args)}") from None
        except BaseException:
            host.kill_tree(child.pid)
            raise
    done = Done(child.returncode, _text(out), _text(err))
    if check and done.code:
        raise CommandFailed(f"{_shown(args)} failed ({_status(done.code)}): {last_words(done)}")
    return done


@contextmanager
def piped(args: Sequence[str], data: bytes) -> Iterator[IO[bytes]]:
    """Run `args` while the block reads its output; it must read all of `data` before it prints anything.

    It is killed at the end of the block if still running; its stderr is discarded. Raises ProgramMissing,
    CommandFailed, UsageError, IntercomError.
    """
    import subprocess

    pipe = subprocess.PIPE
    child = _start(args, cwd=None, env=None, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
    try:
        assert child.stdin is not None
        assert child.stdout is not None
        with suppress(BrokenPipeError), child.stdin as file:  # it ended early: then there is no output either
            file.write(data)
        yield child.stdout
    finally:
        host.kill_tree(child.pid)  # not reaped yet, so the pid is still its own
        with child:
            pass


def feed(args: Sequence[str], data: bytes) -> None:
    """Run `args` in this terminal, with `data` as its standard input, to its end. ProgramMissing, CommandFailed."""
    import subprocess

    with _uninterrupted():
        try:
            child = subprocess.Popen(list(args), stdin=subprocess.PIPE)
        except FileNotFoundError:
            raise missing(args[0]) from None
        except (OSError, ValueError) as error:
            raise CommandFailed(f"{_shown(args)} could not be started: {error}.") from None
        with suppress(BrokenPipeError):
            child.communicate(data)
        child.wait()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Within the block, keys that interrupt reach only the program in the terminal, which does not inherit this."""
    import signal
    import threading

    names = [name for name in ("SIGINT", "SIGQUIT") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        names = []  # only the main thread handles signals
    before = [(getattr(signal, name), signal.signal(getattr(signal, name), lambda *_: None)) for name in names]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def detach(
    args: Sequence[str],
    *,
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    log: str | os.PathLike[str] = os.devnull,
) -> Process:
    """Start `args` in a session of its own, output to `log`, without waiting.

    Raises as `run` does. A thread reaps the child, so it does not stay a zombie.
    """
    import subprocess
    import threading

    sink = _open_log(log)
    try:
        child = _start(args, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)
    finally:
        os.close(sink)
    found = Process(child.pid, started(child.pid))
    threading.Thread(target=child.wait, name=f"reap-{child.pid}", daemon=True).start()
    return found


def spoken_to(
    args: Sequence[str], *, cwd: str | os.PathLike[str], log: str | os.PathLike[str]
) -> subprocess.Popen[bytes]:
    """Start `args` with pipes for stdin and stdout, and stderr to `log`. Raises as `run` does."""
    import subprocess

    sink = _open_log(log)
    try:
        return _start(args, cwd=cwd, env=None, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sink)
    finally:
        os.close(sink)


def attended(args: Sequence[str]) -> int:
    """Run an interactive program, such as an editor, in this terminal; returns its status, 127 if it cannot be run."""
    import subprocess
    from shutil import which

    try:
        with _uninterrupted():
            return subprocess.call([which(args[0]) or args[0], *args[1:]])
    except OSError:
        return 127


def find(program: str, *, path: str | None = None, install: str | None = None) -> str:
    """The full path of `program`; ProgramMissing, saying what to `install`, if there is none."""
    from shutil import which

    found = which(program, path=path)
    if found is None:
        raise missing(program, install)
    return found


def missing(program: str, install: str | None = None) -> ProgramMissing:
    """The error for a missing `program`, with how to install it."""
    advice = install or INSTALL.get(os.path.basename(program), "install it or correct the command")
    return ProgramMissing(f"{_shown([program])} was not found; nothing was started: {advice}.")


def children(pid: int) -> list[Process]:
    """All live descendants of `pid`, parents first."""
    below: dict[int, list[int]] = {}
    for child, parent in host.parents():
        below.setdefault(parent, []).append(child)
    found, queue = [], list(below.get(pid, ()))
    while queue:
        child = queue.pop(0)
        since = started(child)
        if since is not None:
            found.append(Process(child, since))
        queue.extend(below.get(child, ()))
    return found


def end(pid: int, since: str | None = None, *, grace: float = 3.0) -> bool:
    """End process `pid`: SIGTERM, SIGKILL after `grace` seconds; returns once it is gone.

    False if it was already gone, or the pid belongs to another process by now. CommandFailed if it cannot be ended
    (another user's).
    """
    return bool(end_all([Process(pid, since)], grace=grace))


def end_tree(pid: int, since: str | None = None, *, grace: float = 3.0) -> list[Process]:
    """End `pid` and all its descendants as `end` does; returns those that were running."""
    if not alive(pid, since):
        return []
    return end_all([Process(pid, since), *children(pid)], grace=grace)


def end_all(processes: Iterable[Process], *, grace: float = 3.0) -> list[Process]:
    """End several processes in parallel, as `end` does; returns those that were running."""
    running = [one for one in processes if one.pid != os.getpid() and alive(*one)]
    known = [Process(one.pid, one.started or started(one.pid)) for one in running]
    left = known
    for hard, patience in ((False, grace), (True, 10.0)):
        for one in left:
            _kill(one, hard=hard)
        left = _wait_gone(left, patience)
        if not left:
            return known
    raise CommandFailed(f"process {left[0].pid} could not be ended, not even by force.")


def wait_gone(processes: Iterable[Process], timeout: float) -> list[Process]:
    """Wait until all are gone, at most `timeout` seconds; returns those still running."""
    return _wait_gone(list(processes), timeout)


def last_words(done: Done) -> str:
    """The most telling line of a command's output, for an error message."""
    lines = [line.strip() for line in (done.err or done.out).splitlines() if line.strip()]
    first = next((line for line in lines if line.startswith(("fatal:", "error:"))), None)
    return first or (lines[-1] if lines else "it said nothing")


def _start(
    args: Sequence[str],
    *,
    cwd: str | os.PathLike[str] | None,
    env: Mapping[str, str] | None,
    stdin: int,
    stdout: int,
    stderr: int,
    owner: host.Owner | None = None,
) -> subprocess.Popen[bytes]:
    import subprocess

    as_they: dict[str, Any] = (
        {} if owner is None else {"user": owner.uid, "group": owner.gid, "extra_groups": owner.groups}
    )
    try:
        return subprocess.Popen(
            host.startable(args, None if env is None else env.get("PATH")),
            cwd=cwd,
            env=env,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            **as_they,
        )
    except PermissionError as error:
        if owner is not None:  # root without that right, as in some containers
            return _start(args, cwd=cwd, env=env, stdin=stdin, stdout=stdout, stderr=stderr)
        raise CommandFailed(f"{_shown(args)} could not be started: {error.strerror}.") from None
    except ValueError as error:
        raise UsageError(f"{_shown(args)} cannot be run: {error}.") from None
    except (FileNotFoundError, NotADirectoryError):
        if cwd is not None and not os.path.isdir(cwd):
            raise IntercomError(f"{os.fspath(cwd)!r} is not a folder; nothing was started.") from None
        raise missing(args[0]) from None
    except OSError as error:
        raise CommandFailed(f"{_shown(args)} could not be started: {error.strerror}.") from None


def _open_log(path: str | os.PathLike[str]) -> int:
    if path == os.devnull:
        return os.open(path, os.O_WRONLY)
    return host.open_file(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def _kill(process: Process, *, hard: bool) -> None:
    if not alive(*process):
        return
    try:
        host.kill(process.pid, hard=hard)
    except ProcessLookupError:
        pass
    except PermissionError:
        raise CommandFailed(f"process {process.pid} belongs to somebody else.") from None


def _wait_gone(left: list[Process], timeout: float) -> list[Process]:
    """Poll with growing pauses: portable, and cheap for a wait of seconds."""
    until, step = time.monotonic() + timeout, 0.005
    while left := [one for one in left if alive(*one)]:
        if time.monotonic() >= until:
            break
        time.sleep(step)
        step = min(step * 1.5, 0.1)
    return left


def _text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", "surrogateescape")


def _shown(args: Sequence[str]) -> str:
    """A command for an error message: shortened, on one line."""
    import shlex

    return cut(value(" ".join(shlex.quote(word) for word in args)), 160)


def _status(code: int) -> str:
    return f"status {code}" if code > 0 else f"signal {-code}"
