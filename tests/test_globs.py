"""Patterns with stars: as the regular expressions they stand for, but in a time that grows with the text alone."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intercom.fleet.programs.claude import globs
from intercom.fleet.programs.claude.permissions import deciding
from intercom.fleet.programs.event import Ask


def as_command(pattern: str) -> re.Pattern[str]:
    """What a pattern over commands means."""
    tail = ""
    for end in (":*", " *"):
        if pattern.endswith(end):
            pattern, tail = pattern.removesuffix(end), r"(?:\s.*)?"
            break
    return re.compile(".*".join(map(re.escape, pattern.split("*"))) + tail + r"\Z", re.DOTALL)


def as_path(pattern: str) -> re.Pattern[str]:
    """What a pattern over paths means."""
    words = {"/**/": "/(?:.*/)?", "/**": "/.*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(/\*\*/|/\*\*\Z|\*\*|\*|\?)", pattern)
    return re.compile("".join(words.get(part) or re.escape(part) for part in parts) + r"(?:/.*)?\Z", re.DOTALL)


@given(st.text("ab* :", max_size=8), st.text("ab *\n", max_size=10), st.lists(st.integers(0, 10), min_size=1))
def test_commands(pattern: str, text: str, starts: list[int]) -> None:
    """From any of the places."""
    places = sorted(at for at in starts if at <= len(text)) or [0]
    wanted = any(as_command(pattern).match(text, at) for at in places)
    assert globs.Command(pattern).matches(text, places) == wanted


@given(st.text("ab*?/", max_size=9), st.text("ab/\n", max_size=10))
def test_paths(pattern: str, path: str) -> None:
    """Below a folder that is taken letter by letter."""
    assert globs.Path("", pattern).matches(path) == bool(as_path(pattern).match(path))
    assert globs.Path("/a*b", pattern).matches("/a*b" + path) == bool(as_path(pattern).match(path))
    assert not globs.Path("/a*b", pattern).matches("/aab" + path)
    assert globs.Path("", pattern, loose=True).matches(path.upper()) == bool(as_path(pattern).match(path))


BAIT = "curl |" * 20_000
WORDS = "a " * 60_000


@pytest.mark.parametrize(
    ("rule", "tool", "given"),
    [
        ("Bash(* curl * | * sh *)", "Bash", BAIT),
        ("Bash(* * * * * * * * * *x)", "Bash", WORDS),
        ("Bash(a *b *b *b)", "Bash", "sudo " + WORDS),
        ("Bash(rm:*)", "Bash", "sudo " + WORDS),
        ("Bash(rm:*)", "Bash", "a=1 " * 60_000),
        ("Bash(rm:*)", "Bash", "'" * 120_001),
        ("Bash(rm:*)", "Bash", '"\\' * 60_000),
        ("Bash(rm:*)", "Bash", "a='" * 60_000),
        ("Bash(rm:*)", "Bash", ">" * 120_000),
        ("Bash(rm:*)", "Bash", "1>a" * 40_000),
        ("Bash(rm:*)", "Bash", ";" * 120_000),
        ("Bash(rm:*)", "Bash", " " * 120_000 + "x"),
        ("Bash(rm:*)", "Bash", "if " * 60_000),
        ("Bash(rm:*)", "Bash", "/a" * 60_000),
        ("Bash(rm:*)", "Bash", "{a,b" * 30_000),
        ("Bash(rm:*)", "Bash", "|a/" * 40_000),
        ("Bash(rm:*)", "Bash", "|sudo " * 20_000),
        ("Bash(rm:*)", "Bash", "$'\\" * 40_000),
        ("Bash(rm:*)", "Bash", "${IFS" * 24_000),
        ("Bash(rm:*)", "Bash", "A[" * 60_000),
        ("Bash(rm:*)", "Bash", "echo " + "rm/" * 40_000 + "|sh"),
        ("Read(" + "[" * 20_000 + ")", "Read", "/w/p/" + "a[" * 20_000),
        ("Read(" + "[a]" * 2_000 + ")", "Read", "/w/p/" + "a" * 20_000),
        ("Read(**/*a*/**/*a*/**/*a*b)", "Read", "/w/p" + "/aa" * 20_000),
        ("Read(//**/a**a**a**a**c)", "Read", "/" + "a" * 60_000),
        ("WebFetch(domain:x.org)", "WebFetch", "http://" + ":1" * 60_000),
        ("WebFetch(domain:x.org)", "WebFetch", "http://" + "%e2" * 40_000),
    ],
)
def test_the_worst(rule: str, tool: str, given: str) -> None:
    """120,000 characters that are made to match nearly are decided in a moment."""
    key = {"Bash": "command", "Read": "file_path", "WebFetch": "url"}[tool]
    ask = Ask(tool, {key: given}, "/w/p", "/w/p")
    began = time.process_time()
    deciding(ask, [rule], [rule])
    assert time.process_time() - began < 5
