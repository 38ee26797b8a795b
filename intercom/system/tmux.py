"""Owns every tmux command we run: sessions, panes, screens, pasted text, keys.

Everything passed to tmux is data. Three habits of tmux would make it more: an argument that ends in `;` begins a new
command (`_literal`), a session name is a format in which `#(…)` runs a shell command and `:` and `.` are separators
(`session_name`), and a command of a single word goes through a shell (`_argv`). A target is always exact: `=name:`
or a pane's id (`%7`).
"""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from intercom.core.errors import CommandFailed, IntercomError, NotFound, ProgramMissing, Refused, UsageError
from intercom.system import proc

OLDEST = (3, 2)  # the first with `new-session -e`
WIDTH, HEIGHT = 220, 50
KEYS = frozenset({"Enter", "Escape", "Tab", "BTab", "Space", "Up", "Down", "Left", "Right", "C-c", "C-u", *"123456789"})

_SEPARATOR = "\u241f"  # the picture of a unit separator: printable, so that no tmux escapes it
_FIELDS = (
    "pane_id",
    "pane_pid",
    "pane_dead",
    "pane_dead_status",
    "pane_in_mode",
    "pane_width",
    "pane_height",
    "pane_current_command",
    "session_name",
    "pane_title",  # last, because only it may contain anything
)
_FORMAT = _SEPARATOR.join(f"#{{{field}}}" for field in _FIELDS)
_PLAIN = re.compile(
    r"(?:PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TERM|COLORTERM|TMPDIR|TMUX|TMUX_\w+|XDG_\w+|DISPLAY"
    r"|WAYLAND_DISPLAY|DBUS_SESSION_BUS_ADDRESS|SSH_AUTH_SOCK)\Z"
)
_TARGET = re.compile(r"%[0-9]+\Z")
_GOING = re.compile(r"server exited unexpectedly|lost server")
_NOTHING = re.compile(r"can't find|no server running|error connecting to|no current target")
_buffers = itertools.count(1)


class SessionExists(Refused):
    """A session of that name already exists; nothing was started."""


class Server(NamedTuple):
    """One tmux server: its socket by name or, with a `/`, by path; "" is the user's default.

    `config` is the configuration file for a server that has to be started ("" for the user's own).
    """

    socket: str = ""
    config: str = ""


class Pane(NamedTuple):
    """One pane as tmux describes it. `in_mode`: copy mode or a chooser takes the keys.

    `exit_status` may come later than `dead`, or never: tmux sometimes misses it. Go by `dead`.
    """

    id: str
    pid: int
    dead: bool
    exit_status: int | None
    in_mode: bool
    width: int
    height: int
    command: str
    session: str
    title: str


def server(environ: Mapping[str, str], setting: str = "") -> Server:
    """The server to use: INTERCOM_TMUX_SOCKET, else `setting`, else the one we are running in."""
    named = environ.get("INTERCOM_TMUX_SOCKET") or setting
    return Server(named or environ.get("TMUX", "").partition(",")[0])


def version() -> tuple[int, int] | None:
    """Version of the installed tmux; None if it does not say (`master`). ProgramMissing."""
    found = re.search(r"(\d+)\.(\d+)", proc.run(["tmux", "-V"]).out)
    return (int(found[1]), int(found[2])) if found else None


def require() -> None:
    """Raise ProgramMissing, with what to install, unless a recent enough tmux is installed."""
    found = version()
    if found is not None and found < OLDEST:
        raise ProgramMissing(
            f"tmux {found[0]}.{found[1]} is too old for workers; nothing was started: {proc.INSTALL['tmux']}."
        )


def session_name(name: str) -> str:
    """`name` as tmux can keep it: `_` for dots, colons, `#`, backslashes, control characters, and for
    a first character that would make it an id (`$1`). Raises UsageError for an empty one, and for
    one that everywhere else means a pane (`%1`).
    """
    kept = "".join("_" if ch in ".:#\\" or not ch.isprintable() else ch for ch in name)
    if not kept.strip() or _TARGET.match(kept):
        raise UsageError(f"{name!r} cannot be the name of a tmux session.")
    return "_" + kept[1:] if kept[0] in "$@%=" else kept


