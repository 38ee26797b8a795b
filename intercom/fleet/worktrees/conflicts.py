"""Owns the prediction of conflicts between branches: git merges them in memory, and nothing is changed.

Asked only about pairs that have changed the same file (or one a file where the other has a folder), in one process.
AIMFP's database counts for nothing there: AIMFP merges it itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

from intercom.core import aimfp
from intercom.core.errors import IntercomError
from intercom.system.git import git, ok

OLDEST_GIT = (2, 38)  #: the first with `merge-tree --write-tree`
_HOW = ("merge-tree", "--write-tree", "--name-only", "--no-messages")
Pair = tuple[str, str]


def able(root: Path) -> bool:
    """Whether the git here can predict conflicts."""
    return ok(root, *_HOW, "HEAD", "HEAD")


def candidates(files: Mapping[str, Collection[str]]) -> list[Pair]:
    """The pairs, of names with the files that each has changed, that could conflict at all."""
    reach = {name: _reach(changed) for name, changed in files.items()}
    return [
        (one, other)
        for one, other in combinations(sorted(files), 2)
        if not reach[one].isdisjoint(files[other]) or not reach[other].isdisjoint(files[one])
    ]


def _reach(changed: Iterable[str]) -> set[str]:
    """The files and every folder above them."""
    found: set[str] = set()
    for name in changed:
        while name and name not in found:
            found.add(name)
            name = name.rpartition("/")[0]  # noqa: PLW2901  # up to the top
    return found


def predict(root: Path, pairs: Sequence[Pair]) -> dict[Pair, tuple[str, ...]]:
    """The files in which two commits conflict, for each pair of hashes that does."""
    if not pairs:
        return {}
    lines = "".join(f"{one} {other}\n" for one, other in pairs)
    done = git(root, "merge-tree", "--stdin", "--name-only", "--no-messages", stdin=lines, check=False)
    answers = _answers(done.out) if not done.code else []
    if len(answers) != len(pairs):  # git 2.38 takes one pair a call; and one that cannot be merged ends them all
        answers = [_alone(root, pair) for pair in pairs]
    found = {
        pair: tuple(name for name in names if name != aimfp.TRACKING)
        for pair, names in zip(pairs, answers, strict=True)
    }
    return {pair: names for pair, names in found.items() if names}


def _answers(text: str) -> list[list[str]]:
    """What git says of each pair: whether it is clean, a tree, the files that conflict, an empty field."""
    found, fields = [], iter(text.split("\0"))
    for status in fields:
        if not status.strip():
            continue
        next(fields, "")
        names = []
        while name := next(fields, ""):
            names.append(name)
        found.append(names if status.strip() == "0" else [])
    return found


def _alone(root: Path, pair: Pair) -> list[str]:
    try:
        done = git(root, *_HOW, "-z", *pair, check=False)
    except IntercomError:
        return []
    return [name for name in done.out.split("\0")[1:] if name] if done.code == 1 else []
