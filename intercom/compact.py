"""Owns compaction: the oldest messages move from the live log to an archive segment, all of them, as they are.

Under the writer lock, each step durable before the next begins:
1. the segment, replaced by itself plus the moved blocks;
2. the live log, replaced by itself without them (front matter, preamble and loose text stay) and with
   the marker line;
3. the journal, replaced by what remains.
Killed after 1 or 2, a message stands in two places; ids make it one, and the next compaction ends
the work. An editor that saves between our look at the live log and its replacement wins: we look
again right before the replacement, and what was still written into the old file is carried over.
Only what was agreed is compacted: what somebody wrote between it has to be taken in first, what
somebody appended stays behind it.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from intercom.agreement import agree, agreement, holds
from intercom.config import Config
from intercom.files import make_private_folder, read_from, replace, storage, swap
from intercom.format import MARKER, MESSAGE, digest, marker, parse
from intercom.log import END, META, replace_journal
from intercom.model import local_stamp
from intercom.state import State

SEGMENT_BYTES = 512 * 1024  #: a segment that has reached this size is not added to
_START = END + b"## ["
_HEADER = re.compile(rb"^(?:\xef\xbb\xbf)?#{1,3}[ \t]*\[", re.MULTILINE)
_SLACK = 4096  #: bytes; for what separates the blocks of several killed compactions
_UNCLEAR = (b"```", b"~~~", b"\xef\xbb\xbf")
_ID = re.compile(rb"id=([0-9a-z]{1,12})")
_MARKER = re.compile(rb"^### COMPACTED", re.MULTILINE)
_ADDED = re.compile(rb"\s*#{1,3} *\[")  #: begins what somebody appended, unless it goes on with the last message
_TRIES = 5
_COUNT = re.compile(rb"### COMPACTED: (\d+) ")


class Compaction(NamedTuple):
    """What a compaction did. `segment` is relative to `.claude/local`, None if nothing was to do."""

    archived: int
    kept: int
    segment: str | None


def blocks(journal: bytes) -> list[bytes]:
    """The journal's blocks; rendering escapes bodies, so a header at a line's start begins a block."""
    if not journal:
        return []
    parts = journal.split(_START)
    whole = [parts[0]] + [b"## [" + part for part in parts[1:]]
    return [block + END for block in whole[:-1]] + [whole[-1]]


def ident(block: bytes) -> str:
    """The id in a rendered block's meta line."""
    start = block.index(META) + len(META)
    return block[start : start + 64].split(maxsplit=1)[0].decode("ascii")


def own_segment(name: str, machine: str) -> bool:
    """Whether an archive file's name is that of one of this machine's own segments."""
    return re.fullmatch(rf"INTERCOM-{re.escape(machine)}-\d{{6}}\.md", name, re.IGNORECASE) is not None


def segment_names(folder: Path, machine: str) -> list[str]:
    """The names of this machine's own segments, oldest first."""
    try:
        return sorted(name for name in os.listdir(folder) if own_segment(name, machine))
    except FileNotFoundError:
        return []


def compact(config: Config, journal: Path, keep: int, state: State, now: float) -> Compaction | None:
    """Move all but the newest `keep` messages to the archive; the caller holds the lock.

    None if somebody wrote into the live log since it agreed with the journal: sync, and try again. What
    was deleted by hand does not count among the newest. StorageError says what could not be written;
    whatever happens, every message is in the archive, the journal, or both.
    """
    hidden = state.hidden()
    known = read_from(journal) or b""
    held = blocks(known)
    names = [ident(block) for block in held]
    order = list(dict.fromkeys(names))
    visible = [name for name in order if name not in hidden]
    kept = visible[max(0, len(visible) - keep) :] if keep else []
    cut = order.index(kept[0]) if kept else len(order)
    moved = set(order[:cut])
    if not moved:
        return Compaction(0, len(kept), None)
    going = _last_words([block for name, block in zip(names, held, strict=True) if name in moved])
    segment = _archive(config, going, len(known))
    live = _trim(config.log, going, moved, local_stamp(now), state)
    if live is None:
        return None
    replace_journal(journal, b"".join(block for name, block in zip(names, held, strict=True) if name not in moved))
    agree(state, journal, live)
    return Compaction(len(moved), len(kept), os.fspath(segment.relative_to(config.folder)))


def _last_words(going: list[bytes]) -> list[bytes]:
    """The blocks without those that repeat later: of an edit that was undone, the text that counts comes last."""
    if len({ident(block) for block in going}) == len(going):
        return going
    last = {(ident(block), digest(parse(block)[0])): place for place, block in enumerate(going)}
    return [going[place] for place in sorted(last.values())]


