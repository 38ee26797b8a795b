"""Owns reading the calls of models from transcripts of JSON lines, and token counts as Google's API has them.

Gemini CLI and Qwen Code, which began as a copy of it, report such counts: input includes what came from a cache;
thoughts stand beside output or are part of it, and only the total tells which.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from intercom.core import document
from intercom.fleet.programs.tail import Tail, count
from intercom.fleet.programs.usage import Call


class LineMeter:
    """Reads a conversation's file, and those that belong to it, as they grow; a program says what its lines tell."""

    says: tuple[bytes, ...] = ()  #: words of which a line that tells something has one

    def __init__(self, transcript: str) -> None:
        self._path = Path(transcript)
        self._tail = Tail()
        self._calls: dict[str, Call] = {}

    def calls(self) -> Mapping[str, Call] | None:
        """As `intercom.fleet.programs.usage.Meter` says."""
        there = self._tail.more(self._path, self._line)
        for path in self.others():
            self._tail.more(path, self._line)
        return self._calls if there or self._calls else None

    def others(self) -> Iterable[Path]:
        """Files of conversations that this one began."""
        return ()

    def told(self, line: Any) -> Iterator[tuple[str, Call]]:
        """The replies that a line tells of, each with its id. What a line lacks is a KeyError and the like."""
        raise NotImplementedError

    def joined(self, before: Call, now: Call) -> Call:  # noqa: ARG002
        """What counts of a reply that is told of again: by default what was told first."""
        return before

    def _line(self, line: bytes) -> None:
        if not any(word in line for word in self.says):
            return
        try:
            for ident, call in self.told(document.json(line)):
                if call.prompt or call.output:
                    before = self._calls.get(ident)
                    self._calls[ident] = call if before is None else self.joined(before, call)
        except (ValueError, TypeError, KeyError, AttributeError):
            return  # torn, or of a version that writes it otherwise


def google(at: float, model: object, counts: object, names: Mapping[str, str]) -> Call:
    """A reply by such counts; `names` has theirs for input, output, cached, thoughts, tool and total."""
    found = {key: count(counts, name) for key, name in names.items()}
    prompt, output = found["input"] + found.get("tool", 0), found["output"]
    if prompt + output + found["thoughts"] <= found["total"]:
        output += found["thoughts"]
    read = min(found["cached"], prompt)
    return Call(at, str(model), prompt - read, output, read)
