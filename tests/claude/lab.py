"""Owns running the real Claude Code in tests: offline, in a clean home, with a scripted model.

`Lab` is a network namespace with loopback alone that holds the API of `api.py` and a tmux server.
`Lab.start` opens claude in a pane there; `Session` looks at that pane and types into it.
The tests run on the versions that `intercom.fleet.programs.claude.versions` names, or on the one that
`$INTERCOM_CLAUDE` names. `python -m tests.claude.lab install [VERSION]` installs them (npm), each into a folder of
its own below `$INTERCOM_CLAUDE_HOME` or `~/.cache/intercom-claude`.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from intercom.fleet.programs.claude.versions import NEWEST, OLDEST
from intercom.system import proc, tmux
from tests import npm
from tests.processes import patience

KEY = "sk-ant-intercom-tests-0123456789abcdef"
ROOT = Path(__file__).parents[2]


def versions() -> list[str]:
    """What the tests run on, the newest first."""
    chosen = os.environ.get("INTERCOM_CLAUDE")
    return [chosen] if chosen else [str(NEWEST), str(OLDEST)]


def home(version: str) -> Path:
    """Where that claude is installed; by the account's home, since tests have another `$HOME`."""
    account = pwd.getpwuid(os.getuid()).pw_dir
    return Path(os.environ.get("INTERCOM_CLAUDE_HOME") or Path(account, ".cache", "intercom-claude"), version)


def binary(version: str) -> Path:
    """That claude. Fails, and says how to install it, where it is missing or another version."""
    found = home(version) / "node_modules" / ".bin" / "claude"
    advice = f"install it with: python -m tests.claude.lab install {version}"
    if not found.exists():
        raise RuntimeError(f"the real claude is needed and is not at {found}; {advice}")
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
    if version not in said.split():
        raise RuntimeError(f"{found} is {said.strip()!r}, not {version}; {advice}")
    return found


def install(version: str) -> None:
    """Install that claude, unless it is there."""
    with contextlib.suppress(RuntimeError):
        binary(version)
        return
    place = home(version)
    place.mkdir(parents=True, exist_ok=True)
    npm.install(f"@anthropic-ai/claude-code@{version}", place)
    # npm 11 leaves the install script to be approved; it links the platform's binary.
    package_folder = place / "node_modules" / "@anthropic-ai" / "claude-code"
    subprocess.run(["node", "install.cjs"], cwd=package_folder, check=True)
    binary(version)


class Lab:
    """The offline world. A context manager; leaving it ends every process in it."""

    def __init__(self, folder: Path, version: str | None = None) -> None:
        self.folder = folder
        self.version = version or versions()[0]
        self.claude = binary(self.version)
        self.server = tmux.Server(str(folder / "tmux"), "/dev/null")
        self._inside: subprocess.Popen[str] | None = None
        self.port = 0
        self._reading = threading.Lock()
        self._read = 0  # bytes of the API's log
        self._requests: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        """Bring it up; RuntimeError with what is needed where the namespace cannot be made."""
        self.folder.mkdir(parents=True, exist_ok=True)
        rights = [] if os.geteuid() == 0 else ["--map-root-user"]
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "PYTHONPATH": str(ROOT),
        }
        line = ["unshare", "--net", *rights, sys.executable, "-m", "tests.claude.netns", str(self.folder)]
        with (self.folder / "netns.log").open("w") as log:
            self._inside = subprocess.Popen(
                line, env=env, cwd=ROOT, text=True, stderr=log, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        assert self._inside.stdout is not None
        first = self._inside.stdout.readline()
        if not first:
            said = (self.folder / "netns.log").read_text().strip()
            raise RuntimeError(f"no network namespace of our own (root or user namespaces are needed): {said}")
        self.port = json.loads(first)["port"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End everything that runs in it, and see that it is gone."""
        assert self._inside is not None
        panes = tmux.panes(self.server)
        below = [one for pane in panes for one in (proc.Process(pane.pid, None), *proc.children(pane.pid))]
        self._inside.communicate("", timeout=30)
        proc.end_all(proc.wait_gone(below, 2))

    def new_home(
        self, name: str = "home", *, approve_key: bool = True, onboarded: bool = True, **settings: Any
    ) -> Path:
        """A fresh `$HOME` past the first-run questions; `settings` go to the user's settings.json."""
        place = self.folder / name
        (place / ".claude").mkdir(parents=True, exist_ok=True)
        state: dict[str, Any] = {"hasCompletedOnboarding": True, "theme": "dark"} if onboarded else {}
        if approve_key:
            state["customApiKeyResponses"] = {"approved": [KEY[-20:]], "rejected": []}
        (place / ".claude.json").write_text(json.dumps(state))
        (place / ".claude" / "settings.json").write_text(json.dumps(settings))
        (place / ".gitconfig").write_text("[user]\n name = Test\n email = test@localhost\n")
        return place

    def new_project(self, home: Path, name: str = "project", *, trusted: bool = True) -> Path:
        """A git repository with one commit, trusted in `home` unless told otherwise."""
        place = self.folder / name
        place.mkdir(parents=True)
        (place / "a.txt").write_text("one\n")
        git = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost"]
        for line in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "first"]):
            subprocess.run([*git, *line], cwd=place, check=True)
        if trusted:
            path = home / ".claude.json"
            state = json.loads(path.read_text())
            state.setdefault("projects", {})[str(place)] = {"hasTrustDialogAccepted": True}
            path.write_text(json.dumps(state))
        return place

    def environment(self, home: Path, **more: str) -> dict[str, str]:
        """What claude needs to be offline, quiet and with this API."""
        return {
            "HOME": str(home),
            "PATH": f"{self.claude.parent}:{os.environ['PATH']}",
            "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{self.port}",
            "ANTHROPIC_API_KEY": KEY,
            "DISABLE_TELEMETRY": "1",
            "DISABLE_AUTOUPDATER": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "IS_SANDBOX": "1",
            **more,
        }

    def start(
        self,
        name: str,
        *args: str,
        home: Path,
        project: Path,
        env: Mapping[str, str] | None = None,
        size: tuple[int, int] = (120, 40),
    ) -> Session:
        """The real claude with `args`, in a session called `name`; it asks, unless they say otherwise."""
        mode = () if "--permission-mode" in args else ("--permission-mode", "default")
        words: Sequence[str] = [str(self.claude), *mode, *args]
        where = self.environment(home, **(env or {}))
        pane = tmux.new_session(self.server, name, words, cwd=project, env=where, size=size)
        return Session(self, pane.id, home, project)

    def requests(self) -> list[dict[str, Any]]:
        """What the model was asked so far, oldest first, without claude's side requests."""
        path = self.folder / "requests.jsonl"
        with self._reading:
            if path.exists():
                with path.open("rb") as file:
                    file.seek(self._read)
                    new = file.read()
                whole = new[: new.rfind(b"\n") + 1]
                self._read += len(whole)
                self._requests += [one for one in map(json.loads, whole.splitlines()) if not one["side"]]
            return list(self._requests)


