"""What a command did, line by line, with the seconds of each step."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from ppkt_zoo.cli.streams import on_terminal, talk_console
from ppkt_zoo.files.text import unbroken


@dataclass
class Step:
    """A step under way; ``text`` is what will be said of it once it is done."""

    text: str = ""


class Steps:
    """Prints a line for each step when it is done; on a terminal a spinner runs until then.

    Attributes:
        console: where it is said; standard error where none is given, since what is said is no result.
        seconds: name of each finished step → how long it took.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = talk_console() if console is None else console
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str, doing: str) -> Iterator[Step]:
        """Time a step; its line is printed only when nothing was raised.

        Args:
            name: one word.
            doing: what the spinner says.
        """
        step = Step()
        began = time.perf_counter()
        if self.console.is_terminal:
            with self.console.status(Text(doing, style="dim")):
                yield step
        else:
            yield step
        self.seconds[name] = time.perf_counter() - began
        text = unbroken(step.text)
        if not on_terminal(self.console):
            # One line whatever its length, so that what reads it can search it.
            self.console.print(Text(f"{name:<9}  {text}  {self.seconds[name]:.1f} s"), soft_wrap=True)
            return
        line = Table.grid(padding=(0, 2))
        line.add_column(width=9, style="bold cyan", no_wrap=True)
        line.add_column(ratio=1, overflow="fold")
        line.add_column(width=8, justify="right", style="dim", no_wrap=True)
        line.expand = True
        line.add_row(Text(name), Text(text), Text(f"{self.seconds[name]:.1f} s"))
        self.console.print(line)

    def listing(self, title: str, rows: list[tuple[str, str]]) -> None:
        """A titled list of (thing, what it is)."""
        self.console.print(listing(title, rows))


def listing(title: str, rows: list[tuple[str, str]]) -> Group:
    """A titled list of (thing, what it is), an empty line above it."""
    grid = Table.grid(padding=(0, 3))
    grid.add_column(style="cyan", no_wrap=True)
    grid.add_column(style="dim", overflow="fold")
    for thing, meaning in rows:
        grid.add_row(Text(f"  {unbroken(thing)}"), Text(unbroken(meaning)))
    return Group(Text(), Text(title, style="bold"), grid)


def thousands(number: int) -> str:
    """188793 → ``188 793``, with narrow spaces that do not break."""
    return f"{number:,}".replace(",", "\u202f")
