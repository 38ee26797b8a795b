"""Owns the figure of a wake: from a task that is given to an idle Claude Code until its turn begins.

The floor is what Claude Code itself takes from a hook that ends, with a text for the next turn, until it asks the
model. Both are told by the scripted model's own log, so this needs the real program (`make claude`) and a network
namespace; without them the row is left out, and that is said.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.table import Row, Run, above_floor, left_out

if TYPE_CHECKING:
    from tests.claude.lab import Lab
    from tests.claude.stage import Stage

FIGURE = "wake of an idle worker, assign → its turn begins (floor: a bare hook)"
LIMIT = 0.5  #: seconds
_HOOK = 'IFS= read -r line < "$1"; printf "%s\\n" "$line" >&2; exit 2'


def wake(run: Run) -> Iterator[Row]:
    """A task of the master's, through the ledger, the waiter and the hooks, beside a shell script that waits."""
    from tests.claude.lab import Lab
    from tests.claude.stage import Stage

    with ExitStack() as stack:
        try:
            lab = stack.enter_context(Lab(run.folder / "lab"))
        except RuntimeError as error:
            print(f"\nLEFT OUT: {FIGURE}: {error}", file=sys.stderr)
            yield left_out(FIGURE)
            return
        stage = stack.enter_context(Stage(lab, "wake"))
        bare = Bare(lab, stage)
        stage.spawn(perm_mode="default")
        ours, floor = [], []
        for number in range(run.rounds(20, 3)):
            ours.append(_ours(stage, number))
            floor.append(bare.woken(number))
        yield above_floor(FIGURE, ours, floor, LIMIT)


def _ours(stage: Stage, number: int) -> float:
    """Seconds from giving a task to an idle worker until the model is asked."""
    from tests.processes import until

    stage.wait_state("worker-1", "ready", "idle")
    until(lambda: stage.crew.sessions.waiter("worker-1"))
    time.sleep(0.5)  # at rest, as a worker is that waits for work
    began = time.time()
    stage.assign("worker-1", f"task {number} of the bench.")
    return float(until(lambda: stage.asked(f"task {number} of the bench."))[0]["t"]) - began


class Bare:
    """A Claude Code with no hook but one of two lines."""

    def __init__(self, lab: Lab, stage: Stage) -> None:
        self._lab, self._pipe = lab, Path(stage.project.parent, "bare.pipe")
        os.mkfifo(self._pipe)
        hook = {"type": "command", "command": f"set -- '{self._pipe}'; {_HOOK}", "asyncRewake": True, "timeout": 600}
        given = {"hooks": {event: [{"hooks": [hook]}] for event in ("SessionStart", "Stop")}}
        home = lab.new_home("bare/home")
        self._session = lab.start(
            "bare", "--settings", json.dumps(given), home=home, project=lab.new_project(home, "bare/project")
        )

    def woken(self, number: int) -> float:
        """Seconds from the end of its hook until the model is asked."""
        from tests.processes import until

        self._session.ready()
        with self._pipe.open("w") as pipe:  # opens once the hook waits
            time.sleep(0.5)
            began = time.time()
            pipe.write(f"turn {number} of the bare one.\n")
        words = f"turn {number} of the bare one."
        found = until(lambda: [one for one in self._lab.requests() if words in one["prompt"] + one["reminders"]])
        return float(found[0]["t"]) - began
