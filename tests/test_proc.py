"""Real processes: the gateway's errors, identity by start time, and endings that are endings."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from intercom.core.errors import CommandFailed, IntercomError, ProgramMissing, UsageError
from intercom.system import proc
from intercom.system.liveness import alive, started
from tests.processes import until


def test_run_returns_what_was_said() -> None:
    """Both outputs, the status, and input bytes that are not UTF-8 there and back."""
    done = proc.run(["sh", "-c", "cat; echo no >&2; exit 4"], stdin="a\udcff\n", check=False)
    assert done == (4, "a\udcff\n", "no\n")


def test_arguments_are_not_shell_text() -> None:
    """Quotes, dollars, newlines and semicolons arrive as they are."""
    word = "a'b\"c;$(id)\n`x`"
    assert proc.run(["printf", "%s", word]).out == word


def test_failures_are_one_clear_line(tmp_path: Path) -> None:
    """Each way to fail names the command and what happened."""
    with pytest.raises(CommandFailed, match=r"failed \(status 3\): told you"):
        proc.run(["sh", "-c", "echo told you >&2; exit 3"])
    with pytest.raises(ProgramMissing, match="no-such-program was not found"):
        proc.run(["no-such-program"])
    with pytest.raises(IntercomError, match="is not a folder"):
        proc.run(["true"], cwd=tmp_path / "none")
    with pytest.raises(UsageError, match="null byte"):
        proc.run(["echo", "a\0b"])
    (tmp_path / "file").write_text("not a program")
    with pytest.raises(CommandFailed, match="could not be started"):
        proc.run([str(tmp_path / "file")])
    with pytest.raises(ProgramMissing, match="nothing was started: npm install it"):
        proc.find("no-such-program", path=str(tmp_path), install="npm install it")
    with pytest.raises(ProgramMissing, match="apt install git"):
        proc.find("git", path=str(tmp_path))


def test_timeout_ends_the_whole_family(tmp_path: Path) -> None:
    """What a command started in the background does not survive its timeout."""
    script = f"sleep 600 & echo $! > {tmp_path}/pid; wait"

    def begun() -> str:
        with pytest.raises(CommandFailed, match=r"did not finish within 0\.5 s"):
            proc.run(["sh", "-c", script], timeout=0.5)
        return (tmp_path / "pid").read_text() if (tmp_path / "pid").exists() else ""

    pid = int(until(begun))
    assert proc.wait_gone([proc.Process(pid, None)], 5) == []


def test_log_takes_both_outputs(tmp_path: Path) -> None:
    """With a log nothing is returned and the file is private."""
    log = tmp_path / "log"
    assert proc.run(["sh", "-c", "echo a; echo b >&2"], log=log) == (0, "", "")
    assert log.read_text() == "a\nb\n"
    assert log.stat().st_mode & 0o777 == 0o600


def test_detach_leaves_no_zombie(tmp_path: Path) -> None:
    """A detached process is its own session leader and, ended, is gone for good."""
    one = proc.detach(["sleep", "600"], cwd=tmp_path)
    assert alive(*one)
    assert os.getsid(one.pid) == one.pid
    assert proc.end(*one)
    assert not alive(*one)
    assert not proc.end(*one)


def test_identity_is_pid_and_start() -> None:
    """The same pid with another start is another process, and is not ended."""
    with subprocess.Popen(["sleep", "600"]) as child:
        since = started(child.pid)
        assert since is not None
        assert alive(child.pid, since)
        assert not alive(child.pid, "1@other")
        assert not proc.end(child.pid, "1@other")
        assert child.poll() is None
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not alive(child.pid, None), "a zombie is dead"
    assert not alive(-1, None)


def test_a_name_with_brackets_does_not_confuse(tmp_path: Path) -> None:
    """A program called `x) Z 1 (` is read correctly from /proc."""
    program = tmp_path / "x) Z 1 ("
    program.symlink_to("/bin/sleep")
    one = proc.detach([str(program), "600"])
    assert alive(*one)
    assert proc.end(*one)


def test_end_kills_what_ignores_term() -> None:
    """TERM first, KILL after the grace; the tree goes with it."""
    code = (
        "import signal,subprocess,time;signal.signal(signal.SIGTERM,signal.SIG_IGN);"
        "subprocess.Popen(['sleep','600'],start_new_session=True);print('up',flush=True);time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        below = proc.children(child.pid)
        assert len(below) == 1
        begun = time.monotonic()
        ended = proc.end_tree(child.pid, grace=0.3)
        assert time.monotonic() - begun >= 0.3
        assert {one.pid for one in ended} == {child.pid, below[0].pid}
        assert child.wait(5) == -signal.SIGKILL
        assert not alive(*below[0])


def test_looking_at_processes_imports_nothing() -> None:
    """Hooks ask whether a pid lives on every call: subprocess stays out of it."""
    code = (
        "import sys; from intercom.system import proc; proc.children(1);"
        "assert not {'subprocess', 'signal', 'shutil'} & set(sys.modules)"
    )
    root = str(Path(proc.__file__).parents[2])
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": root})
