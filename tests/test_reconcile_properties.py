"""What holds of reconciling for every log and every file, however little the two have to do with each other."""

from __future__ import annotations

from collections import Counter

from hypothesis import assume, given
from hypothesis import strategies as st

from intercom.repair.rules import Found, Header, Known, Past, Reason, torn
from tests.reconcile_kit import (
    ADDED,
    ARCHIVED,
    BEGUN,
    CUT,
    DROPPED,
    DUPLICATE,
    EDITED,
    INTACT,
    MOVED,
    REDACTED,
    REPAIR,
    RETURNED,
    UNCHANGED,
    World,
    applied,
    digest,
    seen,
)

STAMPS = ("{DATE}", "2026-01-12 23:50", "2026-01-12 23:50:00", "2026-01-12 23:50:01", "2026-01-12 23:51:07")
BODIES = ("", "ok", "done", "I have finished the first part", "I have finished the second part", "Which branch?")
HOLDING = {UNCHANGED, MOVED, EDITED, CUT, REDACTED}

PLAIN = (0, False, False)
FLAGS = (PLAIN, PLAIN, PLAIN, (1, False, False), (0, True, False), (0, False, True))  # restored, system, redacted
SIDES = (0, 0, 0, 1, 2)

Piece = tuple[str | None, Header, str]

names = st.sampled_from(("roo", "claude"))
headers = st.builds(lambda stamp, sender: Header(stamp, sender, "all", "INFO"), st.sampled_from(STAMPS), names)
bodies = st.sampled_from(BODIES)
contents = st.tuples(headers, bodies)


@st.composite
def knowns(draw: st.DrawFn, texts: dict[str, str]) -> list[Known]:
    """A log of up to twelve messages, the last of them perhaps not agreed."""
    out = []
    size = draw(st.integers(0, 12))
    agreed = draw(st.integers(0, size))
    for n in range(size):
        header, body = draw(contents)
        texts[f"k{n}"] = body
        one = Known(f"k{n}", digest(header, body), header, 100 + n, 100 + n, n < agreed, received=draw(st.booleans()))
        again, system, redacted = draw(st.sampled_from(FLAGS))
        out.append(one._replace(restored=again, system=system, redacted=redacted))
    return draw(st.permutations(out)) if draw(st.booleans()) else out