def _archive(config: Config, going: list[bytes], reach: int) -> Path:
    """Add blocks to the last segment, or begin the next; what a killed compaction left there is not repeated.

    It left it at the end, and the journal still holds all of it: `reach` is the journal's length.
    """
    make_private_folder(config.archive)
    names = segment_names(config.archive, config.machine)
    number, present = 1, b""
    if names:
        number = int(names[-1][-9:-3])
        present = read_from(config.archive / names[-1]) or b""
        recent = present[-reach - _SLACK :]
        if _named(recent) & {ident(block) for block in going} and any(block in recent for block in going):
            going = [block for block in going if block not in recent]
        elif len(present) >= SEGMENT_BYTES:
            number, present = number + 1, b""
    path = config.archive / f"INTERCOM-{config.machine}-{number:06d}.md"
    if names and number == int(names[-1][-9:-3]):
        path = config.archive / names[-1]
    if going:
        joint = b"" if not present or present.endswith(b"\n\n") else b"\n\n"
        replace(path, present + joint + b"".join(going))
    return path


def _trim(live: Path, going: list[bytes], moved: set[str], stamp: str, state: State) -> bytes | None:
    """Replace the live log by itself without the moved messages, and what was appended since the agreement behind it.

    What it now holds of what was agreed; None if somebody wrote elsewhere into it.
    """
    agreed = agreement(state)
    with storage(f"write {live}", "the messages stay in the live log (and are in the archive already)"):
        for _ in range(_TRIES):
            before = read_from(live) or b""
            size = agreed.live_size if agreed else 0
            since = before[size:]
            if not holds(agreed, before[:size]) or (since and not _ADDED.match(since)):
                return None
            after = _without(before[:size], going, moved, stamp)
            if swap(live, before, after + since):
                return after
    return None


def _without(live: bytes, going: list[bytes], moved: set[str], stamp: str) -> bytes:
    """The live log without the moved messages and with the marker line in their place."""
    earlier = _COUNT.search(live)
    count = len(moved) + (int(earlier.group(1)) if earlier else 0)
    plain = _verbatim(live, b"".join(going), moved)
    if plain is not None:
        return _marked(live[: plain[0]], count, stamp, live[plain[1] :])
    unclaimed = {entry.id: digest(entry) for entry in parse(b"".join(going)) if entry.kind == MESSAGE}
    digests = Counter(unclaimed.values())  # of two hand-written messages that are alike, one may have to stay
    kept: list[bytes] = []
    place = None
    for entry in parse(live):
        old_marker = entry.kind == MARKER and entry.raw.startswith(b"### COMPACTED")
        gone = entry.kind == MESSAGE and (entry.id in moved if entry.id else _claim(digests, digest(entry)))
        if (old_marker or gone) and place is None:
            place = len(kept)
        if not old_marker and not gone:
            kept.append(entry.raw)
    place = len(kept) if place is None else place
    return _marked(b"".join(kept[:place]), count, stamp, b"".join(kept[place:]))


def _marked(lead: bytes, count: int, stamp: str, rest: bytes) -> bytes:
    joint = b"" if not lead or lead.endswith(b"\n\n") else b"\n" if lead.endswith(b"\n") else b"\n\n"
    return lead + joint + marker(count, stamp) + rest


def _verbatim(live: bytes, run: bytes, moved: set[str]) -> tuple[int, int] | None:
    """Where the moved messages stand, an earlier marker line before them included, if that is plain from the bytes.

    It is where only tools wrote: the blocks stand there in one piece, there are no headers but those of tools,
    no other mention of a moved id, and no fence before. Then nothing has to be parsed, which is most of the work.
    """
    at, stop = live.find(run), live.find(run) + len(run)
    before, after = live[:at], live[stop:]
    rest = before + b"\n" + after
    first = parse(after[: after.find(b"\n## [", 1) + 1 or len(after)])[:1]  # what follows must be another message
    if at < 0 or not (before.endswith(b"\n") or not before) or any(entry.id is None for entry in first):
        return None
    if len(_HEADER.findall(rest)) != rest.count(META) or any(mark in before for mark in _UNCLEAR):
        return None
    if _named(rest) & moved:
        return None
    markers = [match.start() for match in _MARKER.finditer(rest)]
    if markers and (len(markers) > 1 or before[markers[0] :].partition(b"\n")[2].strip(b"\n") or markers[0] >= at):
        return None
    return (markers[0] if markers else at), stop


def _named(data: bytes) -> set[str]:
    """Every id that is mentioned, in one walk over the bytes."""
    return {name.decode("ascii") for name in _ID.findall(data)}


def _claim(digests: Counter[str], mark: str) -> bool:
    if not digests[mark]:
        return False
    digests[mark] -= 1
    return True
