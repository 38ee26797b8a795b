"""Owns setting up Kilo: as opencode, of which it is a fork, but in files named after itself."""

from __future__ import annotations

from intercom.fleet.clients.opencode import client
from intercom.fleet.programs.opencode import launch

CLIENT = client("kilo", "Kilo", launch.KILO.schema)
