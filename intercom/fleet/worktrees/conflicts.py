"""Owns predicting conflicts between branches: git merges them in memory, and nothing is changed.

Only pairs that changed the same file (or a file in one and a folder in the other) are tried, in one process. AIMFP's
database is left out: AIMFP merges it itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

from intercom.core import aimfp
from intercom.core.errors import IntercomError
from intercom.system.git import git, ok

OLDEST_GIT = (2, 38)  #: the first version with `merge-tree --write-tree`
_HOW = ("merge-tree", "--write-tree", "--name-only", "--no-messages")
Pair = tuple[str, str]


def able(root: Path) -> bool:
    """Whether this git can predict conflicts."""
    return ok(root, *_HOW, "HEAD", "HEAD")


def candidates(files: Mapping[str, Collection[str]]) -> list[Pair]:
    """The pairs that could conflict at all, given the files that each has changed."""
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
    """The conflicting files, for each pair of commit hashes that conflicts."""
    if not pairs:
        return {}
    lines = "".join(f"{one} {other}\n" for one, other in pairs)
    done = git(root, "merge-tree", "--stdin", "--name-only", "--no-messages", stdin=lines, check=False)
    answers = _answers(done.out) if not done.code else []
    if len(answers) != len(pairs):  # git 2.38 takes one pair per call; and a pair that cannot be merged ends the batch
        answers = [_alone(root, pair) for pair in pairs]
    found = {
        pair: tuple(name for name in names if name != aimfp.TRACKING)
        for pair, names in zip(pairs, answers, strict=True)
    }
    return {pair: names for pair, names in found.items() if names}


def _answers(text: str) -> list[list[str]]:
    """Git's output for each pair: whether it is clean, a tree, the conflicting files, an empty field."""
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
