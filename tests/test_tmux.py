"""Real tmux on a private socket: everything given to it is data, every target is exact."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from intercom.core.errors import CommandFailed, NotFound, ProgramMissing, Refused, UsageError
from intercom.system import proc, tmux
from intercom.system.liveness import started
from tests.processes import until

pytestmark = pytest.mark.slow

CAT = ["cat", "-"]
_DUMP = """
import json, os, sys, time
with open(os.environ["OUT"], "w") as file:
    json.dump([sys.argv[1:], os.environ.get("VALUE"), os.getcwd()], file)
time.sleep(600)
"""
DUMP = [sys.executable, "-c", _DUMP]
WEIRD = ["it's", 'a "b"', "a;b;", "c\\;", ";", "$(touch /tmp/x)", "a\nb", "#(touch x)", "`id`", "-x", "%H é ☃"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tmux.Server]:
    """A tmux server of this test's own, gone afterwards."""
    socket = tmp_path / "s"
    yield tmux.Server(str(socket), "/dev/null")
    subprocess.run(["tmux", "-S", str(socket), "kill-server"], capture_output=True, check=False)


def test_argv_env_and_folder_arrive_exactly(server: tmux.Server, tmp_path: Path) -> None:
    """No argument, value or folder name is expanded, split or run by tmux or a shell."""
    import json

    folder = tmp_path / "we#(touch y)ird 'dir';"
    folder.mkdir()
    out = tmp_path / "out"
    env = {"VALUE": "a;b\"c'd #{pid} $HOME\n;", "OUT": str(out)}
    tmux.new_session(server, "args", [*DUMP, *WEIRD], cwd=folder, env=env)
    until(lambda: out.exists() and out.read_text())
    assert json.loads(out.read_text()) == [WEIRD, env["VALUE"], str(folder)]
    assert sorted(p.name for p in folder.iterdir()) == []


def test_a_persons_own_settings_do_not_end_a_session(tmp_path: Path) -> None:
    """Sessions that nobody watches stay, whatever the user's tmux.conf wants for others."""
    (tmp_path / "conf").write_text(
        "set -g destroy-unattached on\nset -s exit-unattached on\nset -g remain-on-exit off\n"
        "set -g synchronize-panes on\nset -s exit-empty on\nset -g alternate-screen off\n"
    )
    server = tmux.Server(str(tmp_path / "s"), str(tmp_path / "conf"))
    try:
        made = tmux.new_session(server, "w", ["sleep", "600"], cwd=tmp_path)
        again = tmux.new_session(server, "v", ["sleep", "600"], cwd=tmp_path)
        assert {one.id for one in tmux.panes(server)} == {made.id, again.id}
        assert tmux.pane(server, "w").pid == made.pid
        gone = tmux.new_session(server, "x", ["true"], cwd=tmp_path)
        until(lambda: tmux.pane(server, gone.id).dead)
    finally:
        subprocess.run(["tmux", "-S", server.socket, "kill-server"], capture_output=True, check=False)


