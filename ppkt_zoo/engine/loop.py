"""The training loop of every run: steps, log, checkpoints, measurements in between, and a stop that loses nothing.

A :class:`~ppkt_zoo.engine.learner.Learner` says what one step learns; :class:`TrainingLoop` takes its steps.
"""

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from ppkt_zoo.engine.checkpoint import DataPart, resume, save_checkpoint
from ppkt_zoo.engine.interrupt import Stopped, StopRequest
from ppkt_zoo.engine.kept_memory import kept_memory
from ppkt_zoo.engine.learner import Learner
from ppkt_zoo.engine.metrics_log import MetricsLog, read_metrics
from ppkt_zoo.engine.processes import agree_to_stop
from ppkt_zoo.engine.progress import TrainingProgress
from ppkt_zoo.engine.recipes import TrainingRecipe
from ppkt_zoo.engine.step_seed import seed_step
from ppkt_zoo.errors import TrainingError

_Batch = TypeVar("_Batch")
_Item = TypeVar("_Item", covariant=True)


class Batches(Protocol[_Item]):
    """Batches in the order of their steps, closed when they are no longer needed."""

    def __iter__(self) -> Generator[_Item, None, None]: ...


@dataclass(frozen=True)
class Measurement:
    """Figures that a run takes in between, one line of the log each time.

    Attributes:
        every: steps from one to the next.
        figures: called with the steps done; its values go to the log.
        at_end: measure after the last step too, whatever ``every`` says.
    """

    every: int
    figures: Callable[[int], Mapping[str, float]]
    at_end: bool = False


