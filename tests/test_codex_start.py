"""A worker of Codex in a terminal is two processes, which begin and end together; a line reaches it by its socket."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from intercom.fleet import commands, kept
from intercom.fleet.crew import Crew
from intercom.fleet.programs import known
from intercom.fleet.programs.codex import launch
from intercom.fleet.programs.program import Prepared, Start
from intercom.system import proc
from intercom.system.liveness import alive
from tests.processes import until

#: A Codex: as a server it makes its socket, unless it is broken, and stays; as a terminal it says what it was given.
FAKE = """#!/bin/sh
case "$*" in
*app-server*) [ -e broken ] && exit 1
    echo $$ >server; for last; do [ "$before" = --listen ] && at=${last#unix://}; before=$last; done
    cd "${at%/*}" && exec python3 -c "$CODE" ;;
*) printf '%s\\n' "$@" >terminal ;;
esac
"""
#: Its server. A socket's whole path may be too long.
CODE = "import socket, time; socket.socket(socket.AF_UNIX).bind('ana.sock'); time.sleep(60)"


def prepared(folder: Path) -> Prepared:
    """How it is started, with files in this folder."""
    program = folder / "codex"
    program.write_text(FAKE)
    program.chmod(0o755)

    def write(end: str, text: str) -> Path:
        (folder / f"ana.{end}").write_text(text)
        return folder / f"ana.{end}"

    start = Start("s-1", folder, folder, "acceptEdits", ["intercom"], {"INTERCOM_NAME": "ana"}, {}, 'it\'s "begun"')
    return launch.prepare([str(program)], start, write)


def run(folder: Path) -> None:
    """Run it to its end."""
    env = {**os.environ, "CODE": CODE}
    subprocess.run(prepared(folder).words, cwd=folder, env=env, check=True, timeout=30)


def test_the_server_is_there_first_and_ends_with_the_terminal(tmp_path: Path) -> None:
    """The terminal is given the prompt and the socket; nothing is left when it has ended."""
    run(tmp_path)
    said = (tmp_path / "terminal").read_text().splitlines()
    assert said[-4:] == ["--remote", f"unix://{tmp_path}/ana.sock", "--", 'it\'s "begun"']
    assert "--dangerously-bypass-hook-trust" in said
    until(lambda: not alive(int((tmp_path / "server").read_text()), None))


def test_without_a_server_the_terminal_is_alone(tmp_path: Path) -> None:
    """It does not wait for one that has ended."""
    (tmp_path / "broken").touch()
    run(tmp_path)
    said = (tmp_path / "terminal").read_text().splitlines()
    assert said[-2:] == ["--", 'it\'s "begun"']
    assert "--remote" not in said


def test_a_line_goes_to_the_worker_s_own_server(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is one; a person's session that has the name now is not asked by a socket that was left."""
    ran: list[list[str]] = []
    monkeypatch.setattr(proc, "run", lambda words, **_: ran.append(list(words)))
    with Crew.open(project) as crew:
        crew.bus.register("worker", "ana", pid=os.getpid())
        row = crew.sessions.record("ana", state="idle", session_id="t-1", pid=os.getpid(), program="codex")
        door = kept.path_of(crew.bus.config, "ana", known.program("codex").door)
        door.parent.mkdir(parents=True)
        monkeypatch.chdir(door.parent)  # a socket's whole path may be too long
        for spawner, there in (("user", False), (None, True), ("user", True)):
            if there and not door.exists():
                with socket.socket(socket.AF_UNIX) as made:
                    made.bind(door.name)
            nonce = commands.prompt(crew, row._replace(spawned_by=spawner), "x")
            assert nonce is not None
            crew.sessions.saw_nonce(nonce)
    assert [line[2:4] == ["--remote", f"unix://{door}"] for line in ran] == [False, False, True]
