"""Owns the words of the fleet's commands: their arguments and help texts."""

from __future__ import annotations

import argparse

from intercom.core.limits import PERMISSION_MODES, WORKTREE_STATUSES


def spawn(add: argparse.ArgumentParser) -> None:
    """Arguments of `intercom spawn`."""
    add.add_argument("count", metavar="COUNT", type=int, help="how many workers")
    prefix(add, "their names are PREFIX-1, PREFIX-2 … (default: worker)")
    add.add_argument(
        "--perm-mode", choices=PERMISSION_MODES, default="acceptEdits", help="permission mode (default: acceptEdits)"
    )
    add.add_argument("--claude-cmd", metavar="CMD", default="claude", help="how to call Claude Code (default: claude)")
    add.add_argument("--worktrees", action="store_true", help="a git worktree of its own for each")
    add.add_argument("--worktree-base", metavar="BASE", default="main", help="what they begin at (default: main)")
    add.add_argument("--bootstrap", metavar="LINE", help="a shell line to run in each new worktree")
    add.add_argument(
        "--ready-timeout", metavar="SECONDS", type=float, default=20.0, help="how long each may take (default: 20)"
    )
    add.add_argument("--no-wake", dest="wake", action="store_false", help="do not let them begin with the protocol")


def prefix(add: argparse.ArgumentParser, about: str = "names that begin so (default: worker)") -> None:
    """The prefix of workers' names."""
    add.add_argument("--prefix", metavar="PREFIX", default="worker", help=about)


def wake(add: argparse.ArgumentParser) -> None:
    """Arguments of `intercom wake`."""
    add.add_argument("worker", metavar="WORKER", help="a name on the bus, or a tmux session or pane (%%3)")
    add.add_argument("message", metavar="MESSAGE", help="the text; - reads it from standard input")


def approve(add: argparse.ArgumentParser) -> None:
    """Arguments of `intercom approve`."""
    add.add_argument("worker", metavar="WORKER")
    add.add_argument("decision", nargs="?", choices=("allow", "deny"), help="without it, show what is asked")
    add.add_argument("--expect", metavar="TEXT", help="the command, path, call or request id that is meant")
    add.add_argument("--timeout", metavar="SECONDS", type=float, default=5.0, help="how long to wait (default: 5)")


def teardown(add: argparse.ArgumentParser) -> None:
    """Arguments of `intercom teardown`."""
    prefix(add)
    add.add_argument("--worktrees", action="store_true", help="remove their worktrees too")
    add.add_argument("--force", action="store_true", help="also with unsaved work, which is kept under a git ref")


def attach(add: argparse.ArgumentParser) -> None:
    """Arguments of `intercom attach`."""
    add.add_argument("worker", metavar="WORKER")


def worktree(add: argparse.ArgumentParser) -> None:
    """Arguments of `intercom worktree`."""
    add.add_argument("action", choices=("add", "list", "set-status", "remove"))
    add.add_argument("worker", metavar="WORKER", nargs="?", help="whose; not for list")
    add.add_argument("status", metavar="STATUS", nargs="?", help=f"for set-status: {', '.join(WORKTREE_STATUSES)}")
    add.add_argument("--base", metavar="BASE", default="main", help="add: what it begins at (default: main)")
    add.add_argument("--path", metavar="PATH", help="add: where (default: beside the project)")
    add.add_argument("--branch", metavar="BRANCH", help="set-status: the branch that carries the work")
    add.add_argument("--force", action="store_true", help="remove: also with unsaved work, kept under a git ref")
