"""`pretrain`: from a recipe to a weight folder, on Hugging Face Accelerate."""

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.engine.checkpoint import Resumed
from ppkt_zoo.engine.data_workers import DataWorkers
from ppkt_zoo.engine.denormals import flushed_denormals
from ppkt_zoo.engine.interrupt import StopRequest
from ppkt_zoo.engine.loop import Measurement, TrainingLoop
from ppkt_zoo.engine.processes import lines_of_all, sum_counts
from ppkt_zoo.engine.progress import TrainingProgress
from ppkt_zoo.engine.run_folder import run_folder
from ppkt_zoo.errors import TrainingError
from ppkt_zoo.files.reading import default_cache
from ppkt_zoo.files.targets import check_folder_target
from ppkt_zoo.pretraining.dataset import Step
from ppkt_zoo.pretraining.export import export_weight
from ppkt_zoo.pretraining.recipe import Recipe
from ppkt_zoo.pretraining.setup import Setup
from ppkt_zoo.zoo.names import StrPath

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
    start: StrPath | None = None,
    teachers: Mapping[str, Path] | None = None,
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
        start: folder (a ``Path``) or name of the weight that the recipe's ``start`` asks for; ``None`` looks for it by
            its name among the listed ones.
        teachers: files of the recipe's further teachers, by their names there.

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
        run = _Run(recipe, data, teacher, cache, progress, stop, start, teachers)
        with run_folder(out, run.writes):
            # Nobody looks for a checkpoint before the one that writes there holds the folder.
            run.accelerator.wait_for_everyone()
            run.begin(out, workers, watch, tensorboard)
            run.loop.run("pretrain", run.open, stop_after, recipe.accumulate, run.model.train)
            return run.export()


class _Run(Setup):
    """One run: its parts, the frames that it has seen, and the loop over its steps."""

    def begin(self, out: Path, workers: int, watch: Watch | None, tensorboard: bool) -> None:
        """Go on from the newest checkpoint, if there is one; open the logs."""
        recipe, self.out, self.workers = self.recipe, out, workers
        self.seen_frames = self.skipped_frames = 0
        measurements = []
        if recipe.validation is not None:
            measurements.append(Measurement(recipe.validation.every, lambda _: self.validate(), at_end=True))
        if recipe.watch is not None and watch is not None:
            measurements.append(Measurement(recipe.watch.every, lambda done: self._watched(watch, done)))
        self.loop = TrainingLoop(
            self,
            out,
            recipe,
            self.progress,
            self.stop,
            self.data.parts() if recipe.steps else None,
            measurements,
            board=out / "tensorboard" if tensorboard else None,
        )

    def open(self, first_step: int, last_step: int) -> DataWorkers[Step]:
        """Batches of some steps; the validation is looked at before the first."""
        ranks = self.accelerator.process_index, self.accelerator.num_processes
        # On each machine one process fills the cache of the teacher's features, the others find it filled.
        with self.accelerator.local_main_process_first():
            loader = self.data.loader(first_step, last_step, self.workers, *ranks)
            if self.writes:
                _ = self.validation  # what is wrong with it is said before the first step
        return loader

    @cached_property
    def validation(self) -> list[Step]:
        """All batches of the held-out frames."""
        return self.data.validation()

    def validate(self) -> dict[str, float]:
        """Loss and figures on the held-out frames, in eval mode, averaged over their batches."""
        model = self.plain_model
        model.eval()
        with torch.no_grad():
            outcomes = [model(self.batch(step), True) for step in self.validation]
        model.train()
        figures: dict[str, float] = {"validation_loss": self._mean([float(outcome.loss) for outcome in outcomes])}
        for name in sorted({name for outcome in outcomes for name in outcome.figures}):
            values = [outcome.figures[name] for outcome in outcomes if name in outcome.figures]
            figures[f"validation_{name}"] = self._mean(values)
        return figures

    def _watched(self, watch: Watch, done: int) -> dict[str, float]:
        figures = watch(self.plain_model.student, done)
        self.plain_model.train()
        return figures

    def export(self) -> Path:
        """Write the weight folder; every process waits for it."""
        folder = self.out / "weight"
        if self.writes:
            export_weight(folder, self, self.loop.seconds, self.seen_frames, self.skipped_frames)
        self.accelerator.wait_for_everyone()
        return folder

    def notes(self) -> dict[str, Any]:
        counts = {"seen_frames": self.seen_frames, "skipped_frames": self.skipped_frames}
        return {**counts, **super().notes()}

    def restore(self, resumed: Resumed) -> None:
        self.seen_frames = int(resumed.number("seen_frames"))
        self.skipped_frames = int(resumed.number("skipped_frames"))
        super().restore(resumed)

    def usable(self, batch: Step) -> bool:
        """Count a batch's frames over all processes; whether every one of them has something to learn from."""
        seen = len(batch.image_sizes) + len(batch.skipped)
        counts = sum_counts([seen, len(batch.skipped), batch.clouds is None], self.accelerator)
        self.seen_frames += counts[0]
        self.skipped_frames += counts[1]
        skipped = lines_of_all(batch.skipped) if counts[1] else []
        for line in skipped:
            self.progress.say(f"skipped {line}")
        if self.skipped_frames > max(10, _MOST_SKIPPED * self.seen_frames):
            last = f", the last: {skipped[-1]}" if skipped else ""
            raise TrainingError(
                f"{self.skipped_frames} of {self.seen_frames} frames could not be used{last}: "
                "look at the data before going on"
            )
        return counts[2] == 0
