"""A project folder that is renamed or removed under an open bus is not made anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from intercom import Bus
from intercom.core.errors import StorageError


@pytest.mark.parametrize("used", [True, False])
def test_a_root_that_was_renamed(project: Path, used: bool) -> None:
    """It is said, and nothing is stored at the old place."""
    with Bus.open(project) as bus:
        if used:
            bus.send("roo", "first", sender="claude-code")
            bus.read("roo")
        project.rename(project.with_name("elsewhere"))
        for _ in range(2):
            with pytest.raises(StorageError, match=r"is gone: .*; nothing was written\. Start again"):
                bus.send("roo", "never", sender="claude-code")
            with pytest.raises(StorageError, match="is gone"):
                bus.read("roo")
        assert not project.exists()
