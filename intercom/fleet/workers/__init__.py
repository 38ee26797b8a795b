"""Owns the workers that Intercom itself starts: `spawn` brings them up, `scan` lists them, `teardown` ends them.

All three work from what `Sessions` and `Worktrees` hold, so that any process of the project can take over:
the one that started a worker need not be the one that ends it.
"""

from __future__ import annotations

from intercom.fleet.workers.plan import Plan
from intercom.fleet.workers.scan import scan
from intercom.fleet.workers.spawn import Spawned, spawn
from intercom.fleet.workers.teardown import Torn, teardown

__all__ = ["Plan", "Spawned", "Torn", "scan", "spawn", "teardown"]
