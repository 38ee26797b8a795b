"""Owns compaction: the oldest messages move from the live log to an archive segment, all of them, as they are.

Under the writer lock all that is to be is drafted first, beside the files, and brought to the disk together.
Then, each step durable before the next begins:
1. the segment, replaced by itself plus the moved blocks (where they are very many, further segments);
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
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from intercom.agreement import Agreement, agree, agreement, holds
from intercom.config import Config
from intercom.files import Drafts, make_private_folder, read_from, storage, sync_folder
from intercom.format import MARKER, MESSAGE, digest, marker, one, parse
from intercom.log import END, META, install_journal
from intercom.model import local_stamp
from intercom.state import State
from intercom.swap import swap
from intercom.window import entries_of

SEGMENT_BYTES = 512 * 1024  #: a segment that has reached this size is not added to
_AT_ONCE = 8 * 1024 * 1024  #: bytes; so much is added to one segment
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


class Span(NamedTuple):
    """Where in the journal a block stands."""

    name: str  #: the message's id
    start: int
    stop: int


def spans(journal: bytes) -> list[Span]:
    """The journal's blocks; rendering escapes bodies, so a header at a line's start begins a block."""
    out, start = [], 0
    while start < len(journal):
        at = journal.find(_START, start)
        stop = at + len(END) if at >= 0 else len(journal)
        meta = journal.index(META, start) + len(META)
        out.append(Span(_word(journal[meta : meta + 64]), start, stop))
        start = stop
    return out


def ident(block: bytes) -> str:
    """The id in a rendered block's meta line."""
    start = block.index(META) + len(META)
    return _word(block[start : start + 64])


def _word(data: bytes) -> str:
    return data.split(maxsplit=1)[0].decode("ascii")


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
    held = spans(known)
    order = list(dict.fromkeys(span.name for span in held))
    visible = [name for name in order if name not in hidden]
    kept = visible[max(0, len(visible) - keep) :] if keep else []
    cut = order.index(kept[0]) if kept else len(order)
    moved = set(order[:cut])
    if not moved:
        return Compaction(0, len(kept), None)
    going = _last_words(known, [span for span in held if span.name in moved])
    trim = _Trim(config.log, known, going, moved, local_stamp(now), agreement(state))
    if not trim.look():
        return None
    with Drafts() as drafts:
        segments = [(path, drafts.write(path, pieces)) for path, pieces in _segments(config, known, going)]
        live = drafts.write(config.log, (trim.after, trim.since))
        rest = drafts.write(journal, (known[span.start : span.stop] for span in held if span.name not in moved))
        drafts.sync()
        with storage(f"write {config.archive}"):
            for path, draft in segments:
                os.replace(draft, path)
            sync_folder(config.archive)
        with storage(f"write {config.log}", "the messages stay in the live log (and are in the archive already)"):
            if not trim.done(live):
                return None
        with storage(f"write {journal}"):
            install_journal(journal, rest)
    agree(state, journal, trim.after)
    last = segments[-1][0] if segments else _last_segment(config)
    return Compaction(len(moved), len(kept), os.fspath(last.relative_to(config.folder)))


def _last_words(known: bytes, going: list[Span]) -> list[Span]:
    """The blocks without those that repeat later: of an edit that was undone, the text that counts comes last."""
    times = Counter(span.name for span in going)
    if len(times) == len(going):
        return going
    last = {(span.name, _mark(known, span) if times[span.name] > 1 else ""): place for place, span in enumerate(going)}
    return [going[place] for place in sorted(last.values())]


def _mark(known: bytes, span: Span) -> str:
    return digest(one(known[span.start : span.stop]))


def _segments(config: Config, known: bytes, going: list[Span]) -> Iterator[tuple[Path, list[bytes]]]:
    """The segments that take the blocks, and what each will hold: the last one and more, or the next.

    What a killed compaction left there is not repeated. Where they are very many, each further segment gets as many
    as are soon read.
    """
    make_private_folder(config.archive)
    names = segment_names(config.archive, config.machine)
    number, present = 1, b""
    if names:
        number = int(names[-1][-9:-3])
        present = read_from(config.archive / names[-1]) or b""
        left = _left(config.archive, names, present, {span.name for span in going}, len(known))
        going = [span for span in going if _print(known[span.start : span.stop]) not in left] if left else going
        if not left and len(present) >= SEGMENT_BYTES:
            number, present = number + 1, b""
    for turn, batch in enumerate(_batches(going)):
        if turn:
            number, present = number + 1, b""
        joint = b"" if not present or present.endswith(b"\n\n") else b"\n\n"
        blocks = (known[span.start : span.stop] for span in batch)
        yield config.archive / f"INTERCOM-{config.machine}-{number:06d}.md", [present, joint, *blocks]


