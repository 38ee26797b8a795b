"""Owns the files of a worker without a terminal: who keeps it, what it is started with, what it said.

They lie beside every worker's own, in `.claude/local/.intercom/workers/`.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from intercom.core.config import Config
from intercom.system.files import replace
from intercom.system.liveness import alive, started
from intercom.system.proc import Process

FOLDER = "workers"  #: in the private folder: the files of all workers
ENDS = ("keep", "keeper", "out", "err")  #: of the names of those that are owned here


class Kept(NamedTuple):
    """How a worker is started, and with which session it goes on."""

    program: str
    words: list[str]
    cwd: str
    mode: str
    server: dict[str, Any]  #: the entry of its MCP server: command, args, env
    prompt: str = ""  #: what it begins with
    session: str | None = None  #: the program's own id of it, once it has one

    def write(self, config: Config, name: str) -> None:
        """Store it, in place of what was. StorageError."""
        replace(path_of(config, name, "keep"), json.dumps(self._asdict()).encode())


def path_of(config: Config, name: str, end: str) -> Path:
    """One of a worker's files."""
    return config.private / FOLDER / f"{name}.{end}"


def kept(config: Config, name: str) -> Kept | None:
    """What is stored of it, None where nothing is."""
    try:
        return Kept(**json.loads(path_of(config, name, "keep").read_text("utf-8", "surrogateescape")))
    except (OSError, ValueError, TypeError):
        return None


def keeper(config: Config, name: str) -> Process | None:
    """The process that keeps it, None where none does, or did and is gone."""
    with suppress(OSError, ValueError):
        pid, since = path_of(config, name, "keeper").read_text("ascii").split()
        if alive(int(pid), since):
            return Process(int(pid), since)
    return None


def note_keeper(config: Config, name: str) -> None:
    """This process keeps it."""
    path_of(config, name, "keeper").write_text(f"{os.getpid()} {started(os.getpid())}\n", "ascii")


def output(config: Config, name: str, place: int = 0) -> tuple[int, str] | None:
    """(where it ends, in bytes, what it said from `place` on, in whole lines); None where nothing is kept."""
    try:
        with path_of(config, name, "out").open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(place if place <= size else 0)  # a new file was begun
            lines, end, half = file.read().rpartition(b"\n")
            return file.tell() - len(half), (lines + end).decode("utf-8", "replace")
    except OSError:
        return None


def last_words(config: Config, name: str, *ends: str) -> str:
    """The last line of the first of these files that has any; "" for none."""
    for end in ends:
        with suppress(OSError):
            lines = path_of(config, name, end).read_text("utf-8", "replace").strip().splitlines()
            if lines:
                return lines[-1].strip()
    return ""
