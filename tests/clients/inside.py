"""Owns the inside of the network in which clients run: loopback alone, the scripted model, and a way to run programs.

Run by `lab.Lab` under `unshare --net`. It says one line of JSON when it is up, then answers each line of its standard
input, a program to run to its end, with one line: its status and output. It stays until that input closes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tests.claude.netns import end_all, loopback_up
from tests.clients.model import Model

_answering = threading.Lock()


def run(asked: dict[str, Any]) -> dict[str, Any]:
    """One program, with all that it started, for at most so many seconds."""
    with subprocess.Popen(
        asked["words"],
        cwd=asked["cwd"],
        env=asked["env"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as child:
        late = False
        try:
            out, _ = child.communicate(asked["stdin"].encode(), timeout=asked["seconds"])
        except subprocess.TimeoutExpired:
            late = True
            os.killpg(child.pid, signal.SIGKILL)
            out, _ = child.communicate()
    return {"id": asked["id"], "status": child.returncode, "out": out.decode(errors="replace"), "late": late}


def answer(line: str) -> None:
    """Run what a line asks for, and say what came of it."""
    said = run(json.loads(line))
    with _answering:
        print(json.dumps(said), flush=True)


def main() -> None:
    """Bring everything up in the folder that the first argument names, and serve."""
    loopback_up()
    model = Model(Path(sys.argv[1]))
    threading.Thread(target=model.serve_forever, daemon=True).start()
    print(json.dumps({"port": model.server_port}), flush=True)
    for line in sys.stdin:
        threading.Thread(target=answer, args=(line,), daemon=True).start()
    end_all()


if __name__ == "__main__":
    main()
