"""Each rule has one home: what ARCHITECTURE.md says is to be touched for a change is all that has to be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "intercom"

#: A rule, how it looks in code, and the only files that may hold it.
HOMES = (
    (
        "the SQL on receipts",
        r"\b(FROM|INTO|UPDATE|REPLACE|JOIN|ON) (state\.)?receipts\b",
        {"store/state/receipts.py", "store/state/tables.py"},
    ),
)


@pytest.mark.parametrize(("rule", "pattern", "homes"), HOMES, ids=[rule for rule, *_ in HOMES])
def test_one_home(rule: str, pattern: str, homes: set[str]) -> None:
    """A rule stands where it is said to, and nowhere else."""
    sources = {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
    holding = {name for name, source in sources.items() if re.search(pattern, source)}
    assert holding == homes, f"{rule}: {sorted(holding)}"
