"""Owns the rules by which a `done` is checked: what it claims, and what contradicts that. Pure.

A done claims a branch and a commit, as arguments or in words:

    branch: feature/x, commit: 1a2b3c4          {"branch": "feature/x", "commit": "1a2b3c4"}
    Done on branch `feature/x`.                  All of it is on feature/x at 1a2b3c4.

In prose without a colon, only an existing branch name or something that looks like a hash counts as a claim.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from intercom.core.texts import some

BOTH = ("branch", "commit")
_QUOTES = "`\"'*_()[]<>{}"
_END = ".,;:!?"
_BRANCH = re.compile(
    r"\bbranch\b[`\"'*_]*(?:\s*[:=]\s*[`\"'*_]*([^\s`\"'*,;)]+)|\s+(?:is\s+)?[`\"']([^\s`\"']+)[`\"'])", re.IGNORECASE
)
_COMMIT = re.compile(r"\bcommit\b[`\"'*_]*\s*[:=]\s*[`\"'*_]*([^\s`\"'*,;)]+)", re.IGNORECASE)
_HASH = re.compile(r"(?<![\w/.-])[0-9a-fA-F]{7,64}(?![\w/-])")
_IS_HASH = re.compile(r"[0-9a-fA-F]{7,64}\Z")
_SHOWN = 5  #: how many names one reason lists


class Claim(NamedTuple):
    """What a done says of its result; None for what it does not say."""

    branch: str | None = None
    commit: str | None = None
    body: str = ""


class Facts(NamedTuple):
    """What git says about a claim. Hashes are full; None means that there is none, or that nobody looked."""

    tip: str | None = None  #: tip of the claimed branch
    commit: str | None = None  #: the claimed commit
    dirty: tuple[str, ...] = ()  #: uncommitted files of the worktree, without derived ones
    gone: bool = False  #: whether the worktree is missing
    base: str = ""  #: the commit the branch started from
    changed: tuple[str, ...] | None = None  #: files changed since `base`; None: nothing to compare with
    tracking: str | None = None  #: AIMFP's file that must be among `changed`


def claim(body: str, branches: Sequence[str], branch: str | None = None, commit: str | None = None) -> Claim:
    """What a done claims; the arguments `branch` and `commit` win over words. `branches` are all branch names."""
    named = _given(branch) or _branch(body, branches)
    return Claim(named.removeprefix("refs/heads/") if named else None, _given(commit) or _commit(body), body)


def _given(value: str | None) -> str | None:
    return (value or "").strip() or None


def _branch(body: str, branches: Sequence[str]) -> str | None:
    said = [(one[1] or one[2]).strip(_QUOTES).rstrip(_END) for one in _BRANCH.finditer(body)]
    for name in said:
        if name in branches:
            return name
    if said:
        return said[0] or None
    words = [word.strip(_QUOTES).rstrip(_END).strip(_QUOTES) for word in body.split()]
    known = [word for word in words if word in branches]
    after = [word for before, word in pairwise(words) if before.lower() == "branch"]
    return next((word for word in (*[one for one in after if one in branches], *known)), None)


def _commit(body: str) -> str | None:
    said = [one[1].strip(_QUOTES).rstrip(_END) for one in _COMMIT.finditer(body)]
    hashes = [one for one in _HASH.findall(body) if any(map(str.isdigit, one))]
    return next((one for one in (*said, *hashes) if one), None)


def problems(wanted: Sequence[str], claim: Claim, facts: Facts) -> tuple[str, ...]:
    """List what is missing from a done or contradicts it, a sentence each; () if it is in order.

    `wanted` is the contract's `reportBack`. A claim that the contract did not ask for is checked all the same.
    """
    found = [f"it does not name {field}, which reportBack asks for." for field in _missing(wanted, claim)]
    about_git = any(_word(field) in BOTH for field in wanted) or claim.branch or claim.commit
    if not about_git:
        return tuple(found)
    found += _contradictions(claim, facts)
    if facts.gone:
        found.append("its worktree is gone.")
    if facts.dirty:
        from intercom.core.escaping import value

        found.append(f"its worktree has uncommitted files: {some(tuple(map(value, facts.dirty)), _SHOWN)}.")
    if not found and facts.changed is not None:
        if not facts.changed:
            found.append(f"branch {claim.branch!r} has nothing that {facts.base} does not have.")
        elif facts.tracking is not None and facts.tracking not in facts.changed:
            found.append(f"{facts.tracking} is not among what changed since {facts.base}: AIMFP has tracked nothing.")
    return tuple(found)


def _missing(wanted: Sequence[str], claim: Claim) -> list[str]:
    """The fields that a done must name and does not. For any field but branch and commit, the word must appear."""
    has = {"branch": claim.branch, "commit": claim.commit}
    body = _word(claim.body)
    return [field for field in wanted if not has.get(_word(field), _word(field) in body)]


def _contradictions(claim: Claim, facts: Facts) -> list[str]:
    problems = []
    if claim.branch is not None and facts.tip is None:
        problems.append(f"there is no branch {claim.branch!r}.")
    if claim.commit is None:
        return problems
    if not _IS_HASH.match(claim.commit):
        problems.append(f"{claim.commit!r} is not a commit hash (7 to 64 hex digits).")
    elif facts.commit is None:
        problems.append(f"there is no commit {claim.commit}.")
    elif facts.tip is not None and facts.commit != facts.tip:
        problems.append(f"commit {claim.commit} is not the tip of branch {claim.branch!r}, which is {facts.tip[:12]}.")
    return problems


def _word(text: str) -> str:
    """Normalize a field name, so that `Test results` and `test_results` are equal."""
    return re.sub(r"[\W_]+", " ", text).strip().lower()
