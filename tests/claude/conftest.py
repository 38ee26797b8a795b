"""Owns the fixture that brings up the real claude; a test that needs it fails where it is missing.

A test with `lab` runs on the newest version; one marked `every_version`, and in a soak all of them, on the oldest
that is supported as well.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest

from tests.claude.lab import Lab, versions


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Once for each version."""
    if "lab" in metafunc.fixturenames:
        every = os.environ.get("INTERCOM_SOAK") or metafunc.definition.get_closest_marker("every_version")
        chosen = versions() if every else versions()[:1]
        names = [version.replace(".", "-") for version in chosen]
        metafunc.parametrize("lab", chosen, ids=names, indirect=True, scope="session")


@pytest.fixture
def place(request: pytest.FixtureRequest) -> str:
    """A name for what this test makes in the lab, which no other test has."""
    return re.sub(r"[^\w]+", "-", str(request.node.name)).strip("-")


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """One offline world for the whole run on a version; sessions in it carry names of their own."""
    with Lab(tmp_path_factory.mktemp(f"lab-{request.param}"), request.param) as found:
        yield found
