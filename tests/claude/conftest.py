"""Owns the fixture that brings up the real claude; a test that needs it fails where it is missing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.claude.lab import Lab


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One offline world for the whole run; sessions in it carry names of their own."""
    with Lab(tmp_path_factory.mktemp("lab")) as found:
        yield found
