"""Owns `intercom log --raw`: the bytes of messages exactly as in the files."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from intercom.cli import show
from intercom.core.config import Config
from intercom.core.message import Message, epoch, local_stamp
from intercom.format import MESSAGE, Entry, decode, parse, render
from intercom.system.files import read_from


def write_raw(config: Config, found: Iterable[Message]) -> None:
    """Write the markdown of `found`, in this order, to standard output."""
    files: dict[str, _File] = {}
    for message in found:
        if message.file not in files:
            files[message.file] = _File(config.folder / message.file)
        block = files[message.file].block(message)
        _write(block if block.endswith(b"\n") else block + b"\n")
    sys.stdout.flush()


def _write(block: bytes) -> None:
    """Write the bytes unchanged; for a terminal, which would act on some of them, in harmless form."""
    if show.terminal():
        show.block(decode(block).removesuffix("\n"))
    else:
        sys.stdout.buffer.write(block)


class _File:
    """The messages of one file, by id, or by content if a person wrote them without one."""

    def __init__(self, path: Path) -> None:
        self._by_id: dict[str, bytes] = {}
        self._by_content: dict[tuple[str, ...], list[bytes]] = {}
        for entry in _messages(path):
            if entry.id is not None:
                self._by_id[entry.id] = entry.raw
            self._by_content.setdefault((entry.sender, entry.tag, entry.body), []).append(entry.raw)

    def block(self, message: Message) -> bytes:
        """The bytes of `message`; rendered anew if the file changed between listing and reading."""
        if message.id in self._by_id:
            return self._by_id[message.id]
        same = self._by_content.get((message.sender, message.tag, message.body))
        if same:
            return same.pop(0) if len(same) > 1 else same[0]
        return render(message, local_stamp(epoch(message.at)))


def _messages(path: Path) -> Iterator[Entry]:
    return (entry for entry in parse(read_from(path) or b"") if entry.kind == MESSAGE)
