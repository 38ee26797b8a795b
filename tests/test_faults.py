"""The fault matrix: every operation, each of its calls of the system, each way in which that can fail or be the last.

A choice of it here, by a fixed seed; all of it with INTERCOM_SOAK=1.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SOURCE
from tests.faults import matrix
from tests.faults.matrix import Outcome, Trial

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="what is preloaded here speaks to Linux' C library"),
]
#: trials for each operation; 0 for all
CHOSEN = int(os.environ.get("INTERCOM_FAULTS", "0" if os.environ.get("INTERCOM_SOAK") else "3"))
SEED = int(os.environ.get("INTERCOM_FAULT_SEED", "20"))
#: what was found once
FOUND = (
    Trial("redact", "lock", 136, "EIO", lasting=True),  # what SQLite could not unlock stayed locked for the process
    Trial("rebuild", "unlink", 5, "EIO"),
    Trial("rebuild", "unlink", 1, "ENOSPC", lasting=True),
    Trial("send", "open", 4, "EIO"),  # it held the lock that it then waited for
    Trial("send", "stat", 36, "EIO", lasting=True),  # accepted, then an error
    Trial("history", "close", 9, "EIO"),
    Trial("rebuild", "list", 10, "EIO"),
    Trial("rebuild", "stat", 77, "EIO", lasting=True),
    Trial("rebuild", "list", 11, "EIO", lasting=True),
    Trial("register", "lock", 13, "EIO"),  # the process kept a lock of SQLite's for good
    Trial("register", "close", 3, "EIO"),
    Trial("take-in", "open", 20, "EIO"),  # the index stayed open for reading alone
    *(Trial("redact", "open", number, "EMFILE") for number in range(53, 56)),  # a segment was taken for gone
)


class Faulty:
    """Runs operations in which a call fails."""

    def __init__(self, library: Path, folder: Path) -> None:
        self._folder = folder
        self._number = itertools.count()
        self.template = folder / "template"
        self.template.mkdir()
        self.before = matrix.template(self.template)
        env = {**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": str(SOURCE)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=env,
            cwd=SOURCE,
            text=True,
        )

    def run(self, trial: Trial) -> tuple[Path, Outcome]:
        """Do it in a fresh copy; where that is, and what became of it."""
        root = matrix.copied(self.template, self._folder / str(next(self._number)))
        about: dict[str, Any] = {**trial._asdict(), "root": str(root), "way": matrix.WAYS.get(trial.way, 0)}
        about["kind"] = matrix.KINDS.index(trial.kind) if trial.kind else -1
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(about) + "\n")
        self._process.stdin.flush()
        found = json.loads(self._process.stdout.readline())
        assert found.pop("killed", True), "it neither answered nor was killed"
        return root, Outcome(**found)

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=30)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    """The library, built, and the process that has it."""
    folder = tmp_path_factory.mktemp("faults")
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        warnings.warn("NO C COMPILER: THE FAULT MATRIX WAS NOT TRIED. Install gcc.", stacklevel=1)
        pytest.skip("no C compiler (gcc): the fault matrix was not tried")
    library = folder / "faults.so"
    source = SOURCE / "tests" / "faults" / "faults.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    found = Faulty(library, folder)
    yield found
    found.close()


def trials(faulty: Faulty, act: str) -> list[Trial]:
    """Every fault that there can be in an operation."""
    _, outcome = faulty.run(Trial(act, "", 0, ""))
    assert not outcome.error, outcome
    return [
        Trial(act, kind, number, way, lasting)
        for kind in matrix.KINDS
        for number, whose in enumerate(outcome.calls[kind], 1)
        for way, lasting in matrix.ways(kind, whose)
    ]


@pytest.mark.parametrize("act", matrix.ACTS)
def test_faults(faulty: Faulty, act: str) -> None:
    """Whatever fails, nothing is lost, doubled or forged, and what was said is so."""
    found = trials(faulty, act)
    chosen = found if not CHOSEN else random.Random(f"{SEED} {act}").sample(found, min(CHOSEN, len(found)))
    chosen += [one for one in FOUND if one.act == act and CHOSEN]
    failed = []
    for trial in chosen:
        root, outcome = faulty.run(trial)
        try:
            matrix.check(root, trial, faulty.before, outcome)
        except Exception as error:  # noqa: BLE001  # all of them are wanted, not the first
            failed.append(f"{trial}: {type(error).__name__}: {str(error)[:400]} (it said: {outcome.error[:300]!r})")
        shutil.rmtree(root)
    assert not failed, f"{len(failed)} of {len(chosen)}:\n" + "\n".join(failed[:20])
