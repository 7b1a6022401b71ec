"""`fit_detection`: from a recipe and scenes with boxes to a detector's folder and its scores."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from ppkt_zoo.data.scenes import SceneSource
from ppkt_zoo.downstream.build import set_training_mode
from ppkt_zoo.downstream.detection.average_precision import DetectionScore
from ppkt_zoo.downstream.detection.build import build_model, build_optimizer, set_rates
from ppkt_zoo.downstream.detection.dataset import DetectionBatch, DetectionDataset
from ppkt_zoo.downstream.detection.export import figures_of, golden_cloud, metrics_of, scores_of
from ppkt_zoo.downstream.detection.folder import save_detector
from ppkt_zoo.downstream.detection.loss import detection_loss
from ppkt_zoo.downstream.detection.model import VoteNet
from ppkt_zoo.downstream.detection.predict import evaluate_detector
from ppkt_zoo.downstream.detection.recipe import DetectionRecipe
from ppkt_zoo.downstream.export import recipe_text
from ppkt_zoo.downstream.trainer import Finetuned, FinetuneTrainer, Report
from ppkt_zoo.errors import InputError
from ppkt_zoo.zoo.record import Metric

__all__ = ["FittedDetection", "fit_detection"]


class FittedDetection(Finetuned[VoteNet, DetectionScore]):
    """What :func:`fit_detection` gives."""


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
    return FittedDetection(*DetectionTrainer.fit(recipe, train, validation, test, out, workers, device, stop_after))


class DetectionTrainer(FinetuneTrainer[DetectionBatch, DetectionRecipe, VoteNet, DetectionScore]):
    """One run of :func:`fit_detection`."""

    title = "detector"
    method = "detection"

    def class_names(self) -> tuple[str, ...]:
        return tuple(self.scenes.box_classes)

    def open_dataset(self) -> DetectionDataset:
        return DetectionDataset(self.scenes, self.recipe)

    def build_model(self) -> VoteNet:
        return build_model(self.recipe, self.scenes)

    def build_optimizer(self) -> Optimizer:
        self.clip_norm = self.recipe.optimiser.clip_norm
        return build_optimizer(self.recipe.optimiser, self.model)

    def prepare(self) -> None:
        self.norms = set_training_mode(self.model, self.recipe)

    def set_rates(self, step: int) -> float:
        return set_rates(self.optimizer, self.norms, self.recipe, step)

    def loss(self, batch: DetectionBatch, detail: bool) -> tuple[Tensor, dict[str, float]]:
        there = batch.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.precision == "bf16"):
            found = self.model(there.clouds)
        loss = detection_loss(found, there.truth, self.model.mean_sizes, self.recipe.margin)
        return loss.total, {name: value for name, value in loss.figures().items() if name != "total"}

    def tensors(self, batch: DetectionBatch) -> dict[str, Tensor | None]:
        clouds, truth = batch.clouds, batch.truth
        cloud = {"xyz": clouds.xyz, "rgb": clouds.rgb, "cloud": clouds.cloud}
        return {**cloud, "boxes": truth.boxes, "label": truth.label}

    def score(self, scenes: SceneSource, report: Report, final: bool) -> DetectionScore:
        return evaluate_detector(self.model, scenes, points=self.recipe.points_at_test, report=report)

    def figures(self, score: DetectionScore) -> dict[str, float]:
        return figures_of(score)

    def scores(self, score: DetectionScore) -> dict[str, Any]:
        return scores_of(score, self.class_names())

    def metrics(self, score: DetectionScore, tested_on: str) -> tuple[Metric, ...]:
        return metrics_of(self.recipe, score, tested_on)

    def save(self, folder: Path, record: Mapping[str, Any]) -> None:
        golden, text = golden_cloud(self.scenes, self.recipe), recipe_text(self.recipe)
        save_detector(folder, self.model, self.recipe.model, record, golden, recipe=text, overwrite=True)
