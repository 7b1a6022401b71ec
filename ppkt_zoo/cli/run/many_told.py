"""What a person sees while many sources are encoded, and at the end."""

import time
import warnings
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ppkt_zoo.cli.streams import alert, on_terminal, say
from ppkt_zoo.encoding.results import EncodedFiles, FileResult
from ppkt_zoo.errors import InputWarning

# Seconds between two lines where there is no terminal to draw a bar on.
_EVERY = 30.0
# Of a list that a person reads; all of it stands in the file.
_SHOWN = 20
_FEW = 3


class ManyProgress:
    """A bar on a terminal; elsewhere a line now and then.

    Args:
        console: where it is told.
        shown: whether this process tells; of several that share the sources, one does.
    """

    def __init__(self, console: Console, shown: bool) -> None:
        self._shown = shown
        self._bar: Progress | None = None
        if shown and on_terminal(console) and not console.quiet:
            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[failed]}", markup=False),
                console=console,
            )
        self._failed = 0
        self._told = time.monotonic()

    def __enter__(self) -> "ManyProgress":
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("encode", total=None, failed="")
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def remark(self, line: str) -> None:
        """One line on how sources were found."""
        if self._shown:
            say("sources", "bold cyan", line)

    def report(self, result: FileResult, done: int, total: int) -> None:
        """One source is done."""
        self._failed += result.status == "failed"
        failed = f"{self._failed} failed" if self._failed else ""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total, failed=failed)
        elif self._shown and time.monotonic() - self._told >= _EVERY:
            self._told = time.monotonic()
            say("encode", "bold cyan", f"{done} of {total} sources" + (f", {failed}" if failed else ""))


def tell_results(found: EncodedFiles) -> None:
    """Say what there is to know of the sources, those that failed last."""
    warned = [(one.source, text) for one in found.files for text in one.warnings]
    _warn_of([text for _, text in warned], len({source for source, _ in warned}))
    counts = found.counts
    parts = [f"{counts[status]} {status}" for status in ("written", "skipped", "failed") if counts[status]]
    if found.duplicates:
        parts.append(f"{len(found.duplicates)} given more than once")
    say("encoded", "bold green", f"{', '.join(parts)}; {found.list} says what became of each, and how it was read")
    failed = found.of("failed")
    for one in failed[:_SHOWN]:
        alert("failed", "bold red", one.error or one.source)
    if len(failed) > _SHOWN:
        alert("failed", "bold red", f"and {len(failed) - _SHOWN} more: {found.list} lists them all")


def _warn_of(texts: Sequence[str], sources: int) -> None:
    different = list(dict.fromkeys(texts))
    rest = len(different) - _FEW
    more = [f"{rest} more warnings, {len(different)} of {sources} sources in all"] if rest > 0 else []
    for text in (*different[:_FEW], *more):
        warnings.warn(InputWarning(text), stacklevel=3)
