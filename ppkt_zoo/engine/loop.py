"""The training loop of every run: steps, log, checkpoints, measurements in between, and a stop that loses nothing.

A :class:`Learner` says what one step learns; :class:`TrainingLoop` takes its steps.
"""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim import Optimizer

from ppkt_zoo.engine.checkpoint import DataPart, Resumed, resume, save_checkpoint
from ppkt_zoo.engine.ema import ParameterAverage
from ppkt_zoo.engine.interrupt import StopRequest, stopped_after
from ppkt_zoo.engine.metrics_log import MetricsLog, read_metrics
from ppkt_zoo.engine.processes import agree_to_stop, mean_over_ranks
from ppkt_zoo.engine.progress import TrainingProgress
from ppkt_zoo.engine.step_seed import seed_step
from ppkt_zoo.errors import TrainingError
from ppkt_zoo.files.safetensors import write_tensors

__all__ = ["Learner", "Measurement", "TrainingLoop"]

_Batch = TypeVar("_Batch")
_Item = TypeVar("_Item", covariant=True)


class Batches(Protocol[_Item]):
    """Batches in the order of their steps, closed when they are no longer needed."""

    def __iter__(self) -> Generator[_Item, None, None]: ...


class Learner(ABC, Generic[_Batch]):
    """A model, its optimiser, and what they learn from a batch.

    Attributes:
        model, optimizer: what is trained.
        clip_norm: largest norm of the gradient, or None.
        accelerator: of a run on several processes or in half precision, or None.
        average: averaged parameters that follow the model's, or None.
        places: decimal places of the loss in the log.
    """

    model: nn.Module
    optimizer: Optimizer
    clip_norm: float | None = None
    accelerator: Accelerator | None = None
    average: ParameterAverage | None = None
    places: ClassVar[int] = 6

    @abstractmethod
    def set_rates(self, step: int) -> float:
        """Set the learning rates of a step, counted from 0; gives the one for the log."""

    @abstractmethod
    def loss(self, batch: _Batch, detail: bool) -> tuple[Tensor, dict[str, float]]:
        """The loss of a batch, a scalar with gradient, and its figures; ``detail`` asks for those that cost time."""

    @abstractmethod
    def tensors(self, batch: _Batch) -> Mapping[str, Tensor | None]:
        """What is saved for study where the loss of a batch is not finite."""

    def usable(self, batch: _Batch) -> bool:
        """Whether every process has something to learn from this batch; all processes give the same answer."""
        return True

    def notes(self) -> dict[str, Any]:
        """What a checkpoint keeps beside tensors, as JSON."""
        return {}

    def restore(self, resumed: Resumed) -> None:
        """Take up the :meth:`notes` of a checkpoint."""

    @property
    def plain_model(self) -> nn.Module:
        """The model without what Accelerate wraps around it."""
        return self.model if self.accelerator is None else self.accelerator.unwrap_model(self.model)

    @property
    def process(self) -> int:
        """Which of the processes that learn together this is, from 0."""
        return 0 if self.accelerator is None else self.accelerator.process_index

    @property
    def writes(self) -> bool:
        """Whether this process, of several that learn together, is the one that writes."""
        return self.accelerator is None or self.accelerator.is_main_process

    def take_step(
        self, step: int, batches: Sequence[_Batch], detail: bool = True, study: Path | None = None
    ) -> dict[str, float]:
        """One step of the optimiser down the mean gradient of its batches.

        Args:
            step: counted from 0.
            batches: usable ones; with none of them the model stays as it is.
            detail: also give the figures that cost time.
            study: folder for the batch of a loss that is not finite; None takes the step unchecked.

        Returns:
            Means over the batches: the loss over all processes, the figures, and the learning rate; empty without a
            batch.

        Raises:
            TrainingError: the loss is NaN or infinite; names the file that holds the batch.
        """
        lr = self.set_rates(step)
        self.optimizer.zero_grad(set_to_none=True)
        figures: list[dict[str, float]] = []
        for number, batch in enumerate(batches, start=1):
            # Gradients travel between processes with the last batch of a step only.
            with self._without_exchange() if number < len(batches) else nullcontext():
                loss, found = self.loss(batch, detail)
                own = loss.detach()
                value = float(own) if self.accelerator is None else mean_over_ranks(own)
                if study is not None and not math.isfinite(value):
                    raise self._not_finite(value, step, batch, study)
                self._backward(loss / len(batches))
            figures.append({"loss": value, **found})
        if not figures:
            return {}
        self._clip()
        self.optimizer.step()
        if self.average is not None:
            self.average.update(self.plain_model)
        means = {name: self._mean([one[name] for one in figures if name in one]) for name in figures[0]}
        return {**means, "lr": round(lr, 8)}

    def _without_exchange(self) -> AbstractContextManager[Any]:
        return nullcontext() if self.accelerator is None else self.accelerator.no_sync(self.model)

    def _backward(self, loss: Tensor) -> None:
        if self.accelerator is None:
            loss.backward()
        else:
            self.accelerator.backward(loss)

    def _clip(self) -> None:
        if self.clip_norm is None:
            return
        if self.accelerator is None:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_norm)
        else:
            self.accelerator.clip_grad_norm_(self.model.parameters(), self.clip_norm)

    def _mean(self, values: list[float]) -> float:
        return round(sum(values) / len(values), self.places)

    def _not_finite(self, loss: float, step: int, batch: _Batch, study: Path) -> TrainingError:
        several = self.accelerator is not None and self.accelerator.num_processes > 1
        rank = f"-process-{self.accelerator.process_index}" if several and self.accelerator is not None else ""
        file = study / f"failed-step-{step + 1:08d}{rank}.safetensors"
        write_tensors(file, self.tensors(batch), error=TrainingError)
        return TrainingError(
            f"the loss of step {step + 1} is {loss}: its batch was saved to {file}; "
            "lower optimiser.lr or set optimiser.clip_norm"
        )


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
        fingerprint: what a checkpoint must have been made with to go on.
        steps: of the whole run; with 0 nothing is trained and no checkpoint is looked for.
        log_every, checkpoint_every: steps between two lines of the log, and between two checkpoints.
        progress, stop: what a person sees, and whether to end.
        data: what is learned from, by name; kept with the checkpoints, and the same when a run goes on.
        measurements: taken after the checkpoint of their step, in this order; one that a stopped run missed is
            taken before the first step of the next.
        board: folder for TensorBoard's files, or None.

    Raises:
        TrainingError: the newest checkpoint is damaged, or of another run, or the data has changed since.
    """

    def __init__(
        self,
        learner: Learner[_Batch],
        out: Path,
        fingerprint: str,
        steps: int,
        log_every: int,
        checkpoint_every: int,
        progress: TrainingProgress,
        stop: StopRequest,
        data: Mapping[str, DataPart] | None = None,
        measurements: Sequence[Measurement] = (),
        board: Path | None = None,
    ) -> None:
        self._learner, self._out, self._fingerprint, self._data = learner, out, fingerprint, data
        self._steps, self._log_every, self._checkpoint_every = steps, log_every, checkpoint_every
        self._progress, self._stop, self._measurements = progress, stop, measurements
        self.first_step, self.seconds = 0, 0.0
        if steps:
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
            learner.average.load(resumed.average)
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
        last_step: int,
        accumulate: int = 1,
        prepare: Callable[[], object] | None = None,
    ) -> None:
        """Take the steps up to ``last_step``.

        Args:
            title: of the progress bar.
            open_batches: from the first step and the one after the last to their batches; called where steps are left.
            last_step: steps done at the end.
            accumulate: batches a step.
            prepare: brings the model into training mode, before the first step.

        Raises:
            Stopped: a stop was asked for; a checkpoint was written.
        """
        self._take_missed()
        if self.first_step >= last_step:
            return
        batches = open_batches(self.first_step, last_step)
        self._progress.start(self.first_step, self._steps, title)
        if prepare is not None:
            prepare()
        # Closed even where an exception's traceback still holds it: else its workers would outlive the run.
        with closing(iter(batches)) as each:
            self._take_steps(each, last_step, accumulate)

    def _take_steps(self, batches: Iterator[_Batch], last_step: int, accumulate: int) -> None:
        learner = self._learner
        began, before = time.perf_counter(), self.seconds
        for step in range(self.first_step, last_step):
            done, waited_from = step + 1, time.perf_counter()
            taken = list(islice(batches, accumulate))
            waited = time.perf_counter() - waited_from
            logged = done % self._log_every == 0 or done == last_step
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
            if done % self._checkpoint_every == 0 or done == last_step or stop:
                self._save(done)
            if stop:
                raise stopped_after(done, self._steps)
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
            average=None if learner.average is None else learner.average.state(),
            data=self._data,
        )
