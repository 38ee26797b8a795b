"""Owns what Claude Code's transcripts tell of tokens.

A reply is written block by block, a line for each, and each line tells the usage as it was known then under the same
`message.id`: they are one call, and the largest numbers are its. What subagents use stands in files of their own in
`SESSION/subagents/`, which may repeat replies of the session's. Lines of the model `<synthetic>` are Claude Code's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from intercom.core import document
from intercom.core.message import epoch
from intercom.fleet.programs.usage import Call
from intercom.system.files import opened

_PIECE = 8 << 20  #: bytes that are read at once
_LINE = 64 << 20  #: a line that is longer is given up
_MOST = 10**12  #: no count of tokens is larger


class Meter:
    """One session's transcript, and those of its subagents."""

    def __init__(self, transcript: str) -> None:
        self._path = Path(transcript)
        self._read: dict[Path, tuple[int, int]] = {}  # the file's inode, and how far it was read
        self._calls: dict[str, Call] = {}

    def calls(self) -> Mapping[str, Call] | None:
        """As `intercom.fleet.programs.usage.Meter` says."""
        found = [self._path]
        if self._path.suffix == ".jsonl":
            found += sorted(self._path.with_suffix("").joinpath("subagents").rglob("*.jsonl"))
        there = [self._more(path) for path in found]
        return self._calls if there[0] or self._calls else None

    def _more(self, path: Path) -> bool:
        """Read what was added to a file; whether it is there."""
        try:
            with opened(path) as file:
                inode, end = _told(file)
                known, at = self._read.get(path, (inode, 0))
                at = at if known == inode and at <= end else 0
                file.seek(at)
                rest = b""
                while piece := file.read(_PIECE):
                    whole, _, rest = (rest + piece).rpartition(b"\n")
                    at += len(whole) + bool(whole)
                    for line in whole.split(b"\n"):
                        if b'"usage"' in line and b'"assistant"' in line:
                            self._take(line)
                    if len(rest) > _LINE:
                        break
                self._read[path] = inode, at
        except OSError:
            return False
        return True

    def _take(self, line: bytes) -> None:
        try:
            found = document.json(line)
            message = found["message"]
            usage, ident, model = message["usage"], message.get("id") or found["uuid"], message["model"]
            if found["type"] != "assistant" or not isinstance(ident, str) or not isinstance(model, str):
                return
            call = _call(usage, model, epoch(found["timestamp"]))
        except (ValueError, TypeError, KeyError, AttributeError):
            return  # torn, or of a version that writes it otherwise
        before = self._calls.get(ident)
        if before is not None:
            call = Call(
                min(call.at, before.at),
                model,
                max(call.input, before.input),
                max(call.output, before.output),
                max(call.read, before.read),
                max(call.write, before.write),
                max(call.keep, before.keep),
                fast=call.fast or before.fast,
            )
        if call.prompt or call.output:
            self._calls[ident] = call


def _told(file: Any) -> tuple[int, int]:
    import os

    found = os.fstat(file.fileno())
    return found.st_ino, found.st_size


def _call(usage: Mapping[str, Any], model: str, at: float) -> Call:
    def count(where: Mapping[str, Any], name: str) -> int:
        found = where.get(name) or 0
        return found if type(found) is int and 0 <= found <= _MOST else 0

    parts = usage.get("cache_creation")
    hour = count(parts, "ephemeral_1h_input_tokens") if isinstance(parts, Mapping) else 0
    written = max(0, count(usage, "cache_creation_input_tokens") - hour)
    numbers = (count(usage, "input_tokens"), count(usage, "output_tokens"), count(usage, "cache_read_input_tokens"))
    fast = usage.get("speed") not in (None, "standard")
    return Call(at, model, *numbers, written, hour, fast=fast)