class TrainingLoop(Generic[_Batch]):
    """A run: where an earlier one stopped, and the steps from there.

    Args:
        learner: brought to where the newest checkpoint left it.
        out: the run's folder; gets ``checkpoints`` and ``metrics.jsonl``.
        recipe: its steps, with 0 of which nothing is trained and no checkpoint is looked for, and how many lie between
            two lines of the log and two checkpoints.
        progress, stop: what a person sees, and whether to end.
        data: what is learned from, by name; kept with the checkpoints, and the same when a run goes on.
        measurements: taken after the checkpoint of their step, in this order; one that a stopped run missed is
            taken before the first step of the next.
        board: folder for TensorBoard's files, or None.
        fingerprint: what a checkpoint must have been made with to go on; the recipe's where not given.

    Raises:
        TrainingError: the newest checkpoint is damaged, or of another run, or the data has changed since.
    """

    def __init__(
        self,
        learner: Learner[_Batch],
        out: Path,
        recipe: TrainingRecipe,
        progress: TrainingProgress,
        stop: StopRequest,
        data: Mapping[str, DataPart] | None = None,
        measurements: Sequence[Measurement] = (),
        board: Path | None = None,
        fingerprint: str | None = None,
    ) -> None:
        self._learner, self._out, self._recipe, self._steps, self._data = learner, out, recipe, recipe.steps, data
        self._fingerprint = recipe.fingerprint if fingerprint is None else fingerprint
        self._progress, self._stop, self._measurements = progress, stop, measurements
        self.first_step, self.seconds = 0, 0.0
        if recipe.steps:
            self._resume()
        file = out / "metrics.jsonl"
        self._log = MetricsLog(file, self.first_step, board, progress.say) if learner.writes else None

    def _resume(self) -> None:
        learner = self._learner
        folder = self._out / "checkpoints"
        resumed = resume(folder, self._fingerprint, learner.plain_model, learner.optimizer, self._data)
        if resumed is None:
            return
        self.first_step, self.seconds = resumed.step, resumed.number("seconds")
        if learner.average is not None:
            if not resumed.average:
                raise TrainingError("the checkpoint holds no averaged parameters: it was made without ema")
            learner.average.module.load_state_dict(resumed.average)
        learner.restore(resumed)
        for line in (f"resuming after step {resumed.step} of {self._steps}", *resumed.remarks):
            self._progress.say(line)

    def lines(self) -> list[dict[str, Any]]:
        """The log so far; empty in a process that does not write."""
        return [] if self._log is None else read_metrics(self._log.file)

    def write(self, done: int, figures: Mapping[str, float]) -> None:
        """A line of the log, figures to eight decimal places; nothing in a process that does not write."""
        if self._log is not None:
            self._log.write(done, **{name: round(value, 8) for name, value in figures.items()})

    def run(
        self,
        title: str,
        open_batches: Callable[[int, int], Batches[_Batch]],
        stop_after: int | None = None,
        accumulate: int = 1,
        prepare: Callable[[], object] | None = None,
    ) -> None:
        """Take the steps that are left.

        Args:
            title: of the progress bar.
            open_batches: from the first step and the one after the last to their batches; called where steps are left.
            stop_after: end once so many steps are done; at the whole run's last where None.
            accumulate: batches a step.
            prepare: brings the model into training mode, before the first step.

        Raises:
            Stopped: a stop was asked for, or ``stop_after`` is not the end; a checkpoint was written.
        """
        last_step = self._steps if stop_after is None else min(stop_after, self._steps)
        self._take_missed()
        if self.first_step < last_step:
            batches = open_batches(self.first_step, last_step)
            self._progress.start(self.first_step, self._steps, title)
            if prepare is not None:
                prepare()
            # Closed even where an exception's traceback still holds it: else its workers would outlive the run.
            with closing(iter(batches)) as each, kept_memory():
                self._take_steps(each, last_step, accumulate)
        if last_step < self._steps:
            raise Stopped(f"stopped after {stop_after} of {self._steps} steps, as asked; the same command resumes")

    def _take_steps(self, batches: Iterator[_Batch], last_step: int, accumulate: int) -> None:
        learner = self._learner
        began, before = time.perf_counter(), self.seconds
        for step in range(self.first_step, last_step):
            done, waited_from = step + 1, time.perf_counter()
            taken = list(islice(batches, accumulate))
            waited = time.perf_counter() - waited_from
            logged = done % self._recipe.log_every == 0 or done == last_step
            usable = [batch for batch in taken if learner.usable(batch)]
            seed_step(self._fingerprint, step, learner.process)
            figures = learner.take_step(step, usable, logged, study=self._out)
            spent = time.perf_counter() - waited_from
            self.seconds = before + time.perf_counter() - began
            if figures:
                figures |= {"data_seconds": round(waited, 4), "step_seconds": round(spent, 4)}
                self._progress.advance(done, **figures)
                if logged:
                    self.write(done, figures)
            stop = agree_to_stop(self._stop(), learner.accelerator)
            # Before the measurements, which may take long: a stop during them loses nothing.
            if done % self._recipe.checkpoint_every == 0 or done == last_step or stop:
                self._save(done)
            if stop:
                raise Stopped(f"stopped after step {done} of {self._steps} with a checkpoint; the same command resumes")
            for measurement in self._due(done):
                self._take(measurement, done)

    def _due(self, done: int) -> list[Measurement]:
        if not self._learner.writes:
            return []
        return [
            one
            for one in self._measurements
            if done and (done % one.every == 0 or (one.at_end and done == self._steps))
        ]

    def _take_missed(self) -> None:
        """Take the measurements that were due after the newest checkpoint and that no line of the log holds."""
        lines = [line for line in self.lines() if line["step"] == self.first_step]
        held = sum("lr" not in line for line in lines)  # lines of steps have it, they alone
        for measurement in self._due(self.first_step)[held:]:
            self._take(measurement, self.first_step)

    def _take(self, measurement: Measurement, done: int) -> None:
        self.write(done, measurement.figures(done))

    def _save(self, done: int) -> None:
        learner = self._learner
        if not learner.writes:
            return
        save_checkpoint(
            self._out / "checkpoints",
            done,
            self._fingerprint,
            learner.plain_model,
            learner.optimizer,
            {"seconds": self.seconds, **learner.notes()},
            average=None if learner.average is None else learner.average.module.state_dict(),
            data=self._data,
        )
