"""Owns the options with which commands filter messages."""

from __future__ import annotations

from typing import Annotated

from intercom.core.signature import Arg

Thread = Annotated[str | None, Arg(help="only this thread", metavar="T")]
Sender = Annotated[str | None, Arg(help="only from this sender", option="--from", metavar="F")]
Type = Annotated[str | None, Arg(help="only this type, in either vocabulary (question or ASK)", metavar="T")]
