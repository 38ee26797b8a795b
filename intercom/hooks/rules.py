"""Owns permission rules: Claude Code's own syntax, matched so that doubt never allows.

    Bash                    every call of the tool            mcp__server, mcp__server__*   every tool of a server
    Bash(npm test)          this command                      mcp__server__tool             one tool
    Bash(npm run:*)         npm run, and npm run with anything after it; `Bash(npm run *)` means the same
    Bash(git * main)        * stands for anything
    Read(./src/**)          gitignore patterns: //abs from the root, ~/ from home, / from the project,
    Edit(/docs/*.md)        anything else from the working directory; Edit covers Write and NotebookEdit, Read
                            covers Grep and Glob
    WebFetch(domain:x.org)  this host and those below it

A deny rule matches if any part of a command, or either spelling of a path, does; an allow rule with a pattern
matches only a command that is one plain command, and a path only if it and what it leads to match. Pure, but
for asking the file system where a symbolic link leads.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

_RULE = re.compile(r"(?P<tool>[A-Za-z_][\w.*-]*)(?:\((?P<about>.*)\))?\Z", re.DOTALL)
_NOT_PLAIN = re.compile(r"[;&|<>$`(){}\n\r\\]|\A\s*!")  # a shell would do more than one thing, or something else
_PARTS = re.compile(r"[;&|\n\r(){}`]+|\$\(|\b(?:then|do|else)\b")
_ASSIGNMENT = re.compile(r"\s*[A-Za-z_]\w*=(?:'[^']*'|\"[^\"]*\"|\S*)\s+")
_RUNNERS = {"sudo", "doas", "env", "nohup", "time", "timeout", "command", "exec", "builtin", "nice", "xargs", "setsid"}
_RUNNERS |= {"sh", "bash", "dash", "zsh", "eval", "find", "watch", "ssh", "su", "stdbuf", "ionice", "busybox"}
_COVERS = {
    "Edit": {"Edit", "Write", "MultiEdit", "NotebookEdit"},
    "Read": {"Read", "Grep", "Glob", "LS", "NotebookRead"},
}
_PATHS = ("file_path", "notebook_path", "path")


class Ask(NamedTuple):
    """A call of a tool that wants permission."""

    tool: str
    inputs: Mapping[str, Any]
    cwd: str
    project: str  #: what a leading / in a pattern stands for


def deciding(ask: Ask, allow: Iterable[str], deny: Iterable[str]) -> tuple[str, str] | None:
    """("deny" or "allow", the rule), or None where no rule speaks. Deny comes first."""
    for rule in deny:
        if _matches(rule, ask, strict=False):
            return "deny", rule
    for rule in allow:
        if _matches(rule, ask, strict=True):
            return "allow", rule
    return None


def _matches(rule: str, ask: Ask, *, strict: bool) -> bool:
    """Whether a rule speaks of this call; `strict` for rules that allow."""
    found = _RULE.match(rule.strip())
    if found is None:
        return False
    tool, about = found["tool"], found["about"]
    if tool.startswith("mcp__"):
        return about is None and _mcp(tool, ask.tool)
    if ask.tool not in _COVERS.get(tool, {tool}):
        return False
    if about is None or about.strip() == "*":
        return tool == ask.tool or not strict or about is None
    if tool == "Bash":
        return _bash(about.strip(), str(ask.inputs.get("command") or ""), strict=strict)
    if tool in _COVERS:
        return _path(about.strip(), ask, strict=strict)
    if about.startswith("domain:"):
        return _domain(about[len("domain:") :].strip(), str(ask.inputs.get("url") or ""))
    return False


def _mcp(rule: str, tool: str) -> bool:
    server = rule.removesuffix("__*")
    return tool == rule or (server.count("__") == 1 and tool.startswith(server + "__"))


# -- commands -----------------------------------------------------------------------------------------


def _bash(pattern: str, command: str, *, strict: bool) -> bool:
    if "*" not in pattern and command.strip() == pattern:
        return True
    test = _command_pattern(pattern)
    if strict:
        return not _NOT_PLAIN.search(command) and test.match(command.strip()) is not None
    return any(test.match(part) for part in _parts(command))


def _command_pattern(pattern: str) -> re.Pattern[str]:
    """`x:*` and `x *` stand for x alone and for x with anything behind a space."""
    tail = ""
    for end in (":*", " *"):
        if pattern.endswith(end):
            pattern, tail = pattern.removesuffix(end), r"(?:\s.*)?"
            break
    body = ".*".join(re.escape(piece) for piece in pattern.split("*"))
    return re.compile(body + tail + r"\Z", re.DOTALL)


def _parts(command: str) -> Iterator[str]:
    """The command, and each command that may be in it: behind others, in quotes, run by something else."""
    for part in [command, *_PARTS.split(command)]:
        bare = part.strip()
        while assignment := _ASSIGNMENT.match(bare):
            bare = bare[assignment.end() :].strip()
        unquoted = re.sub(r"['\"\\]", "", bare)
        yield from (part.strip(), bare, unquoted)
        words = unquoted.split()
        if words and words[0].rpartition("/")[2] in _RUNNERS:
            yield from (" ".join(words[start:]) for start in range(1, len(words)))
        elif words and "/" in words[0]:
            yield " ".join([words[0].rpartition("/")[2], *words[1:]])


# -- paths --------------------------------------------------------------------------------------------


def _path(pattern: str, ask: Ask, *, strict: bool) -> bool:
    given = next((ask.inputs[key] for key in _PATHS if isinstance(ask.inputs.get(key), str)), None)
    if given is None:
        return False
    path = os.path.normpath(os.path.join(ask.cwd, os.path.expanduser(given)))
    test = _path_pattern(pattern, ask)
    hits = [test.match(spelling) is not None for spelling in (path, os.path.realpath(path))]
    return all(hits) if strict else any(hits)


def _path_pattern(pattern: str, ask: Ask) -> re.Pattern[str]:
    """A gitignore pattern as one over absolute paths; a folder stands for all that is in it."""
    if pattern.startswith("//"):
        base, rest = "", pattern[1:]
    elif pattern.startswith("~/"):
        base, rest = os.path.expanduser("~"), pattern[1:]
    elif pattern.startswith("/"):
        base, rest = os.path.realpath(ask.project), pattern
    else:
        bare = pattern.removeprefix("./")
        anywhere = bare == pattern and "/" not in bare.rstrip("/")
        base, rest = os.path.realpath(ask.cwd), f"/**/{bare}" if anywhere else f"/{bare}"
    return re.compile(re.escape(base) + _glob(rest.rstrip("/")) + r"(?:/.*)?\Z", re.DOTALL)


def _glob(text: str) -> str:
    out = []
    for piece in re.split(r"(/\*\*/|/\*\*\Z|\*\*|\*|\?)", text):
        if piece == "/**/":
            out.append("/(?:.*/)?")
        elif piece == "/**":
            out.append("/.*")
        elif piece == "**":
            out.append(".*")
        else:
            out.append({"*": "[^/]*", "?": "[^/]"}.get(piece) or re.escape(piece))
    return "".join(out)


def _domain(wanted: str, url: str) -> bool:
    from urllib.parse import urlsplit

    try:
        host = (urlsplit(url).hostname or "").rstrip(".").casefold()
    except ValueError:
        return False
    name = wanted.casefold().removeprefix("*.")
    return bool(name) and (host == name or host.endswith("." + name))