class Session:
    """One claude on its screen."""

    def __init__(self, lab: Lab, pane: str, home: Path, project: Path) -> None:
        self.lab = lab
        self.pane = pane
        self.home = home
        self.project = project

    def text(self) -> str:
        """The screen without colours."""
        return tmux.look(self.lab.server, self.pane, colours=False)[1]

    def ansi(self) -> str:
        """The screen with its escape sequences."""
        return tmux.look(self.lab.server, self.pane)[1]

    def paste(self, text: str) -> None:
        """Paste, and press nothing."""
        tmux.paste(self.lab.server, self.pane, text)

    def key(self, name: str) -> None:
        """Press one key, by tmux's name."""
        self.tmux("send-keys", name)

    def act(self, name: str, done: Callable[[str], object], seconds: float = 20.0) -> None:
        """Press a key until its screen shows what that does: the first moments of a dialog or a turn take none."""
        end = time.monotonic() + patience(seconds)
        while True:
            self.key(name)
            again = time.monotonic() + patience(2)
            while not done(screen := self.text()):
                assert time.monotonic() < end, f"{name} did nothing within {seconds} s\n{screen}"
                if time.monotonic() > again:
                    break
                time.sleep(0.05)
            else:
                return

    def type(self, text: str) -> None:
        """Type literally, as a person does: no brackets around it."""
        self.tmux("send-keys", "-l", "--", text)

    def tmux(self, command: str, *words: str) -> None:
        """Any other tmux command on this pane."""
        tmux._tmux(self.lab.server, [command, "-t", self.pane, *words])

    def prompt(self, text: str) -> None:
        """Paste a prompt, see it arrive in the box, and send it."""
        self.paste(text)
        first = f"❯\u00a0{text.splitlines()[0][:12]}"  # more might be wrapped by the box
        self.wait(lambda screen: first in screen or "❯\u00a0[Pasted text" in screen or "─── ↑ " in screen)
        self.key("Enter")

    def wait(self, what: str | Callable[[str], object], seconds: float = 20.0) -> str:
        """The screen once it holds `what`; fails with the screen after `seconds`."""
        end = time.monotonic() + patience(seconds)
        while True:
            screen = self.text()
            if what in screen if isinstance(what, str) else what(screen):
                return screen
            if time.monotonic() > end:
                raise AssertionError(f"not on screen within {seconds} s: {what}\n{screen}")
            time.sleep(0.05)

    def ready(self) -> str:
        """Wait for the prompt of a new session."""
        return self.wait(lambda screen: "\n❯\u00a0" in screen, 40)

    def end(self) -> None:
        """End this session and wait until its processes are gone."""
        pane = tmux.pane(self.lab.server, self.pane)
        proc.end_tree(pane.pid)
        tmux.kill_session(self.lab.server, pane.session)


if __name__ == "__main__":
    if sys.argv[1:2] != ["install"]:
        sys.exit("usage: python -m tests.claude.lab install [VERSION …]")
    for wanted in sys.argv[2:] or versions():
        install(wanted)
