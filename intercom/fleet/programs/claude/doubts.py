"""Owns doubt about a command: whether it may run what a deny rule names, although it does not read like that.

No program can tell what a shell would do with every text. So a command in doubt is never allowed by a rule, and a
person or the master is asked. It is in doubt if all words of a deny rule stand somewhere in it, as in `docker run a rm`
or `git -C x push`, or if what it would run cannot be read: a name that is computed, a pipe into a shell. What a script
or another program does with its arguments is not known here. Pure, and linear in the command's length.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from unicodedata import normalize

_UNSEEN = re.compile("[\x00-\x08\x0e-\x1f\x7f\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff]")
_QUOTED = re.compile(r"""\\.|'[^']*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)
_MASK = "%"
_EXPANDED = re.compile(r"\$\(|`")
_SIGNS = re.compile(r"[;&|\n\r(){}<> \t]")
_COMMANDS = re.compile(r"([;&|\n\r]+|[()]|(?:^|(?<=\s))[{}](?=\s|$)|(?<=\s)(?:then|do|else)(?=\s))")
_BEFORE = re.compile(r"(?:[A-Za-z_]\w*(?:\[[^\]\s]*\])?\+?=\S*|if|elif|while|until|coproc|then|do|else|!|\{)\Z")
_SENT = re.compile(r"\d{0,3}(?:&>>?|>[>&|]?|<<?<?-?)(.*)", re.DOTALL)
_COMPUTED = re.compile(r"[$`*?\[{]|[^ -~]")
_TESTS = {"[", "[["}
#: They do nothing with the words that they get but print them, or read or name files.
_SPEAKERS = {"cat", "cd", "diff", "echo", "egrep", "fgrep", "file", "grep", "head", "ls", "mkdir", "printf", "stat"}
_SPEAKERS |= {"tail", "tee", "test", "touch", "type", "wc", "which", *_TESTS}
_OF_GIT = {"commit", "add", "log", "show", "diff", "status", "blame"}
#: They run the program that their words name.
CALLERS = {"env", "sudo", "doas", "nohup", "time", "timeout", "command", "exec", "builtin", "nice", "xargs", "setsid"}
_OPTION = re.compile(r"[-+0-9].*|[A-Za-z_]\w*=.*", re.DOTALL)
SHELLS = {"sh", "bash", "dash", "zsh", "ksh", "fish", "ash", "tcsh", "csh"}
_READERS = {*SHELLS, "source", "."}  # they run what they read
_LATER = {*SHELLS, "eval"}  # they run their words


def doubtful(command: str, denied: Iterable[str]) -> bool:
    """Whether a command may run what one of these patterns of deny rules names."""
    patterns = [words for pattern in denied if (words := _words(pattern))]
    if not patterns:
        return False
    if _computes(command):
        return True
    seen = normalize("NFKC", _UNSEEN.sub("", command)).casefold()
    texts = [_said(seen, edge) for edge in ("", _MASK)]
    return any(all(_stands(word, text) for word in words) for words in patterns for text in texts)


def _words(pattern: str) -> list[str]:
    """The words that a command must have to be what the pattern means."""
    return re.findall(r"[^\s*|;&:()<>\"'\\]+", pattern.casefold())


def _stands(word: str, text: str) -> bool:
    """Whether a word stands in a text, not as a part of another; of options, whether all letters are given."""
    if re.fullmatch(r"-[a-z]+", word):
        given = "".join(re.findall(r"(?<!\S)-([a-z]+)", text))
        return set(word[1:]) <= set(given) or re.search(r"(?<!\S)--[a-z]", text) is not None
    return re.search(rf"(?<![\w])(?<![\s-]-){re.escape(word)}(?![\w-])", text) is not None


def _said(command: str, edge: str) -> str:
    """The command without quotes (with `edge` instead) and without what it only speaks of."""
    parts = _COMMANDS.split(_plain(command, edge))
    names = [[*_names(part)][-1:] for part in parts[::2]]
    for place, [name] in ((2 * at, name) for at, name in enumerate(names) if name and name[0] in _SPEAKERS | {"git"}):
        part, after = parts[place], parts[place + 1 : place + 2]
        taken = after and after[0].startswith("|") and not after[0].startswith("||")
        if taken and not _SPEAKERS.issuperset(names[place // 2 + 1]):
            continue  # the next one may run what it reads
        if "$<" in part or "`" in part or (place and parts[place - 2].endswith("<")):
            continue
        before, _, said = part.partition(name)
        second = said.split(maxsplit=1)[:1]
        if name != "git":
            parts[place] = before + name
        elif _OF_GIT.intersection(second):
            parts[place] = f"{before}{name} {second[0]}"
    return "".join(parts)


def _plain(command: str, edge: str = "") -> str:
    """The command with each quoted text as one word, and no parenthesis where only a value is computed."""
    whole = command.replace("\\\n", "")
    return _QUOTED.sub(lambda found: f"{edge}{_masked(found)}{edge}", whole).replace("$(", "$<")


def _computes(command: str) -> bool:
    """Whether what the command runs is only known once a shell has computed it, or has read it from somewhere."""
    parts = _COMMANDS.split(_plain(command))
    for place in range(0, len(parts), 2):
        part, before = parts[place], parts[place - 1] if place else ""
        names = list(_names(part))
        if any(name not in _TESTS and _COMPUTED.search(name) for name in names):
            return True
        if SHELLS.intersection(names) and ("|" in before or (before == "(" and parts[place - 2].endswith(">"))):
            return True
        if _READERS.intersection(names) and part.endswith("<") and parts[place + 1 : place + 2] == ["("]:
            return True
        if _LATER.intersection(names) and ("$" in part or "`" in part):
            return True
    return False


def _names(part: str) -> Iterator[str]:
    """The program that one command runs, without its folder; before it those that only call the next."""
    called = False
    words = iter(part.split())
    for word in words:
        if sent := _SENT.match(word):
            if not sent[1]:
                next(words, None)
        elif not (_BEFORE.match(word) or (called and _OPTION.match(word))):
            yield (name := word.rpartition("/")[2])
            if name not in CALLERS:
                return
            called = True


def _masked(found: re.Match[str]) -> str:
    """Quoted text as one word, without what would separate commands; what a shell computes in it stays."""
    text = found[0]
    if text[0] == "'":
        return re.sub(r"[^\w/.=+-]", _MASK, text[1:-1])
    if text[0] == "\\":
        return text[1] if text[1].isalnum() else _MASK
    return text[1:-1] if _EXPANDED.search(text) else _SIGNS.sub(_MASK, text[1:-1])
