"""Owns what comes up over the screen: writing a text, looking at a terminal, the keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from intercom.core.display import framed

_AGAIN = 0.5  #: seconds between two looks at a terminal, as long as it is looked at


class Ask(ModalScreen[str]):
    """Asks for one line of text; "" where it was left."""

    DEFAULT_CSS = """
    Ask { align: center bottom; }
    Ask > Vertical { height: auto; padding: 0 1; background: $panel; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [("escape", "leave", "Leave")]

    def __init__(self, about: str) -> None:
        super().__init__()
        self._about = about

    def compose(self) -> ComposeResult:
        """What it is about, and the line."""
        with Vertical():
            yield Static(Text("\n".join(framed(self._about, ""))[:2000]))
            yield Input(placeholder="Enter sends, Escape leaves")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """It was written."""
        self.dismiss(event.value)

    def action_leave(self) -> None:
        """It was left."""
        self.dismiss("")


class Show(ModalScreen[None]):
    """Shows a text until a key is pressed; where `again` is given, as that finds it now."""

    DEFAULT_CSS = """
    Show { align: center middle; }
    Show > VerticalScroll { width: 92%; height: 90%; padding: 0 1; background: $panel; border: round $primary; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [("escape,q,p,question_mark", "leave", "Leave")]

    def __init__(self, title: str, text: str, again: Callable[[], Awaitable[str]] | None = None) -> None:
        super().__init__()
        self._title, self._text, self._again = title, text, again

    def compose(self) -> ComposeResult:
        """The text."""
        with VerticalScroll() as box:
            box.border_title = self._title
            yield Static(self._drawn(), id="shown")

    def _drawn(self) -> Text:
        return Text("\n".join(framed(self._text, "")), no_wrap=self._again is not None)

    def on_mount(self) -> None:
        """Look again and again, while it is there."""
        if self._again is not None:
            self.set_interval(_AGAIN, self._look)

    async def _look(self) -> None:
        assert self._again is not None
        text = await self._again()
        if text != self._text:
            self._text = text
            self.query_one("#shown", Static).update(self._drawn())

    def action_leave(self) -> None:
        """It was looked at."""
        self.dismiss(None)
