"""`fit_segmentation`: from a recipe and labelled scenes to a model folder and its scores."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch.utils.data import DataLoader

from ppkt_zoo.data.scenes import SceneSource
from ppkt_zoo.downstream.segmentation.batches import SegmentationBatch, SegmentationDataset
from ppkt_zoo.downstream.segmentation.evaluation import SegmentationScore, check_classes, evaluate_segmentation
from ppkt_zoo.downstream.segmentation.export import export_segmentation, write_scores
from ppkt_zoo.downstream.segmentation.model import SegmentationModel
from ppkt_zoo.downstream.segmentation.recipe import SegmentationRecipe
from ppkt_zoo.downstream.segmentation.start import (
    build_optimizer,
    set_learning_rate,
    set_training_mode,
    start_model,
)
from ppkt_zoo.errors import TrainingError
from ppkt_zoo.running.checkpoint import resume, save_checkpoint
from ppkt_zoo.running.interrupt import Stopped, StopRequest, leave_signals_to_main
from ppkt_zoo.running.metrics_log import MetricsLog, read_metrics
from ppkt_zoo.running.optim import learning_rate
from ppkt_zoo.running.progress import TrainingProgress
from ppkt_zoo.sparse.denormals import flushed_denormals

__all__ = ["FittedSegmentation", "fit_segmentation"]


@dataclass(frozen=True)
class FittedSegmentation:
    """What a run gives.

    Attributes:
        model: on the CPU, in eval mode.
        folder: its weight folder.
        score: on the test scenes, if there were any; ``scores.json`` beside the folder holds it too.
    """

    model: SegmentationModel
    folder: Path
    score: SegmentationScore | None


def fit_segmentation(
    recipe: SegmentationRecipe,
    train: SceneSource,
    validation: SceneSource | None,
    out: Path,
    *,
    test: SceneSource | None = None,
    workers: int = 0,
    device: str = "cpu",
    stop_after: int | None = None,
) -> FittedSegmentation:
    """Fine-tune a backbone with a head on labelled scenes, test it, and write it as a folder.

    The same call goes on from the newest checkpoint in ``out``, to the same numbers on the same machine as a run
    that was never interrupted.

    Args:
        recipe: the complete recipe; its ``data`` is not opened here, see ``scenes.open_splits``.
        train: scenes to learn from.
        validation: looked at every ``recipe.validate_every`` steps, if both are given.
        out: checkpoints, ``metrics.jsonl`` and, at the end, ``scores.json`` and the folder ``model``.
        test: scenes to report on, with the recipe's voting.
        workers: processes that prepare batches; any number gives the same ones.
        device: cpu, cuda, …
        stop_after: end after this many steps with a checkpoint, without a model.

    Raises:
        InputError, RecipeError, WeightError: scenes without labels, other classes, a weight that does not fit.
        TrainingError: a non-finite loss (the batch is saved for study), or a checkpoint of another recipe.
        Stopped: SIGTERM, Ctrl-C or ``stop_after``; a checkpoint was written.
    """
    for scenes in (validation, test):
        if scenes is not None:
            check_classes(tuple(train.classes), scenes)
    out.mkdir(parents=True, exist_ok=True)
    with flushed_denormals(), StopRequest() as stop, TrainingProgress() as progress:
        run = _Run(recipe, train, validation, out, torch.device(device), progress, stop)
        run.train(recipe.steps if stop_after is None else min(stop_after, recipe.steps), workers)
        if stop_after is not None and stop_after < recipe.steps:
            raise Stopped(f"stopped after {stop_after} of {recipe.steps} steps, as asked; the same command goes on")
        return run.finish(test)


class _Run:
    """One run: its parts, where an earlier one stopped, and the loop from there."""

    def __init__(
        self,
        recipe: SegmentationRecipe,
        train: SceneSource,
        validation: SceneSource | None,
        out: Path,
        device: torch.device,
        progress: TrainingProgress,
        stop: StopRequest,
    ) -> None:
        self.recipe, self.out, self.device, self.progress, self.stop = recipe, out, device, progress, stop
        self.validation, self.dataset = validation, SegmentationDataset(train, recipe)
        self.model = start_model(recipe, tuple(train.classes)).to(device)
        self.optimizer = build_optimizer(recipe.optimiser, self.model)
        self.first_step, self.seconds = 0, 0.0
        # The same recipe on other scenes is another run.
        self.fingerprint = "|".join((recipe.fingerprint, train.name, str(len(train)), *train.classes))
        resumed = resume(out / "checkpoints", self.fingerprint, self.model, self.optimizer)
        if resumed is not None:
            self.first_step, self.seconds = resumed.step, resumed.notes["seconds"]
            progress.say(f"goes on after step {resumed.step} of {recipe.steps}")
        self.log = MetricsLog(out / "metrics.jsonl", self.first_step)

    def train(self, last_step: int, workers: int) -> None:
        """Train to ``last_step``, from wherever an earlier run stopped."""
        recipe = self.recipe
        lines = read_metrics(self.log.file)
        if not any(line["step"] == self.first_step and "validation_miou" in line for line in lines):
            self._validate(self.first_step)  # the earlier run may have ended before it
        if self.first_step >= last_step:
            return
        loader = DataLoader(
            self.dataset,
            batch_size=None,
            sampler=range(self.first_step, last_step),
            num_workers=workers,
            worker_init_fn=leave_signals_to_main,
        )
        self.progress.start(self.first_step, recipe.steps, "fine-tune")
        set_training_mode(self.model, recipe)
        began = waited_from = time.perf_counter()
        before = self.seconds
        for batch in loader:
            waited = time.perf_counter() - waited_from
            figures = self._step(batch)
            done = batch.step + 1
            spent = time.perf_counter() - waited_from
            self.seconds = before + time.perf_counter() - began
            self.progress.advance(done, **figures, data_seconds=waited, step_seconds=spent)
            if done % recipe.log_every == 0 or done == last_step:
                self.log.write(done, **figures, data_seconds=round(waited, 4), step_seconds=round(spent, 4))
            # Before validation, which may take long: a stop during it loses nothing.
            if done % recipe.checkpoint_every == 0 or done == last_step or self.stop():
                self._save(done)
            if self.stop():
                raise Stopped(
                    f"stopped after step {done} of {recipe.steps} with a checkpoint; the same command goes on"
                )
            self._validate(done)
            waited_from = time.perf_counter()

    def finish(self, test: SceneSource | None) -> FittedSegmentation:
        """Test on scenes that training never saw, write the scores and the folder."""
        self.model.eval()
        score, tested_on = None, ""
        if test is not None:
            tested_on = f"{test.name}, {len(test)} scenes"
            with self.progress.task("test", len(test)) as report:
                score = evaluate_segmentation(
                    self.model, test, voting=self.recipe.voting, report=self._until_stopped(report)
                )
            write_scores(self.out / "scores.json", self.recipe, score, tested_on)
        folder, model = self.out / "model", self.model.cpu()
        export_segmentation(
            folder, self.recipe, model, self.dataset.scenes, self.seconds, self.device, score, tested_on
        )
        return FittedSegmentation(model, folder, score)

    def _step(self, batch: SegmentationBatch) -> dict[str, float]:
        section = self.recipe.optimiser
        lr = learning_rate(section, batch.step, self.recipe.steps)
        set_learning_rate(self.optimizer, lr)
        there = batch.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.precision == "bf16"):
            scores = self.model(there.clouds, there.rows)
        loss = F.cross_entropy(scores.float(), there.label)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss of step {batch.step + 1} is {float(loss.detach())}: its batch was saved to "
                f"{self._save_for_study(batch)}; lower optimiser.lr or set optimiser.clip_norm"
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if section.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), section.clip_norm)
        self.optimizer.step()
        right = (scores.detach().argmax(dim=1) == there.label).float().mean()
        return {"loss": round(float(loss.detach()), 6), "accuracy": round(float(right), 5), "lr": round(lr, 8)}

    def _validate(self, done: int) -> None:
        """Look at the validation scenes where that is due after ``done`` steps."""
        every = self.recipe.validate_every
        if self.validation is None or every is None or done == 0 or done % every:
            return
        score = evaluate_segmentation(self.model, self.validation, report=self._until_stopped(None))
        self.log.write(done, **{f"validation_{name}": round(value, 5) for name, value in score.figures().items()})

    def _until_stopped(self, report: Callable[[int, int], None] | None) -> Callable[[int, int], None]:
        def seen(done: int, total: int) -> None:
            if report is not None:
                report(done, total)
            if self.stop():
                raise Stopped("stopped while scenes were predicted; the same command goes on from the last checkpoint")

        return seen

    def _save(self, done: int) -> None:
        notes = {"seconds": self.seconds}
        save_checkpoint(self.out / "checkpoints", done, self.fingerprint, self.model, self.optimizer, notes)

    def _save_for_study(self, batch: SegmentationBatch) -> Path:
        file = self.out / f"failed-step-{batch.step + 1:08d}.safetensors"
        clouds = batch.clouds
        tensors = {"xyz": clouds.xyz, "cloud": clouds.cloud, "rows": batch.rows, "label": batch.label}
        file.write_bytes(save(tensors if clouds.rgb is None else {**tensors, "rgb": clouds.rgb}))
        return file
