"""Owns what a remote person is alerted to: what counts, and when it is due.

    message      a message to `user`
    permission   a worker asks for one, and nobody answered for a while
    stuck        a worker is dead with work to do, or says that it is blocked or failed
    unverified   a `done` that the facts contradict
    repair       Intercom put something right in the log
    budget       an agent used more than its budget

Pure: values in, alerts out; what was sent already is kept by `notebook`. The settings are `[notify]` in the person's
own `$XDG_CONFIG_HOME/intercom/config.toml`, never in a project; how an alert is sent is up to `notifiers`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from intercom.core.errors import UsageError
from intercom.core.fleet_words import NEEDS_YOU, STUCK
from intercom.core.message import SYSTEM, USER, Message, epoch
from intercom.core.texts import one_line
from intercom.fleet import personal
from intercom.fleet.overview import Overview

KINDS = ("message", "permission", "stuck", "unverified", "repair", "budget")
_TEXT = 300  #: characters of a message quoted in an alert
_LINES, _LINE = 12, 160  #: lines of a digest, and characters of each
_QUIET = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)\Z")
_NAMES = {"urls", "desktop", "events", "after", "quiet", "digest"}


class Alert(NamedTuple):
    """One alert. `key` identifies it for good."""

    kind: str
    key: str
    title: str
    text: str


class Settings(NamedTuple):
    """The `[notify]` settings."""

    urls: tuple[str, ...] = ()  #: addresses in apprise's syntax; `$NAME` is taken from the environment
    desktop: bool = True
    events: tuple[str, ...] = KINDS
    after: float = 60.0  #: seconds before an unanswered permission request counts
    quiet: tuple[int, int] | None = None  #: quiet hours, in minutes of the local day
    digest: int = 3  #: above this number, alerts are sent as one


def settings(environ: Mapping[str, str]) -> Settings:
    """The person's own settings, with defaults. UsageError, naming what is wrong."""
    path, found = personal.table("notify", environ, "nothing was told")
    return _read(path, found, environ)


def _read(path: Path, found: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    def wrong(key: str, wanted: str) -> UsageError:
        return UsageError(f"`{key}` of [notify] in {path} must be {wanted}; nothing was told.")

    if unknown := ", ".join(sorted(found.keys() - _NAMES)):
        raise UsageError(f"[notify] in {path} has {unknown}; it knows {', '.join(sorted(_NAMES))}. Nothing was told.")
    default = Settings()
    urls, events = found.get("urls", []), found.get("events", list(KINDS))
    if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
        raise wrong("urls", "a list of addresses")
    if not isinstance(events, list) or not set(events) <= set(KINDS):
        raise wrong("events", f"a list of {', '.join(KINDS)}")
    after, digest = found.get("after", default.after), found.get("digest", default.digest)
    if type(after) not in {int, float} or after < 0:
        raise wrong("after", "a number of seconds")
    if type(digest) is not int or digest < 1:
        raise wrong("digest", "a number of alerts")
    desktop, quiet = found.get("desktop", default.desktop), found.get("quiet", "")
    if type(desktop) is not bool:
        raise wrong("desktop", "true or false")
    times = _QUIET.match(quiet) if isinstance(quiet, str) else None
    if quiet and times is None:
        raise wrong("quiet", 'two times, such as "22:00-07:00"')
    hours = [int(part) for part in times.groups()] if times else []
    between = (hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]) if hours else None
    named = tuple(_filled(url, environ, path) for url in urls)
    return Settings(named, desktop, tuple(events), float(after), between, digest)


def _filled(url: str, environ: Mapping[str, str], path: Path) -> str:
    def secret(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name not in environ:
            raise UsageError(f"an address of [notify] in {path} wants ${name}, which is not set; nothing was told.")
        return environ[name]

    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", secret, url)


def is_quiet(told: Settings, now: float) -> bool:
    """Whether this moment (seconds since 1970) is in the quiet hours."""
    if told.quiet is None:
        return False
    local = time.localtime(now)
    minute, (begin, end) = local.tm_hour * 60 + local.tm_min, told.quiet
    return begin <= minute < end if begin <= end else minute >= begin or minute < end


def alerts(found: Overview, messages: Iterable[Message], told: Settings, now: float) -> list[Alert]:
    """Everything that counts now; `messages` are the unread ones to `user`."""
    out = [_of_message(message) for message in messages if USER in message.recipients]
    for ask in found.permissions:
        if now - epoch(ask.at) >= told.after:
            title = f"{ask.worker} asks permission"
            out.append(Alert("permission", f"permission:{ask.request}", title, one_line(ask.what, _TEXT)))
    asking = {ask.worker for ask in found.permissions}
    for agent in found.agents:
        if agent.state == "blocked" and agent.name in asking:
            continue  # reported as its request
        if agent.group in (STUCK, NEEDS_YOU) and agent.state not in ("waiting", "unknown"):
            ended = agent.process if agent.state in ("dead", "gone") else ""
            key = f"stuck:{agent.name}:{agent.state}:{ended or agent.since}"
            text = one_line(agent.note or agent.last or agent.task, _TEXT)
            out.append(Alert("stuck", key, f"{agent.name} is {agent.state}", text))
    for agent in found.agents:
        if agent.excess:  # reported again if the budget is raised and exceeded once more
            key = f"budget:{agent.name}:{agent.excess.partition(' of ')[2]}"
            out.append(Alert("budget", key, f"{agent.name}: budget", agent.excess))
    for row in found.unverified:
        text = one_line(" ".join(row.reasons), _TEXT)
        out.append(Alert("unverified", f"unverified:{row.id}", f"{row.worker}: done, but not verified", text))
    return [one for one in out if one.kind in told.events]


def _of_message(message: Message) -> Alert:
    kind = "repair" if message.sender == SYSTEM else "message"
    title = "Intercom put something right" if kind == "repair" else f"{message.sender} writes to you ({message.type})"
    return Alert(kind, f"message:{message.id}", title, one_line(message.body, _TEXT))


def digested(new: Sequence[Alert], told: Settings, project: str) -> list[tuple[str, str]]:
    """The title and text of each alert, or of one digest if there are many."""
    if len(new) <= told.digest:
        return [(f"{project}: {one.title}", one.text) for one in new]
    lines = [f"{one.title}: {one.text}"[:_LINE] for one in new[:_LINES]]
    lines += [f"and {len(new) - _LINES} more: intercom inbox"] if len(new) > _LINES else []
    return [(f"{project}: {len(new)} things", "\n".join(lines))]
