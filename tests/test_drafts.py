"""What writers that were killed had drafted holds texts, too: it goes with the next look, and with a redaction."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from intercom import Bus
from intercom.format.render import render
from intercom.store.log.group import Queue, Request
from tests.conftest import Command

_LOG = "INTERCOM-testbox"
LEFT = (
    f".{_LOG}.md.99999.tmp",
    f"archive/.{_LOG}-000001.md.99999.tmp",
    f"archive/damaged/.{_LOG}-20260112-100000-001.md.99999.tmp",
    f".intercom/.base.{_LOG}.99999.tmp",
    ".intercom/.ledger.99999.tmp",
)
BUILT = (".intercom/index.99999.new", ".intercom/index.99999.new-journal")
MINE = (".notes.99999.tmp", f".{_LOG}.md.tmp", f"archive/{_LOG}.tmp")


@pytest.fixture
def talk(project: Path) -> Iterator[Bus]:
    """A bus with a secret, and drafts of it that nobody will finish."""
    with Bus.open(project) as bus:
        bus.send("roo", "the secret of the cake", sender="claude-code")
        bus.history()
        (bus.config.archive / "damaged").mkdir()
        for name in LEFT + BUILT + MINE:
            (bus.config.folder / name).write_text("secret" if name not in MINE else "mine")
        yield bus


def _there(bus: Bus, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if (bus.config.folder / name).exists()]


def test_they_go_when_the_page_is_taken_in(talk: Bus) -> None:
    """All that we write beside a file, and nothing else; of the index when it is built."""
    assert talk.history()
    with talk.config.log.open("a") as file:
        file.write("\n## [2026-01-12 10:00:00] user -> roo [INFO]\n\nby hand\n\n---\n")
    assert len(talk.history()) == 2
    assert _there(talk, LEFT) == []
    talk.rebuild()
    assert _there(talk, BUILT) == []
    assert _there(talk, MINE) == list(MINE)


def test_a_redaction_reaches_them(talk: Bus) -> None:
    """Nothing of a secret is left anywhere."""
    talk.redact(talk.history()[0].id)
    assert _there(talk, LEFT + BUILT) == []
    assert not any(b"secret" in path.read_bytes() for path in talk.config.folder.rglob("*") if path.is_file())
    assert _there(talk, MINE) == list(MINE)


def test_what_killed_senders_left(talk: Bus, command: Command) -> None:
    """Their requests go, for whichever page; one whose sender still waits stays; what workers said is named."""
    record = talk._log.ledger.path(talk._log.ledger.segments()[-1]).read_bytes()
    left = [talk.config.private / name for name in (f"queue.{_LOG}/k7q294xmbd3t", "queue.INTERCOM-old/.k7q294xmbd3t")]
    waiting = Request(
        Queue(left[0].parent), render(talk.history()[0]._replace(id="k7q294xmbd3v", body="another"), "2026")
    )
    assert not waiting.done()
    (talk.config.private / "workers").mkdir()
    for path in (*left, talk.config.private / "workers" / "worker-1.out"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(record)
    done = command("redact", talk.history()[0].id, "--yes")
    assert "still stands in .intercom/workers/worker-1.out, which" in done.stdout
    assert not any(path.exists() for path in left)
    assert waiting.withdraw()
    waiting.close()


def test_beside_a_page_that_is_a_link(talk: Bus, project: Path) -> None:
    """Where the page is a link, its drafts are written beside what it points to."""
    own = project / "talk.md"
    os.rename(talk.config.log, own)
    talk.config.log.symlink_to(own)
    draft, mine = project / ".talk.md.99999.tmp", project / ".talk.md.mine.tmp"
    for path in (draft, mine):
        path.write_text("secret")
    talk.redact(talk.history()[0].id)
    assert not draft.exists()
    assert mine.exists()


def test_what_others_put_between_our_files(talk: Bus, tmp_path: Path) -> None:
    """A folder's files are reached too; a pipe holds nothing up, and what a link leads to is not ours to change."""
    text = talk._log.ledger.path(talk._log.ledger.segments()[-1]).read_bytes()
    (outside := tmp_path / "outside.md").write_bytes(text)
    for folder in (talk.config.archive / "damaged", talk.config.private / "edit", talk.config.private / "replaced"):
        (folder / "sub").mkdir(parents=True)
        (folder / "sub" / "copy.md").write_bytes(text)
        os.mkfifo(folder / "pipe")
        (folder / "link").symlink_to(outside)
    (talk.config.archive / f"{_LOG}-000001.md~").write_bytes(text)
    (talk.config.folder / f"{_LOG}.md.link").symlink_to(outside)
    talk.redact(talk.history()[0].id)
    files = (path for path in talk.config.folder.rglob("*") if path.is_file() and not path.is_symlink())
    assert not any(b"the secret of" in path.read_bytes() for path in files)
    assert outside.read_bytes() == text


def test_what_a_redaction_does_not_reach_is_named(talk: Bus, command: Command) -> None:
    """Files of other programs that hold a line of it; not ours, where another message quotes it."""
    talk.send("roo", "> the secret of the cake", sender="claude-code")
    names = [f"#{_LOG}.md#", f".{_LOG}.md.swp", f"not-ours-1/base.{_LOG}"]
    (talk.config.folder / "not-ours-1").mkdir()
    for name in names:
        (talk.config.folder / name).write_bytes(b"b0VIM\0the secret of the cake\0")
    done = command("redact", talk.history()[0].id, "--yes")
    assert f"still stands in {', '.join(names)}, which" in done.stdout
    assert "Other messages repeat" in done.stdout
