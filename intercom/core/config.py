"""Owns where a bus lives and what it is set to: root, machine, file paths, project settings.

Read once, frozen, passed down; the only module that looks at the environment. Nothing here writes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from intercom.core import consent, document, trust
from intercom.core import root as roots
from intercom.core.arguments import maybe_texts
from intercom.core.errors import FormatError, Refused, UsageError
from intercom.core.message import RESERVED, canonical, check_name
from intercom.core.patterns import lazy

DEFAULT_AGENTS = ("claude-code", "roo")
BASE = "base."  #: in the private folder: prefix of a base's file name; the page's name follows

_OLDER_MARK = "kept."  # the prefix in versions before the ledger
_MACHINE = lazy(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?\Z")
_SURROGATE = lazy("[\ud800-\udfff]")
_LOG_NAME = lazy(r"INTERCOM-(.+)\.md\Z", re.IGNORECASE)


class PageLimits(NamedTuple):
    """When a page is compacted: `[compact]` in the settings."""

    messages: int = 100  #: compact above this many messages on the page
    size: int = 256 * 1024  #: bytes; compact above this size, if there are more than `keep` messages
    keep: int = 50  #: how many messages stay


class Config(NamedTuple):
    """One bus: its root folder, this machine's name, and the project's settings."""

    root: Path
    machine: str
    log: Path  #: this machine's live log
    agents: tuple[str, ...]  #: names that may send and receive without registering
    origin: str  #: what decided the root: argument, INTERCOM_ROOT, git, ancestor, directory …
    warnings: tuple[str, ...] = ()
    given: Mapping[str, Any] = {}  #: the whole settings file, including what needs consent and does not have it
    page: PageLimits = PageLimits()

    @property
    def folder(self) -> Path:
        """`.claude/local`, where the live logs lie."""
        return self.log.parent

    @property
    def archive(self) -> Path:
        """The folder of the ledger's segments."""
        return self.folder / "archive"

    @property
    def private(self) -> Path:
        """The folder of Intercom's own files: bases, index, state, locks."""
        return self.folder / ".intercom"

    @property
    def made(self) -> bool:
        """Whether there is a bus here already."""
        return roots.has_bus(self.root)

    def pages(self) -> list[str]:
        """The machine names under which this machine has kept a page here."""
        return _pages(self.private)

    def under(self, machine: str) -> Config:
        """The same bus under another machine name."""
        return self._replace(machine=machine, log=self.folder / log_name(machine))

    def other_logs(self) -> list[tuple[str, str]]:
        """The logs of other machines in the folder, sorted: (machine name as in the file name, file name)."""
        ours = {canonical(machine) for machine in (self.machine, *self.pages())}
        try:
            present = sorted(os.listdir(self.folder))
        except OSError:
            return []
        found = ((machine, name) for name in present if (machine := log_machine(name)))
        return [(machine, name) for machine, name in found if canonical(machine) not in ours]

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings in effect: those that need consent only if the person on this machine gave it."""
        return consent.without(self.given) if self.withheld() else self.given

    def section(self, name: str) -> Mapping[str, Any]:
        """One table of the settings in effect; empty if it is absent."""
        found = self.settings.get(name, {})
        return found if isinstance(found, Mapping) else {}

    @property
    def trust(self) -> trust.Trust:
        """What the person on this machine has trusted in this project, read now."""
        return trust.given(self.root, os.environ)

    def withheld(self) -> Mapping[str, Any]:
        """The settings that need consent and do not have it, in the form that `consent.powers` returns."""
        held = consent.powers(self.given)
        return {} if held and self.trust.settings == consent.digest(held) else held

    @property
    def unused(self) -> str:
        """A sentence for people about settings withheld for lack of consent; "" if there are none."""
        held = consent.named(self.withheld())
        said = "not in use until you agree (`intercom trust settings`)"
        return f"{held} in .claude/intercom.toml: {said}" if held else ""

    @property
    def cautions(self) -> tuple[str, ...]:
        """Warnings about the location and settings of this bus, one per line."""
        return (*self.warnings, *filter(None, [self.unused]))


def load(
    root: str | os.PathLike[str] | None = None,
    *,
    machine: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Config:
    """Find the bus for the working directory, or open the one at `root`.

    Raises UsageError for a root that is not a directory or settings that do not parse, and Refused for a
    machine name that could leave the folder, where a symbolic link leads out of the root, and in a folder that is not a
    project (the home folder, a temporary one) and that nobody named.
    """
    env = os.environ if environ is None else environ
    maybe_texts("nothing was opened", root=os.fspath(root) if isinstance(root, os.PathLike) else root, machine=machine)
    found, origin, surprise = roots.find(root, env)
    settings = _settings(found / ".claude" / "intercom.toml")
    name = machine or env.get("INTERCOM_MACHINE") or _remembered(found) or settings.get("machine")
    name = name or _in_use(found) or _spared(found) or _host_name()
    if not isinstance(name, str) or not _MACHINE.match(name) or ".." in name:
        raise Refused(
            f"{name!r} cannot be a machine name; nothing was opened. Use 1 to 64 letters, digits, "
            "'.', '-' or '_' (INTERCOM_MACHINE, or `machine` in .claude/intercom.toml)."
        )
    folder = found / ".claude" / "local"
    log = folder / _log_name(folder, name)
    _stay_inside(found, log)
    agents, limits = _agents(settings), _page_limits(settings.get("compact", {}))
    return Config(found, name, log, agents, origin, (surprise,) if surprise else (), settings, limits)


def _settings(path: Path) -> Mapping[str, Any]:
    """The project's settings; an absent file is an empty one."""
    try:
        return document.toml(document.text_of(path))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}; nothing was opened.") from error
    except ValueError as error:
        raise UsageError(f"{path} cannot be used: {error}; nothing was opened. Correct the file.") from error


