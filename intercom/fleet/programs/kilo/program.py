"""Owns Kilo's implementation of the Program interface: it is a fork of opencode, under names of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping

from intercom.fleet.programs.opencode.program import OpenCode
from intercom.fleet.programs.plain import Launching

_INHERITED = re.compile(
    r"KILO_(?!CONFIG\b|PROCESS_ROLE\b|RUN_ID\b|SERVER_|BACKGROUND_)|ANTHROPIC_|OPENAI_|GEMINI_|GOOGLE_|OPENROUTER_|npm_config_"
)


class Kilo(OpenCode):
    """Kilo."""

    name = "kilo"
    title = "Kilo"
    command = "kilo"
    install = "install it with: npm install -g @kilocode/cli"
    oldest = 7, 7
    newest = 7, 7

    def price_list(self) -> str:
        """Its own."""
        return "Kilo's own sums"

    def launching(self) -> Launching:
        """As opencode's."""
        from intercom.fleet.programs.opencode import launch

        return launch.KILO

    def inherits(self, variable: str) -> bool:
        """As opencode, with switches of its own."""
        return _INHERITED.match(variable) is not None

    def transcript(self, session: str, environ: Mapping[str, str]) -> str | None:
        """Its rows in the program's database."""
        from intercom.fleet.programs.opencode import usage

        return usage.transcript(session, environ, "kilo")
