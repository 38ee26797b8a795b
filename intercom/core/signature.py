"""Owns what a function takes, read from its signature: names, kinds, bounds, defaults, and the words about each.

The schema of an MCP tool and the parser of a command are both made of this, so an argument is spelt once: where it
is taken. Without `inspect`, which costs every command 5 ms.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, NamedTuple, get_origin

_KINDS: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
_LISTS = (list, Sequence)


class Arg(NamedTuple):
    """What a type does not say about an argument; it stands beside the type in `Annotated`."""

    about: str = ""  #: for people and models
    help: str = ""  #: for people on the command line, where that is to say something else
    low: float | None = None
    high: float | None = None
    words: tuple[str, ...] = ()  #: the values that there are
    option: str = ""  #: on the command line, where it is not called as it is here; a short form may stand before it
    metavar: str = ""  #: what stands for a value in help
    stdin: bool = False  #: on the command line, `-` stands for standard input
    rest: bool = False  #: on the command line, all words that are left, with a blank between


class Parameter(NamedTuple):
    """One argument."""

    name: str  #: as callers outside know it
    python: str  #: as the function does: with an underscore behind a word of Python's
    kinds: tuple[str, ...]  #: string, integer, number, boolean, array; in the words of JSON schema
    required: bool
    default: Any
    keyword: bool  #: given by its name
    arg: Arg


def parameters(function: Callable[..., Any], skip: int) -> tuple[Parameter, ...]:
    """What `function` takes after its first `skip` arguments. TypeError for an annotation of a kind we do not know."""
    code = function.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    plain = function.__defaults__ or ()
    defaults = dict(zip(names[code.co_argcount - len(plain) : code.co_argcount], plain, strict=True))
    defaults |= function.__kwdefaults__ or {}
    found = []
    for place, name in enumerate(names[skip:], skip):
        kinds, arg = _read(function, name)
        missing, keyword = name not in defaults, place >= code.co_argcount
        found.append(Parameter(name.rstrip("_"), name, kinds, missing, defaults.get(name), keyword, arg))
    return tuple(found)


def _read(function: Callable[..., Any], name: str) -> tuple[tuple[str, ...], Arg]:
    """The kinds of an argument, and what is said about it."""
    annotation: Any = function.__annotations__[name]
    if isinstance(annotation, str):
        annotation = eval(annotation, function.__globals__)  # noqa: S307  # what stands in our own source
    arg = Arg()
    if get_origin(annotation) is Annotated:
        arg = next(one for one in annotation.__metadata__ if isinstance(one, Arg))
        annotation = annotation.__origin__
    union = get_origin(annotation) in (types.UnionType, typing.Union)
    kinds = []
    for part in annotation.__args__ if union else (annotation,):
        if part is types.NoneType:
            continue
        if get_origin(part) is Literal:
            arg = arg._replace(words=part.__args__)
        kinds.append(_kind(part, name))
    return tuple(kinds), arg


def _kind(part: Any, name: str) -> str:
    if get_origin(part) is Literal:
        return "string"
    if get_origin(part) in _LISTS:
        return "array"
    if part not in _KINDS:
        raise TypeError(f"{name}: {part!r} is not a kind of argument")
    return _KINDS[part]
