"""Owns the workers that Intercom itself starts: `spawn` starts them, `scan` lists them, `teardown` ends them.

All three use only what `Sessions` and `Worktrees` store, so any process of the project can take over: the one that
started a worker need not be the one that ends it.
"""

from __future__ import annotations

from intercom.fleet.workers.plan import Plan
from intercom.fleet.workers.scan import scan
from intercom.fleet.workers.spawn import Spawned, spawn
from intercom.fleet.workers.teardown import Torn, teardown

__all__ = ["Plan", "Spawned", "Torn", "scan", "spawn", "teardown"]
