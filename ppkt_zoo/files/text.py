"""Text from strangers made harmless for terminals, cards and messages; and a console on which text is text."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from ppkt_zoo.errors import printable

# What is markup anywhere in a line of Markdown; at its beginning; and an entity, which hides a character.
_MARKUP = re.compile(r"[\\`*\[\]|~$]|(?<=\])\(|(?<![^\W_])_|_(?![^\W_])")
_BEGINNING = re.compile(r"^(?:[#+=-]|(\d{1,9})([.)])(?=\s|$))")
_ENTITY = re.compile(r"&(?=#?\w+;)")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"]+")


def one_line(text: object, most: int = 500) -> str:
    """Printable text in one line, cut where it is longer than ``most``."""
    line = " ".join(printable(str(text)).split())
    return line if len(line) <= most else f"{line[:most]}…"


def json_escaped(text: str) -> str:
    """JSON of the same value in which no control character stands as it is: they are written as ``\\u001b``."""

    def units(letter: str) -> str:
        data = letter.encode("utf-16-be")
        return "".join(f"\\u{data[at]:02x}{data[at + 1]:02x}" for at in range(0, len(data), 2))

    return "".join(letter if letter in "\r\n" or printable(letter) == letter else units(letter) for letter in text)


def unbroken(text: object) -> str:
    """Printable text in one line, whole and with its spaces: for names of files that someone may copy."""
    return printable(re.sub(r"[ \t]*[\r\n]+[ \t]*", " ", str(text)))


def inline(text: object, most: int = 2000) -> str:
    """Text that stands in a line of Markdown as it is: nothing in it is a heading, a link, HTML or an image.

    Ordinary prose keeps its look: only what would be read as markup is escaped.
    """
    line = _MARKUP.sub(r"\\\g<0>", one_line(text, most))
    line = _BEGINNING.sub(lambda found: f"{found[1]}\\{found[2]}" if found[1] else f"\\{found[0]}", line)
    return _ENTITY.sub("&amp;", line).replace("<", "&lt;").replace(">", "&gt;")


def without_secrets(text: str) -> str:
    """The text, with user name, password and query left out of every address in it."""

    def mend(match: re.Match[str]) -> str:
        try:
            parts = urlsplit(match[0])
            host = parts.netloc.rpartition("@")[2]
        except ValueError:
            return f"{match[0].partition('://')[0]}://…"
        return urlunsplit((parts.scheme, host, parts.path, "…" if parts.query else "", ""))

    return _URL.sub(mend, text)


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


def first_few(names: Sequence[str], most: int = 3, counted: bool = False) -> str:
    """Some names, and whether or, ``counted``, how many more there are."""
    left = len(names) - most
    return ", ".join(names[:most]) + ("" if left <= 0 else f" and {left} more" if counted else ", …")


def most_frequent(
    names: Sequence[str], count: Sequence[int], told: Callable[[str, int], str], rest: str = "more", most: int = 5
) -> str:
    """The most frequent of some things as ``told`` words them with their counts, and how many there are beside."""
    order = sorted((number for number in range(len(names)) if count[number]), key=lambda number: -count[number])
    shown = ", ".join(told(names[number], count[number]) for number in order[:most])
    return shown + (f" and {len(order) - most} {rest}" if len(order) > most else "")
