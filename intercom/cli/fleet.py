"""Owns `intercom spawn | scan | wake | approve | teardown | attach | worktree`: the fleet, for people."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from intercom.cli import show
from intercom.cli.session import message_text, warn
from intercom.core.display import named
from intercom.core.errors import NotFound, Refused, UsageError
from intercom.core.message import USER, canonical

if TYPE_CHECKING:
    from intercom.fleet.crew import Crew


@contextmanager
def _crew(args: argparse.Namespace) -> Iterator[Crew]:
    """The crew of `--root` or of the working directory; its warnings go to stderr."""
    from intercom.fleet.crew import Crew

    with Crew.open(args.root) as crew:
        warn(crew.bus.config)
        yield crew


def spawn(args: argparse.Namespace) -> int:
    """Start workers; 1 unless all are ready."""
    from intercom.fleet import workers

    plan = workers.Plan(
        args.count,
        prefix=args.prefix,
        perm_mode=args.perm_mode,
        claude_cmd=args.claude_cmd,
        worktrees=args.worktrees,
        worktree_base=args.worktree_base,
        bootstrap=args.bootstrap,
        ready_timeout=args.ready_timeout,
        wake=args.wake,
    )
    with _crew(args) as crew:
        found = [one.to_json() for one in workers.spawn(crew, plan, by=USER)]
    for one in found:
        if args.json:
            show.json_line(one)
            continue
        _line(one["name"], "ready" if one["ready"] else "NOT READY", one.get("reason", ""), f"{one['seconds']} s")
        _rest(one, ("worktree", "bootstrap_log", "left_out", "accepted", "note", "not_woken", "left"))
    return 0 if all(one["ready"] for one in found) else 1


def scan(args: argparse.Namespace) -> int:
    """What each worker does."""
    from intercom.fleet import workers

    with _crew(args) as crew:
        found = workers.scan(crew, args.prefix)
    for one in found:
        if args.json:
            show.json_line(one)
            continue
        sources = ", ".join(f"{source}: {word}" for source, word in one["by"].items())
        _line(one["name"], one["state"], f"({sources})", f"unread {one.get('unread', '-')}")
        _rest(one, ("disagreement", "worktree"))
        for asked in one.get("asks", []):
            what = asked.get("command") or ", ".join(asked.get("paths", [])) or asked.get("url") or asked.get("input")
            _line("asks", str(asked.get("tool")), str(what), f"[{asked['request']}]", indent=True)
        if "dialog" in one and "asks" not in one:
            dialog = one["dialog"]
            _line("asks", str(dialog.get("tool") or dialog["kind"]), str(dialog.get("subject", "")), indent=True)
    if not found and not args.json:
        show.line(f"no worker's name begins with {args.prefix}")
    return 0


def wake(args: argparse.Namespace) -> int:
    """Store a message and wake its reader; 1 where the wake is not proven."""
    from intercom.fleet.wake import tell

    text = message_text(args.message)
    with _crew(args) as crew:
        done = tell(crew, args.worker, text, by=USER)
    if args.json:
        show.json_line(done)
    elif done["woke"]:
        show.line(f"{done['to']} is awake ({done['how']}, {done['seconds']} s)")
    else:
        show.line(f"{done['to']} was not woken: {done['reason']}")
    return 0 if done["woke"] else 1


def approve(args: argparse.Namespace) -> int:
    """Answer what a worker asks, or show it."""
    from intercom.fleet.approve import approve as answer

    with _crew(args) as crew:
        done = answer(
            crew, args.worker, by=USER, decision=args.decision, expect=args.expect, timeout=args.timeout
        ).to_json()
    if args.json:
        show.json_line(done)
    else:
        asks = done.get("asks", {})
        for one in asks.get("requests", [asks] if asks else []):
            for key, value in one.items():
                show.block(named(key, ", ".join(value) if isinstance(value, list) else str(value)))
        if done["answered"]:
            verb = "allowed" if done["decision"] == "allow" else "denied"
            show.line(f"{verb} for {args.worker}" + (f"; {done['note']}" if "note" in done else ""))
        else:
            show.line(done["note"])
    return 0 if done["answered"] or (args.decision is None and "asks" in done) else 1


def teardown(args: argparse.Namespace) -> int:
    """End workers; 1 where something was kept or could not be ended."""
    from intercom.fleet import workers

    with _crew(args) as crew:
        found = [
            one.to_json() for one in workers.teardown(crew, args.prefix, worktrees=args.worktrees, force=args.force)
        ]
    for one in found:
        if args.json:
            show.json_line(one)
            continue
        tree = f"worktree {one['worktree']}" if "worktree" in one else ""
        _line(one["name"], f"{one['ended']} processes ended", tree, one.get("reason", ""))
        if "kept" in one:
            _line(f"kept under {one['kept']['ref']}:", ", ".join(one["kept"]["files"]), indent=True)
    if not found and not args.json:
        show.line(f"no worker that a spawn started begins with {args.prefix}")
    return 1 if any("reason" in one for one in found) else 0


def attach(args: argparse.Namespace) -> int:
    """Show a worker's terminal in this one, until it is left (tmux: prefix, then d)."""
    from intercom.fleet import observe
    from intercom.system import proc, tmux

    program = proc.find("tmux")
    with _crew(args) as crew:
        row = crew.sessions.get(canonical(args.worker))
        pane = observe.see(crew, row)[0] if row is not None else None
        if row is None or pane is None:
            names = ", ".join(one.name for one in crew.sessions.all() if observe.see(crew, one)[0]) or "none"
            raise NotFound(f"{args.worker!r} has no terminal to show. Workers that have one: {names}.")
        server = crew.tmux_of(row.socket)
        inside = tmux.inside(server, os.environ)
    words = tmux.attach_words(server, pane, inside=inside)
    environ = {key: value for key, value in os.environ.items() if inside or key != "TMUX"}  # else tmux warns and ends
    if not inside and not (sys.stdin and sys.stdin.isatty()):
        raise Refused("attach needs a terminal to show another in; nothing was shown. What it does: intercom scan")
    sys.stdout.flush()
    os.execve(program, words, environ)  # noqa: S606  # this process becomes tmux; no shell reads the words