def test_a_server_that_we_start_has_nothing_of_ours(
    server: tmux.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hands what it has to every pane, also to those that a person opens in it."""
    monkeypatch.setenv("DATABASE_URL", "secret")
    monkeypatch.setenv("INTERCOM_NAME", "somebody")
    out = tmp_path / "out"
    tmux.new_session(server, "w", ["sh", "-c", f"env > {out}.new; mv {out}.new {out}; sleep 600"], cwd=tmp_path)
    until(out.exists)
    found = dict(line.split("=", 1) for line in out.read_text().splitlines() if "=" in line)
    assert not {"DATABASE_URL", "INTERCOM_NAME"} & found.keys()
    assert found["PATH"] == os.environ["PATH"]


def test_one_single_word_is_not_a_shell_line(server: tmux.Server, tmp_path: Path) -> None:
    """A program whose path has spaces and quotes is started, not parsed."""
    program = tmp_path / "my 'prog; $(x)"
    program.write_text("#!/bin/sh\necho started > ran\nsleep 600\n")
    program.chmod(0o755)
    tmux.new_session(server, "one", [str(program)], cwd=tmp_path)
    until((tmp_path / "ran").exists)


@pytest.mark.parametrize(
    "name", [*WEIRD, "a.b:c", " a ", "$1", "%x", "=x", "\udcff", "{mouse}", "!", "worker*", "a#[x]"]
)
def test_a_name_is_data_and_found_again(server: tmux.Server, tmp_path: Path, name: str) -> None:
    """A session is listed, looked at and ended by the very name it was given."""
    made = tmux.new_session(server, name, CAT, cwd=tmp_path)
    assert made.session == tmux.session_name(name)
    assert tmux.pane(server, name).id == made.id
    assert [p.session for p in tmux.panes(server)] == [tmux.session_name(name)]
    assert tmux.kill_session(server, name)
    assert not tmux.kill_session(server, name)
    assert list(tmp_path.glob("x*")) == []


@pytest.mark.parametrize("name", ["", " ", "%1"])
def test_what_cannot_name_a_session(server: tmux.Server, tmp_path: Path, name: str) -> None:
    """Refused, and nothing is started."""
    with pytest.raises(UsageError):
        tmux.new_session(server, name, CAT, cwd=tmp_path)
    assert tmux.panes(server) == []


def test_targets_are_exact(server: tmux.Server, tmp_path: Path) -> None:
    """`worker-1` never means `worker-10`, nor does a pattern match."""
    tmux.new_session(server, "worker-10", CAT, cwd=tmp_path)
    for name in ("worker-1", "worker*", "w"):
        with pytest.raises(NotFound):
            tmux.pane(server, name)
        with pytest.raises(NotFound):
            tmux.paste(server, name, "x")
        with pytest.raises(NotFound):
            tmux.send_key(server, name, "Enter")
        assert not tmux.kill_session(server, name)
    assert len(tmux.panes(server)) == 1
    listed = subprocess.run(["tmux", "-S", server.socket, "list-buffers"], capture_output=True, check=True)
    assert listed.stdout == b"", "text that could not be pasted is not left for others to paste"


def test_a_second_session_of_the_name_is_refused(server: tmux.Server, tmp_path: Path) -> None:
    """The first one stays as it is."""
    first = tmux.new_session(server, "w", CAT, cwd=tmp_path)
    with pytest.raises(Refused, match="duplicate"):
        tmux.new_session(server, "w", CAT, cwd=tmp_path)
    assert tmux.pane(server, "w").pid == first.pid


def test_paste_is_bracketed_clean_and_whole(server: tmux.Server, tmp_path: Path) -> None:
    """100 KB arrive between the brackets, without escape sequences, and no Enter follows."""
    out = tmp_path / "got"
    code = (
        "import os,sys,tty;tty.setraw(0);sys.stdout.write('\\x1b[?2004hready');sys.stdout.flush();"
        f"f=open({str(out)!r},'ab',0)\nwhile True: f.write(os.read(0,65536))"
    )
    tmux.new_session(server, "raw", [sys.executable, "-c", code], cwd=tmp_path)
    until(lambda: out.exists() and "ready" in tmux.look(server, "raw")[1])  # tmux has read the terminal mode before it
    big = "héllo;\n" * 14_000
    tmux.paste(server, "raw", "\x1b[201~!rm;\x03\x9b" + big + "end")
    want = b"\x1b[200~[201~!rm;" + big.encode() + b"end\x1b[201~"
    until(lambda: out.stat().st_size >= len(want))
    assert out.read_bytes() == want


def test_look_sees_text_title_mode_and_death(server: tmux.Server, tmp_path: Path) -> None:
    """One look tells the text with its colours, the title, copy mode, and how the command ended."""
    script = "printf '\\033]2;⠂ my title\\033\\\\\\033[2mdim\\033[0m ❯\\302\\240x'; read line; exit 3"
    tmux.new_session(server, "p", ["sh", "-c", script], cwd=tmp_path, size=(80, 24))
    until(lambda: "x" in tmux.look(server, "p")[1])
    pane, screen = tmux.look(server, "p")
    assert screen.startswith("\x1b[2mdim\x1b[0m")
    assert tmux.look(server, pane.id, colours=False)[1].startswith("dim ❯\u00a0x")
    assert (pane.title, pane.dead, pane.in_mode) == ("⠂ my title", False, False)
    assert (pane.width, pane.height) == (80, 24)
    subprocess.run(["tmux", "-S", server.socket, "copy-mode", "-t", "=p:"], check=True)
    assert tmux.pane(server, "p").in_mode
    subprocess.run(["tmux", "-S", server.socket, "send-keys", "-t", "=p:", "-X", "cancel"], check=True)
    tmux.send_key(server, "p", "Enter")
    until(lambda: tmux.pane(server, "p").dead)
    assert tmux.pane(server, "p").exit_status in (3, None)  # tmux does not always get to know it


def test_only_known_keys_are_pressed(server: tmux.Server) -> None:
    """Free text is no key."""
    with pytest.raises(UsageError):
        tmux.send_key(server, "p", "rm -rf")


def test_inside_is_about_one_server(server: tmux.Server, tmp_path: Path) -> None:
    """A client of one server cannot show what another has."""
    tmux.new_session(server, "one", ["sleep", "600"], cwd=tmp_path)
    assert tmux.inside(server, {"TMUX": f"{server.socket},123,0"})
    assert not tmux.inside(server, {"TMUX": f"{tmp_path}/other,123,0"})
    assert not tmux.inside(server, {})


def test_no_server_is_an_empty_list(server: tmux.Server) -> None:
    """Nobody started it yet: nothing to list, nothing to end, a clear error for a look."""
    assert tmux.panes(server) == []
    assert not tmux.kill_session(server, "x")
    with pytest.raises(NotFound):
        tmux.look(server, "x")


def test_a_missing_folder_or_too_long_command_is_said(server: tmux.Server, tmp_path: Path) -> None:
    """The error names the folder, or says that the command is too long; no session is left."""
    with pytest.raises(Exception, match="not a folder"):
        tmux.new_session(server, "x", CAT, cwd=tmp_path / "none")
    with pytest.raises(CommandFailed, match="too long"):
        tmux.new_session(server, "x", ["echo", "y" * 100_000], cwd=tmp_path)
    assert tmux.panes(server) == []


def test_which_server() -> None:
    """The pinned socket, else the setting, else the one around us, else the user's default."""
    inside = {"TMUX": "/tmp/tmux-0/default,12,0"}
    assert tmux.server({"INTERCOM_TMUX_SOCKET": "a", **inside}, "b").socket == "a"
    assert tmux.server(inside, "b").socket == "b"
    assert tmux.server(inside).socket == "/tmp/tmux-0/default"
    assert tmux.server({}) == tmux.Server()


def test_missing_and_old_tmux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer says what to install."""
    tmux.require()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramMissing, match="apt install tmux"):
        tmux.require()
    fake = tmp_path / "tmux"
    fake.write_text("#!/bin/sh\necho tmux 3.1c\n")
    fake.chmod(0o755)
    with pytest.raises(ProgramMissing, match=r"3\.1 is too old"):
        tmux.require()
    fake.write_text("#!/bin/sh\necho tmux master\n")
    tmux.require()


def test_nothing_of_a_session_outlives_it(server: tmux.Server, tmp_path: Path) -> None:
    """kill_session ends the process in the pane."""
    made = tmux.new_session(server, "w", CAT, cwd=tmp_path)
    since = started(made.pid)
    assert since
    tmux.kill_session(server, "w")
    assert proc.wait_gone([proc.Process(made.pid, since)], 5) == []
