"""The real Cline gives up a call after a minute and tells nobody: a read that would wait longer is answered before."""

from __future__ import annotations

import threading

import pytest

from intercom import Bus
from tests.clients.lab import Place
from tests.clients.test_init_clients import calls
from tests.processes import until

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("place", ["cline"], indirect=True)
def test_what_comes_after_a_minute_is_not_lost(place: Place) -> None:
    """It comes with the next read of the same run, once."""
    place.set_up("ana", "ben")
    settings = place.home / ".cline/data/settings/cline_mcp_settings.json"
    settings.write_text(settings.read_text().replace('"timeout": 3700', '"timeout": 60'))  # as it comes

    def send() -> None:  # once its first read is over, which it was told in time or gave up after a minute
        until(lambda: place.heard("Waited 50 of the 80 seconds") or place.heard("timed out"), 120)
        with Bus.open(place.project, machine="testbox") as bus:
            bus.send("ana", "words-after-a-minute", sender="ben")

    sender = threading.Thread(target=send)
    sender.start()
    wait: tuple[str, dict[str, object]] = ("intercomm_read", {"wait": 80})
    text = calls(place, ("intercomm_register", {"name": "ana"}), wait, wait)
    done = place.lab.run(["cline", text], cwd=place.project, env=place.env, seconds=200)
    sender.join()
    assert done.status == 0, done.out[-2000:]
    (request, *_) = place.heard("words-after-a-minute")
    assert sum(text.count("words-after-a-minute") for _, text in request["said"]) == 1
    assert "Waited 50 of the 80 seconds" in str(request["said"])
