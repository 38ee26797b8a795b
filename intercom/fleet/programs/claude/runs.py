"""Owns which words make an ordinary program run another one: whoever allows git does not allow any command.

A rule such as `Bash(git:*)` does not allow them; they are asked for, unless the rule itself has them, as in
`Bash(git rebase -x make:*)`. What a script, a makefile or a program's settings do is not known here, nor what a program
does that is not in this table. Pure, and linear in the command's length.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from intercom.fleet.programs.claude.doubts import CALLERS, SHELLS


class Runs(NamedTuple):
    """What makes one program run another."""

    short: str = ""  #: letters of options
    long: tuple[str, ...] = ()  #: options, which may be shortened
    words: str = r"(?!)"  #: pattern of words, among them what a command within the program is called


_CODE_IN_C, _CODE_IN_E = Runs("c"), Runs("eE")
#: by program: what git takes before its own command is in `_GIT`, by each of its commands in `_OF_GIT`
RUNS: Final = {
    "find": Runs(words=r"-(?:exec|ok)(?:dir)?"),
    "fd": Runs("xX", ("exec", "exec-batch")),
    "rg": Runs(long=("pre", "hostname-bin")),
    "awk": Runs("fl", ("file", "load"), r"(?s).*(?:system|\||@load).*"),
    "sed": Runs(words=r"(?s).*(?:\A|[\d/$!\s])e(?:\s.*)?|(?s:.*)s([^\w\s]).*\1.*\1[\w\s]*[ew](?s:.*)"),
    "tar": Runs("IF", ("to-command", "use-compress-program", "checkpoint-action", "info-script", "new-volume-script",
                       "rsh-command", "rmt-command"), r"[^-=]*[IF][^=]*"),
    "zip": Runs(long=("unzip-command",), words=r"-TT.*"),
    "sort": Runs(long=("compress-program",)),
    "split": Runs(long=("filter",)),
    "ssh": Runs("F", words=r"(?i)(?:-\w*o)?\s*\w*(?:command|proxyuse\w*|include|match|provider)\b.*"),
    "scp": Runs("SFDo"),
    "rsync": Runs("e", ("rsh", "rsync-path")),
    "make": Runs("f", ("eval", "file", "makefile"),
                 r"(?s)\.?(?:SHELL|MAKE|CC|CXX|LD|AR|AS|CPP|FC)\w*[:+?]?=.*|\w+[:+?]?=.*\s.*"),
    "npm": Runs(long=("script-shell", "node-options"), words=r"exec|x|explore|config|set|c"),
    "yarn": Runs(words=r"dlx|exec|node|config"),
    "pnpm": Runs(long=("script-shell", "shell-emulator"), words=r"dlx|exec|config|c|set"),
    "bun": Runs("ep", ("eval", "print", "preload"), r"x"),
    "node": Runs("epr", ("eval", "print", "require", "import", "loader", "experimental-loader")),
    "deno": Runs(words=r"eval|repl"),
    "python": _CODE_IN_C,
    "perl": Runs("eEMmI"),
    "ruby": Runs("er"),
    "php": Runs("rRBE", ("run",)),
    "lua": Runs("el"),
    "Rscript": Runs("e"),
    "osascript": _CODE_IN_E,
    "go": Runs(words=r"--?(?:exec|toolexec|vettool)(?:=.*)?|run|generate|tool"),
    "cargo": Runs(long=("config",), words=r"run"),
    "gcc": Runs("B", words=r"-wrapper|-fplugin.*|-specs.*"),
    "vim": Runs("cSusU", ("cmd",), r"\+.*"),
    "less": Runs("k", ("lesskey-src", "lesskey-file"), r"\+.*"),
    "man": Runs("PH", ("pager", "html")),
    "gdb": Runs("x", words=r"--?(?:ex|eval-command|iex|init-eval-command|command|init-command|args)(?:=.*)?"),
    "sqlite3": Runs(words=r"-cmd|-init|(?s)\.(?:shell|system|sh|sy|load|lo|open|o|once|import|read).*"),
    "tcpdump": Runs("z"),
    "nc": Runs("ec", ("exec", "sh-exec", "lua-exec")),
    "socat": Runs(words=r"(?i)(?:exec|system|shell).*"),
    "hg": Runs(long=("config",)),
    "svn": Runs(long=("config-option", "diff-cmd", "diff3-cmd", "editor-cmd")),
    "pip": Runs(long=("python", "config-settings", "global-option"), words=r"config"),
}  # fmt: skip
_SAME = {"gawk": "awk", "mawk": "awk", "nawk": "awk", "gsed": "sed", "gtar": "tar", "bsdtar": "tar", "fdfind": "fd"}
_SAME |= {"gmake": "make", "sftp": "scp", "nodejs": "node", "vi": "vim", "nvim": "vim", "view": "vim", "ex": "vim"}
_SAME |= {"g++": "gcc", "cc": "gcc", "clang": "gcc", "clang++": "gcc", "c++": "gcc", "ncat": "nc", "netcat": "nc"}
_SAME |= {"gfind": "find", "more": "less", "pypy": "python", "luajit": "lua", "ed": "vim"}
_VERSION = re.compile(r"(?<=[a-z])-?\d[\d.]*\Z|\.exe\Z")
#: They do nothing but run the program that their words name.
_CALLERS = {*CALLERS, "npx", "bunx", "uvx", "pipx", "busybox", "chroot", "chrt", "entr", "eval", "fakeroot", "flock"}
_CALLERS |= {"hyperfine", "ionice", "ltrace", "nsenter", "parallel", "pkexec", "prlimit", "runuser", "script"}
_CALLERS |= {"setpriv", "sg", "stdbuf", "strace", "su", "systemd-run", "taskset", "trap", "unbuffer", "unshare"}
_CALLERS |= {"valgrind", "watch", "xvfb-run", "bwrap"}
_GIT = Runs("c", ("config-env", "exec-path"))
_REMOTE = "upload-pack", "receive-pack", "exec"
_OF_GIT = {
    "clone": Runs("uc", ("upload-pack", "config", "template"), r"ext::.*"),
    "init": Runs(long=("template",)),
    "fetch": Runs(long=_REMOTE, words=r"ext::.*"),
    "pull": Runs(long=_REMOTE, words=r"ext::.*"),
    "push": Runs(long=_REMOTE, words=r"ext::.*"),
    "ls-remote": Runs(long=_REMOTE, words=r"ext::.*"),
    "fetch-pack": Runs(long=_REMOTE),
    "send-pack": Runs(long=_REMOTE),
    "archive": Runs(long=("exec",)),
    "remote": Runs(words=r"ext::.*"),
    "submodule": Runs(words=r"foreach|ext::.*"),
    "rebase": Runs("x", ("exec",)),
    "difftool": Runs("x", ("extcmd",)),
    "grep": Runs("O", ("open-files-in-pager",)),
    "bisect": Runs(words=r"run"),
    "svn": Runs(long=("authors-prog",)),
    "send-email": Runs(long=("sendmail-cmd", "smtp-server", "to-cmd", "cc-cmd", "header-cmd")),
}
_ALWAYS = {"filter-branch", "hook", "instaweb", "web--browse", "remote-ext", "shell", "daemon", "credential"}
_ALWAYS |= {"for-each-repo"}
_READS_SETTINGS = re.compile(r"--(?:get|list|show).*|-l|get|list")
_LONGEST = 500  #: characters of a word that is looked at; a longer one is in doubt
_OPTION = re.compile(r"[-+0-9].*|[A-Za-z_]\w*=.*", re.DOTALL)


def runs_another(command: str, pattern: str) -> bool:
    """Whether a plain command that a rule's pattern matches runs a program that the pattern does not name."""
    try:
        words = shlex.split(command)
    except ValueError:
        return True
    head, star, _ = pattern.partition("*")
    given = head.removesuffix(":").split()
    named = len(given) - bool(star and given and head[-1] not in ": \t")
    return any(at >= named for at in _runners(words))