@st.composite
def changed(draw: st.DrawFn, piece: Piece) -> Piece:
    """The piece as it is, or with something about it changed."""
    id, header, body = piece
    match draw(st.sampled_from(("", "", "", "", "id", "body", "header", "all", "torn", "frayed", "holed", "pattern"))):
        case "id":
            return None, header, body
        case "body":
            return id, header, draw(bodies)
        case "header":
            return id, draw(headers), body
        case "all":
            return None, draw(headers), draw(bodies)
        case "torn":
            return id, header, body[: len(body) // 2]
        case "frayed":
            return draw(st.sampled_from((id, None))), header, body + "\n\n---\n\n## [2"
        case "holed":
            start, end = sorted((draw(st.integers(0, len(body))), draw(st.integers(0, len(body)))))
            return draw(st.sampled_from((id, None))), header, body[:start] + "\0\0" + body[end:]
        case "pattern":
            return id, Header(f"2026-01-12 23:59:{draw(st.integers(10, 59))}", draw(names), "all", "INFO"), draw(bodies)
    return piece


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Any log, and a file made of pieces of it, of the past, and of anything else, in any order."""
    texts: dict[str, str] = {}
    known = draw(knowns(texts))
    past = []
    for n in range(draw(st.integers(0, 5))):
        header, body = draw(contents)
        texts[f"p{n}"] = body
        reason = draw(st.sampled_from((Reason.ARCHIVED, Reason.ARCHIVED, Reason.DELETED, Reason.REDACTED)))
        past.append(Past(f"p{n}", digest(header, body), header, n, reason))
    pieces: list[Piece] = [(one.id, one.header, texts[one.id]) for one in known]
    pieces += [(old.id, old.header, texts[old.id]) for old in past]
    kept = [piece for piece in pieces if draw(st.integers(0, 4))]
    again = draw(st.lists(st.sampled_from(pieces), max_size=4)) if pieces else []
    file = [draw(changed(piece)) for piece in (*kept, *again)]
    for header, body in draw(st.lists(contents, max_size=3)):
        file.insert(draw(st.integers(0, len(file))), (draw(st.sampled_from((None, None, "zzz"))), header, body))
    if draw(st.booleans()):
        file = draw(st.permutations(file))
    found = [
        seen(Found(place, id, "", header, body, draw(st.booleans()), draw(st.sampled_from(SIDES))))
        for place, (id, header, body) in enumerate(file)
    ]
    return World(known, found, past, texts, doubtful=draw(st.booleans()))


@given(worlds())
def test_every_known_message_is_held_deleted_lost_or_owed(now: World) -> None:
    """Nothing known is left out, and nothing is said of it twice."""
    outcome = now.reconcile()
    held = [entry.id for entry in outcome.entries if entry.verdict in HOLDING and entry.verdict != REDACTED]
    wiped = {entry.id for entry in outcome.entries if entry.verdict == REDACTED} & {one.id for one in now.known}
    said = Counter([*held, *outcome.deleted, *outcome.lost, *outcome.owed])
    said.update(id for id in wiped if id not in said)
    assert said == Counter(one.id for one in now.known)


@given(worlds())
def test_every_entry_found_has_one_verdict(now: World) -> None:
    """Nothing found is ignored: each entry is a message, a copy of one that is named, or new."""
    outcome = now.reconcile()
    assert [entry.place for entry in outcome.entries] == [entry.place for entry in now.found]
    live, past = {one.id for one in now.known}, {one.id for one in now.past}
    by_place = {entry.place: entry for entry in outcome.entries}
    by_body = {entry.place: entry.body for entry in now.found}
    for entry in outcome.entries:
        if entry.verdict == ADDED:
            assert entry.id is None
            assert entry.occurrence >= 1
        elif entry.verdict == DUPLICATE:
            assert entry.of is not None
            original = by_place[entry.of]
            assert original.id == entry.id
            assert original.verdict in HOLDING | {ADDED, RETURNED}
        elif entry.verdict == BEGUN:
            assert (entry.id, entry.place) == (None, now.found[-1].place)
            assert not now.found[-1].closed
            assert torn.bare(by_body[entry.place])
        elif entry.verdict == DROPPED:
            assert now.doubtful or "\0" in by_body[entry.place]
            assert entry.id in {None, *live, *past}
        else:
            assert entry.id in (past if entry.verdict in (RETURNED, ARCHIVED) else live | past)


@given(worlds())
def test_applied_is_agreed(now: World) -> None:
    """Once an outcome has been applied, there is nothing more to do: repairs do not chase their own tail."""
    assume(all(one.header.exact for one in now.known if one.redacted))  # of its copies and stubs none is like another
    after = applied(now, now.reconcile())
    again = after.reconcile()
    quiet = {UNCHANGED, DUPLICATE, ARCHIVED, MOVED}
    assert {entry.verdict for entry in again.entries} <= quiet
    assert not again.deleted
    assert not again.lost
    assert not again.owed
    # Of two entries equal to the letter, which is which may be told anew; that alone shows as a move.
    if len({entry.digest for entry in after.found}) == len(after.found):
        assert again.judgement == INTACT


@given(worlds())
def test_lost_come_back_in_the_order_they_had_arrived(now: World) -> None:
    """What is put back keeps its order, so the order per sender holds."""
    outcome = now.reconcile()
    arrival = {one.id: one.seq for one in now.known}
    for ids in (outcome.lost, outcome.deleted, outcome.owed):
        assert list(ids) == sorted(ids, key=arrival.__getitem__)


@given(worlds())
def test_reformatting_is_nothing(now: World) -> None:
    """A file that holds what was agreed, with its ids or stripped of them, differently spaced, is intact."""
    texts = {id: body.replace(" ", "  ") + "\r\n" for id, body in now.texts.items()}
    for keep in (True, False):
        found = [
            Found(place, one.id if keep else None, digest(one.header, texts[one.id]), one.header, texts[one.id])
            for place, one in enumerate(now.known)
        ]
        known = [one._replace(agreed=True) for one in now.known]
        outcome = World(known, found, [], now.texts).reconcile()
        assert outcome.judgement == INTACT
        assert {entry.verdict for entry in outcome.entries} <= {UNCHANGED}


@given(worlds())
def test_occurrences_are_counted_on(now: World) -> None:
    """New messages of one content count on from all that had it, each by one."""
    outcome = now.reconcile()
    seen: dict[str, list[int]] = {}
    for entry, decision in zip(now.found, outcome.entries, strict=True):
        if decision.verdict == ADDED:
            seen.setdefault(entry.digest, []).append(decision.occurrence)
    for content, numbers in seen.items():
        before = [*(one.digest for one in now.known), *(one.digest for one in now.past)].count(content)
        assert numbers == list(range(before + 1, before + 1 + len(numbers)))


@given(worlds(), st.data())
def test_what_came_meanwhile_survives_any_stale_save(now: World, data: st.DataObject) -> None:
    """A save made from the log as it was at any moment, with anything added: all that is missing is put back."""
    known = [one._replace(restored=0, system=False, agreed=True, arrived=n, seq=n) for n, one in enumerate(now.known)]
    cut = data.draw(st.integers(0, len(known)))
    kept: list[Piece] = [(one.id, one.header, now.texts[one.id]) for one in known[:cut]]
    stamp = Header("2026-01-12 23:59:59", "user", "all", "INFO")
    for n in range(data.draw(st.integers(0, 3))):
        kept.insert(data.draw(st.integers(0, len(kept))), (None, stamp, f"entirely other words, number {n}"))
    found = [Found(n, id, digest(header, body), header, body) for n, (id, header, body) in enumerate(kept)]
    outcome = World(known, found, [], now.texts).reconcile()
    assert outcome.lost == tuple(one.id for one in known[cut:])
    assert outcome.deleted == ()
    assert outcome.count(ADDED) == len(found) - cut


@given(worlds())
def test_what_was_never_seen_is_owed(now: World) -> None:
    """It is put into the file whatever happened, and alone it is no repair."""
    outcome = now.reconcile()
    agreed = {one.id: one.agreed for one in now.known}
    assert not any(agreed[id] for id in outcome.owed)
    assert all(agreed[id] for id in (*outcome.lost, *outcome.deleted))
    if not outcome.lost and {entry.verdict for entry in outcome.entries}.isdisjoint({CUT, DROPPED, REDACTED}):
        assert outcome.judgement != REPAIR
        assert outcome.kind is None


@given(worlds())
def test_what_is_owed_is_evidence_of_nothing(now: World) -> None:
    """What is missing besides, and how bad that is, does not depend on it."""
    outcome = now.reconcile()
    alone = now._replace(known=[one for one in now.known if one.id not in outcome.owed]).reconcile()
    assume(alone.entries == outcome.entries)  # which of two an entry is may well depend on it
    assert (alone.deleted, alone.lost, alone.kind) == (outcome.deleted, outcome.lost, outcome.kind)


@given(worlds())
def test_a_doubtful_page_deletes_and_undoes_nothing(now: World) -> None:
    """Nothing is deleted, nothing returns, and no known text gives way to a rest, to an older text, or to holes."""
    outcome = now._replace(doubtful=True).reconcile()
    assert not outcome.deleted
    assert not outcome.having(RETURNED)
    entries = {entry.place: entry for entry in now.found}
    versions = {one.id: one.versions for one in now.known}
    for decision in outcome.having(EDITED):
        entry = entries[decision.place]
        assert decision.id is not None
        assert not now.texts[decision.id].startswith(entry.body) or entry.body == now.texts[decision.id]
        assert entry.digest not in versions[decision.id]
        assert "\0" not in entry.body


@given(worlds(), st.data())
def test_no_stale_copy_takes_away_what_was_not_received(now: World, data: st.DataObject) -> None:
    """However often it is saved again, and whatever was deleted from it besides."""
    known = [one._replace(restored=0, system=False, agreed=True, arrived=n, seq=n) for n, one in enumerate(now.known)]
    cut = data.draw(st.integers(0, max(0, len(known) - 1)))
    kept = [one for one in known[:cut] if data.draw(st.integers(0, 4))]
    found = [Found(n, one.id, one.digest, one.header, now.texts[one.id]) for n, one in enumerate(kept)]
    then, unread = World(known, found, [], now.texts), {one.id for one in known if not one.received}
    late = {one.id for one in known[cut:]} & unread
    for _ in range(3):
        outcome = then.reconcile()
        assert late <= set(outcome.lost)
        assert unread.isdisjoint(outcome.deleted) or not outcome.lost
        then = applied(then, outcome)._replace(found=found)
