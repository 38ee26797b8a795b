"""Owns git's ignore rule as `init` adds it and `uninstall` removes it, for a log that is kept out of git."""

from __future__ import annotations

from typing import TYPE_CHECKING

from intercom.bus.setup import IGNORE_LINES
from intercom.fleet.clients.edit.splice import Insert
from intercom.fleet.clients.part import Lines
from intercom.fleet.clients.plan import RECORD
from intercom.fleet.clients.record import Record, Recorded, sum_of
from intercom.system.files import read_from

if TYPE_CHECKING:
    from intercom.core.config import Config


class Rule:
    """Context manager around adding the rule; afterwards it records what was added to .gitignore."""

    def __init__(self, config: Config) -> None:
        self._path = config.root / ".gitignore"
        self._private = config.private

    def __enter__(self) -> None:
        self._before = read_from(self._path)

    def __exit__(self, kind: object, *_: object) -> None:
        before, after = self._before or b"", read_from(self._path)
        if kind is not None or after is None or after == self._before or not after.startswith(before):
            return
        begin, text = before.decode("utf-8", "surrogateescape"), after.decode("utf-8", "surrogateescape")
        record = Record(self._private / RECORD)
        record.put(self._path, Recorded(sum_of(text), (Insert(len(begin), text[len(begin) :]),), self._before is None))
        record.save()


def rule(config: Config) -> Lines:
    """The rule, for removing it."""
    return Lines(config.root / ".gitignore", IGNORE_LINES)
