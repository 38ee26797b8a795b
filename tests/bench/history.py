"""Owns making histories: archive segments of any number of messages, written as compaction would have.

Messages are rendered by the product's own writer; names and words are drawn from a seeded generator, so
that two runs have the same history.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from intercom import Bus
from intercom.compact import SEGMENT_BYTES
from intercom.config import load
from intercom.format import render
from intercom.model import Message, local_stamp, new_id, utc

READER = "worker-1"
SENDER = "worker-2"
_NAMES = ("worker-1", "worker-2", "worker-3", "worker-4", "worker-5", "master")
_TO = ("master", "master", "worker-1", "worker-3", "worker-4", "worker-5", "worker-6", "all")
_TAGS = ("INFO", "INFO", "INFO", "TASK", "DONE", "ASK", "REPLY")
_BEGAN = 1_700_000_000  # seconds; one message every 20 s from then on


def fill(root: Path, count: int) -> int:
    """Write `count` messages (≈ 170 bytes each) into the archive of the bus at `root`; return the bytes."""
    config = load(root)
    config.archive.mkdir(parents=True)
    size, number = 0, 0
    for number, data in enumerate(_segments(count), 1):
        (config.archive / f"INTERCOM-{config.machine}-{number:06d}.md").write_bytes(data)
        size += len(data)
    return size


def _segments(count: int) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    for block in blocks(count):
        held.append(block)
        size += len(block)
        if size >= SEGMENT_BYTES:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def blocks(count: int) -> Iterator[bytes]:
    """`count` rendered messages."""
    chance = random.Random(20260112)
    words = ["".join(chance.choices("etaoinshrdlucmfwyp", k=chance.randint(2, 9))) for _ in range(8_000)]
    # Speech is uneven: a few words make up most of it.
    picked = chance.choices(words, weights=[1 / (rank + 3) for rank in range(len(words))], k=100_000)
    for number in range(count):
        at = _BEGAN + 20 * number
        first = chance.randrange(len(picked) - 12)
        body = " ".join(picked[first : first + 9])
        sender, to, tag = _NAMES[number % 6], _TO[number * 5 % 8], _TAGS[number % 7]
        message = Message(new_id(at), None, utc(at), sender, to, tag, "", body)
        yield render(message._replace(type=_TYPE[tag, to == "all"]), local_stamp(at))


_TYPE = {
    (tag, everybody): "announce" if everybody and tag == "INFO" else kind
    for tag, kind in (("INFO", "status"), ("TASK", "task"), ("DONE", "done"), ("ASK", "question"), ("REPLY", "answer"))
    for everybody in (False, True)
}


def opened(root: Path) -> Bus:
    """The bus at `root` with reader and sender known, and everything that is there already read."""
    bus = Bus.open(root)
    bus.add_agents([READER, SENDER])
    bus.read(READER)
    bus.confirm(READER)
    return bus
