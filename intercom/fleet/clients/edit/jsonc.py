"""Owns additions to JSON as people write it: with comments, trailing commas, any indent. Pure.

A text is parsed into nodes with their positions, so that a member can be added and removed without changing a byte
of the rest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from intercom.fleet.clients.edit.splice import CannotEdit, Edited, newline_of

_BLANK = re.compile(r"(?:[ \t\r\n]+|//[^\r\n]*|/\*.*?\*/)*", re.DOTALL)
_REST_OF_LINE = re.compile(r"[ \t]*(?:/\*[^\n]*?\*/[ \t]*)*(?://[^\r\n]*)?")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_WORD = re.compile(r"-?[0-9][0-9.eE+-]*|true|false|null")
_DEEPEST = 200


class Node(NamedTuple):
    """A value, its start and end; for a table or list also its parts, and whether a comma ends them."""

    value: Any
    start: int
    end: int
    parts: tuple[Part, ...] = ()
    trailing: int = -1  #: position of the comma after the last part, -1 for none


class Part(NamedTuple):
    """A member of a table, or an item of a list (without key)."""

    key: str
    start: int
    node: Node
    comma: int  #: position of the comma after it, -1 for none


def read(text: str) -> Node:
    """Parse the whole text. CannotEdit if it is not JSON."""
    at = _skip(text, 1 if text.startswith("\ufeff") else 0)
    node = _value(text, at, 0)
    if _skip(text, node.end) != len(text):
        raise CannotEdit(f"line {_line(text, node.end)}: more than one value")
    return node


def loads(text: str) -> Any:
    """What it means; an empty text is an empty table."""
    return read(text).value if text.strip("\ufeff \t\r\n") else {}


def find(text: str, keys: Sequence[str]) -> Any:
    """The value under these keys, None where there is none."""
    found = loads(text)
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _member(node: Node, key: str) -> Part | None:
    """The member that counts: the last of that key."""
    return next((part for part in reversed(node.parts) if part.key == key), None)


def put(edited: Edited, keys: Sequence[str], value: Any) -> Edited:
    """With this value under these keys, the tables above it made where they are missing. CannotEdit."""
    text = edited.text
    if not text.strip("\ufeff \t\r\n"):
        nl = newline_of(text)
        return edited.insert((len(text), _dump(_nested(keys, value), "  ", "", nl) + nl))
    node, depth = read(text), 0
    for depth, key in enumerate(keys):
        if not isinstance(node.value, dict):
            raise CannotEdit(f"{'.'.join(keys[:depth]) or 'it'} is not a table")
        found = _member(node, key)
        if found is None:
            break
        node = found.node
    else:
        raise CannotEdit(f"{'.'.join(keys)} is there already")
    member = f"{json.dumps(keys[depth], ensure_ascii=False)}: "
    return _grown(edited, node, member, _nested(keys[depth + 1 :], value))


def add(edited: Edited, keys: Sequence[str], item: Any) -> Edited:
    """Add this item to the list under these keys, which is created if missing."""
    found = find(edited.text, keys)
    if found is None:
        return put(edited, keys, [item])
    if not isinstance(found, list):
        raise CannotEdit(f"{'.'.join(keys)} is not a list")
    if item in found:
        return edited
    node = read(edited.text)
    for key in keys:
        if (part := _member(node, key)) is not None:
            node = part.node
    return _grown(edited, node, "", item)


def cut(text: str, keys: Sequence[str], item: Any = None) -> str:
    """Remove what is under these keys, or this item of the list there; unchanged if it is absent.

    Tables that become empty stay.
    """
    node, part = read(text), None
    above = node
    for key in keys:
        part = _member(node, key)
        if part is None:
            return text
        above, node = node, part.node
    if item is not None:
        above, part = node, next((one for one in node.parts if one.node.value == item), None)
    if part is None:
        return text
    place = above.parts.index(part)
    begin = part.start
    while text[begin - 1] in " \t\r\n" and begin - 1 > above.start:
        begin -= 1
    end = (part.comma + 1) if part.comma >= 0 else part.node.end
    if "//" in text[text.rfind("\n", 0, begin) + 1 : begin] and text[end : end + 1] not in ("\r", "\n", ""):
        begin = part.start  # a comment may end there, with its line
    out = text[:begin] + text[end:]
    if part.comma < 0 and place > 0:
        comma = above.parts[place - 1].comma
        out = out[:comma] + out[comma + 1 :]
    return out


# -- reading ------------------------------------------------------------------------------------------


def _skip(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _value(text: str, at: int, depth: int) -> Node:
    if depth > _DEEPEST:
        raise CannotEdit("nested too deeply")
    sign = text[at : at + 1]
    if sign == "{":
        return _container(text, at, "}", depth)
    if sign == "[":
        return _container(text, at, "]", depth)
    found = _STRING.match(text, at) or _WORD.match(text, at)
    if found is None:
        raise CannotEdit(f"line {_line(text, at)}: not JSON")
    try:
        return Node(json.loads(found[0]), at, found.end())
    except ValueError:
        raise CannotEdit(f"line {_line(text, at)}: not JSON") from None


def _container(text: str, at: int, close: str, depth: int) -> Node:
    parts: list[Part] = []
    here, comma = _skip(text, at + 1), -1
    while text[here : here + 1] != close:
        if parts and comma < 0:
            raise CannotEdit(f"line {_line(text, here)}: a comma or {close} is missing")
        start, key = here, ""
        if close == "}":
            name = _STRING.match(text, here)
            here = _skip(text, name.end()) if name else here
            if name is None or text[here : here + 1] != ":":
                raise CannotEdit(f"line {_line(text, here)}: not JSON")
            key, here = json.loads(name[0]), _skip(text, here + 1)
        node = _value(text, here, depth + 1)
        here = _skip(text, node.end)
        comma = here if text[here : here + 1] == "," else -1
        here = _skip(text, here + 1) if comma >= 0 else here
        parts.append(Part(key, start, node, comma))
    meant: Any = {part.key: part.node.value for part in parts} if close == "}" else [one.node.value for one in parts]
    return Node(meant, at, here + 1, tuple(parts), comma)


# -- growing ------------------------------------------------------------------------------------------


def _nested(keys: Sequence[str], value: Any) -> Any:
    for key in reversed(keys):
        value = {key: value}
    return value


def _dump(value: Any, unit: str, indent: str, nl: str) -> str:
    return json.dumps(value, indent=unit, ensure_ascii=False).replace("\n", nl + indent)


def _indent_at(text: str, at: int) -> str | None:
    """The white space before `at`, if it is at the start of its line."""
    begin = text.rfind("\n", 0, at) + 1
    before = text[begin:at]
    return before if not before.strip(" \t") else None


def _unit(text: str) -> str:
    """One step of indent, taken from the first indented line."""
    found = re.search(r"\n([ \t]+)\S", text)
    return found[1] if found else "  "


def _outer(text: str, at: int) -> str:
    """The indent of the line that contains `at`."""
    line = text[text.rfind("\n", 0, at) + 1 :]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _grown(edited: Edited, node: Node, member: str, value: Any) -> Edited:
    """Add a part at the end of a table or list."""
    text, nl = edited.text, newline_of(edited.text)
    if not node.parts:
        outer, unit = _outer(text, node.start), _unit(text)
        inner = f"{nl}{outer}{unit}{member}{_dump(value, unit, outer + unit, nl)}"
        bare = "\n" not in text[node.start : node.end]
        return edited.insert((node.start + 1, inner + (nl + outer if bare else "")))
    last = node.parts[-1]
    indent = _indent_at(text, last.start)
    if indent is None:  # all on one line
        said = member + json.dumps(value, ensure_ascii=False)
        return edited.insert((last.node.end, f", {said}"))
    said = f"{nl}{indent}{member}{_dump(value, _unit(text), indent, nl)}"
    after = (node.trailing + 1) if node.trailing >= 0 else last.node.end
    rest = _REST_OF_LINE.match(text, after)
    line = rest.end() if rest and rest.end() < node.end - 1 else after
    if node.trailing >= 0:
        return edited.insert((line, said + ","))
    return edited.insert((last.node.end, ","), (line, said)) if line > after else edited.insert((after, "," + said))
