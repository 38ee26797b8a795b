"""Owns the process that has `faults.c` preloaded: for each line on its input it forks one that does what it says.

in:   {"root": …, "act": …, "kind": …, "number": …, "way": …, "lasting": …}
out:  {"result": …, "error": …, "ours": …, "counts": {…}}, without a result and an error where it was killed
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from intercom import Bus
from intercom.core.errors import IntercomError
from tests.faults import matrix


def _act(about: dict[str, Any], out: int) -> None:
    library = ctypes.CDLL(os.environ["LD_PRELOAD"])
    root = Path(about["root"])
    matrix.prepare(root, about["act"])
    said: dict[str, Any] = {"result": None, "error": "", "ours": True}
    bus = Bus.open(root)
    if about["act"] in {"send", "read", "compact", "register", "signoff", "receipts"}:
        bus.history()
    library.faults_arm(os.fspath(root).encode(), about["kind"], about["number"], about["way"], int(about["lasting"]))
    try:
        said["result"] = matrix.ACTS[about["act"]](bus)
        bus.close()
    except IntercomError as error:
        said["error"] = str(error)
    except BaseException as error:  # noqa: BLE001  # whatever it is, it is the finding
        frames = traceback.extract_tb(error.__traceback__)[-6:]
        where = " < ".join(f"{os.path.basename(one.filename)}:{one.lineno}" for one in reversed(frames))
        said |= {"error": f"{error!r} at {where}", "ours": False}
    counts = {kind: library.faults_count(place) for place, kind in enumerate(matrix.KINDS)}
    os.write(out, json.dumps({**said, "counts": counts}).encode())


def main() -> None:
    """Serve until the input ends."""
    for line in sys.stdin:
        here, there = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(here)
            try:
                _act(json.loads(line), there)
            finally:
                os._exit(0)
        os.close(there)
        with open(here, "rb") as pipe:
            said = pipe.read()
        _, status = os.waitpid(pid, 0)
        found = json.loads(said) if said else {"killed": os.WIFSIGNALED(status)}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
