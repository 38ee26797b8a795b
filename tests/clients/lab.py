"""Owns running real clients in tests: offline, in clean homes with the scripted model, in projects of their own.

A home here has what a person would have before Intercom: a model, a trusted project. What connects the client to the
bus is written by `intercom init`, and by nothing else.
"""

from __future__ import annotations

import itertools
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.clients.versions import VERSIONS, folder
from tests.processes import patience

ROOT = Path(__file__).parents[2]
SECONDS = 60.0
Json = dict[str, Any]


class Ran(NamedTuple):
    """A program that came to its end."""

    status: int
    out: str


class Lab:
    """The offline world. A context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self._inside: subprocess.Popen[str] | None = None
        self._answers: dict[int, queue.SimpleQueue[Json]] = {}
        self._numbers = itertools.count(1)
        self._writing = threading.Lock()
        self._listener = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Self:
        """Bring it up; RuntimeError with what is needed where there can be no such network."""
        self.folder.mkdir(parents=True, exist_ok=True)
        rights = [] if os.geteuid() == 0 else ["--map-root-user"]
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}
        line = ["unshare", "--net", *rights, sys.executable, "-m", "tests.clients.inside", str(self.folder)]
        with (self.folder / "inside.log").open("w") as log:
            self._inside = subprocess.Popen(
                line, env=env, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )
        assert self._inside.stdout
        first = self._inside.stdout.readline()
        if not first:
            raise RuntimeError(f"no network of our own: {(self.folder / 'inside.log').read_text().strip()}")
        self.port = json.loads(first)["port"]
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, and what runs in it."""
        assert self._inside
        assert self._inside.stdin
        assert self._inside.stdout
        self._inside.stdin.close()
        self._inside.wait(20)
        self._listener.join(20)
        self._inside.stdout.close()

    def run(
        self, words: list[str], *, cwd: Path, env: dict[str, str], stdin: str = "", seconds: float = SECONDS
    ) -> Ran:
        """Run a program in there to its end."""
        number = next(self._numbers)
        answers = self._answers[number] = queue.SimpleQueue()
        asked: Json = {"id": number, "words": words, "cwd": str(cwd), "env": env, "stdin": stdin}
        asked["seconds"] = patience(seconds)
        assert self._inside
        assert self._inside.stdin
        with self._writing:
            self._inside.stdin.write(json.dumps(asked) + "\n")
            self._inside.stdin.flush()
        said = answers.get(timeout=patience(seconds) + 30)
        assert not said["late"], said["out"][-4000:]
        return Ran(said["status"], said["out"])

    def requests(self) -> list[Json]:
        """What the model was asked so far, oldest first, but for side requests."""
        path = self.folder / "requests.jsonl"
        lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []  # the last may be half
        return [one for one in map(json.loads, lines) if one["tools"]]

    def _listen(self) -> None:
        assert self._inside
        assert self._inside.stdout
        for line in self._inside.stdout:
            said = json.loads(line)
            self._answers[said["id"]].put(said)


class Place:
    """A client in a project of its own, or in one that others share."""

    def __init__(self, lab: Lab, name: str, project: Path, home: Path) -> None:
        self.lab, self.name, self.project, self.home = lab, name, project, home
        self._client, self._since = CLIENTS[name], len(lab.requests())
        path = f"{folder(name)}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.env = {"HOME": str(home), "PATH": path, "TERM": "xterm-256color", "LANG": "C.UTF-8"}
        self.env |= {"INTERCOM_MACHINE": "testbox", "PYTHONPATH": str(ROOT), "CI": ""}
        project.mkdir(parents=True, exist_ok=True)
        home.mkdir(parents=True, exist_ok=True)
        (home / ".gitconfig").write_text("[user]\n name = T\n email = t@localhost\n")
        subprocess.run(["git", "init", "-q"], cwd=project, check=True)
        self.env |= self._client.home(home, project, f"http://127.0.0.1:{lab.port}")

    def intercom(self, *words: str) -> str:
        """`intercom` as this person would run it."""
        done = self.lab.run(["intercom", *words], cwd=self.project, env=self.env)
        assert done.status == 0, done
        return done.out

    def set_up(self, *agents: str) -> None:
        """What a person does: `init`, and the approval that the client wants from nobody else."""
        self.intercom("init", *(word for name in agents for word in ("--agent", name)), "--client", self.name)
        if self.name == "qwen":
            words = ["qwen", "mcp", "approve", "intercomm"]
            done = self.lab.run(words, cwd=self.project, env=self.env)
            assert done.status == 0, done

    def prompt(self, text: str, *more: str, **environ: str) -> str:
        """One run without a terminal; what it printed."""
        words, stdin = self._client.line(text, more)
        done = self.lab.run(words, cwd=self.project, env={**self.env, **environ}, stdin=stdin)
        assert done.status == 0, done.out[-4000:]
        return done.out

    def heard(self, text: str) -> list[Json]:
        """The requests to the model that hold this text; none from before this place was made."""
        found = self.lab.requests()[self._since :]
        return [one for one in found if text in one["system"] + json.dumps(one["said"], ensure_ascii=False)]


