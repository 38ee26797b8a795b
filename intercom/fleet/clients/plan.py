"""Owns planning what setting up some clients, or removing our part from all of them, does to which files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from intercom.fleet.clients.changes import ADDED, ALONE, Change, adding, apply, taking
from intercom.fleet.clients.client import Client, Setup
from intercom.fleet.clients.part import Part
from intercom.fleet.clients.record import Record, Way, user_record

RECORD = "clients.json"


class Planned(NamedTuple):
    """The change of one file, and for which clients."""

    path: Path  #: as named; the change has the real path
    change: Change
    clients: tuple[str, ...]


class Records:
    """The records of what was added: in this project, and in the user's home."""

    def __init__(self, setup: Setup, private: Path) -> None:
        self._root = setup.root
        self.project = Record(private / RECORD)
        self.user = Record(user_record(setup.home, setup.environ))

    def of(self, path: Path) -> Record:
        """The record for a file."""
        return self.project if path.is_relative_to(self._root) else self.user

    def former(self, setup: Setup) -> list[Setup]:
        """The same set-up for each other way in which Intercom was called before."""
        ways = {str(way): way for way in (*self.project.ways, *self.user.ways)}.values()
        return [setup._replace(entry=one.entry, call=one.call) for one in ways if one != way_of(setup)]

    def save(self) -> None:
        """Write both if they changed."""
        self.project.save()
        self.user.save()


def adding_to(setup: Setup, chosen: Iterable[Client], records: Records) -> list[Planned]:
    """The changes that set up these clients."""
    files: dict[Path, list[Part]] = {}
    former: dict[Path, list[Part]] = {}
    whose: dict[Path, list[str]] = {}
    chosen, earlier = list(chosen), records.former(setup)
    for part in (part for one in earlier for client in chosen for part in client.parts(one)):
        former.setdefault(part.path, []).append(part)
    for client in chosen:
        for part in client.parts(setup):
            known = files.setdefault(part.path, [])
            known += [part] if part not in known else []
            names = whose.setdefault(part.path, [])
            names += [client.name] if client.name not in names else []
    return [
        Planned(
            path,
            adding(setup.root, path, parts, records.of(path), user=setup.user, former=former.get(path, ())),
            tuple(whose[path]),
        )
        for path, parts in files.items()
    ]


def taking_from(setup: Setup, every: Sequence[Client], records: Records, *more: Part) -> list[Planned]:
    """The changes that remove what `init` wrote for this project, or (`user`) for all of the user's projects.

    `more` is what it added besides the clients' parts.
    """
    files: dict[Path, list[Part]] = {part.path: [part] for part in more}
    whose: dict[Path, list[str]] = {}
    for client in every:
        for part in (part for one in (setup, *records.former(setup)) for part in client.all_parts(one)):
            files.setdefault(part.path, []).append(part)
            whose.setdefault(part.path, []).append(client.name)
    for name in (*records.project.files(), *records.user.files()):
        files.setdefault(Path(name), [])
    found = []
    for path, parts in files.items():
        known = records.of(path).get(path)
        inside = path.is_relative_to(setup.root)
        if setup.user != (known.user if known is not None else not inside):
            continue
        if not inside and (known is None or known.root not in ("", str(setup.root))):
            continue  # another project's, or added by hand
        change = taking(setup.root, path, parts, records.of(path))
        if change is not None:
            found.append(Planned(path, change, tuple(dict.fromkeys(whose.get(path, ())))))
    return found


def way_of(setup: Setup) -> Way:
    """How Intercom is called by it."""
    return Way(dict(setup.entry), list(setup.call))


def write(planned: Iterable[Planned], records: Records, setup: Setup) -> list[Planned]:
    """Apply the changes; a file that cannot be written is left alone, with the reason."""
    done = []
    for one in planned:
        try:
            apply(one.change, records.of(one.path), one.path)
            done.append(one)
            if one.change.what == ADDED:
                records.of(one.path).add_way(way_of(setup))
        except OSError as error:
            done.append(one._replace(change=Change(one.path, ALONE, why=error.strerror or str(error))))
    records.save()
    return done
