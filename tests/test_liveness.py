"""Whether a process is still the one we knew."""

from __future__ import annotations

import os
import subprocess
import sys

from intercom.system.liveness import alive, mark_alive, own_mark, started


def test_this_process() -> None:
    """It is alive under its own mark, and under no other."""
    mark = started(os.getpid())
    assert mark is not None
    assert alive(os.getpid(), mark)
    assert alive(os.getpid(), None)
    assert not alive(os.getpid(), "1")
    assert own_mark() == f"{os.getpid()}.{mark}"
    assert mark_alive(own_mark())
    assert mark_alive(own_mark() + ".more")
    assert mark_alive("1.w134403855128826660"), "what Windows says of its own is not known here, and so not dead"
    assert not mark_alive("0.lost")


def test_a_child_from_birth_to_burial() -> None:
    """Alive while it runs; dead once it has ended, before and after its parent looked."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    mark = started(child.pid)
    assert mark is not None
    assert all(alive(child.pid, mark) for _ in range(4))  # who is asked about again is held by a descriptor
    assert not any(alive(child.pid, f"{mark}1") for _ in range(4))
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not alive(child.pid, mark)
    child.wait()
    assert not any(alive(child.pid, mark) for _ in range(4))
    assert child.stdin is not None
    child.stdin.close()


def test_a_name_with_brackets() -> None:
    """The start time is found behind any process name."""
    code = "import ctypes; ctypes.CDLL(None).prctl(15, b'a) R 1 (b', 0, 0, 0); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        before = started(child.pid)
        assert child.stdout is not None
        child.stdout.readline()
        assert started(child.pid) == before
        child.kill()


def test_marks_that_are_none() -> None:
    """Rubbish is nobody's mark."""
    for mark in ("", ".", "x.1", "-1.5", "0.0", "99999999.1", "²."):
        assert not mark_alive(mark)
    assert started(2**22 + 7) is None


def test_a_forked_child_has_its_own_mark() -> None:
    """What a parent knew of itself does not count for its child."""
    mine = own_mark()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, own_mark().encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        theirs = pipe.read().decode()
    assert theirs.startswith(f"{child}.")
    assert theirs != mine


def test_many_threads_ask_about_the_same_processes() -> None:
    """Each gets the right answer, also as one of them ends."""
    from concurrent.futures import ThreadPoolExecutor

    one, other = (subprocess.Popen(["sleep", "60"]) for _ in range(2))
    try:
        ask = [(process.pid, started(process.pid)) for process in (one, other)] * 2_000
        with ThreadPoolExecutor(8) as threads:
            assert all(threads.map(lambda each: alive(*each), ask))
            one.kill()
            one.wait()
            found = list(threads.map(lambda each: alive(*each), ask))
        assert found == [pid == other.pid for pid, _ in ask]
    finally:
        for process in (one, other):
            process.kill()
            process.wait()