class Client(NamedTuple):
    """How a client is driven: what its home needs (giving the environment), and a run with a prompt."""

    home: Callable[[Path, Path, str], dict[str, str]]
    line: Callable[[str, tuple[str, ...]], tuple[list[str], str]]


def _put(path: Path, content: str | Json) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=2) + "\n")


def _codex(home: Path, project: Path, url: str) -> dict[str, str]:
    _put(
        home / ".codex/config.toml",
        f'model = "mock"\nmodel_provider = "mock"\napproval_policy = "never"\nsandbox_mode = "read-only"\n'
        f'[model_providers.mock]\nname = "mock"\nbase_url = "{url}/v1"\nwire_api = "responses"\n'
        f'env_key = "OPENAI_API_KEY"\n'
        f'[projects."{project}"]\ntrust_level = "trusted"\n',
    )
    return {"OPENAI_API_KEY": "x"}


def _opencode(home: Path, _project: Path, url: str, name: str = "opencode") -> dict[str, str]:
    provider = {"npm": "@ai-sdk/openai-compatible", "name": "Mock", "models": {"mock": {"name": "Mock"}}}
    provider |= {"options": {"baseURL": f"{url}/v1", "apiKey": "x"}}
    settings = {"autoupdate": False, "share": "disabled", "provider": {"mock": provider}}
    _put(home / f".config/{name}/{name}.json", {**settings, "model": "mock/mock", "small_model": "mock/mock"})
    return {"npm_config_registry": url, "npm_config_fetch_retries": "0"}  # it looks there for packages of plugins


def _gemini(home: Path, project: Path, url: str) -> dict[str, str]:
    settings: Json = {"security": {"auth": {"selectedType": "gemini-api-key"}}}
    settings |= {"privacy": {"usageStatisticsEnabled": False}, "general": {"enableAutoUpdate": False}}
    _put(home / ".gemini/settings.json", settings)
    _put(home / ".gemini/trustedFolders.json", {str(project): "TRUST_FOLDER"})
    return {"GEMINI_API_KEY": "x", "GOOGLE_GEMINI_BASE_URL": url}


def _qwen(home: Path, _project: Path, url: str) -> dict[str, str]:
    settings: Json = {"security": {"auth": {"selectedType": "openai"}}, "privacy": {"usageStatisticsEnabled": False}}
    _put(home / ".qwen/settings.json", {**settings, "general": {"enableAutoUpdate": False}, "model": {"name": "mock"}})
    return {"OPENAI_API_KEY": "x", "OPENAI_BASE_URL": f"{url}/v1", "OPENAI_MODEL": "mock"}


def _cline(home: Path, _project: Path, url: str) -> dict[str, str]:
    inner = {"provider": "openai-compatible", "apiKey": "x", "model": "mock", "baseUrl": f"{url}/v1"}
    provider = {"settings": inner, "tokenSource": "manual", "updatedAt": "2026-01-01T00:00:00.000Z"}
    known: Json = {"version": 1, "lastUsedProvider": "openai-compatible", "modes": {}}
    _put(home / ".cline/data/settings/providers.json", {**known, "providers": {"openai-compatible": provider}})
    return {"CLINE_API_KEY": "x", "CLINE_PROVIDER": "openai-compatible"}  # without a terminal it reads no key


def _continue(home: Path, _project: Path, url: str) -> dict[str, str]:
    _put(
        home / ".continue/config.yaml",
        f"name: lab\nversion: 0.0.1\nschema: v1\nmodels:\n  - name: mock\n    provider: openai\n    model: mock\n"
        f"    apiBase: {url}/v1\n    apiKey: x\n    roles: [chat, edit, apply]\n    capabilities: [tool_use]\n",
    )
    return {}


CLIENTS = {
    "codex": Client(_codex, lambda text, more: (["codex", "exec", *more, text], "")),
    "opencode": Client(_opencode, lambda text, more: (["opencode", "run", *more], text)),
    "kilo": Client(partial(_opencode, name="kilo"), lambda text, more: (["kilo", "run", *more], text)),
    "gemini": Client(_gemini, lambda text, more: (["gemini", "-m", "gemini-2.5-pro", *more, "-p", text], "")),
    "qwen": Client(_qwen, lambda text, more: (["qwen", *more, "-p", text], "")),
    "cline": Client(_cline, lambda text, more: (["cline", *more, text], "")),
    "continue": Client(_continue, lambda text, more: (["cn", *more, "-p", text], "")),
}
assert CLIENTS.keys() == VERSIONS.keys()
