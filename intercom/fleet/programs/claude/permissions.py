"""Owns permission rules: Claude Code's own syntax, matched so that doubt never allows.

    Bash                    every call of the tool            mcp__server, mcp__server__*   every tool of a server
    Bash(npm test)          this command                      mcp__server__tool             one tool
    Bash(npm run:*)         npm run, and npm run with anything after it; `Bash(npm run *)` means the same
    Bash(git * main)        * stands for anything
    Read(./src/**)          gitignore patterns: //abs from the root, ~/ from home, / from the project,
    Edit(/docs/*.md)        anything else from the working directory; Edit covers Write and NotebookEdit, Read
                            covers Grep and Glob
    WebFetch(domain:x.org)  this host; with `*.` before it those below it, `*` any. To deny, both in either case

A deny rule is read in each way in which it may have been meant, and matches if any part of a command, or any spelling
of a path or address, does. An allow rule with a pattern matches a command only if it is one plain command that runs no
other program than the rule names (`runs`), a path only if it and what it leads to match, and an address only if it is a
plain one. Pure, but for asking the file system where a symbolic link leads.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

from intercom.core.fleet_words import Ruling
from intercom.fleet.programs.claude import globs
from intercom.fleet.programs.claude.doubts import CALLERS, SHELLS, doubtful
from intercom.fleet.programs.claude.runs import runs_another
from intercom.fleet.programs.event import Ask
from intercom.system.host import in_rules

_RULE = re.compile(r"(?P<tool>[A-Za-z_][\w.*-]*)(?:\((?P<about>.*)\))?\Z", re.DOTALL)
_NOT_PLAIN = re.compile(r"[;&|<>$`(){}\\]|[^\S \t]|[\x00-\x08\x0e-\x1f\x7f]|\A\s*!")
# ^ a shell would do more than one thing, or something else; and it divides words at spaces and tabs alone
_PARTS = re.compile(r"[;&|\n\r(){}`]+|\$\(|\b(?:then|do|else)\b")
_WORD = r"(?:'[^']*'|\"(?:[^\"\\]|\\.)*\"|\\.|[^\s'\"\\;&|<>()])*"
_REDIRECTION = re.compile(rf"\d{{0,3}}(?:&>>?|>[>&|]?|<<[<-]?|<(?![<(]))[ \t]*{_WORD}")
_BEFORE = re.compile(rf"\s*(?:[A-Za-z_]\w*(?:\[[^\]\n]*\])?\+?={_WORD}|if|elif|while|until|coproc|!)\s+")
_QUOTES = re.compile(r"\$(?=['\"])|['\"\\]")
_RUNNERS = {*CALLERS, *SHELLS, "bwrap", "busybox", "chroot", "chrt", "entr", "eval", "fakeroot", "find", "flock"}
_RUNNERS |= {"hyperfine", "ionice", "ltrace", "npx", "nsenter", "parallel", "pkexec", "prlimit", "runuser", "screen"}
_RUNNERS |= {"script", "setpriv", "sg", "ssh", "stdbuf", "strace", "su", "systemd-run", "taskset", "tmux", "trap"}
_RUNNERS |= {"unbuffer", "unshare", "valgrind", "watch", "xvfb-run"}
_INTO_SHELL = re.compile(r"\|&?[ \t]*(?:(?:sudo|env)[ \t]+)?[\w./-]*\b(?:ba|da|z|k|fi|a|tc|c)?sh\b")
_BLANK = re.compile(r"\$\{IFS[^{}]*\}|\$IFS\b")
_BRACES = re.compile(r"\{[^{}\s]*,[^{}\s]*\}")
_ENCODED = re.compile(r"\$'((?:[^'\\]|\\.)*)'", re.DOTALL)
_CODE = re.compile(r"\\(?:x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{1,4})|U([0-9A-Fa-f]{1,8})|([0-7]{1,3}))")
_COVERS = {
    "Edit": {"Edit", "Write", "MultiEdit", "NotebookEdit"},
    "Read": {"Read", "Grep", "Glob", "LS", "NotebookRead"},
}
_FILES = frozenset().union(*_COVERS.values())
_PATHS = ("file_path", "notebook_path", "path")
_ELSEWHERE = re.compile(r"\.\.|(?:\A|[{,])\s*[/~]")  # a Glob pattern that leaves its folder
_PLAIN_ADDRESS = re.compile(r"https?://(?P<host>[A-Za-z0-9.-]+)(?::[0-9]+)?(?:[/?#]|\Z)", re.IGNORECASE)
_ADDRESS = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?/*(?P<host>[^/?#]*)")


def deciding(ask: Ask, allow: Iterable[str], deny: Iterable[str]) -> Ruling | None:
    """The verdict; None if no rule matches, or if it is not clear that no deny rule does. Deny wins."""
    deny = list(deny)
    for rule in deny:
        if _matches(rule, ask, strict=False):
            return "deny", rule
    if ask.tool == "Bash" and doubtful(str(ask.inputs.get("command") or ""), _bash_patterns(deny)):
        return None
    for rule in allow:
        if _matches(rule, ask, strict=True):
            return "allow", rule
    return None


def _bash_patterns(rules: Iterable[str]) -> Iterator[str]:
    for rule in rules:
        found = _RULE.match(rule.strip())
        if found is not None and found["tool"] == "Bash" and found["about"]:
            yield found["about"]


def speaks(rule: str) -> bool:
    """Whether a rule can match any call at all; a misspelled one neither allows nor denies."""
    found = _RULE.match(rule.strip())
    if found is None:
        return False
    tool, about = found["tool"], found["about"]
    if tool.startswith("mcp__"):
        return about is None
    if about is None or about.strip() == "*":
        return tool[0].isupper()
    if tool in _FILES:
        return not about.strip().startswith("!")  # each rule stands for itself: none takes away from another
    return tool == "Bash" or bool(about.startswith("domain:") and about[len("domain:") :].strip())


def _matches(rule: str, ask: Ask, *, strict: bool) -> bool:
    """Whether a rule matches this call; `strict` for rules that allow."""
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
    if tool in _FILES:
        return _path(about.strip(), ask, strict=strict)
    if about.startswith("domain:"):
        return _domain(about[len("domain:") :].strip(), str(ask.inputs.get("url") or ""), strict=strict)
    return False


def _mcp(rule: str, tool: str) -> bool:
    server = rule.removesuffix("__*")
    return tool == rule or (server.count("__") == 1 and tool.startswith(server + "__"))


# -- commands -----------------------------------------------------------------------------------------


def _bash(pattern: str, command: str, *, strict: bool) -> bool:
    if "*" not in pattern and command.strip(" \t\n") == pattern:
        return True
    test = globs.Command(pattern)
    if strict:
        plain = not _NOT_PLAIN.search(command) and test.matches(command.strip())
        return plain and not runs_another(command, pattern)
    return any(test.matches(part, starts) for part, starts in _parts(command))


def _parts(command: str) -> Iterator[tuple[str, Iterable[int]]]:
    """The command, and each command that may be inside it: chained, quoted, or run by another.

    Each is a text, with the positions where its command may begin.
    """
    whole = command.replace("\\\n", "")
    meant = _ENCODED.sub(_decoded, _BLANK.sub(" ", whole))
    spread = _BRACES.sub(lambda found: found[0][1:-1].replace(",", " "), meant)
    read = [part for text in dict.fromkeys([whole, meant, spread]) for part in _PARTS.split(text)]
    into_shell = _INTO_SHELL.search(whole) is not None
    for part in dict.fromkeys([command, *read, *_PARTS.split(_REDIRECTION.sub(" ", meant))]):
        at = 0
        while before := _BEFORE.match(part, at):
            at = before.end()
        bare = part[at:].strip()
        unquoted = " ".join(_QUOTES.sub("", bare).split())
        yield from ((text, (0,)) for text in (part.strip(), bare, _QUOTES.sub("", bare)))
        yield unquoted, _starts(unquoted, into_shell)
        name, blank, rest = unquoted.partition(" ")
        if name != name.lower():  # where case does not matter to the file system, it is the same program
            yield (lower := name.lower() + blank + rest), _starts(lower, into_shell)


def _decoded(found: re.Match[str]) -> str:
    """What stands within $'...', where characters may be given by their numbers."""

    def character(code: re.Match[str]) -> str:
        number = int(code[4], 8) if code[4] else int(code[1] or code[2] or code[3], 16)
        return chr(number) if 0 < number <= 0x10FFFF else ""

    return "'" + _CODE.sub(character, found[1]) + "'"


def _starts(line: str, into_shell: bool) -> Iterator[int]:
    """Positions in a line where a program's name may begin: its first word, and any after a runner; without folder.

    `into_shell`: a shell gets what something prints, and so any word may be a program's name.
    """
    at = end = 0
    while end >= 0 and line:
        end = line.find(" ", at)
        word = line[at:] if end < 0 else line[at:end]
        name = at + word.rfind("/") + 1
        yield from sorted({at, name})
        if at == 0 and not into_shell and word[:1] != "$" and line[name : at + len(word)] not in _RUNNERS:
            return
        at = end + 1


# -- paths --------------------------------------------------------------------------------------------


def _path(pattern: str, ask: Ask, *, strict: bool) -> bool:
    given = [ask.inputs[key] for key in _PATHS if isinstance(ask.inputs.get(key), str)]
    if not given or (strict and ask.tool == "Glob" and _ELSEWHERE.search(str(ask.inputs.get("pattern")))):
        return False
    tests = _path_patterns(pattern, ask, strict=strict)
    hits = [any(test.matches(spelling) for test in tests) for name in given for spelling in _spellings(ask, name)]
    return all(hits) if strict else any(hits)


def _spellings(ask: Ask, name: str) -> tuple[str, str, str]:
    """A path as written, and where it leads, in both readings: `link/..` is not the folder of the link."""
    path = os.path.join(ask.cwd, os.path.expanduser(name))
    short = os.path.abspath(path)
    return in_rules(short), in_rules(os.path.realpath(short)), in_rules(os.path.realpath(path))


def _path_patterns(pattern: str, ask: Ask, *, strict: bool) -> list[globs.Path]:
    """A gitignore pattern as one over absolute paths; a folder includes everything in it.

    Unless `strict`, a path from the project's root may also have been meant as one from the system's.
    """
    if pattern.startswith("//"):
        places = [("", pattern[1:])]
    elif pattern.startswith("~/"):
        places = [(os.path.expanduser("~"), pattern[1:])]
    elif pattern.startswith("/"):
        places = [(os.path.realpath(ask.project), pattern), *([] if strict else [("", pattern)])]
    else:
        bare = pattern.removeprefix("./")
        anywhere = bare == pattern and "/" not in bare.rstrip("/")
        places = [(os.path.realpath(ask.cwd), f"/**/{bare}" if anywhere else f"/{bare}")]
    literal = [globs.Path(in_rules(base), in_rules(rest).rstrip("/")) for base, rest in places]
    if strict:
        return literal
    short = (_shortened(in_rules(base), in_rules(rest).rstrip("/")) for base, rest in places)
    return literal + [globs.Path(base, rest, loose=True) for base, rest in short]


def _shortened(base: str, pattern: str) -> tuple[str, str]:
    """Folder and pattern without `.` and `..` in the pattern, as far as they do not follow a pattern's sign."""
    done: list[str] = []
    for part in pattern.split("/")[1:]:
        if part == ".." and not done:
            base = base.rpartition("/")[0]
        elif part == ".." and not any(sign in done[-1] for sign in "*?["):
            done.pop()
        elif part != ".":
            done.append(part)
    return base, "".join(f"/{part}" for part in done)


