"""Owns what a person was told already, so that each thing is told once, whoever tells it, and however that ends.

    new       nobody was told of it: whoever claims it tells it; as long as that process lives, nobody else does
    again     who claimed it died before it was noted as told: it is told once more, with a word that it may be a repeat
    given up  the second one died, too: it counts as told, and that is said where it is claimed

So nothing is lost without a word, and nothing is told more than twice.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

from intercom.core import document, xdg
from intercom.core.errors import StorageError
from intercom.system.files import put, write_temporary
from intercom.system.liveness import mark_alive, own_mark

_KEPT = 5000  #: alerts of a project that are remembered
_PATIENCE = 5.0  #: seconds for another that tells something at the same time
_SENDING = "\tsending "  #: between a key and who tells it: the attempt, the process, when that began


class Claimed(NamedTuple):
    """What is to be told now by whoever asked."""

    new: frozenset[str]
    again: frozenset[str]
    given_up: frozenset[str]


class Notebook:
    """Remembers, for this person on this machine, what was told of a project."""

    def __init__(self, root: Path, environ: Mapping[str, str]) -> None:
        """StorageError for a person without a home folder."""
        folder = xdg.base(xdg.STATE, environ)
        if folder is None:
            raise StorageError("no home folder, so what you were told cannot be noted; set HOME or XDG_STATE_HOME.")
        self._path = folder / "intercom" / "told.json"
        self._root = os.fspath(root)

    def claim(self, keys: Iterable[str]) -> Claimed:
        """Those of these that are to be told, by this process: `told` or `give_back` must follow. StorageError."""
        new: set[str] = set()
        again: set[str] = set()
        given_up: set[str] = set()
        with self._alone():
            known = self._known()
            for key in dict.fromkeys(keys):
                if key not in known:
                    new.add(key)
                    known[key] = f"1 {own_mark()}"
                elif known[key] and not _lives(known[key]):
                    first = known[key].startswith("1 ")
                    (again if first else given_up).add(key)
                    known[key] = f"2 {own_mark()}" if first else ""
            if new or again or given_up:
                self._write(known)
        return Claimed(frozenset(new), frozenset(again), frozenset(given_up))

    def told(self, keys: Iterable[str]) -> None:
        """These were told. StorageError."""
        with self._alone():
            self._write({**self._known(), **dict.fromkeys(keys, "")})

    def give_back(self, keys: Iterable[str]) -> None:
        """These could not be told after all. StorageError."""
        gone = set(keys)
        with self._alone():
            self._write({key: who for key, who in self._known().items() if key not in gone})

    def _alone(self) -> AbstractContextManager[object]:
        from filelock import FileLock, Timeout

        @contextmanager
        def held() -> Iterator[None]:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                with FileLock(self._path.with_suffix(".lock"), timeout=_PATIENCE):
                    yield
            except (OSError, Timeout) as error:
                raise StorageError(f"cannot write {self._path}: {error}; it will be told again.") from error

        return held()

    def _known(self) -> dict[str, str]:
        """Each key of this project, with who tells it; "" for what was told."""
        lines = [line.partition(_SENDING) for line in self._all().get(self._root, []) if isinstance(line, str)]
        return {key: who for key, _, who in lines}

    def _write(self, known: Mapping[str, str]) -> None:
        lines = [f"{key}{_SENDING}{who}" if who else key for key, who in known.items()]
        told = json.dumps({**self._all(), self._root: lines[-_KEPT:]})
        put(write_temporary(self._path, told.encode()), self._path)

    def _all(self) -> dict[str, list[object]]:
        try:
            found = json.loads(document.text_of(self._path))
        except (OSError, ValueError, RecursionError):
            return {}
        return {root: keys for root, keys in found.items() if isinstance(keys, list)} if isinstance(found, dict) else {}


def _lives(who: str) -> bool:
    """Whether the process that a line names still runs."""
    return mark_alive(who.partition(" ")[2])
