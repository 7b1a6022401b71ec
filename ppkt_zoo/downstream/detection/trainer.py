"""`fit_detection`: from a recipe and scenes with boxes to a detector's folder and its scores."""

from dataclasses import dataclass
from pathlib import Path

import torch

from ppkt_zoo.data.scenes import SceneSource
from ppkt_zoo.downstream.detection.average_precision import DetectionScore
from ppkt_zoo.downstream.detection.build import build_optimizer, set_rates, set_training_mode, start_detector
from ppkt_zoo.downstream.detection.dataset import DetectionBatch, DetectionDataset
from ppkt_zoo.downstream.detection.export import export_detector, figures_of, write_scores
from ppkt_zoo.downstream.detection.loss import detection_loss
from ppkt_zoo.downstream.detection.model import VoteNet
from ppkt_zoo.downstream.detection.predict import evaluate_detector
from ppkt_zoo.downstream.detection.recipe import DetectionRecipe
from ppkt_zoo.downstream.trainer import FittingRun, Report
from ppkt_zoo.engine.denormals import flushed_denormals
from ppkt_zoo.engine.interrupt import StopRequest, check_whole
from ppkt_zoo.engine.loop import descend
from ppkt_zoo.engine.progress import TrainingProgress
from ppkt_zoo.engine.run_folder import run_folder
from ppkt_zoo.errors import InputError

__all__ = ["FittedDetection", "fit_detection"]


@dataclass(frozen=True)
class FittedDetection:
    """What a run gives.

    Attributes:
        model: on the CPU, in eval mode.
        folder: its weight folder.
        score: on the test scenes, if there were any; ``scores.json`` beside the folder holds it too.
    """

    model: VoteNet
    folder: Path
    score: DetectionScore | None


def fit_detection(
    recipe: DetectionRecipe,
    train: SceneSource,
    validation: SceneSource | None,
    out: Path,
    *,
    test: SceneSource | None = None,
    workers: int = 0,
    device: str = "cpu",
    stop_after: int | None = None,
) -> FittedDetection:
    """Fine-tune a backbone as VoteNet on scenes with boxes, test it, and write it as a folder.

    The same call goes on from the newest checkpoint in ``out``, to the same numbers on the same machine as a run
    that was never interrupted.

    Args:
        recipe: the complete recipe; its ``data`` is not opened here, see ``splits.open_splits``.
        train: scenes to learn from.
        validation: looked at every ``recipe.validate_every`` steps, if both are given.
        out: checkpoints, ``metrics.jsonl`` and, at the end, ``scores.json`` and the folder ``model``.
        test: scenes to report on.
        workers: processes that prepare batches; any number gives the same ones.
        device: cpu, cuda, …
        stop_after: end after this many steps with a checkpoint, without a model.

    Raises:
        InputError, RecipeError, WeightError: scenes without boxes, other classes, a box of size 0, a weight that does
            not fit.
        TrainingError: votes or a loss that are no number (the batch is saved for study where it is the loss), a
            checkpoint of another recipe or other scenes, another process at work in ``out``, a killed data worker.
        Stopped: SIGTERM, Ctrl-C or ``stop_after``; a checkpoint was written.
    """
    for scenes in (validation, test):
        if scenes is not None and tuple(scenes.box_classes) != tuple(train.box_classes):
            raise InputError(
                f"{scenes.name} has boxes of other classes ({', '.join(scenes.box_classes)}) than {train.name} "
                f"({', '.join(train.box_classes)}): a detector is tested on what it learned"
            )
    with flushed_denormals(), run_folder(out), StopRequest() as stop, TrainingProgress() as progress:
        run = _Run(recipe, train, validation, out, torch.device(device), progress, stop)
        run.train(recipe.steps if stop_after is None else min(stop_after, recipe.steps), workers)
        check_whole(stop_after, recipe.steps)
        return run.finish(test)


class _Run(FittingRun[DetectionScore]):
    title = "detector"

    def __init__(
        self,
        recipe: DetectionRecipe,
        train: SceneSource,
        validation: SceneSource | None,
        out: Path,
        device: torch.device,
        progress: TrainingProgress,
        stop: StopRequest,
    ) -> None:
        self.recipe, self.device, classes = recipe, device, tuple(train.box_classes)
        dataset = DetectionDataset(train, recipe)
        self.model = start_detector(recipe, train).to(device)
        self.optimizer = build_optimizer(recipe.optimiser, self.model)
        self.scenes = train
        super().__init__(recipe, train, classes, validation, self.model, self.optimizer, dataset, out, progress, stop)

    def finish(self, test: SceneSource | None) -> FittedDetection:
        """Test on scenes that training never saw, write the scores and the folder."""
        self.model.eval()
        score, tested_on = None, ""
        if test is not None:
            score, tested_on = self.test(test)
            write_scores(self.out / "scores.json", self.recipe, self.model.classes, score, tested_on)
        folder, model = self.out / "model", self.model.cpu()
        export_detector(folder, self.recipe, model, self.scenes, self.loop.seconds, self.device, score, tested_on)
        return FittedDetection(model, folder, score)

    def prepare(self) -> None:
        self.norms = set_training_mode(self.model, self.recipe)

    def score(self, scenes: SceneSource, report: Report, final: bool) -> DetectionScore:
        return evaluate_detector(self.model, scenes, points=self.recipe.points_at_test, report=report)

    def figures(self, score: DetectionScore) -> dict[str, float]:
        return figures_of(score)

    def step(self, batch: DetectionBatch) -> dict[str, float]:
        lr = set_rates(self.optimizer, self.norms, self.recipe, batch.step)
        there = batch.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.precision == "bf16"):
            found = self.model(there.clouds)
        loss = detection_loss(found, there.truth, self.model.mean_sizes, self.recipe.margin)
        clouds, truth = batch.clouds, batch.truth
        tensors = {"xyz": clouds.xyz, "rgb": clouds.rgb, "cloud": clouds.cloud, "boxes": truth.boxes}
        self.loop.check_loss(loss.total, batch.step, {**tensors, "label": truth.label})
        descend(loss.total, self.model, self.optimizer, self.recipe.optimiser.clip_norm)
        parts = {name: round(value, 6) for name, value in loss.figures().items() if name != "total"}
        return {"loss": round(float(loss.total.detach()), 6), **parts, "lr": round(lr, 8)}
