"""Owns reading a function's signature: names, kinds, bounds and defaults of its arguments, and the text about each.

Both the schema of an MCP tool and the parser of a command come from this, so an argument is spelled once: where it
is taken. It does not use `inspect`, whose import costs every command 5 ms.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, NamedTuple, get_origin

_KINDS: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
_LISTS = (list, Sequence)


class Arg(NamedTuple):
    """What an argument's type does not say; goes beside the type, in `Annotated`."""

    about: str = ""  #: for people and models
    help: str = ""  #: for people on the command line, if that differs from `about`
    low: float | None = None
    high: float | None = None
    words: tuple[str, ...] = ()  #: the allowed values
    option: str = ""  #: its name on the command line, if different; a short form may come before it
    metavar: str = ""  #: placeholder for the value in help
    stdin: bool = False  #: on the command line, `-` means standard input
    rest: bool = False  #: on the command line, takes all remaining words, joined by blanks


class Parameter(NamedTuple):
    """One argument of a function."""

    name: str  #: its public name
    python: str  #: its name in the function: with a trailing underscore if it is a Python keyword
    kinds: tuple[str, ...]  #: JSON schema types: string, integer, number, boolean, array
    required: bool
    default: Any
    keyword: bool  #: keyword-only
    arg: Arg


def parameters(function: Callable[..., Any], skip: int) -> tuple[Parameter, ...]:
    """The parameters of `function` after the first `skip`. TypeError for an annotation of an unsupported kind."""
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
    """The kinds of an argument, and its `Arg`."""
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
