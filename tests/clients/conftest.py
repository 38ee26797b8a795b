"""Owns the one offline world for all tests with real clients."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.clients.lab import Lab, Place
from tests.clients.versions import DRIVEN

#: Waits for minutes, so it belongs to a soak.
collect_ignore = [] if os.environ.get("INTERCOM_SOAK") and "cline" in DRIVEN else ["test_long_waits.py"]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The network, its model."""
    with Lab(tmp_path_factory.mktemp("clients")) as lab:
        yield lab


@pytest.fixture
def place(world: Lab, request: pytest.FixtureRequest) -> Place:
    """The client of this name, in a project where `intercom init` has not run yet."""
    name = str(request.param)
    base = world.folder / f"{request.node.name}".replace("[", "-").strip("]")
    return Place(world, name, base / "project", base / "home")
