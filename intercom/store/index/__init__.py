"""Owns the index: everything in it is derived from the logs, and it may be deleted at any moment.

`db` opens, guards and replaces the file; `build` creates a new one, `ingest` adds parsed entries, `revise` updates
existing ones, `control` applies control records; `query` returns messages, `unread` those that a reader has not got.
"""

from __future__ import annotations

from intercom.store.index.control import Control, split
from intercom.store.index.db import Index, IndexLost
from intercom.store.index.ingest import add_entries, add_records, add_source, plain_rows
from intercom.store.index.query import Filter
from intercom.store.index.revise import Source

__all__ = [
    "Control",
    "Filter",
    "Index",
    "IndexLost",
    "Source",
    "add_entries",
    "add_records",
    "add_source",
    "plain_rows",
    "split",
]
