"""Owns making histories: a ledger of any number of messages, all of which have left the page.

Messages are rendered by the product's own writer; names and words are drawn from a seeded generator, so
that two runs have the same history.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from intercom import Bus
from intercom.core.config import load
from intercom.core.message import Message, local_stamp, new_id, utc
from intercom.format import render
from intercom.format.record import PAGE, control, seal
from intercom.store.log.ledger import SEGMENT_BYTES
from intercom.store.log.log import Log

READER = "worker-1"
SENDER = "worker-2"
_NAMES = ("worker-1", "worker-2", "worker-3", "worker-4", "worker-5", "master")
_TO = ("master", "master", "worker-1", "worker-3", "worker-4", "worker-5", "worker-6", "all")
_TAGS = ("INFO", "INFO", "INFO", "TASK", "DONE", "ASK", "REPLY")
_BEGAN = 1_700_000_000  # seconds; one message every 20 s from then on


def fill(root: Path, count: int) -> int:
    """Write `count` messages (≈ 170 bytes each) into the ledger of the bus at `root`; return the bytes."""
    log, size = Log(load(root)), 0
    with log.locked():
        for records in _segments(count):
            log.ledger.append(records)
            size += sum(map(len, records))
        log.learn([control(PAGE, [f"{count} left"], _BEGAN)])
    return size


def _segments(count: int) -> Iterator[list[bytes]]:
    held: list[bytes] = []
    size = 0
    for block in blocks(count):
        held.append(seal(block))
        size += len(held[-1])
        if size >= SEGMENT_BYTES:
            yield held
            held, size = [], 0
    if held:
        yield held


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
