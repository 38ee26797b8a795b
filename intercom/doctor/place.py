"""Owns the checks of where a bus lies: settings, the folder and its file system, working locks, git's ignore rule."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from intercom.core import consent
from intercom.core.config import Config
from intercom.core.errors import IntercomError, StorageError
from intercom.doctor.finding import OK, WARNING, WRONG, Finding, listed
from intercom.fleet.programs.known import programs
from intercom.store.log.ledger import Ledger
from intercom.system import git, host, proc
from intercom.system.files import read_from
from intercom.system.git_index import tracked

#: file systems whose locks and syncs may not hold for other machines or the server
NETWORK = re.compile(
    r"nfs\d?|cifs|smb\w*|9p|afs|ceph|glusterfs|lustre|davfs|drvfs|vboxsf|prl_fs|webdav|ftp"
    r"|fuse\.(?:sshfs|rclone|s3fs|gcsfuse|davfs2?|glusterfs|vmhgfs-fuse|ceph.*|goofys|curlftpfs)"
)
MEMORY = ("tmpfs", "ramfs")
_PATIENCE = 10.0  #: seconds for git to say whether it ignores the log
_SYNCED = re.compile(r"(?i:dropbox|onedrive.*|google ?drive.*|mobile documents|nextcloud|owncloud|pclouddrive)")
_SYNC_MARKS = (".stfolder", ".dropbox", ".sync_root", ".owncloudsync.log")


def root(config: Config) -> Finding:
    """Where the bus lies, what decided that, and whether there is one yet."""
    says = f"{config.root} (found by: {config.origin}), machine {config.machine}"
    if not config.folder.is_dir():
        return Finding("root", WARNING, f"{says}; there is no log yet", "intercom init")
    if config.warnings:
        return Finding("root", WARNING, f"{says}; {'; '.join(config.warnings)}", "set INTERCOM_ROOT to pin it")
    return Finding("root", OK, says)


def settings(config: Config) -> Finding:
    """Whether every setting has a known name."""
    path = config.root / ".claude" / "intercom.toml"
    if not path.exists():
        return Finding("settings", OK, "none (.claude/intercom.toml is not there)")
    unread = [name for name in config.given if name not in consent.SETTINGS]
    for name, (known, _) in consent.SETTINGS.items():
        table = config.given.get(name)
        if known and isinstance(table, Mapping):
            unread += [f"{name}.{key}" for key in table if key not in known]
        elif known and table is not None:
            unread.append(f"{name} (a table is expected)")
    for check in (_rules, _repair, _others):
        if wrong := check(config):
            return wrong
    if unread:
        return Finding(
            "settings", WARNING, f"no such setting: {listed(unread)} in {path}", "correct the name, or remove it"
        )
    if held := config.withheld():
        return Finding("settings", WARNING, f"{consent.named(held)}: not in use here yet", "intercom trust settings")
    return Finding("settings", OK, os.fspath(path))


def _repair(config: Config) -> Finding | None:
    """An invalid value under `[repair]`, with which nothing is repaired and nobody can read."""
    from intercom.core.errors import UsageError
    from intercom.repair.repair import repair_settings

    try:
        repair_settings(config)
    except UsageError as error:
        says, _, do = str(error).partition("; ")
        return Finding("settings", WRONG, says, do.rpartition(". ")[2] or "mend it")
    return None


def _others(config: Config) -> Finding | None:
    """Settings whose value is of the wrong kind."""
    wait = config.given.get("permissions", {})
    wait = wait.get("wait", 0) if isinstance(wait, Mapping) else 0
    if isinstance(wait, bool) or not isinstance(wait, int | float) or not 0 <= wait < float("inf"):
        return Finding("settings", WRONG, f"permissions.wait is {wait!r}", "make it a number of seconds")
    table = config.given.get("tmux", {})
    socket = table.get("socket", "") if isinstance(table, Mapping) else ""
    if not isinstance(socket, str):
        return Finding("settings", WRONG, f"tmux.socket is {socket!r}", "make it the name or path of a tmux server")
    return None


def _rules(config: Config) -> Finding | None:
    """Permission rules that can never match, on which somebody may rely."""
    silent: list[str] = []
    table = config.given.get("permissions", {})
    for key in ("allow", "deny"):
        found = table.get(key, []) if isinstance(table, Mapping) else []
        if not isinstance(found, list) or not all(isinstance(rule, str) for rule in found):
            return Finding(
                "settings", WRONG, f"permissions.{key} is not a list of texts; no rule counts", "make it a list"
            )
        silent += [rule for rule in found if not any(program.speaks(rule) for program in programs())]
    if not silent:
        return None
    says = f"no call can ever match {', '.join(map(repr, silent))} under [permissions]"
    return Finding("settings", WRONG, says, "write it as agent programs do: Bash(npm run:*), Edit(src/**) …")


def folder(config: Config) -> Finding:
    """Whether the folders are accessible to us, and only to us."""
    bad = []
    for path in (config.folder, config.private):
        if not path.is_dir():
            continue
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            return Finding(
                "folder", WRONG, f"{path} cannot be read and written", f"make it yours: {host.GRANTS_ACCESS} {path}"
            )
        if not host.is_private(path):
            bad.append(f"{path} is open to other users ({path.stat().st_mode & 0o777:03o})")
    for path in (config.log, *(config.archive / one.name for one in Ledger(config).segments()[-1:])):
        if path.exists() and not os.access(path, os.R_OK | os.W_OK):
            return Finding(
                "folder", WRONG, f"{path} cannot be read and written", f"make it yours: {host.GRANTS_ACCESS} {path}"
            )
    if bad:
        return Finding("folder", WARNING, "; ".join(bad), "intercom init")
    return Finding("folder", OK, os.fspath(config.folder))


def file_system(config: Config) -> Finding:
    """Whether the folder's file system keeps the promises of locks and syncs."""
    kind = _kind(os.path.realpath(config.folder))
    if kind is None:
        return Finding("file system", WARNING, "its type is not known here", "keep the log on a local disk")
    if NETWORK.fullmatch(kind):
        says = f"{kind}, over a network: unsafe, locks and syncs may not hold there"
        return Finding("file system", WRONG, says, "keep the project on a local disk")
    synced = _synced(config.folder)
    if synced is not None:
        says = f"{kind}, in a folder that a tool syncs ({synced}): unsafe for the databases in {config.private.name}"
        return Finding("file system", WARNING, says, f"exclude {config.private} from it; the logs may be synced")
    if kind in MEMORY:
        return Finding("file system", WARNING, f"{kind}: gone when the machine stops", "keep the project on a disk")
    return Finding("file system", OK, kind)


