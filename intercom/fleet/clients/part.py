"""Owns the parts of a client's set-up: each is one addition to one file, in that file's format. Pure.

Each part can tell whether it is present, insert itself into a text, and remove itself from one that others have
edited.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from intercom.core import document
from intercom.fleet.clients.edit import block, jsonc, listed, tables
from intercom.fleet.clients.edit.splice import CannotEdit, Edited, newline_of
from intercom.fleet.programs.program import SERVER


class Part(Protocol):
    """One addition to one file."""

    @property
    def path(self) -> Path:
        """The file."""

    def there(self, text: str) -> bool:
        """Whether something is in its place, ours or not."""

    def put(self, edited: Edited) -> Edited:
        """Insert it. CannotEdit if that is impossible."""

    def whole(self, text: str) -> bool:
        """Whether it stands there just as we put it."""

    def cut(self, text: str) -> str:
        """Remove it, if it is ours."""


@runtime_checkable
class Entry(Part, Protocol):
    """A part that can hold a server entry."""

    def found(self, text: str) -> Any:
        """The value in its place; None if there is none. CannotEdit."""

    def ours(self) -> Any:
        """The value that we put there."""


class Member(NamedTuple):
    """A value in a JSON file, under these keys."""

    path: Path
    keys: tuple[str, ...]
    value: Any
    needed: bool = True  #: whether the rest of the file is useless without it

    def found(self, text: str) -> Any:
        """The value."""
        return jsonc.find(text, self.keys)

    def ours(self) -> Any:
        """Ours."""
        return self.value

    def there(self, text: str) -> bool:
        """Whether there is a value."""
        return self.found(text) is not None

    def whole(self, text: str) -> bool:
        """With that value."""
        return bool(self.found(text) == self.value)

    def put(self, edited: Edited) -> Edited:
        """Insert it."""
        return jsonc.put(edited, self.keys, self.value)

    def cut(self, text: str) -> str:
        """Remove it, and the tables above it that become empty."""
        if not _calls_us(jsonc.find(text, self.keys), self.value):
            return text
        text = jsonc.cut(text, self.keys)
        for end in range(len(self.keys) - 1, 0, -1):
            if jsonc.find(text, self.keys[:end]) == {}:
                text = jsonc.cut(text, self.keys[:end])
        return text


def _calls_us(found: Any, ours: Any) -> bool:
    """Whether a value is the one that we inserted, or an entry that starts the same program."""
    if isinstance(found, dict) and isinstance(ours, dict) and "command" in ours:
        same: bool = found.get("command") == ours["command"]
        return same
    return bool(found == ours)


class Item(NamedTuple):
    """An item in a list in a JSON file, under these keys."""

    path: Path
    keys: tuple[str, ...]
    item: Any

    def there(self, text: str) -> bool:
        """Whether the list has it."""
        found = jsonc.find(text, self.keys)
        return isinstance(found, list) and self.item in found

    def whole(self, text: str) -> bool:
        """It is that item, or not there."""
        return self.there(text)

    def put(self, edited: Edited) -> Edited:
        """Insert it."""
        return jsonc.add(edited, self.keys, self.item)

    def cut(self, text: str) -> str:
        """Remove it, and whatever becomes empty."""
        if not text.strip() or not self.there(text):
            return text
        text = jsonc.cut(text, self.keys, self.item)
        for end in range(len(self.keys), 0, -1):
            if jsonc.find(text, self.keys[:end]) in ([], {}):
                text = jsonc.cut(text, self.keys[:end])
        return text


_BROKEN = "our words there have lost one of their two marks: take them out by hand"


class Words(NamedTuple):
    """A marked block of text for agents, in a rules file."""

    path: Path
    body: str

    def there(self, text: str) -> bool:
        """Whether there is a block of ours."""
        return block.has(text)

    def whole(self, text: str) -> bool:
        """The same words."""
        return block.written(self.body, block.MARKDOWN) in text.replace("\r\n", "\n")

    def put(self, edited: Edited) -> Edited:
        """Insert it at the end, unless what is left of an earlier one is there."""
        if block.broken(edited.text):
            raise CannotEdit(_BROKEN)
        return block.append(edited, self.body, block.MARKDOWN)

    def cut(self, text: str) -> str:
        """Remove it; where one of its marks is gone, nobody can tell what is ours."""
        out = block.cut(text)
        if out == text and block.broken(text):
            raise CannotEdit(_BROKEN)
        return out


class Toml(NamedTuple):
    """A marked block of tables at the end of a TOML file. `keys` lead to what it defines."""

    path: Path
    keys: tuple[str, ...]
    body: str

    def found(self, text: str) -> Any:
        """The table."""
        found: Any = _toml(text)
        for key in self.keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found

    def there(self, text: str) -> bool:
        """Whether the table exists, ours or not."""
        return self.found(text) is not None

    def whole(self, text: str) -> bool:
        """With the same values."""
        return bool(self.found(text) == self.ours())

    def put(self, edited: Edited) -> Edited:
        """Insert it; everything else in the file must keep its meaning."""
        out = block.append(edited, self.body, block.HASH)
        if self._rest(out.text) != self._rest(edited.text) or not self.there(out.text):
            raise CannotEdit(f"[{'.'.join(self.keys)}] does not go at its end")
        return out

    def cut(self, text: str) -> str:
        """Remove it."""
        found = self.found(text)
        if not block.has(text) and not _calls_us(found, self.ours()):
            return text
        for out in (block.cut(text), tables.cut(text, self.keys)):
            if self._rest(out) == self._rest(text) and not self.there(out):
                return out
        raise CannotEdit(f"[{'.'.join(self.keys)}] cannot be told from the rest")

    def ours(self) -> Any:
        """Our table."""
        return self.found(self.body)

    def _rest(self, text: str) -> dict[str, Any]:
        """All else that the file says; a table that holds nothing else says nothing."""
        out = inner = _toml(text)
        for key in self.keys[:-1]:
            inner = inner.get(key, {})
            if not isinstance(inner, dict):
                return out
        inner.pop(self.keys[-1], None)
        if not out.get(self.keys[0], True):
            out.pop(self.keys[0])
        return out


def _toml(text: str) -> dict[str, Any]:
    try:
        return document.toml(text.lstrip("\ufeff").replace("\r\n", "\n"))
    except ValueError as error:
        raise CannotEdit(str(error)) from None


#: A key's line, blank and comment lines below it, and the indent of the first item.
_HEAD = r"^{key}:[ \t]*(?:#[^\n]*)?\r?\n((?:[ \t]*(?:#[^\n]*)?\r?\n)*)([ \t]*)- "


class Listed(NamedTuple):
    """An entry in a top-level list of a YAML file: `key:` and below it `- name: …`, in a marked block."""

    path: Path
    key: str
    entry: dict[str, Any]

    def found(self, text: str) -> Any:
        """The item with that name."""
        return next(filter(self._ours, _items(_yaml(text).get(self.key))), None)

    def ours(self) -> Any:
        """Our item."""
        return self.entry

    def _ours(self, item: Any) -> bool:
        return isinstance(item, dict) and item.get("name") == self.entry["name"]

    def there(self, text: str) -> bool:
        """Whether the list has an item with that name."""
        return self.found(text) is not None

    def whole(self, text: str) -> bool:
        """With the same values."""
        return bool(self.found(text) == self.entry)

    def put(self, edited: Edited) -> Edited:
        """Insert it as the first item; a list written in brackets is left alone."""
        import re

        if self.key not in _yaml(edited.text):
            out = block.append(edited, f"{self.key}:\n{self._item('  ')}", block.HASH)
        else:
            head = re.search(_HEAD.format(key=re.escape(self.key)), edited.text, re.MULTILINE)
            if head is None:
                raise CannotEdit(f"{self.key} is not written as a list of lines")
            written = block.written(self._item(""), block.HASH, head[2])
            out = edited.insert((head.start(2), written.replace("\n", newline_of(edited.text))))
        if self._rest(out.text) != self._rest(edited.text) or self.found(out.text) != self.entry:
            raise CannotEdit(f"{self.key} cannot be added to")
        return out

    def _item(self, indent: str) -> str:
        import json

        lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in self.entry.items()]
        return "\n".join(f"{indent}{'  ' if number else '- '}{line}" for number, line in enumerate(lines))

    def cut(self, text: str) -> str:
        """Remove it."""
        if not block.has(text) and not _calls_us(self.found(text), self.entry):
            return text
        for out in (block.cut(text), listed.cut(text, self.key, self.entry["name"])):
            if self._rest(out) == self._rest(text) and not self.there(out):
                return out
        raise CannotEdit(f"{self.key} cannot be told from the rest")

    def _rest(self, text: str) -> dict[str, Any]:
        """All else that the file says; a list that holds nothing else says nothing."""
        out = _yaml(text)
        if isinstance(out.get(self.key), list):
            out[self.key] = [one for one in out[self.key] if not self._ours(one)]
        if not out.get(self.key, True):
            out.pop(self.key)
        return out


def _items(found: Any) -> list[Any]:
    return found if isinstance(found, list) else []


def _yaml(text: str) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.safe_load(text) if text.strip() else {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise CannotEdit(f"not YAML: {' '.join(str(error).split())[:120]}") from None
    if not isinstance(found, dict | None):
        raise CannotEdit("not a table")
    return found or {}


class Own(NamedTuple):
    """A file of our own, in a folder where the client looks for such files."""

    path: Path
    text: str
    mode: int = 0o644

    def there(self, text: str) -> bool:
        """Whether it has any content."""
        return bool(text)

    def whole(self, text: str) -> bool:
        """All of the text."""
        return text == self.text

    def put(self, edited: Edited) -> Edited:
        """Write all of it."""
        return edited.insert((0, self.text))

    def cut(self, text: str) -> str:
        """Empty it, if it is as we wrote it."""
        return "" if text == self.text else text


class Lines(NamedTuple):
    """Lines of our own in a line-based file."""

    path: Path
    lines: str

    def there(self, text: str) -> bool:
        """Whether the file has them."""
        return self.lines in text.replace("\r\n", "\n")

    def whole(self, text: str) -> bool:
        """They have no other form."""
        return self.there(text)

    def put(self, edited: Edited) -> Edited:
        """Append them."""
        joint = "\n" if edited.text and not edited.text.endswith("\n") else ""
        return edited.insert((len(edited.text), (joint + self.lines).replace("\n", newline_of(edited.text))))

    def cut(self, text: str) -> str:
        """Remove them."""
        return text.replace(self.lines.replace("\n", newline_of(text)), "", 1)


def other(part: Part, text: str) -> str:
    """What else stands in the place of a part that is there, so that it has no effect; "" if it is ours. CannotEdit."""
    if isinstance(part, Own):
        return "" if part.whole(text) else "what is in it is not ours, and stays"
    if isinstance(part, Entry) and isinstance(part.ours(), dict) and not _calls_us(part.found(text), part.ours()):
        return f"its entry called {SERVER} is not ours, and stays"
    return ""
