"""Owns shell completion: the script for each shell, and the candidates at the cursor.

The script calls `intercom complete-word`, which must not cost more than a key press: names come from the state as it
is, and only ids and threads open the bus.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from typing import Any, Literal

from intercom.cli.arguments import options_of
from intercom.cli.session import Asked
from intercom.core.signature import Parameter

_NEWEST = 30  #: how many ids and threads are offered
_NAMES = {"to", "sender", "id", "worker", "worker_id"}
_IDS = {"reply_to", "message_id"}
_ID_OF = {"history", "redact", "restore", "reply"}  #: commands whose ID is a message's
_OWN = ("--help", "--json", "--root")

_BASH = """\
_intercom() {
    local IFS=$'\\n'
    COMPREPLY=($(intercom complete-word -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1))
    [[ ${#COMPREPLY[@]} -gt 0 ]] || compopt -o default
}
complete -F _intercom intercom
"""
_ZSH = """\
#compdef intercom
_intercom() {
    local -a found
    local line
    while IFS=$'\\t' read -r word about; do
        found+=("${word//:/\\\\:}${about:+:$about}")
    done < <(intercom complete-word -- "${(@)words[2,CURRENT]}" 2>/dev/null)
    (( ${#found} )) && _describe intercom found || _files
}
if [ "$funcstack[1]" = "_intercom" ]; then _intercom "$@"; else compdef _intercom intercom; fi
"""
_FISH = """\
function __intercom_complete
    set -l words (commandline -opc) (commandline -ct)
    intercom complete-word -- $words[2..-1] 2>/dev/null
end
complete -c intercom -f -a '(__intercom_complete)'
"""
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def completion(asked: Asked, shell: Literal["bash", "zsh", "fish"]) -> int:  # noqa: ARG001  # as all commands
    """Print the script; a shell's startup file evaluates it."""
    sys.stdout.write(SCRIPTS[shell])
    return 0


def run(words: Sequence[str]) -> int:
    """Handle a script's query: print the candidates for the last word, each with a tab and a description."""
    for word, about in candidates(list(words[1:] if words[:1] == ["--"] else words)):
        sys.stdout.write(f"{word}\t{about}\n" if about else f"{word}\n")
    return 0


def candidates(words: list[str], root: str | None = None) -> list[tuple[str, str]]:
    """The candidates for the last word, with descriptions."""
    *before, begun = words or [""]
    return [(word, about) for word, about in _all(before, begun, root) if word.startswith(begun) and word != begun]


def _all(before: list[str], begun: str, root: str | None) -> Iterator[tuple[str, str]]:
    from intercom.cli.parser import COMMANDS

    if before[:1] == ["--root"]:
        root, before = before[1] if len(before) > 1 else root, before[2:]
    if not before:
        yield from ((one.name, one.help) for one in COMMANDS)
        return
    command = next((one for one in COMMANDS if one.name == before[0]), None)
    if command is None:
        return
    takes = command.takes()
    options = {option: one for one in takes if one.keyword for option in options_of(one)}
    if begun.startswith("-"):
        yield from ((name, one.arg.help or one.arg.about) for name, one in options.items())
        yield from ((name, "") for name in _OWN if name != "--json" or command.json)
        return
    wanted = options.get(before[-1])
    if wanted is None or wanted.kinds == ("boolean",):
        plain = [one for one in takes if not one.keyword]
        place = _place(before[1:], options)
        wanted = plain[min(place, len(plain) - 1)] if plain else None
    if wanted is not None:
        yield from _values(command.name, wanted, root)


def _place(words: list[str], options: dict[str, Parameter]) -> int:
    """How many words are positional, that is, neither options nor their values."""
    count, skip = 0, False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = word in options and options[word].kinds != ("boolean",)
        else:
            count += 1
    return count


def _values(command: str, one: Parameter, root: str | None) -> Iterator[tuple[str, str]]:
    if one.arg.words:
        yield from ((word, "") for word in one.arg.words)
    elif one.python == "type":
        from intercom.core.message import TAGS, TYPES

        yield from ((word, "") for word in (*TYPES, *TAGS))
    elif one.python in _IDS or (one.python == "id" and command in _ID_OF):
        yield from ([("LAST", "the newest to you")] if command == "reply" else [])
        yield from _look(root, _MESSAGES)
    elif one.python == "thread":
        yield from _look(root, _THREADS)
    elif one.python in _NAMES:
        yield from ((name, "") for name in (("user", "all") if one.python == "to" else ("user",)))
        yield from _who(root)


_MESSAGES = (
    f"SELECT id, sender || ' → ' || rcpt || ': ' || substr(body, 1, 60) FROM messages WHERE hidden != 1 "  # noqa: S608
    f"ORDER BY seq DESC LIMIT {_NEWEST}"
)
_THREADS = (
    "SELECT thread, '' FROM messages WHERE thread IS NOT NULL GROUP BY thread "  # noqa: S608
    f"ORDER BY max(seq) DESC LIMIT {_NEWEST}"
)
_INSTANCES = "SELECT name, role FROM instances WHERE gone IS NULL UNION SELECT name, 'agent' FROM agents"


def _look(root: str | None, sql: str) -> Iterator[tuple[str, str]]:
    """Rows of the updated index; empty if there is no bus, or it cannot be read."""
    from intercom.bus.bus import Bus
    from intercom.core.errors import IntercomError

    with suppress(IntercomError, OSError), Bus.open(root) as bus:
        if bus.config.made:
            yield from _shown(bus.ask(lambda db: db.execute(sql).fetchall()))


def _who(root: str | None) -> Iterator[tuple[str, str]]:
    """Names and roles, from the state as it is."""
    from intercom.core.config import load
    from intercom.core.errors import IntercomError
    from intercom.system.files import check_regular, sqlite_uri

    with suppress(IntercomError, sqlite3.Error, OSError):
        path = load(root).private / "state.db"
        check_regular(path)
        with closing(sqlite3.connect(sqlite_uri(path), uri=True)) as db:
            yield from _shown(db.execute(_INSTANCES).fetchall())


def _shown(rows: list[tuple[Any, Any]]) -> Iterator[tuple[str, str]]:
    from intercom.core.escaping import value

    for word, about in rows:
        if isinstance(word, str) and isinstance(about, str) and word.isprintable():
            yield word, value(" ".join(about.split()))
