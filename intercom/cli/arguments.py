"""Owns the arguments of a command: builds a parser from the signature of its function, and converts the result."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from typing import Any

from intercom.core.signature import Parameter


def add(parser: argparse.ArgumentParser, takes: Iterable[Parameter]) -> None:
    """Add these arguments to a parser."""
    for one in takes:
        if one.keyword:
            parser.add_argument(*options_of(one), dest=one.python, **_how(one), required=one.required)
        else:
            more = {} if one.required else {"nargs": "?"}
            parser.add_argument(one.python, **{**more, **_how(one)})


def options_of(one: Parameter) -> list[str]:
    """The option strings of an argument, a short form first if there is one."""
    return (one.arg.option or f"--{one.name.replace('_', '-')}").split()


def _how(one: Parameter) -> dict[str, Any]:
    """The keyword arguments for argparse."""
    out: dict[str, Any] = {"help": _help(one), "default": one.default}
    if one.kinds == ("boolean",):
        return {**out, "action": "store_false" if one.default else "store_true"}
    if one.arg.rest:
        out["nargs"] = "+"
    if one.arg.words:
        out["choices"] = one.arg.words
    if one.arg.metavar or not one.arg.words:
        out["metavar"] = one.arg.metavar or one.name.upper()
    if one.kinds == ("array",):
        # argparse would add what is typed to a default.
        out |= {"action": "append", "default": None} if one.keyword else {"nargs": "+"}
    if one.kinds[0] in _TYPES:
        out["type"] = _TYPES[one.kinds[0]]
    return out


def _help(one: Parameter) -> str:
    said = one.arg.help or one.arg.about
    if one.default in (None, True, False, ()):
        return said
    default = ", ".join(one.default) if one.kinds == ("array",) else one.default
    return f"{said} (default: {default})" if said else f"default: {default}"


def given(namespace: argparse.Namespace, takes: Iterable[Parameter]) -> dict[str, Any]:
    """What was typed, in the form the function takes; `-` becomes standard input if allowed."""
    found = {one.python: getattr(namespace, one.python) for one in takes}
    found |= {one.python: [*one.default] for one in takes if found[one.python] is None and one.kinds == ("array",)}
    for name, value in found.items():
        if name not in _FOR_THE_SYSTEM:
            found[name] = [*map(_said, value)] if isinstance(value, list) else _said(value)
    for one in takes:
        if one.arg.rest:
            found[one.python] = " ".join(found[one.python])
        if one.arg.stdin:
            from intercom.cli.session import message_text

            found[one.python] = message_text(found[one.python])
    return found


#: Paths and commands, which go back to the system unchanged.
_FOR_THE_SYSTEM = {"path", "claude_cmd", "bootstrap"}


def _said(word: Any) -> Any:
    """A typed word as UTF-8, also in a locale without an encoding, where it would be lone surrogates."""
    if not isinstance(word, str) or word.isascii():
        return word
    try:
        return os.fsencode(word).decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return word


def count(text: str) -> int:
    """A whole number from 0 up."""
    if not text.strip().isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 up")
    return int(text)


def seconds(text: str) -> float:
    """A number of seconds from 0 up."""
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0 up")
    return value


count.__name__, seconds.__name__ = "number", "number of seconds"  # argparse shows these names to people
_TYPES = {"integer": count, "number": seconds}
