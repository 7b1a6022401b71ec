"""`TrainingLoop`: step after step on one device, with log, checkpoints and a stop that loses nothing."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import Dataset

from ppkt_zoo.errors import TrainingError
from ppkt_zoo.running.checkpoint import resume, save_checkpoint
from ppkt_zoo.running.data_record import DataPart
from ppkt_zoo.running.data_workers import DataWorkers
from ppkt_zoo.running.interrupt import StopRequest, stopped_after
from ppkt_zoo.running.metrics_log import MetricsLog
from ppkt_zoo.running.progress import TrainingProgress
from ppkt_zoo.running.step_seed import seed_step
from ppkt_zoo.running.tensor_files import write_tensors

__all__ = ["TrainingLoop", "descend", "not_finite"]


class _Numbered(Protocol):
    @property
    def step(self) -> int: ...


_Batch = TypeVar("_Batch", bound=_Numbered)


class TrainingLoop:
    """A run of one process: where an earlier one stopped, and the steps from there.

    Args:
        out: the run's folder; gets ``checkpoints`` and ``metrics.jsonl``.
        fingerprint: what a checkpoint must have been made with to go on.
        model, optimizer: brought to where the newest checkpoint left them.
        steps: of the whole run.
        log_every, checkpoint_every: steps between two lines of the log, and between two checkpoints.
        data: what is learned from, by name; kept with the checkpoints, and the same when a run goes on.

    Raises:
        TrainingError: the newest checkpoint is damaged, or of another run, or the data has changed since.
    """

    def __init__(
        self,
        out: Path,
        fingerprint: str,
        model: nn.Module,
        optimizer: Optimizer,
        steps: int,
        log_every: int,
        checkpoint_every: int,
        progress: TrainingProgress,
        stop: StopRequest,
        data: Mapping[str, DataPart] | None = None,
    ) -> None:
        self._data = data
        self._out, self._fingerprint, self._model, self._optimizer = out, fingerprint, model, optimizer
        self._steps, self._log_every, self._checkpoint_every = steps, log_every, checkpoint_every
        self._progress, self._stop = progress, stop
        self.first_step, self.seconds = 0, 0.0
        resumed = resume(out / "checkpoints", fingerprint, model, optimizer, data)
        if resumed is not None:
            self.first_step, self.seconds = resumed.step, resumed.number("seconds")
            progress.say(f"goes on after step {resumed.step} of {steps}")
            for remark in resumed.remarks:
                progress.say(remark)
        self.log = MetricsLog(out / "metrics.jsonl", self.first_step, say=progress.say)

    def run(
        self,
        title: str,
        dataset: Dataset[_Batch],
        last_step: int,
        workers: int,
        learn: Callable[[_Batch], dict[str, float]],
        after: Callable[[int], None] | None = None,
    ) -> None:
        """Take the steps up to ``last_step``; the model is in the mode in which the caller left it.

        Args:
            title: of the progress bar.
            dataset: item ``t`` is the batch of step ``t``.
            last_step: steps done at the end.
            workers: processes that prepare batches.
            learn: one step of the optimiser; gives the step's figures.
            after: called with the steps done, after each step and its checkpoint.

        Raises:
            Stopped: a stop was asked for; a checkpoint was written.
        """
        if self.first_step >= last_step:
            return
        batches = DataWorkers(dataset, range(self.first_step, last_step), workers)
        self._progress.start(self.first_step, self._steps, title)
        # Closed even where an exception's traceback still holds it: else its workers would outlive the run.
        with closing(iter(batches)) as each:
            self._learn(each, last_step, learn, after)

    def _learn(
        self,
        batches: Iterator[_Batch],
        last_step: int,
        learn: Callable[[_Batch], dict[str, float]],
        after: Callable[[int], None] | None,
    ) -> None:
        began = waited_from = time.perf_counter()
        before = self.seconds
        for batch in batches:
            waited = time.perf_counter() - waited_from
            seed_step(self._fingerprint, batch.step)
            figures = learn(batch)
            done = batch.step + 1
            spent = time.perf_counter() - waited_from
            self.seconds = before + time.perf_counter() - began
            self._progress.advance(done, **figures, data_seconds=waited, step_seconds=spent)
            if done % self._log_every == 0 or done == last_step:
                self.log.write(done, **figures, data_seconds=round(waited, 4), step_seconds=round(spent, 4))
            # Before what comes after a step, which may take long: a stop during it loses nothing.
            if done % self._checkpoint_every == 0 or done == last_step or self._stop():
                self._save(done)
            if self._stop():
                raise stopped_after(done, self._steps)
            if after is not None:
                after(done)
            waited_from = time.perf_counter()

    def _save(self, done: int) -> None:
        folder, notes = self._out / "checkpoints", {"seconds": self.seconds}
        save_checkpoint(folder, done, self._fingerprint, self._model, self._optimizer, notes, data=self._data)

    def check_loss(self, loss: Tensor, step: int, tensors: Mapping[str, Tensor | None]) -> None:
        """Go on only where the loss of ``step`` (from 0) is a number; else keep the batch's tensors for study.

        Raises:
            TrainingError: NaN or infinity; names the file that holds the tensors.
        """
        if torch.isfinite(loss):
            return
        file = self._out / f"failed-step-{step + 1:08d}.safetensors"
        write_tensors(file, tensors, error=TrainingError)
        raise not_finite(float(loss.detach()), step, file)


def not_finite(loss: float, step: int, file: Path) -> TrainingError:
    """The error of a step (from 0) whose loss is no number, with the file that its batch was saved to."""
    return TrainingError(
        f"the loss of step {step + 1} is {loss}: its batch was saved to {file}; "
        "lower optimiser.lr or set optimiser.clip_norm"
    )


def descend(loss: Tensor, model: nn.Module, optimizer: Optimizer, clip_norm: float | None) -> None:
    """One step of the optimiser down the loss's gradient, clipped to a norm where one is given."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    if clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    optimizer.step()
