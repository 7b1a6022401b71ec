"""What a person sees while a run goes on."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ppkt_zoo.files.talk import talk_console

# Weight of the newest step in the figures shown, so that they can be read.
_NEWEST = 0.05
# Where nobody sees bars, as in a file: seconds between lines.
_LINE_EVERY = 30.0
_EVERY_STEP = frozenset({"loss", "data_seconds", "step_seconds"})


class TrainingProgress:
    """Progress bars with loss, retrieval, learning rate and the time for data and for the step.

    Where standard error is no terminal, a line every half a minute in place of bars.
    """

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}", markup=False),
            console=talk_console(),
        )
        self._task: TaskID | None = None
        self._title, self._steps = "", 0
        self._smooth: dict[str, float] = {}
        self._told = time.monotonic()

    def __enter__(self) -> "TrainingProgress":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, shown: bool) -> None:
        """Whether this process shows anything; of several that learn together one is enough."""
        if not shown:
            self._progress.stop()
            self._progress.disable = True
            self._progress.console.quiet = True

    def say(self, line: str) -> None:
        """A line above the bars."""
        self._progress.console.print(line, highlight=False, markup=False)

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Callable[[int, int], None]]:
        """A bar for work before training; yields what takes (done, total)."""
        task = self._progress.add_task(title, total=total, figures="")

        def report(done: int, total: int) -> None:
            self._progress.update(task, completed=done, total=total)
            self._tell(f"{title}: {done} of {total}")

        yield report

    def start(self, first: int, steps: int, title: str = "pretrain") -> None:
        """Show the training bar."""
        self._title, self._steps = title, steps
        self._task = self._progress.add_task(title, total=steps, completed=first, figures="")

    def advance(self, done: int, **figures: float) -> None:
        """One step is done; what every step has is smoothed and shown, what only some have is shown until the next."""
        for name, value in figures.items():
            before = self._smooth.get(name, value)
            self._smooth[name] = before + (_NEWEST if name in _EVERY_STEP else 1) * (value - before)
        shown = self._smooth
        found = next((name for name in ("top1", "view_top1", "cosine") if name in shown), None)
        retrieval = f"{found} {shown[found]:.3f}  " if found else ""
        text = (
            f"loss {shown['loss']:.3f}  {retrieval}lr {figures['lr']:.1e}  "
            f"{shown['step_seconds']:.2f} s (data {shown['data_seconds']:.2f})"
        )
        assert self._task is not None
        self._progress.update(self._task, completed=done, figures=text)
        self._tell(f"{self._title}: step {done} of {self._steps}  {text}")

    def _tell(self, line: str) -> None:
        now = time.monotonic()
        if not self._progress.console.is_terminal and now - self._told >= _LINE_EVERY:
            self._told = now
            self.say(line)
