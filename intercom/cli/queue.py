"""Owns `intercom queue`: the merge queue as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from intercom.cli import show
from intercom.cli.session import Asked
from intercom.core.merging import ORDER
from intercom.core.message import age
from intercom.core.texts import lasting, some

if TYPE_CHECKING:
    from intercom.fleet.queue import Queue

_MOST = 6  #: how many file names are listed on a line


def queued(asked: Asked, found: Queue) -> int:
    """Print the queue in merge order; then the other worktrees."""
    if asked.json:
        for row in found.rows:
            show.json_line(row)
        return 0
    waiting = [row for row in found.rows if row["worker"] in found.order and "number" in row]
    if not waiting:
        show.line("Nothing waits to be merged.")
    for row in waiting:
        _one(row)
    for row in found.rows:
        if row not in waiting and row["status"] not in (None, "removed"):
            show.line(_words("-", row["worker"], row["status"], row.get("branch") or row.get("on_branch")))
            _reasons(row)
    if found.note:
        show.line(f"{found.note}; the order is by check and age alone")
    elif len(waiting) > 1:
        show.line()
        show.line(ORDER)
    return 0


def _one(row: dict[str, Any]) -> None:
    """Print one waiting branch."""
    task = row.get("task", {})
    show.line(_words(f"{row['number']}.", row["worker"], row["status"], row.get("branch") or row.get("on_branch")))
    _detail(f"{row.get('why', '')}; {_ago(row['since'])}".lstrip("; "))
    _reasons(row)
    if "ahead" in row:
        count = f"{row['ahead']} ahead of {row['base']}, {row['behind']} behind"
        _detail(f"{count}; {row['files_changed']} files: {some(row['files'], _MOST, row['files_changed'])}")
    together: dict[tuple[str, ...], list[str]] = {}
    for other, names in row.get("conflicts", {}).items():
        together.setdefault(tuple(names), []).append(other)
    for files, others in together.items():
        _detail(f"conflicts with {some(others, _MOST)} in {some(list(files), _MOST)}")
    if row.get("conflicts_with_base"):
        _detail(f"conflicts with {row['base']} in {some(row['conflicts_with_base'], _MOST)}")
    if task:
        target = " ".join(str(part) for part in task.get("target", {}).values())
        _detail(f"task {target or task['id']}: {task['begins']}")
    if "expected" in row:
        _detail(f"expected when all before it are merged: {row['expected']}")


def _reasons(row: dict[str, Any]) -> None:
    if reasons := row.get("checked", {}).get("unverified"):
        _detail(f"not verified: {' '.join(reasons)}")


def _detail(text: str) -> None:
    show.line("     ", text)


def _words(*words: object) -> str:
    return "  ".join(str(word) for word in words if word)


def _ago(at: str) -> str:
    """How long something has waited."""
    said = lasting(age(at))
    return f"waiting for {said}" if said else "waiting since just now"