def _agents(settings: Mapping[str, Any]) -> tuple[str, ...]:
    named = settings.get("agents", DEFAULT_AGENTS)
    if isinstance(named, Mapping):  # [agents.NAME], with what there is to say about each
        named = list(named)
    if not isinstance(named, (list, tuple)) or not all(isinstance(name, str) for name in named):
        raise UsageError(
            "`agents` in .claude/intercom.toml must be a list of names, or a table for each; nothing was opened."
        )
    try:
        found = tuple(check_name(name) for name in named)
    except FormatError as error:
        raise UsageError(f"`agents` in .claude/intercom.toml: {error}") from error
    if reserved := RESERVED.intersection(found):
        raise UsageError(
            f"`agents` in .claude/intercom.toml names {', '.join(map(repr, sorted(reserved)))}, which is reserved; "
            "nothing was opened. Take it out of the list."
        )
    return found


def _page_limits(said: object) -> PageLimits:
    """Read the `[compact]` settings. UsageError."""
    where = "[compact] in .claude/intercom.toml"
    if not isinstance(said, Mapping) or not said.keys() <= set(PageLimits._fields):
        raise UsageError(f"{where} is {said!r}; nothing was opened. It can say messages, size (bytes) and keep.")
    for name, value in said.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise UsageError(f"`{name}` of {where} is {value!r}; nothing was opened. Use a whole number, 1 or more.")
    limits = PageLimits(**said)
    if limits.keep >= limits.messages:
        raise UsageError(
            f"{where} keeps {limits.keep} of {limits.messages} messages; nothing was opened. "
            "`keep` must be less than `messages`: a log that is compacted gets shorter."
        )
    return limits


def _remembered(root: Path) -> str:
    """The name that `init --machine` gave this machine. It is stored beside the state, because settings are shared."""
    try:
        return document.text_of(root / ".claude" / "local" / ".intercom" / "machine").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _in_use(root: Path) -> str:
    """The machine name that this bus already uses, so that a laptop renamed by its network keeps its page."""
    found = _pages(root / ".claude" / "local" / ".intercom")
    return "" if not found or _host_name() in found else found[0]


def _pages(private: Path) -> list[str]:
    """The machine names that have a base in the private folder."""
    try:
        present = sorted(os.listdir(private))
    except OSError:
        return []
    pages = (name.partition(".")[2] for name in present if name.startswith((BASE, _OLDER_MARK)))
    return [machine for page in pages if (machine := log_machine(f"{page}.md"))]


def _spared(root: Path) -> str:
    """The machine name taken from the ledger's second names, for a bus whose folder was deleted."""
    if os.path.lexists(root / ".claude" / "local"):
        return ""
    folder = roots.spare_folder(root)
    try:
        found = [name for name in os.listdir(folder) if _MACHINE.match(name)] if folder is not None else []
    except OSError:
        return ""
    return found[0] if len(found) == 1 else ""


def _host_name() -> str:
    """The host name as a usable machine name (other characters become '-')."""
    if hasattr(os, "uname"):
        node = os.uname().nodename
    else:
        from socket import gethostname  # only Windows needs this import

        node = gethostname()
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", node.split(".")[0]).strip("-._")[:64]
    return name or "local"


def _log_name(folder: Path, machine: str) -> str:
    """The live log's file name; an existing file that differs only in case is this machine's."""
    wanted = log_name(machine)
    try:
        present = os.listdir(folder)
    except OSError:
        return wanted
    if wanted in present:
        return wanted
    same = sorted(name for name in present if name.casefold() == wanted.casefold())
    return same[0] if same else wanted


def log_name(machine: str) -> str:
    """The file name of a machine's live log; of this machine's own, the settings have the spelling on disk."""
    return f"INTERCOM-{machine}.md"


def log_machine(name: str) -> str | None:
    """The machine whose live log has this file name; None if it is not a log, or the name is not UTF-8."""
    match = _LOG_NAME.match(name)
    return match.group(1) if match and not _SURROGATE.search(name) else None


def _stay_inside(root: Path, log: Path) -> None:
    """Refuse a folder, log or private folder that a symbolic link takes out of the root."""
    private = log.parent / ".intercom"
    own = (private / name for name in ("ledger", "state.db", "index2.db", "lock"))
    stay_inside(root, log.parent, log, private, *own, log.parent / "archive")


def stay_inside(root: Path, *paths: Path) -> None:
    """Refuse a bus whose folder, log or archive a symbolic link leads out of the root."""
    for path in paths:
        if not is_inside(root, path):
            raise Refused(
                f"{path} leads out of {root} (to {os.path.realpath(path)}) by a symbolic link; nothing was opened. "
                "Remove the link, or set INTERCOM_ROOT to where it leads."
            )


def _without_links(root: str, path: str) -> bool:
    """Fast check for the usual case: `path` is spelled as one below `root`, and no part of it is a link."""
    parts = _parts(root, path)
    return bool(parts) and not any(map(os.path.islink, parts))


@lru_cache(maxsize=64)
def _parts(root: str, path: str) -> tuple[str, ...]:
    """A path that is spelled as one below `root`, and the folders between the two; () for any other."""
    if not path.startswith(root + os.sep) or os.pardir in path:
        return ()
    between = path.count(os.sep, len(root))
    return tuple(path.rsplit(os.sep, count)[0] for count in range(between))


def is_inside(root: Path, path: str | Path) -> bool:
    """Whether `path` lies below `root` once all symbolic links are resolved; `root` must be resolved already."""
    if _without_links(os.fspath(root), os.fspath(path)):
        return True
    real = os.path.realpath(path)
    return real == os.fspath(root) or real.startswith(os.fspath(root).rstrip(os.sep) + os.sep)
