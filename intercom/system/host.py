"""Owns the interface to the operating system: code that differs between systems is called through this module only.

It re-exports the same names, with the same meaning, from the modules for the current system.
"""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from intercom.system.win32 import *  # noqa: F403
    from intercom.system.windows import *  # noqa: F403
    from intercom.system.windows_lines import *  # noqa: F403
else:
    from intercom.system.posix import *  # noqa: F403
    from intercom.system.posix_bell import *  # noqa: F403
    from intercom.system.posix_processes import *  # noqa: F403
    from intercom.system.posix_terminal import *  # noqa: F403

__all__ = [
    "EDITOR",
    "END_OF_INPUT",
    "GRANTS_ACCESS",
    "LOCK_FILES_STAY",
    "LOOP_WATCHES_PIPES",
    "MARK",
    "NO_WAIT",
    "NO_WORKERS",
    "PIPE_CLOSED",
    "REMOVES",
    "SHOWS_ACCESS",
    "SHOWS_HOLDERS",
    "TMUX",
    "Bell",
    "Owner",
    "as_typed",
    "boot_id",
    "changed",
    "command_line",
    "file_system",
    "file_tick",
    "free_space",
    "from_console",
    "hand_over",
    "has_writer",
    "in_rules",
    "is_private",
    "kill",
    "kill_tree",
    "leads_session",
    "lives",
    "machine_id",
    "make_private",
    "named",
    "neighbour",
    "on_end",
    "on_stop",
    "open_file",
    "owner_apart",
    "parents",
    "pread",
    "process",
    "pwrite",
    "reader_left",
    "remove",
    "rename",
    "resemble",
    "shell_line",
    "spare",
    "split_words",
    "startable",
    "started",
    "sync",
    "sync_file",
    "sync_folder",
    "truncate",
    "try_lock",
    "try_range",
    "unlock",
    "unlock_range",
    "user_name",
    "wait_ended",
    "widen_pipe",
]