def _domain(wanted: str, url: str, *, strict: bool) -> bool:
    host, rule = _host(url, strict=strict), wanted.casefold().rstrip(".")
    name = rule.removeprefix("*.")
    if not strict:
        host, name = _same_host(host), _same_host(name)
    if not host or not name or rule == "*":
        return bool(host and name)
    itself, below = host == name, host.endswith("." + name)
    return (below if rule != name else itself) if strict else itself or below


def _host(url: str, *, strict: bool) -> str:
    """The host of an address as browsers, and so the agent, parse it; "" if `strict` and not plain."""
    if strict:
        found = _PLAIN_ADDRESS.match(url)
        return found["host"].rstrip(".").casefold() if found else ""
    from unicodedata import normalize
    from urllib.parse import unquote

    text = re.sub(r"[\t\r\n]", "", url).strip("".join(map(chr, range(33)))).replace("\\", "/")
    found = _ADDRESS.match(text)
    host = re.sub(r":[0-9]*\Z", "", found["host"].rpartition("@")[2]) if found else ""
    host = re.sub("[\u3002\uff0e\uff61]", ".", unquote(host))
    return re.sub("[\u00ad\u200b-\u200d\u2060\ufeff]", "", normalize("NFKC", host)).rstrip(".").casefold()


def _same_host(host: str) -> str:
    """One spelling for all of a host: of an address in numbers, or of a name beyond ASCII."""
    import socket

    try:
        if host.startswith("["):
            return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, host.strip("[]")))
        if host[:1].isdigit():
            return socket.inet_ntoa(socket.inet_aton(host))
        return host if host.isascii() else host.encode("idna").decode("ascii")
    except (OSError, ValueError):
        return host
