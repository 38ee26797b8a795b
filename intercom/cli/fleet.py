"""Owns how answers of the fleet's verbs are printed, and `intercom attach` and `worktree`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

from intercom.cli import show
from intercom.cli.consent import at_terminal, consent, lines
from intercom.cli.session import Asked, there, warn
from intercom.core.errors import NotFound, Refused, UsageError
from intercom.core.fleet_words import WORKTREE_STATUSES
from intercom.core.message import USER, canonical
from intercom.core.signature import Arg
from intercom.fleet import verbs
from intercom.fleet.asking import about

if TYPE_CHECKING:
    from intercom.fleet.approve import Approved
    from intercom.fleet.crew import Crew
    from intercom.fleet.verbs import Workers
    from intercom.fleet.workers import Spawned, Torn


_LOOKS = frozenset({"scan", "worktree_list", "queue"})


@contextmanager
def crew_of(asked: Asked, *, makes: bool = False) -> Iterator[Crew]:
    """The crew of `--root` or of the working directory; its warnings go to stderr. NotFound as `open_bus`."""
    from intercom.fleet.crew import Crew

    with Crew.open(asked.root) as crew:
        if not makes:
            there(crew.bus.config)
        warn(crew.bus.config)
        yield crew


def asker(crew: Crew, verb: str, given: Mapping[str, Any]) -> str:
    """Who gives the command: a person, or a master in its own shell; anybody may look. Refused for a worker."""
    from intercom.fleet.speaker import authority, speaker

    decides = verb in {"assign", "wake"} or (verb == "approve" and given.get("decision") is not None)
    if verb in _LOOKS or (verb == "approve" and not decides):
        return USER
    return authority(speaker(crew.state, os.environ), consent=decides)


def called(asked: Asked, crew: Crew, verb: str, given: Mapping[str, Any]) -> Any:
    """The result of a verb of the fleet, for whoever runs this command; at a terminal `approve` asks."""

    def run(with_: Mapping[str, Any]) -> Any:
        return getattr(verbs, verb)(crew, by=asker(crew, verb, with_), **with_)

    if verb == "approve" and given.get("expect") is None and not asked.json and at_terminal():
        return consent(given, run)
    return run(given)


def spawned(asked: Asked, found: list[Spawned]) -> int:
    """Print the result for each worker; 1 unless all are ready."""
    for one in (each.to_json() for each in found):
        if asked.json:
            show.json_line(one)
            continue
        state = "ready" if one["ready"] else "starting" if one.get("starting") else "NOT READY"
        _line(one["name"], state, one.get("reason", ""), f"{one['seconds']} s")
        _rest(
            one,
            (
                *("mode", "worktree", "bootstrap_log", "left_out", "accepted", "note", "not_woken"),
                *("left", "settings", "aimfp"),
            ),
        )
    return 0 if all(one.ready or one.about.get("starting") for one in found) else 1


def scanned(asked: Asked, found: Workers) -> int:
    """Print what each worker does."""
    for one in found.found:
        if asked.json:
            show.json_line(one)
            continue
        sources = ", ".join(f"{source}: {word}" for source, word in one["by"].items())
        _line(one["name"], one["state"], f"({sources})", f"unread {one.get('unread', '-')}")
        _rest(one, ("note", "disagreement", "mode", "branch", "worktree"))
        for key in ("task", "last"):
            if key in one:
                _line(key, one[key]["text"], indent=True)
        if unverified := one.get("done", {}).get("unverified"):
            _line(f"done, but not verified: {' '.join(unverified)}", indent=True)
        for asks in one.get("asks", []):
            what = about(asks) or str(asks.get("input") or "")
            _line("asks", str(asks.get("tool")), what, f"[{asks['request']}]", indent=True)
        if "dialog" in one and "asks" not in one:
            dialog = one["dialog"]
            _line("asks", str(dialog.get("tool") or dialog["kind"]), str(dialog.get("subject", "")), indent=True)
    if found.note and not asked.json:
        show.line(found.note)
    return 0


def woken(asked: Asked, done: dict[str, Any]) -> int:
    """Print whether somebody was woken; 1 if that is not proven."""
    if asked.json:
        show.json_line(done)
    elif done["woke"]:
        show.line(f"{done['to']} is awake ({done['how']}, {done['seconds']} s)")
    else:
        show.line(f"{done['to']} was not woken: {done['reason']}")
    return 0 if done["woke"] else 1


def assigned(asked: Asked, done: dict[str, Any]) -> int:
    """Print the id of the task, and whether its worker was woken; 0 once it is stored."""
    if asked.json:
        show.json_line(done)
        return 0
    show.line(str(done["id"]))
    if done["woke"]:
        show.note(f"{done['to']} is awake ({done['how']}, {done['seconds']} s)")
    elif done.get("reason") != "not asked for":
        show.note(f"{done['to']} was not woken: {done['reason']}")
    return 0


def approved(asked: Asked, answer: Approved) -> int:
    """Print what was answered, or what is asked."""
    done = answer.to_json()
    if asked.json:
        show.json_line(done)
    else:
        asks = done.get("asks", {})
        for one in asks.get("requests", [asks] if asks else []):
            for line in lines(one):
                show.block(line)
        if done["answered"]:
            verb = "allowed" if done["decision"] == "allow" else "denied"
            show.line(f"{verb} for {answer.worker}" + (f"; {done['note']}" if "note" in done else ""))
        else:
            show.line(done["note"])
    return 0 if answer.answered or answer.asks is not None else 1


def torn(asked: Asked, ended: tuple[list[Torn], str]) -> int:
    """Print the result for each worker; 1 if something was kept or could not be ended."""
    found, note = ended
    for one in (each.to_json() for each in found):
        if asked.json:
            show.json_line(one)
            continue
        tree = f"worktree {one['worktree']}" if "worktree" in one else ""
        _line(one["name"], f"{one['ended']} processes ended", tree, one.get("reason", ""))
        if "kept" in one:
            _line(f"kept under {one['kept']['ref']}:", ", ".join(one["kept"]["files"]), indent=True)
    if note and not asked.json:
        show.line(note)
    return 1 if any(one.reason is not None for one in found) else 0


def attach(asked: Asked, worker: verbs.Worker) -> int:
    """Show a worker's terminal in this one until detached (tmux: prefix, then d); without one, show its output.

    At a terminal that output is followed, until ctrl-c.
    """
    from intercom.fleet import kept, observe
    from intercom.system import proc, tmux

    with crew_of(asked) as crew:
        row = crew.sessions.get(canonical(worker))
        if row is not None and row.pane is None and kept.output(crew.bus.config, row.name) is not None:
            return _follow(crew, row.name)
        program = proc.find("tmux")
        pane = observe.see(crew, row)[0] if row is not None else None
        if row is None or pane is None:
            names = ", ".join(one.name for one in crew.sessions.all() if observe.see(crew, one)[0]) or "none"
            raise NotFound(f"{worker!r} has no terminal to show. Workers that have one: {names}.")
        server = crew.tmux_of(row.socket)
        inside = tmux.inside(server, os.environ)
    words = tmux.attach_words(server, pane, inside=inside)
    # Otherwise tmux refuses with a warning.
    environ = {key: value for key, value in os.environ.items() if inside or key != "TMUX"}
    if not inside and not (sys.stdin and sys.stdin.isatty()):
        raise Refused("attach needs a terminal to show another in; nothing was shown. What it does: intercom scan")
    return _become(program, words, environ)


def _become(program: str, words: list[str], environ: Mapping[str, str]) -> NoReturn:
    sys.stdout.flush()
    os.execve(program, words, environ)  # noqa: S606  # this process becomes tmux; no shell reads the words


def _follow(crew: Crew, name: str) -> int:
    """Print the output of a worker without a terminal and, at a terminal, follow it until it ends or ctrl-c."""
    from intercom.fleet import kept

    place = 0
    with suppress(KeyboardInterrupt):
        while True:
            there = kept.keeper(crew.bus.config, name) is not None
            place, text = kept.output(crew.bus.config, name, place) or (place, "")
            if text:
                show.block(text.rstrip("\n"))
            if not there or not sys.stdout.isatty():
                break
            time.sleep(0.2)
    return 0


def worktree(
    asked: Asked,
    action: Literal["add", "list", "set-status", "remove"],
    worker: Annotated[str | None, Arg(help="whose; not for list")] = None,
    status: Annotated[str | None, Arg(help=f"for set-status: {', '.join(WORKTREE_STATUSES)}")] = None,
    *,
    base: Annotated[str, Arg(help="add: where it starts", metavar="BASE")] = "main",
    path: Annotated[str | None, Arg(help="add: where (default: beside the project)")] = None,
    branch: Annotated[str | None, Arg(help="set-status: the branch that carries the work")] = None,
    force: Annotated[bool, Arg(help="remove: also with unsaved work, kept under a git ref")] = False,
) -> int:
    """Create, list, mark or remove worktrees."""
    extra = worker if action == "list" else status if action != "set-status" else None
    if extra:
        raise UsageError(f"intercom worktree {action} does not take {extra!r}; nothing was done.")
    with crew_of(asked, makes=action == "add") as crew:
        by = asker(crew, f"worktree_{action}", {})
        if action == "list":
            found = verbs.worktree_list(crew, by=USER).rows
        elif not worker:
            raise UsageError(f"intercom worktree {action} needs a WORKER; nothing was done.")
        elif action == "add":
            where = os.path.abspath(path) if path else None
            found = [verbs.worktree_add(crew, by=by, worker_id=worker, base=base, path=where).to_json()]
        elif action == "remove":
            found = [_removed(worker, verbs.worktree_remove(crew, by=by, worker_id=worker, force=force))]
        elif not status:
            raise UsageError("intercom worktree set-status needs a WORKER and a STATUS; nothing was changed.")
        else:
            noted = verbs.worktree_set_status(crew, by=by, worker_id=worker, status=status, branch=branch)
            found = [noted.to_json()]
    if not found and not asked.json:
        show.line("No worktrees.")
    for one in found:
        if asked.json:
            show.json_line(one)
        else:
            _line(str(one.get("worker") or "-"), str(one.get("status") or "-"), str(one["path"]))
            _rest(one, ("on_branch", "branch", "unsaved", "note", "next", "kept"))
    return 0


def _removed(worker: str, gone: verbs.Removed) -> dict[str, Any]:
    kept = {"kept": {"ref": gone.ref, "files": list(gone.files)}} if gone.ref else {}
    return {"worker": worker, "status": "removed", "path": str(gone.path), **kept}


def _line(*words: str, indent: bool = False) -> None:
    """Print one line of words. `indent`: a detail of the line before."""
    show.line("    " if indent else "", "  ".join(word for word in words if word.strip()))


def _rest(one: dict[str, Any], keys: tuple[str, ...]) -> None:
    """Print details, one per line."""
    for key in keys:
        value = one.get(key)
        if value in (None, "", [], {}):
            continue
        if isinstance(value, dict):
            value = "; ".join(f"{name}: {', '.join(v) if isinstance(v, list) else v}" for name, v in value.items())
        elif isinstance(value, list):
            value = ", ".join(map(str, value))
        _line(f"{key.replace('_', ' ')}: {value}", indent=True)