def _last_segment(config: Config) -> Path:
    return config.archive / segment_names(config.archive, config.machine)[-1]


def _batches(going: list[Span]) -> Iterator[list[Span]]:
    """The blocks in their order, no more of them together than one segment takes at once."""
    batch: list[Span] = []
    size = 0
    for span in going:
        if batch and size + span.stop - span.start > _AT_ONCE:
            yield batch
            batch, size = [], 0
        batch.append(span)
        size += span.stop - span.start
    if batch:
        yield batch


def _left(archive: Path, names: list[str], last: bytes, going: set[str], reach: int) -> set[bytes]:
    """What a killed compaction left in the archive of the blocks that are going, by their prints.

    It left it at the end, and the journal, `reach` bytes long, still holds all of it. `last` is the last segment.
    """
    left: set[bytes] = set()
    reach += _SLACK
    for name in reversed(names):
        recent = (last if name == names[-1] else read_from(archive / name) or b"")[-reach:]
        if going.isdisjoint(_named(recent)):
            break  # as nearly always: then there is no need to take it apart
        found = [part for part in re.split(rb"^(?=## \[)", recent, flags=re.MULTILINE) if META in part[:_SLACK]]
        prints = {_print(part) for part in found if ident(part) in going}
        left |= prints
        reach -= len(recent)
        if not prints or reach <= 0:
            break
    return left


def _print(block: bytes) -> bytes:
    """What tells one block from another, whatever stands between them."""
    return blake2b(block.rstrip(b"\n"), digest_size=16).digest()


class _Trim:
    """The live log without the moved messages. What was appended since the agreement stays behind it."""

    def __init__(
        self, live: Path, known: bytes, going: list[Span], moved: set[str], stamp: str, agreed: Agreement | None
    ) -> None:
        self._live = live
        self._agreed = agreed
        self._without: Callable[[bytes], bytes] = lambda text: _without(text, known, going, moved, stamp)
        self._before = b""
        self.after = b""  #: what it will hold of what was agreed
        self.since = b""  #: what stands behind that

    def look(self) -> bool:
        """See what the live log holds now; False if somebody wrote into what was agreed."""
        self._before = read_from(self._live) or b""
        size = self._agreed.live_size if self._agreed else 0
        text, self.since = self._before[:size], self._before[size:]
        if not holds(self._agreed, text) or (self.since and not _ADDED.match(self.since)):
            return False
        self.after = self.after or self._without(text)
        return True

    def done(self, draft: Path) -> bool:
        """Put the draft, or what has to be by now, in its place; False if somebody wrote into that. OSError."""
        if swap(self._live, self._before, self.after + self.since, draft):
            return True
        for _ in range(_TRIES):
            if not self.look():
                return False
            if swap(self._live, self._before, self.after + self.since):
                return True
        return False


def _without(live: bytes, known: bytes, going: list[Span], moved: set[str], stamp: str) -> bytes:
    """The live log without the moved messages and with the marker line in their place."""
    earlier = _COUNT.search(live)
    count = len(moved) + (int(earlier.group(1)) if earlier else 0)
    plain = _verbatim(live, _run(known, going), moved)
    if plain is not None:
        return _marked(live[: plain[0]], count, stamp, live[plain[1] :])
    unclaimed = {span.name: _mark(known, span) for span in going}
    digests = Counter(unclaimed.values())  # of two hand-written messages that are alike, one may have to stay
    kept: list[bytes] = []
    place = None
    for entry in entries_of(live):
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


def _run(known: bytes, going: list[Span]) -> memoryview:
    """The blocks in one piece."""
    start, stop = going[0].start, going[-1].stop
    if sum(span.stop - span.start for span in going) == stop - start:
        return memoryview(known)[start:stop]
    return memoryview(b"".join(known[span.start : span.stop] for span in going))


def _verbatim(live: bytes, run: memoryview, moved: set[str]) -> tuple[int, int] | None:
    """Where the moved messages stand, an earlier marker line before them included, if that is plain from the bytes.

    It is where only tools wrote: the blocks stand there in one piece, there are no headers but those of tools,
    no other mention of a moved id, and no fence before. Then nothing has to be parsed, which is most of the work.
    """
    if live.find(run[:_SLACK]) < 0:
        return None
    at = live.find(run)
    if at < 0:
        return None
    stop = at + len(run)
    before, after = live[:at], live[stop:]
    rest = before + b"\n" + after
    first = parse(after[: after.find(b"\n## [", 1) + 1 or len(after)])[:1]  # what follows must be another message
    if not (before.endswith(b"\n") or not before) or any(entry.id is None for entry in first):
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
