"""Owns what Intercom knows of an AIMFP project: names of files, and no more. Nothing here reads its data. Pure.

AIMFP (a separate tool) keeps a database of a project's tracking, committed to git. Intercom never opens it; it only
has to know which files are AIMFP's own, and to leave a marker by which AIMFP sees that Intercom is there.
"""

from __future__ import annotations

import os

FOLDER = ".aimfp-project"  #: in the root of a project that uses AIMFP
TRACKING = ".aimfp-project/project.db"  #: committed beside the source
MARKER = ".intercomm-aimfp/intercomm.db"  #: AIMFP looks whether it exists; also where InterComm kept its messages
WATCHDOG = ".aimfp-project/watchdog/watchdog.pid"
BRANCH = "main"  #: the one name of a default branch that AIMFP knows
DRIVER = "intercom-keep-ours"  #: of git's merge of TRACKING, which only AIMFP itself can merge

#: what AIMFP makes again, or keeps for one machine: no reason to keep a worktree, and nothing to commit
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
#: the same as lines of a .gitignore
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
