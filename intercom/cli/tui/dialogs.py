"""Owns what comes up over the screen: writing a text, looking at a terminal, the keys."""

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

from intercom.core.display import framed, value

READ = 0.7  #: seconds that something is on the screen before a key answers it
_REST = 0.15  #: seconds without a key after which words are looked for
_AGAIN = 0.5  #: seconds between two looks at a terminal, as long as it is looked at


class Ask(ModalScreen[str]):
    """Asks for one line of text; "" where it was left."""

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
        """What it is about, which scrolls where it is long, and the line."""
        with Vertical():
            with VerticalScroll(can_focus=False):
                yield Static(Text("\n".join(framed(self._about, ""))))
            yield Input(self._begun, placeholder="Enter sends, Escape leaves")

    def on_resize(self) -> None:
        """Leave room for the line, however long what it is about is."""
        self.query_one(VerticalScroll).styles.max_height = max(1, self.size.height - 4)

    def action_turn(self, pages: int) -> None:
        """Scroll what it is about."""
        box = self.query_one(VerticalScroll)
        box.scroll_relative(y=pages * max(1, box.size.height - 1), animate=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """It was written."""
        self.dismiss(event.value)

    def action_leave(self) -> None:
        """It was left."""
        self.dismiss("")


class Search(Ask):
    """Asks for words, and shows what they find while they are written."""

    DEFAULT_CSS = """
    Search { background: transparent; }
    """

    def __init__(self, about: str, find: Callable[[str], Awaitable[None]]) -> None:
        super().__init__(about)
        self._find = find
        self._timer: Timer | None = None

    def on_input_changed(self, event: Input.Changed) -> None:
        """Look once the hand rests."""
        if self._timer is not None:
            self._timer.stop()
        words = event.value
        self._timer = self.set_timer(_REST, lambda: self._find(words))

    def on_unmount(self) -> None:
        """What was written last is looked for by whoever asked."""
        if self._timer is not None:
            self._timer.stop()


class Choose(ModalScreen[str]):
    """Asks for one of some words; "" where it was left."""

    DEFAULT_CSS = """
    Choose { align: center middle; }
    Choose > OptionList { width: 40; max-width: 90%; height: auto; max-height: 80%; border: round $primary; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [("escape", "leave", "Leave")]

    def __init__(self, title: str, words: Sequence[str]) -> None:
        super().__init__()
        self._title, self._words = title, words

    def compose(self) -> ComposeResult:
        """The words."""
        box = OptionList(*(Option(Text(value(word))) for word in self._words))
        box.border_title = self._title
        yield box

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """It was chosen."""
        self.dismiss(self._words[event.option_index])

    def action_leave(self) -> None:
        """It was left."""
        self.dismiss("")


class Decide(ModalScreen[bool]):
    """Shows a request that is longer than its place; it can be allowed once its end was on the screen."""

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
        self._since = float("inf")  #: when what is seen of it came to be seen

    def on_mount(self) -> None:
        """Its beginning can be read."""
        self._turned()

    def _turned(self) -> None:
        self._since = float("inf")
        self.call_after_refresh(self._drawn)

    def _drawn(self) -> None:
        self._since = time.monotonic()

    def compose(self) -> ComposeResult:
        """All of it."""
        with VerticalScroll() as box:
            box.border_title = f"{self._title}: all of it. Space goes on; at its end a allows. Escape leaves"
            yield Static(Text("\n".join(framed(self._text, ""))))

    def action_more(self) -> None:
        """A screen further."""
        self.query_one(VerticalScroll).scroll_page_down(animate=False)
        self._turned()

    def action_allow(self) -> None:
        """Where the end is in sight, it was read; else go on. A key that is held down reads nothing."""
        box = self.query_one(VerticalScroll)
        since, self._since = self._since, time.monotonic()
        if self._since - since < READ:
            return
        if box.size.height and box.scroll_y >= box.max_scroll_y:
            self.dismiss(True)
        else:
            self.action_more()

    def action_leave(self) -> None:
        """It was left."""
        self.dismiss(False)


class Show(ModalScreen[None]):
    """Shows a text until a key is pressed; where `again` is given, as that finds it now."""

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
