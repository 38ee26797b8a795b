"""Owns the files of a worker without a terminal: its keeper, how it is started, its output.

They are beside those of every worker, in `.claude/local/.intercom/workers/`.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from intercom.core.config import Config
from intercom.core.document import text_of
from intercom.system.files import opened, replace
from intercom.system.liveness import alive, started
from intercom.system.proc import Process

FOLDER = "workers"  #: in the private folder: the files of all workers
ENDS = ("keep", "keeper", "out", "err")  #: suffixes of the files that this module owns

_MOST = 16 * 1024 * 1024  # bytes; a longer output is looked at no further


class Kept(NamedTuple):
    """How a worker is started, and with which session it continues."""

    program: str
    words: list[str]
    cwd: str
    mode: str
    server: dict[str, Any]  #: the entry of its MCP server: command, args, env
    prompt: str = ""  #: its first prompt
    session: str | None = None  #: the program's own session id, once known

    def write(self, config: Config, name: str) -> None:
        """Store it, replacing the former one. StorageError."""
        replace(path_of(config, name, "keep"), json.dumps(self._asdict()).encode())


def path_of(config: Config, name: str, end: str) -> Path:
    """The path of one of a worker's files."""
    return config.private / FOLDER / f"{name}.{end}"


def kept(config: Config, name: str) -> Kept | None:
    """The stored record of a worker, None if there is none."""
    try:
        return Kept(**json.loads(text_of(path_of(config, name, "keep"), errors="surrogateescape")))
    except (OSError, ValueError, TypeError):
        return None


def keeper(config: Config, name: str) -> Process | None:
    """The process that keeps the worker; None if there is none, or it is gone."""
    with suppress(OSError, ValueError):
        pid, since = text_of(path_of(config, name, "keeper")).split()
        if alive(int(pid), since):
            return Process(int(pid), since)
    return None


def note_keeper(config: Config, name: str) -> None:
    """Record this process as the worker's keeper."""
    replace(path_of(config, name, "keeper"), f"{os.getpid()} {started(os.getpid())}\n".encode("ascii"))


def output(config: Config, name: str, place: int = 0) -> tuple[int, str] | None:
    """Output from offset `place` on in whole lines, as (end offset, text); None if there is no output file."""
    try:
        with opened(path_of(config, name, "out")) as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(place if place <= size else 0)  # a new file was started
            lines, end, half = file.read().rpartition(b"\n")
            return file.tell() - len(half), (lines + end).decode("utf-8", "replace")
    except OSError:
        return None


def last_words(config: Config, name: str, *ends: str) -> str:
    """The last line of the first of these files that has any; "" for none."""
    for end in ends:
        with suppress(OSError):
            with opened(path_of(config, name, end)) as file:
                lines = file.read(_MOST).decode("utf-8", "replace").strip().splitlines()
            if lines:
                return lines[-1].strip()
    return ""