def new_session(
    server: Server,
    name: str,
    argv: Sequence[str],
    *,
    cwd: str | os.PathLike[str],
    env: Mapping[str, str] | None = None,
    keep_dead: bool = True,
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> Pane:
    """Start `argv`, exactly as given, in a new detached session; returns its pane.

    `env` is added to what the tmux server has. With `keep_dead` the screen of a command that ends
    can still be read. Raises SessionExists, CommandFailed, ProgramMissing.
    """
    if not argv:
        raise UsageError("no command to start was given.")
    kept = session_name(name)
    words = ["new-session", "-d", "-P", "-F", _FORMAT, "-s", kept]
    words += ["-x", str(size[0]), "-y", str(size[1])]
    for key, value in (env or {}).items():
        if not key or "=" in key or "\0" in key + value:
            raise UsageError(f"{key!r} cannot be set in the environment of {name!r}.")
        words += ["-e", f"{key}={value}"]
    words += ["--", *_argv(argv)]
    here = f"={kept}:"
    # Whatever the user's own configuration says of sessions that nobody watches, of input to several panes at once,
    # and of screens: in the same breath, for a session may be destroyed before the next command comes.
    then = [
        ["set-option", "-t", here, "destroy-unattached", "off"],
        ["set-option", "-s", "exit-unattached", "off"],
        ["set-option", "-w", "-t", here, "synchronize-panes", "off"],
        ["set-option", "-w", "-t", here, "alternate-screen", "on"],
        ["set-option", "-w", "-t", here, "remain-on-exit", "on" if keep_dead else "off"],
    ]
    # The client's folder becomes the session's; `-c` would be expanded as a format.
    out = _tmux(server, words, *then, cwd=cwd, env=_plain_environment())
    return _pane(out.partition("\n")[0])


def _plain_environment() -> dict[str, str]:
    """The environment for a tmux server that we start, and so for all its panes: nothing of this process's own."""
    return {key: value for key, value in os.environ.items() if _PLAIN.match(key)}


def panes(server: Server) -> list[Pane]:
    """All panes of all sessions; none if no server runs."""
    try:
        out = _tmux(server, ["list-panes", "-a", "-F", _FORMAT])
    except NotFound:
        return []
    return [_pane(line) for line in out.splitlines() if line]


def pane(server: Server, target: str) -> Pane:
    """The pane of a session (by name) or with an id (`%3`). Raises NotFound."""
    return look(server, target)[0]


def look(server: Server, target: str, *, colours: bool = True) -> tuple[Pane, str]:
    """A pane and its visible text, read atomically. With `colours`, escape sequences are kept."""
    where = _target(target)
    capture = ["capture-pane", "-p", "-t", where, *(["-e"] if colours else [])]
    out = _tmux(server, ["display-message", "-p", "-t", where, _FORMAT], capture)
    first, _, screen = out.partition("\n")
    if not first.startswith("%"):
        raise NotFound(f"there is no tmux pane {target!r}.")
    return _pane(first), screen


def paste(server: Server, target: str, text: str) -> None:
    """Paste `text` (see `printable`) in brackets, as a terminal would, without pressing Enter."""
    where, clean = _target(target), printable(text)
    if not clean:
        return
    name = f"intercom-{os.getpid()}-{next(_buffers)}"
    load = ["load-buffer", "-b", name, "-"]
    put = ["paste-buffer", "-d", "-p", "-r", "-b", name, "-t", where]
    try:
        _tmux(server, load, put, stdin=clean)
    except NotFound:
        if panes(server):
            _tmux(server, ["delete-buffer", "-b", name])
        raise


def send_key(server: Server, target: str, key: str) -> None:
    """Press one key, by tmux's name for it. Raises UsageError for one not in KEYS."""
    if key not in KEYS:
        raise UsageError(f"{key!r} is not a key that Intercom presses; nothing was sent.")
    _tmux(server, ["send-keys", "-t", _target(target), key])


def attach_words(server: Server, pane: Pane, *, inside: bool) -> list[str]:
    """The command line that shows a pane's session here; `inside`: we are already in that tmux server."""
    base = ["tmux", "-u"]
    if server.socket:
        base += ["-S" if "/" in server.socket else "-L", server.socket]
    return [*base, "switch-client" if inside else "attach-session", "-t", f"={pane.session}:"]


def inside(server: Server, environ: Mapping[str, str]) -> bool:
    """Whether a process with this environment runs in a pane of that server. NotFound if no server runs."""
    own = environ.get("TMUX", "").partition(",")[0]
    if not own:
        return False
    path = _tmux(server, ["display-message", "-p", "#{socket_path}"]).strip()
    return os.path.realpath(own) == os.path.realpath(path)


def kill_session(server: Server, name: str) -> bool:
    """End a session by its exact name (its processes get SIGHUP); returns whether it existed."""
    try:
        _tmux(server, ["kill-session", "-t", _target(name)])
    except NotFound:
        return False
    return True


def printable(text: str) -> str:
    """`text` without terminal control characters, except newline and tab."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(ch for ch in lines if ch in "\n\t" or not _control(ch))


def _control(char: str) -> bool:
    code = ord(char)
    return code < 0x20 or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000


def _argv(argv: Sequence[str]) -> Sequence[str]:
    """Guard a one-word command, which tmux would pass to a shell; longer ones are executed as they are."""
    return argv if len(argv) > 1 else ["sh", "-c", 'exec "$0"', argv[0]]


def _target(name: str) -> str:
    return name if _TARGET.match(name) else f"={session_name(name)}:"


def _literal(word: str) -> str:
    """Escape a `;` at the end of an argument, which would end the command."""
    return word[:-1] + "\\;" if word.endswith(";") else word


def _pane(line: str) -> Pane:
    parts = line.split(_SEPARATOR, len(_FIELDS) - 1)
    if len(parts) != len(_FIELDS):
        raise CommandFailed(f"tmux described a pane in a way we do not know: {line!r}.")
    ident, pid, dead, status, in_mode, width, height, command, session, title = parts
    return Pane(
        id=ident,
        pid=int(pid),
        dead=dead == "1",
        exit_status=int(status) if status else None,
        in_mode=in_mode not in ("", "0"),
        width=int(width),
        height=int(height),
        command=command,
        session=session,
        title=title,
    )


def _tmux(
    server: Server,
    *commands: Sequence[str],
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
) -> str:
    """Run several tmux commands in one call, so that nothing happens between them; returns their output."""
    line = ["tmux", "-u"]  # UTF-8 whatever the locale says
    if server.socket:
        line += ["-S" if "/" in server.socket else "-L", server.socket]
    if server.config:
        line += ["-f", server.config]
    for number, command in enumerate(commands):
        line += [";"] if number else []
        line += [_literal(word) for word in command]
    done = proc.run(line, cwd=cwd, env=env, stdin=stdin, check=False)
    for pause in (0.05, 0.2, 0.5):
        if not _GOING.search(done.err):
            break
        time.sleep(pause)  # the server is shutting down: the next try finds none, or a new one
        done = proc.run(line, cwd=cwd, env=env, stdin=stdin, check=False)
    if done.code:
        raise _error(proc.last_words(done))
    return done.out


def _error(said: str) -> IntercomError:
    if _NOTHING.search(said) or _GOING.search(said):
        return NotFound(f"tmux: {said}; there is nothing of that name to act on.")
    if said.startswith("duplicate session"):
        return SessionExists(f"tmux: {said}; choose another name, or tear that session down first.")
    return CommandFailed(f"tmux refused: {said}")
