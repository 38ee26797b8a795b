"""Owns `python -m tests.bench`: run the figures, print the table, exit 1 where a budget is broken."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.bench import calling, profiled, reading, rebuilding, starting, waking, words, writing
from tests.bench.table import BROKEN, UNITS, Figure, Row, Run, printed, reasons

FIGURES = (
    Figure("calls", calling.calls),
    Figure("durable", calling.durable),
    Figure("bus-send", writing.bus_send),
    Figure("mcp-send", writing.mcp_send),
    Figure("server-start", starting.server_start),
    Figure("server-memory", starting.server_memory),
    Figure("hook-memory", starting.hook_memory),
    Figure("command-send", starting.command_send),
    Figure("command-read", starting.command_read),
    Figure("silent-hook", starting.silent_hook),
    Figure("at-once", writing.at_once),
    Figure("hand-written", reading.hand_written),
    Figure("long-history", reading.long_history),
    Figure("search", reading.search),
    Figure("rebuild", rebuilding.rebuild),
    Figure("words", words.words),
    Figure("wake", waking.wake),
)
HOME = "INTERCOM_CLAUDE_HOME"  #: where tests find the real Claude Code


def main() -> int:
    """Run what was asked for; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, a tenth of the history")
    names = [figure.name for figure in FIGURES]
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help=f"one of {', '.join(names)}")
    parser.add_argument("--profile", action="store_true", help="say where the time goes, instead of how much it is")
    parser.add_argument("--json", action="store_true", help="the rows as JSON, one object per line")
    parser.add_argument("--dir", type=Path, help="scratch folder on the disk to measure (default: the system's)")
    args = parser.parse_args()
    for name in [name for name in os.environ if name.startswith(("INTERCOM", "CLAUDE")) and name != HOME]:
        del os.environ[name]
    os.environ["INTERCOM_MACHINE"] = "bench"
    load = os.getloadavg()[0]  # above the number of cores, whole processes take longer than they are allowed
    if args.profile:
        profiled.switch_on()
    rows: list[Row] = []
    for figure in FIGURES:
        if not args.only or figure.name in args.only:
            rows += _measured(figure, quick=args.quick, folder=args.dir)
    if args.profile:
        print(profiled.told())
        return 0
    if args.json:
        for row in rows:
            print(json.dumps(row._asdict(), ensure_ascii=False))
    else:
        loads = f"load {load:.1f} before, {os.getloadavg()[0]:.1f} after"
        print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores; {loads}")
        print(f"{printed(rows)}\n\n{UNITS}")
    broken = [row for row in rows if row.holds is False]
    if broken and not args.json:
        print("\n".join(["", *reasons(rows), f"{len(broken)} of {len(rows)} budgets {BROKEN}."]))
    return 1 if broken else 0


def _measured(figure: Figure, *, quick: bool, folder: Path | None) -> list[Row]:
    """One figure in a scratch folder of its own; progress goes to stderr."""
    print(f"{figure.name} …", end=" ", file=sys.stderr, flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="intercom-bench-", dir=folder) as scratch:
        rows = list(figure.measure(Run(Path(scratch).resolve(), quick)))
    print(f"{time.monotonic() - began:.1f} s", file=sys.stderr)
    return rows


if __name__ == "__main__":
    sys.exit(main())
