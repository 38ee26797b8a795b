"""Owns taking an item out of a list in a YAML text that others have laid out anew, with or without our marks. Pure."""

from __future__ import annotations

from typing import Any

from intercom.fleet.clients.edit import block


def cut(text: str, key: str, name: str) -> str:
    """Without the lines of the item of that name in the list under `key`, without the key where that was all.

    Our marks go, too. Only a list of lines is taken apart: who calls this compares what both texts say.
    """
    import yaml

    lines = text.split("\n")
    gone = {number for number, line in enumerate(lines) if block.is_mark(line)}
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    for title, items in root.value if isinstance(root, yaml.MappingNode) else ():
        if title.value != key or not isinstance(items, yaml.SequenceNode) or items.flow_style:
            continue
        ours = [item for item in items.value if _name(item) == name]
        for item in ours:
            gone |= set(range(item.start_mark.line, _last(item) + 1))
        if ours and len(ours) == len(items.value):
            gone.add(title.start_mark.line)
    return "\n".join(line for number, line in enumerate(lines) if number not in gone)


def _name(item: Any) -> Any:
    pairs = item.value if item.id == "mapping" else ()
    return next((value.value for title, value in pairs if title.value == "name"), None)


def _last(node: Any) -> int:
    """The last line of what a node says: where a block ends, its end is that of the blank lines below it."""
    if node.id == "scalar" or node.flow_style or not node.value:
        mark = node.end_mark
        return int(mark.line if mark.column or node.start_mark.line == mark.line else mark.line - 1)
    last = node.value[-1]
    return _last(last[1] if isinstance(last, tuple) else last)
