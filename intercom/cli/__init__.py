"""Owns one run of the command line: parse, import the one command, run it, map errors to an exit code.

Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 130 interrupted, 141 the reader of a pipe left.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from intercom.core.errors import IntercomError, brief

INTERRUPTED = 130
PIPE_CLOSED = 141


def run() -> NoReturn:
    """The process `intercom`: run `main`, skipping start-up and shut-down work that only a long life needs.

    Importing creates many objects and no garbage, so the collector is off; and a process that has closed what it
    opened need not tear down its modules (together a fifth of the time of a short command).
    """
    gc.set_threshold(100_000)
    if len(sys.argv) == 1 and os.path.basename(sys.argv[0]) in {"intercomm", "intercomm.exe"}:
        sys.argv.append("--help")  # InterComm's server prints its help then, which is not an error
    try:
        code = main()
    except KeyboardInterrupt:  # before anything was started
        code = INTERRUPTED
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):  # no stream, or no reader: `main` has reported everything
            pass
    os._exit(code)


def run_mcp() -> NoReturn:
    """The process `intercomm-mcp`, as InterComm calls its server."""
    sys.argv[1:1] = ["mcp"]
    run()


def main(argv: Sequence[str] | None = None) -> int:
    """Run `intercom` with `argv` (default: the process's own arguments) and return the exit code."""
    words = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # neither a lone surrogate nor a code page ends a listing midway
            stream.reconfigure(errors="backslashreplace")
    if words[:1] == ["hook"] and words[2:] in ([], ["--spawned"]) and words[1:] and not words[1].startswith("-"):
        from intercom.hooks import run as serve  # called at every step of every session: skip even the parser

        return serve(words[1], spawned=len(words) == 3)
    if words[:1] == ["complete-word"]:
        from intercom.cli.completion import run as complete  # called at each key press: the same

        return complete(words[1:])
    from intercom.cli.parser import parse

    args = parse(words)
    try:
        code: int = args.run(args)
        if sys.stdout is not None:
            sys.stdout.flush()
    except IntercomError as error:
        _complain(error)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        return _refused(error)
    return code


def _refused(error: OSError) -> int:
    """Report a system error, unless the reader of our output is gone; returns the exit code."""
    from intercom.system import host

    closed = error.errno in host.PIPE_CLOSED and error.filename is None
    if not closed:
        _complain(IntercomError(f"the operating system refused: {error}; the command did not finish."))
    _drop_output()
    return PIPE_CLOSED if closed else IntercomError.exit_code


def _complain(error: IntercomError) -> None:
    """Print one line on stderr."""
    from intercom.cli import show

    show.note(brief(error))


def _drop_output() -> None:
    """Discard what is buffered for stdout, so that Python does not complain about it at exit."""
    if sys.stdout is None:
        return
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, sys.stdout.fileno())
    except (OSError, ValueError):  # stdout is not a real file, as under a test's capture
        pass
    finally:
        os.close(null)
