"""`pretrain`: from a recipe to a weight folder, on Hugging Face Accelerate."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.errors import TrainingError
from ppkt_zoo.files.targets import check_folder_target
from ppkt_zoo.running.cache import default_cache
from ppkt_zoo.running.interrupt import StopRequest, check_whole, stopped_after
from ppkt_zoo.running.loop import not_finite
from ppkt_zoo.running.metrics_log import MetricsLog
from ppkt_zoo.running.optim import learning_rate, set_learning_rate
from ppkt_zoo.running.progress import TrainingProgress
from ppkt_zoo.running.run_folder import run_folder
from ppkt_zoo.running.step_seed import seed_step
from ppkt_zoo.sparse.denormals import flushed_denormals
from ppkt_zoo.train.batches import Step
from ppkt_zoo.train.export import RunSummary, export_weight
from ppkt_zoo.train.failure import save_for_study
from ppkt_zoo.train.processes import agree_to_stop, lines_of_all, mean_figures, mean_over_ranks, sum_counts
from ppkt_zoo.train.recipe import Recipe
from ppkt_zoo.train.setup import Setup
from ppkt_zoo.transfer.objective import Outcome

__all__ = ["Watch", "pretrain"]

# More skipped frames than this part of all frames seen so far: the data is not what the recipe thinks.
_MOST_SKIPPED = 0.2

Watch = Callable[[Backbone, int], dict[str, float]]
"""Looks at the student after a step and gives figures for the log; may write pictures of its own."""


def pretrain(
    recipe: Recipe,
    *,
    data: Mapping[str, Path],
    teacher: Path | None,
    out: Path,
    cache: Path | None = None,
    workers: int = 1,
    stop_after: int | None = None,
    tensorboard: bool = False,
    watch: Watch | None = None,
) -> Path:
    """Pretrain a backbone as a recipe says and write it as a weight folder.

    The same call goes on from the newest checkpoint in ``out``, to the same numbers on the same machine as a run
    that was never interrupted. Started by ``accelerate launch``, the processes share each step's frames and learn
    what one process would learn from all of them.

    Args:
        recipe: the complete recipe.
        data: folder of each ``kind: frames`` data entry, by name.
        teacher: the teacher's file where the recipe's teacher wants one.
        out: checkpoints, ``metrics.jsonl`` and, at the end, the folder ``weight``.
        cache: for rendered rooms and teacher features; ``None`` → :func:`default_cache`.
        workers: processes that prepare data; any number gives the same batches.
        stop_after: end after this many steps with a checkpoint, without a weight (the learning-rate schedule
            stays that of the whole recipe).
        tensorboard: write all figures for TensorBoard too, into ``out/tensorboard``.
        watch: called every ``recipe.watch.every`` steps where the recipe has that section.

    Returns:
        The weight folder.

    Raises:
        RecipeError, TeacherError, FrameError: something the recipe asks for is missing or damaged.
        TrainingError: a non-finite loss (the batch is saved for study), too many unusable frames, a full disk, or
            a checkpoint of another recipe or other data, another process at work in ``out``, a killed data worker.
        Stopped: SIGTERM or Ctrl-C; a checkpoint was written.
    """
    cache = default_cache() if cache is None else cache
    check_folder_target(out, TrainingError, "--out")
    with flushed_denormals(), StopRequest() as stop, TrainingProgress() as progress:
        setup = Setup(recipe, data, teacher, cache, progress, stop)
        with run_folder(out, setup.accelerator.is_main_process):
            # Nobody looks for a checkpoint before the one that writes there holds the folder.
            setup.accelerator.wait_for_everyone()
            run = _Run(setup, out, workers, watch)
            run.begin(tensorboard)
            run.train(recipe.steps if stop_after is None else min(stop_after, recipe.steps))
            check_whole(stop_after, recipe.steps)
            return run.export()


class _Run:
    """One run: where an earlier one stopped, and the loop from there."""

    def __init__(self, setup: Setup, out: Path, workers: int, watch: Watch | None) -> None:
        self.setup, self.recipe, self.out, self.workers, self.watch = setup, setup.recipe, out, workers, watch
        self.accelerator, self.progress = setup.accelerator, setup.progress
        self.seen_frames, self.skipped_frames, self.seconds = 0, 0, 0.0
        self.first_step = 0
        self.validation: list[Step] = []

    def begin(self, tensorboard: bool) -> None:
        """Go on from the newest checkpoint, if there is one; open the logs."""
        resumed = self.setup.resume(self.out / "checkpoints")
        if resumed is not None:
            self.first_step = resumed.step
            self.seen_frames = int(resumed.number("seen_frames"))
            self.skipped_frames = int(resumed.number("skipped_frames"))
            self.seconds = resumed.number("seconds")
            for line in (f"goes on after step {resumed.step} of {self.recipe.steps}", *resumed.remarks):
                self.progress.say(line)
        board = self.out / "tensorboard" if tensorboard else None
        main = self.accelerator.is_main_process
        file = self.out / "metrics.jsonl"
        self.log = MetricsLog(file, self.first_step, board, self.progress.say) if main else None

    def train(self, last_step: int) -> None:
        """Train to ``last_step``, from wherever an earlier run stopped."""
        recipe = self.recipe
        if self.first_step >= last_step:
            return
        # On each machine one process fills the cache of the teacher's features, the others find it filled.
        with self.accelerator.local_main_process_first():
            loader = self.setup.data.loader(
                self.first_step,
                last_step,
                self.workers,
                self.accelerator.process_index,
                self.accelerator.num_processes,
            )
            self.validation = self.setup.data.validation()
        self.progress.start(self.first_step, recipe.steps)
        self.setup.model.train()
        # Closed even where an exception's traceback still holds it: else its workers would outlive the run.
        with closing(iter(loader)) as batches:
            self._loop(batches, last_step)

    def _loop(self, batches: Iterator[Step], last_step: int) -> None:
        recipe = self.recipe
        began, before = time.perf_counter(), self.seconds
        for step in range(self.first_step, last_step):
            seed_step(str(recipe.seed), step, self.accelerator.process_index)
            metrics = self._step(step, batches, detail=(step + 1) % recipe.log_every == 0 or step + 1 == last_step)
            done = step + 1
            self.seconds = before + time.perf_counter() - began
            if metrics:
                self.progress.advance(done, **metrics)
                if done % recipe.log_every == 0 or done == last_step:
                    self._write(done, metrics)
            if recipe.validation is not None and (done % recipe.validation.every == 0 or done == recipe.steps):
                self._write(done, self.validate())
            if recipe.watch is not None and self.watch is not None and self._main(done % recipe.watch.every == 0):
                self._write(done, self._watched(done))
            stop = agree_to_stop(self.setup.stop(), self.accelerator)
            if self._main(done % recipe.checkpoint_every == 0 or done == last_step or stop):
                self.setup.save(self.out / "checkpoints", done, self._notes())
            if stop:
                raise stopped_after(done, recipe.steps)

    def validate(self) -> dict[str, float]:
        """Loss and figures on the held-out frames, in eval mode, averaged over their batches."""
        model = self.setup.plain_model
        model.eval()
        with torch.no_grad():
            outcomes = [model(self.setup.batch(step), True) for step in self.validation]
        model.train()
        figures: dict[str, float] = {"validation_loss": _mean([float(outcome.loss) for outcome in outcomes])}
        for name in sorted({name for outcome in outcomes for name in outcome.figures}):
            values = [outcome.figures[name] for outcome in outcomes if name in outcome.figures]
            figures[f"validation_{name}"] = _mean(values)
        return figures

    def export(self) -> Path:
        """Write the weight folder; every process waits for it."""
        folder = self.out / "weight"
        if self.accelerator.is_main_process:
            summary = RunSummary(
                seconds=self.seconds,
                seen_frames=self.seen_frames,
                skipped_frames=self.skipped_frames,
                source_sizes=tuple(len(source) for source in self.setup.data.sources),
                device=self.accelerator.device,
                processes=self.accelerator.num_processes,
            )
            model = self.setup.exported_model().cpu()
            export_weight(folder, self.recipe, model, self.setup.teacher, summary, self.setup.data.sources[0])
        self.accelerator.wait_for_everyone()
        return folder

    def _step(self, step: int, batches: Iterator[Step], detail: bool) -> dict[str, float]:
        """One step of the optimiser; no figures where there was nothing to learn from."""
        section, accumulate = self.recipe.optimiser, self.recipe.accumulate
        lr = learning_rate(section, step, self.recipe.steps)
        set_learning_rate(self.setup.optimizer, lr)
        self.setup.optimizer.zero_grad(set_to_none=True)
        began = time.perf_counter()
        taken = list(islice(batches, accumulate))
        waited = time.perf_counter() - began
        usable = [data for data in taken if self._count_frames(data)]
        figures: list[dict[str, float]] = []
        for number, data in enumerate(usable, start=1):
            # Gradients travel between processes with the last batch of a step only.
            quiet = number < len(usable)
            with self.accelerator.no_sync(self.setup.model) if quiet else nullcontext():
                figures.append(self._backward(step, data, len(usable), detail))
        if not figures:
            return {}
        if section.clip_norm is not None:
            self.accelerator.clip_grad_norm_(self.setup.model.parameters(), section.clip_norm)
        self.setup.optimizer.step()
        if self.setup.average is not None:
            self.setup.average.update(self.setup.plain_model)
        means = {name: _mean([one[name] for one in figures if name in one]) for name in figures[0]}
        seconds = {"data_seconds": round(waited, 4), "step_seconds": round(time.perf_counter() - began, 4)}
        return {**means, "lr": round(lr, 8), **seconds}

    def _backward(self, step: int, data: Step, share: int, detail: bool) -> dict[str, float]:
        """Gradients of a batch; gives its loss and, in detail, its figures, both over all processes."""
        batch = self.setup.batch(data)
        outcome: Outcome = self.setup.model(batch, detail)
        loss = mean_over_ranks(outcome.loss.detach())
        if not math.isfinite(loss):
            rank = f"-process-{self.accelerator.process_index}" if self.accelerator.num_processes > 1 else ""
            file = save_for_study(batch, self.out / f"failed-step-{step + 1:08d}{rank}.safetensors")
            raise not_finite(loss, step, file)
        self.accelerator.backward(outcome.loss / share)
        return {"loss": loss, **(mean_figures(outcome.figures, len(data.point)) if detail else {})}

    def _watched(self, done: int) -> dict[str, float]:
        assert self.watch is not None
        figures = self.watch(self.setup.plain_model.student, done)
        self.setup.plain_model.train()
        return figures

    def _main(self, due: bool) -> bool:
        """Whether something that one process does for all is due here."""
        return due and self.accelerator.is_main_process

    def _write(self, done: int, figures: Mapping[str, Any]) -> None:
        if self.log is not None:
            self.log.write(done, **{name: round(value, 8) for name, value in figures.items()})

    def _notes(self) -> dict[str, Any]:
        return {
            "seen_frames": self.seen_frames,
            "skipped_frames": self.skipped_frames,
            "seconds": self.seconds,
        }

    def _count_frames(self, data: Step) -> bool:
        """Count a batch's frames over all processes; whether every one of them has something to learn from."""
        seen = len(data.image_sizes) + len(data.skipped)
        counts = sum_counts([seen, len(data.skipped), data.clouds is None], self.accelerator)
        self.seen_frames += counts[0]
        self.skipped_frames += counts[1]
        skipped = lines_of_all(data.skipped) if counts[1] else []
        for line in skipped:
            self.progress.say(f"skipped {line}")
        if self.skipped_frames > max(10, _MOST_SKIPPED * self.seen_frames):
            last = f", the last: {skipped[-1]}" if skipped else ""
            raise TrainingError(
                f"{self.skipped_frames} of {self.seen_frames} frames could not be used{last}: "
                "look at the data before going on"
            )
        return counts[2] == 0


def _mean(values: list[float]) -> float:
    return round(sum(values) / len(values), 5)
