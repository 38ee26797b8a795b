"""Owns the process that has `faults.c` preloaded: for each line on its input it forks one that does what it says.

in:   {"root": …, "act": …, "kind": …, "number": …, "way": …, "lasting": …}
out:  {"result": …, "error": …, "ours": …, "calls": {…}}, without a result and an error where it was killed
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import pkgutil
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import intercom
from intercom import Bus
from intercom.core.errors import IntercomError
from tests.faults import matrix

LOADED = tuple(f"intercom.{room}" for room in ("core", "format", "store", "repair", "bus"))
_AT_ONCE = 8.0  #: seconds; who waits for a lock that nobody gives back waits for longer


def _act(about: dict[str, Any], out: int) -> None:
    library = ctypes.CDLL(os.environ["LD_PRELOAD"])
    root = Path(about["root"])
    matrix.prepare(root, about["act"])
    said: dict[str, Any] = {"result": None, "error": "", "ours": True}
    library.faults_arm(os.fspath(root).encode(), -1, 0, 0, 0)  # what is opened now is known to be of the project
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
    library.faults_calls.restype = ctypes.c_char_p
    calls = {kind: library.faults_calls(place).decode() for place, kind in enumerate(matrix.KINDS)}  # and disarms
    try:  # the same process goes on
        if about["act"] == "read" and said["error"]:
            said["result"] = [one.body for one in bus.read("worker-1")]
        began = time.monotonic()
        bus.history()
        bus.send("user", "later", sender="master")
        bus.close()
        assert time.monotonic() - began < _AT_ONCE, "it waited for itself"
    except Exception as error:  # noqa: BLE001  # as above
        said |= {"error": f"afterwards: {error!r}; at first: {said['error']}", "ours": False}
    with open(out, "wb") as pipe:
        pipe.write(json.dumps({**said, "calls": calls}).encode())


def main() -> None:
    """Serve until the input ends."""
    for module in pkgutil.walk_packages(intercom.__path__, "intercom."):  # what is loaded here need not be in each fork
        if module.name.startswith(LOADED):
            importlib.import_module(module.name)
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