def _kind(path: str) -> str | None:
    """The type of the file system that holds a path, if the system tells."""
    if found := host.file_system(path):
        return found
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            return kind_in(file.read(), path)
    except OSError:
        pass
    try:
        return kind_in(_as_mountinfo(proc.run(["mount"]).out), path)
    except IntercomError:
        return None


def kind_in(mountinfo: str, path: str) -> str | None:
    """The type of the file system that holds `path`, according to proc(5)'s `mountinfo`."""
    best, found = -1, None
    for line in mountinfo.splitlines():
        left, separator, right = line.partition(" - ")
        fields = left.split(" ")
        if not separator or len(fields) < 5:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= best:  # of two on one mount point the later is on top
            best, found = len(point), right.split(" ")[0]
    return found


def _as_mountinfo(text: str) -> str:
    """The mount list of macOS and BSD (`/dev/x on /place (apfs, local)`) in Linux' form."""
    rows = re.findall(r"^.* on (/.*) \((\w+)", text, re.MULTILINE)
    return "".join(f"0 0 0 / {point.replace(' ', chr(92) + '040')} - {kind}\n" for point, kind in rows)


def _synced(path: Path) -> str | None:
    """The folder above that a sync tool manages, judging by its name or a marker in it."""
    for one in (path, *path.parents):
        if _SYNCED.fullmatch(one.name) or any((one / mark).exists() for mark in _SYNC_MARKS):
            return os.fspath(one)
    return None


def locking(config: Config) -> Finding:
    """Whether locks exclude others here, and nobody blocks the writer lock."""
    path = config.private / ("lock" if host.LOCK_FILES_STAY else "lock.systems")
    try:
        first, second = (host.open_file(path, os.O_RDWR) for _ in range(2))
    except FileNotFoundError:
        return Finding("locks", OK, "not tried: nothing was written here yet")
    try:
        if not host.try_lock(first):
            who = _holder(path)
            return Finding("locks", OK, f"they hold; the writer lock is held just now{f' by {who}' if who else ''}")
        if host.try_lock(second):
            return Finding("locks", WRONG, f"a lock keeps nobody out of {path}", "keep the project on a local disk")
    finally:
        os.close(first)
        os.close(second)
    return Finding("locks", OK, "they keep a second writer out")


def _holder(path: Path) -> str | None:
    """The process that holds a lock, if the system tells."""
    inode = f":{path.stat().st_ino} "
    try:
        with open("/proc/locks", encoding="ascii") as file:
            pids = [line.split()[4] for line in file if inode in line and "->" not in line]
        with open(f"/proc/{pids[0]}/comm", encoding="utf-8", errors="replace") as file:
            return f"process {pids[0]} ({file.read().strip()})"
    except (OSError, IndexError):
        return None


def ignored(config: Config) -> Finding:
    """Whether git ignores the logs."""
    found = tracked(config.root)
    if found:
        do = "git rm -r -f --cached .claude/local"
        return Finding("ignore rule", WRONG, f"git tracks {listed(found)}; a push publishes it", do)
    if not any((one / ".git").exists() for one in (config.root, *config.root.parents)):
        return Finding("ignore rule", OK, "not needed: this is not a git repository")
    try:
        read_from(config.root / ".gitignore")  # git would wait for a pipe
        if not git.git(config.root, "check-ignore", "--quiet", ".claude/local/x", check=False, timeout=_PATIENCE).code:
            return Finding("ignore rule", OK, "git ignores .claude/local/")
    except StorageError as error:
        return Finding("ignore rule", WRONG, str(error).partition(";")[0], "move it away")
    except IntercomError as error:
        return Finding("ignore rule", WARNING, f"git could not be asked: {error}", proc.INSTALL["git"])
    says = "git does not ignore .claude/local/; the log could be committed by accident"
    return Finding("ignore rule", WARNING, says, "intercom init")