def worktree(args: argparse.Namespace) -> int:
    """Create, list, mark or remove worktrees."""
    if args.action != "list" and not args.worker:
        raise UsageError(f"intercom worktree {args.action} needs a WORKER; nothing was done.")
    if args.action == "set-status" and not args.status:
        raise UsageError("intercom worktree set-status needs a WORKER and a STATUS; nothing was changed.")
    extra = args.worker if args.action == "list" else args.status if args.action != "set-status" else None
    if extra:
        raise UsageError(f"intercom worktree {args.action} has no use for {extra!r}; nothing was done.")
    with _crew(args) as crew:
        found = _worktree(crew, args)
    if not found and not args.json:
        show.line("no worktrees")
    for one in found:
        if args.json:
            show.json_line(one)
        else:
            _line(str(one.get("worker") or "-"), str(one.get("status") or "-"), str(one["path"]))
            _rest(one, ("on_branch", "branch", "unsaved", "note", "kept"))
    return 0


def _worktree(crew: Crew, args: argparse.Namespace) -> list[dict[str, Any]]:
    if args.action == "add":
        path = os.path.abspath(args.path) if args.path else None
        return [crew.worktrees.add(args.worker, args.base, path).to_json()]
    if args.action == "list":
        return crew.worktrees.list()
    if args.action == "set-status":
        return [crew.worktrees.set_status(args.worker, args.status, args.branch).to_json()]
    gone = crew.worktrees.remove(args.worker, force=args.force)
    kept = {"kept": {"ref": gone.ref, "files": list(gone.kept)}} if gone.ref else {}
    return [{"worker": args.worker, "status": "removed", "path": str(gone.path), **kept}]


def _line(*words: str, indent: bool = False) -> None:
    """One line of words. `indent`: a detail of the line before."""
    show.line("    " if indent else "", "  ".join(word for word in words if word.strip()))


def _rest(one: dict[str, Any], keys: tuple[str, ...]) -> None:
    """Details, a line each."""
    for key in keys:
        value = one.get(key)
        if value in (None, "", [], {}):
            continue
        if isinstance(value, dict):
            value = "; ".join(f"{name}: {', '.join(v) if isinstance(v, list) else v}" for name, v in value.items())
        elif isinstance(value, list):
            value = ", ".join(map(str, value))
        _line(f"{key.replace('_', ' ')}: {value}", indent=True)
