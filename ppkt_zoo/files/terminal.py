"""A console on which text is text: no terminal obeys what stands in a stranger's file."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from ppkt_zoo.files.text import printable

__all__ = ["SafeConsole"]


class SafeConsole(Console):
    """Writes control characters out (``\\x1b``) in whatever is shown: lines, tables, spinners, bars.

    Colours and links come from styles that the code gives, never from brackets in a text.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, "highlight": False, **options})

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As ``Console.render``; its own control codes, which move the cursor, are kept."""
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else printable(segment.text)
            yield segment if text == segment.text else Segment(text, segment.style)
