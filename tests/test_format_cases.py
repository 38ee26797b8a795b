"""Owns the golden cases: `cases/NAME.md` is a log as found in the field, `cases/NAME.json` what it says.

`python -m tests.test_format_cases NAME ...` prints the second for the first, to be read before it is kept.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from intercom.format import MESSAGE, Entry, Parser, digest, parse

CASES = Path(__file__).parent / "cases"
NAMES = sorted(path.stem for path in CASES.glob("*.md"))


def told(entry: Entry) -> dict[str, Any]:
    """An entry as the golden files have it: of a message what it says, of anything else its text."""
    if entry.kind != MESSAGE:
        return {"kind": entry.kind, "raw": entry.raw.decode()}
    fields = entry._asdict()
    always = ("kind", "stamp", "sender", "to", "tag", "body")
    return {key: value for key, value in fields.items() if key in always or (key not in {"start", "raw"} and value)}


@pytest.mark.parametrize("name", NAMES)
def test_case(name: str) -> None:
    """The log says what its golden file has, whole or byte by byte, and not a byte is lost."""
    data = (CASES / f"{name}.md").read_bytes()
    wanted = json.loads((CASES / f"{name}.json").read_text("utf-8"))
    found = parse(data)
    assert [told(entry) for entry in found] == wanted
    assert b"".join(entry.raw for entry in found) == data
    parser = Parser()
    slowly = [entry for i in range(len(data)) for entry in parser.feed(data[i : i + 1])]
    assert slowly + parser.close() == found


def test_every_case_has_its_golden_file() -> None:
    """No log without what it says, and the other way round."""
    assert sorted(path.stem for path in CASES.glob("*.json")) == NAMES


def test_reformatting_a_case_changes_no_digest() -> None:
    """The same messages with Windows line ends are the same messages."""
    for name in NAMES:
        data = (CASES / f"{name}.md").read_bytes().replace(b"\r\n", b"\n")
        before = [digest(entry) for entry in parse(data) if entry.kind == MESSAGE]
        after = [digest(entry) for entry in parse(data.replace(b"\n", b"\r\n")) if entry.kind == MESSAGE]
        assert after == before, name


if __name__ == "__main__":
    for one in sys.argv[1:] or NAMES:
        entries = [told(entry) for entry in parse((CASES / f"{one}.md").read_bytes())]
        text = json.dumps(entries, ensure_ascii=True, indent=2) + "\n"
        sys.stdout.write(text)
