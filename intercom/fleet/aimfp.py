"""Owns what Intercom does for a project that uses AIMFP: the marker that shows AIMFP our presence, and its git needs.

AIMFP's own data is never read. Each need says what is missing and what to do about it; `intercom init --aimfp` does,
after showing it, whatever does not need a person's decision.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from intercom.core import aimfp
from intercom.core.aimfp import BRANCH, DRIVER, IGNORE, MARKER, TRACKING, used
from intercom.system import host
from intercom.system.files import make_folder, opened, read_from

_SELF_IGNORED = b"# made by Intercom; AIMFP looks whether intercomm.db is here\n*\n"


class Need(NamedTuple):
    """A precondition of AIMFP for several workers, and whether it is met."""

    name: str
    met: bool
    says: str
    do: str = ""  #: the next command or step
    stops: bool = False  #: whether workers in worktrees cannot work at all without it
    ours: bool = False  #: whether `intercom init --aimfp` can do it


def mark(*folders: str | os.PathLike[str]) -> None:
    """Create the marker in these checkouts if they use AIMFP. Never fails, never overwrites."""
    for folder in folders:
        marker = os.path.join(folder, MARKER)
        if os.path.lexists(marker) or not used(folder):
            continue
        place = os.path.dirname(marker)
        with suppress(OSError):
            make_folder(Path(place))
            if os.path.islink(place):
                continue
            for name, data in ((".gitignore", _SELF_IGNORED), (os.path.basename(marker), b"")):
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
                with (
                    suppress(FileExistsError),
                    open(host.open_file(os.path.join(place, name), flags, 0o644), "wb") as file,
                ):
                    file.write(data)


def unmark(*folders: str | os.PathLike[str]) -> list[str]:
    """Remove our empty markers; InterComm's files in their place stay. Returns the removed files."""
    gone = []
    for folder in folders:
        marker = os.path.join(folder, MARKER)
        with suppress(OSError):
            if os.path.getsize(marker) == 0 and not os.path.islink(marker):
                os.unlink(marker)
                gone.append(marker)
                ignore = os.path.join(os.path.dirname(marker), ".gitignore")
                with suppress(OSError):
                    with opened(ignore) as file:
                        mine = file.read(1_000) == _SELF_IGNORED
                    if mine:
                        os.unlink(ignore)
                os.rmdir(os.path.dirname(marker))
    return gone


def needs(root: Path, base: str = BRANCH) -> list[Need]:
    """AIMFP's preconditions in the repository at `root`, met or not, for workers that start from `base`.

    Empty if the project does not use AIMFP.
    """
    return [*_needs(root, base)] if used(root) else []


def unmet(root: Path, base: str = BRANCH) -> list[Need]:
    """The unmet ones."""
    return [one for one in needs(root, base) if not one.met]


def _needs(root: Path, base: str) -> Iterator[Need]:
    from intercom.system.git import git, ok

    branch = ok(root, "show-ref", "--verify", "--quiet", f"refs/heads/{BRANCH}")
    head = git(root, "symbolic-ref", "--quiet", "--short", "HEAD", check=False).out.strip()
    if not branch:
        do = f"git branch -m {head or '…'} {BRANCH}"
        yield Need("branch", False, f"AIMFP knows no default branch but {BRANCH}", do)
    else:
        merges = "" if head == BRANCH else ": AIMFP merges into what is checked out"
        says = f"{head or 'no branch'} is checked out{merges}"
        yield Need("branch", head == BRANCH, says, "" if head == BRANCH else f"git switch {BRANCH}")
    base = base if branch or base != BRANCH else "HEAD"
    for path, why, stops in (
        (TRACKING, "workers in worktrees would have no AIMFP project", True),
        (".mcp.json", "sessions in worktrees would lack its servers", False),
    ):
        found = ok(root, "cat-file", "-e", f"{base}:{path}")
        says = f"{path} is committed on {base}" if found else f"{path} is not committed on {base}: {why}"
        do = "" if found else f"git add {path} && git commit -m 'Add {os.path.basename(path)}'"
        yield Need(os.path.basename(path), found, says, do, stops=stops and not found)
    missing = unignored(root)
    says = f"git does not ignore {', '.join(missing)}" if missing else "git ignores what AIMFP regenerates"
    yield Need("ignore rules", not missing, says, "intercom init --aimfp" if missing else "", ours=True)
    kept = keeps_ours(root)
    says = "git keeps ours" if kept else "two branches conflict in it alone, whatever else they change"
    yield Need("merge driver", kept, f"{TRACKING}: {says}", "" if kept else "intercom init --aimfp", ours=True)


def unignored(root: Path) -> list[str]:
    """The lines of `IGNORE` whose files git does not ignore."""
    from intercom.system.git import git

    samples = {line.replace("*", "project") + ("x" if line.endswith("/") else ""): line for line in IGNORE}
    given = "".join(f"{one}\0" for one in samples)
    listed = git(root, "check-ignore", "--no-index", "--stdin", "-z", stdin=given, check=False)
    ignored = set(listed.out.split("\0"))
    return [line for sample, line in samples.items() if sample not in ignored]


def keeps_ours(root: Path) -> bool:
    """Whether git leaves AIMFP's database alone when it merges: only AIMFP can merge its content."""
    from intercom.system.git import git

    said = git(root, "check-attr", "-z", "merge", "--", TRACKING, check=False).out.split("\0")
    driver = said[2] if len(said) > 2 else ""
    return git(root, "config", "--get", f"merge.{driver}.driver", check=False).out.strip() == "true"


def plan(root: Path) -> list[str]:
    """What `prepare` will do, one line each; empty if there is nothing to do."""
    lines = [f"add to .gitignore: {line}" for line in unignored(root)]
    if not keeps_ours(root):
        lines.append(f"git config merge.{DRIVER}.driver true")
        lines.append(f"add to .git/info/attributes: {TRACKING} merge={DRIVER}")
    return lines


def prepare(root: Path) -> None:
    """Configure for AIMFP what can be configured; safe to repeat. IntercomError, OSError."""
    from intercom.system.git import git

    missing = unignored(root)
    if missing:
        _append(root / ".gitignore", missing)
    if not keeps_ours(root):
        git(root, "config", f"merge.{DRIVER}.name", "AIMFP merges its database itself; git keeps ours")
        git(root, "config", f"merge.{DRIVER}.driver", "true")
        common = Path(git(root, "rev-parse", "--path-format=absolute", "--git-common-dir").out.removesuffix("\n"))
        make_folder(common / "info")
        _append(common / "info" / "attributes", [f"{aimfp.TRACKING} merge={DRIVER}"])
    mark(root)


def _append(path: Path, lines: list[str]) -> None:
    """Append lines to a text file, with its own line ends."""
    present = read_from(path) or b""
    newline = b"\r\n" if b"\r\n" in present else b"\n"
    joint = newline if present and not present.endswith(b"\n") else b""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    with open(host.open_file(path, flags, 0o666), "ab") as file:
        file.write(joint + newline.join(line.encode() for line in lines) + newline)