def _runners(words: Sequence[str]) -> Iterator[int]:
    """The places of words that make a command run what the words name."""
    at, name = 0, ""
    while at < len(words):
        name = _name(words[at])
        if name in SHELLS:
            yield from _options(words, at + 1, _CODE_IN_C)
            return
        if name not in _CALLERS:
            break
        at += 1
        while at < len(words) and _OPTION.match(words[at]):
            if re.match(r"-\w*S|--split", words[at]):  # env's: one word that is a whole command
                yield at
            at += 1
        if at < len(words):
            yield at
    else:
        return
    if name == "git":
        yield from _git(words, at + 1)
    elif name in RUNS:
        yield from _options(words, at + 1, RUNS[name])


def _git(words: Sequence[str], at: int) -> Iterator[int]:
    while at < len(words) and words[at].startswith("-"):
        yield from _options(words[: at + 1], at, _GIT)
        at += 2 if words[at] in {"-C", "-c", "--git-dir", "--work-tree", "--namespace", "--config-env"} else 1
    if at >= len(words):
        return
    called = words[at]
    if called in _ALWAYS or (called == "config" and not any(map(_READS_SETTINGS.fullmatch, words[at + 1 :]))):
        yield at
    elif called in _OF_GIT:
        yield from _options(words, at + 1, _OF_GIT[called])


def _options(words: Sequence[str], start: int, runs: Runs) -> Iterator[int]:
    letters = re.compile(rf"-(?!-)\w*[{runs.short}]") if runs.short else None
    pattern = re.compile(runs.words)
    for at in range(start, len(words)):
        word = words[at]
        long = word[2:].partition("=")[0] if word.startswith("--") else ""
        if (
            (long and any(one.startswith(long) for one in runs.long))
            or (letters is not None and letters.match(word))
            or (pattern.fullmatch(word) if len(word) <= _LONGEST else runs.words != Runs().words)
        ):
            yield at


def _name(word: str) -> str:
    """The program that a word names, without folder and version."""
    bare = word.replace("\\", "/").rpartition("/")[2]
    short = _VERSION.sub("", bare) or bare
    return _SAME.get(bare, _SAME.get(short, bare if bare in RUNS else short))
