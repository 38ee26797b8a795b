"""Owns the dialogs over the screen: entering text, looking at a terminal, the list of keys."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from intercom.core.escaping import framed, value

READ = 0.7  #: seconds for which something must be on the screen before a key answers it
_REST = 0.15  #: seconds without a key press before a search starts
_AGAIN = 0.5  #: seconds between two reads of a terminal that is shown


class Ask(ModalScreen[str]):
    """Asks for one line of text; "" if it was cancelled."""

    DEFAULT_CSS = """
    Ask { align: center bottom; }
    Ask > Vertical { height: auto; padding: 0 1; background: $panel; }
    Ask VerticalScroll { height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape", "leave", "Leave"),
        ("pageup", "turn(-1)", "Back"),
        ("pagedown", "turn(1)", "On"),
    ]

    def __init__(self, about: str, text: str = "") -> None:
        super().__init__()
        self._about, self._begun = about, text

    def compose(self) -> ComposeResult:
        """The subject, which scrolls if it is long, and the input line."""
        with Vertical():
            with VerticalScroll(can_focus=False):
                yield Static(Text("\n".join(framed(self._about, ""))))
            yield Input(self._begun, placeholder="Enter sends, Escape leaves")

    def typed(self, text: str) -> None:
        """Take what was typed before this took keys."""
        if lines := self.query(Input):
            lines.first().insert_text_at_cursor(text)
        else:
            self._begun += text

    def on_resize(self) -> None:
        """Leave room for the input line, however long the subject is."""
        self.query_one(VerticalScroll).styles.max_height = max(1, self.size.height - 4)

    def action_turn(self, pages: int) -> None:
        """Scroll the subject."""
        box = self.query_one(VerticalScroll)
        box.scroll_relative(y=pages * max(1, box.size.height - 1), animate=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Close the dialog with the text."""
        self.dismiss(event.value)

    def action_leave(self) -> None:
        """Close the dialog without an answer."""
        self.dismiss("")


class Search(Ask):
    """Asks for words, and shows matches while they are typed."""

    DEFAULT_CSS = """
    Search { background: transparent; }
    """

    def __init__(self, about: str, find: Callable[[str], Awaitable[None]]) -> None:
        super().__init__(about)
        self._find = find
        self._timer: Timer | None = None

    def on_input_changed(self, event: Input.Changed) -> None:
        """Start the search once typing pauses."""
        if self._timer is not None:
            self._timer.stop()
        words = event.value
        self._timer = self.set_timer(_REST, lambda: self._find(words))

    def on_unmount(self) -> None:
        """Cancel a pending search: the caller searches for the final text."""
        if self._timer is not None:
            self._timer.stop()


class Choose(ModalScreen[str]):
    """Asks for one of several words; "" if it was cancelled."""

    DEFAULT_CSS = """
    Choose { align: center middle; }
    Choose > OptionList { width: 40; max-width: 90%; height: auto; max-height: 80%; border: round $primary; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [("escape", "leave", "Leave")]

    def __init__(self, title: str, words: Sequence[str]) -> None:
        super().__init__()
        self._title, self._words = title, words

    def compose(self) -> ComposeResult:
        """The list of words."""
        box = OptionList(*(Option(Text(value(word))) for word in self._words))
        box.border_title = Text(self._title)
        yield box

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Close the dialog with the chosen word."""
        self.dismiss(self._words[event.option_index])

    def action_leave(self) -> None:
        """Close the dialog without an answer."""
        self.dismiss("")


class Decide(ModalScreen[bool]):
    """Shows a request that is longer than its space; it can be allowed once its end was on the screen."""

    DEFAULT_CSS = """
    Decide { align: center middle; }
    Decide > VerticalScroll { width: 96%; height: 94%; padding: 0 1; background: $panel; border: round $warning; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        ("a", "allow", "Allow"),
        ("space,pagedown", "more", "More"),
        ("escape,q", "leave", "Leave"),
    ]

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._title, self._text = title, text
        self._since = float("inf")  #: when the visible part appeared

    def on_mount(self) -> None:
        """Record when the beginning became readable."""
        self._turned()

    def _turned(self) -> None:
        self._since = float("inf")
        self.call_after_refresh(self._drawn)

    def _drawn(self) -> None:
        self._since = time.monotonic()

    def compose(self) -> ComposeResult:
        """The whole request."""
        with VerticalScroll() as box:
            box.border_title = Text(f"{self._title}: all of it. Space scrolls; at the end, a allows. Escape leaves")
            yield Static(Text("\n".join(framed(self._text, ""))))

    def action_more(self) -> None:
        """Scroll by a screen."""
        self.query_one(VerticalScroll).scroll_page_down(animate=False)
        self._turned()

    def action_allow(self) -> None:
        """Allow if the end is visible and had time to be read, else scroll on. A held key does not count."""
        box = self.query_one(VerticalScroll)
        since, self._since = self._since, time.monotonic()
        if self._since - since < READ:
            return
        if box.size.height and box.scroll_y >= box.max_scroll_y:
            self.dismiss(True)
        else:
            self.action_more()

    def action_leave(self) -> None:
        """Close the dialog without an answer."""
        self.dismiss(False)


class Show(ModalScreen[None]):
    """Shows a text until a key is pressed; with `again`, it is refreshed by calling that."""

    DEFAULT_CSS = """
    Show { align: center middle; }
    Show > VerticalScroll { width: 92%; height: 90%; padding: 0 1; background: $panel; border: round $primary; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [("escape,q,p,v,question_mark", "leave", "Leave")]

    def __init__(self, title: str, text: str, again: Callable[[], Awaitable[str]] | None = None) -> None:
        super().__init__()
        self._title, self._text, self._again = title, text, again

    def compose(self) -> ComposeResult:
        """The text."""
        with VerticalScroll() as box:
            box.border_title = Text(self._title)
            yield Static(self._drawn(), id="shown")

    def _drawn(self) -> Text:
        return Text("\n".join(framed(self._text, "")), no_wrap=self._again is not None)

    def on_mount(self) -> None:
        """Refresh it while it is open."""
        if self._again is not None:
            self.set_interval(_AGAIN, self._look)

    async def _look(self) -> None:
        assert self._again is not None
        text = await self._again()
        if text != self._text:
            self._text = text
            self.query_one("#shown", Static).update(self._drawn())

    def action_leave(self) -> None:
        """Close the dialog."""
        self.dismiss(None)
