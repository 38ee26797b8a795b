"""Owns what Intercom knows of an AIMFP project, which is file names only. Pure: nothing here reads AIMFP's data.

AIMFP (a separate tool) keeps a database of a project's tracking, committed to git. Intercom never opens it; it only
needs to know which files belong to AIMFP, and to leave a marker that tells AIMFP that Intercom is in use.
"""

from __future__ import annotations

import os

FOLDER = ".aimfp-project"  #: in the root of a project that uses AIMFP
TRACKING = ".aimfp-project/project.db"  #: AIMFP's database, committed beside the source
MARKER = ".intercomm-aimfp/intercomm.db"  #: AIMFP checks that it exists; InterComm kept its messages there
WATCHDOG = ".aimfp-project/watchdog/watchdog.pid"
BRANCH = "main"  #: the only default branch that AIMFP supports
DRIVER = "intercom-keep-ours"  #: git's merge driver for TRACKING, which only AIMFP itself can merge

#: files that AIMFP regenerates or keeps per machine: not worth keeping a worktree for, and never committed
DERIVED = (
    f"{FOLDER}/user_preferences.db*",
    f"{FOLDER}/watchdog",
    f"{FOLDER}/changesets",
    f"{FOLDER}/audit",
    f"{FOLDER}/backups",
    f"{FOLDER}/*.db-wal",
    f"{FOLDER}/*.db-shm",
    f"{FOLDER}/*.db-journal",
    os.path.dirname(MARKER),
)
#: the same, as lines for .gitignore
IGNORE = (
    ".intercomm-aimfp/",
    f"{FOLDER}/user_preferences.db",
    f"{FOLDER}/watchdog/",
    f"{FOLDER}/changesets/",
    f"{FOLDER}/audit/",
    f"{FOLDER}/backups/",
    f"{FOLDER}/*.db-wal",
    f"{FOLDER}/*.db-shm",
)


def used(root: str | os.PathLike[str]) -> bool:
    """Whether the project at `root` uses AIMFP."""
    return os.path.isdir(os.path.join(root, FOLDER))
