"""`fit_segmentation`: from a recipe and labelled scenes to a model folder and its scores."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import Optimizer

from ppkt_zoo.data.scenes import SceneSource
from ppkt_zoo.downstream.build import set_training_mode
from ppkt_zoo.downstream.export import recipe_text
from ppkt_zoo.downstream.segmentation.build import build_model, build_optimizer
from ppkt_zoo.downstream.segmentation.dataset import SegmentationBatch, SegmentationDataset
from ppkt_zoo.downstream.segmentation.evaluation import SegmentationScore, check_classes, evaluate_segmentation
from ppkt_zoo.downstream.segmentation.export import golden_cloud, metrics_of
from ppkt_zoo.downstream.segmentation.folder import save_segmentation
from ppkt_zoo.downstream.segmentation.model import SegmentationModel
from ppkt_zoo.downstream.segmentation.recipe import SegmentationRecipe
from ppkt_zoo.downstream.trainer import Finetuned, FinetuneTrainer, Report
from ppkt_zoo.engine.optim import learning_rate, set_learning_rate
from ppkt_zoo.zoo.record import Metric

__all__ = ["FittedSegmentation", "fit_segmentation"]


class FittedSegmentation(Finetuned[SegmentationModel, SegmentationScore]):
    """What :func:`fit_segmentation` gives."""


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
        TrainingError: a non-finite loss (the batch is saved for study), a checkpoint of another recipe or
            other scenes, another process at work in ``out``, a killed data worker.
        Stopped: SIGTERM, Ctrl-C or ``stop_after``; a checkpoint was written.
    """
    for scenes in (validation, test):
        if scenes is not None:
            check_classes(tuple(train.classes), scenes)
    return FittedSegmentation(
        *SegmentationTrainer.fit(recipe, train, validation, test, out, workers, device, stop_after)
    )


class SegmentationTrainer(FinetuneTrainer[SegmentationBatch, SegmentationRecipe, SegmentationModel, SegmentationScore]):
    """One run of :func:`fit_segmentation`."""

    title = "fine-tune"
    method = "segmentation"

    def class_names(self) -> tuple[str, ...]:
        return tuple(self.scenes.classes)

    def open_dataset(self) -> SegmentationDataset:
        return SegmentationDataset(self.scenes, self.recipe)

    def build_model(self) -> SegmentationModel:
        model = build_model(self.recipe, self.class_names())
        # What the user's own files call the classes goes into the model, so that its answers do too.
        model.ids = tuple(getattr(self.scenes, "class_ids", ())) or model.ids
        model.colors = dict(getattr(self.scenes, "class_colors", {}))
        return model

    def build_optimizer(self) -> Optimizer:
        self.clip_norm = self.recipe.optimiser.clip_norm
        return build_optimizer(self.recipe.optimiser, self.model)

    def prepare(self) -> None:
        set_training_mode(self.model, self.recipe)

    def set_rates(self, step: int) -> float:
        lr = learning_rate(self.recipe.optimiser, step, self.recipe.steps)
        set_learning_rate(self.optimizer, lr)
        return lr

    def loss(self, batch: SegmentationBatch, detail: bool) -> tuple[Tensor, dict[str, float]]:
        there = batch.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.precision == "bf16"):
            scores = self.model(there.clouds, there.rows)
        right = (scores.detach().argmax(dim=1) == there.label).float().mean()
        return F.cross_entropy(scores.float(), there.label), {"accuracy": round(float(right), 5)}

    def tensors(self, batch: SegmentationBatch) -> dict[str, Tensor | None]:
        clouds = batch.clouds
        return {"xyz": clouds.xyz, "rgb": clouds.rgb, "cloud": clouds.cloud, "rows": batch.rows, "label": batch.label}

    def score(self, scenes: SceneSource, report: Report, final: bool) -> SegmentationScore:
        return evaluate_segmentation(self.model, scenes, voting=self.recipe.voting if final else 1, report=report)

    def figures(self, score: SegmentationScore) -> dict[str, float]:
        return score.figures()

    def scores(self, score: SegmentationScore) -> dict[str, Any]:
        rows = [row._asdict() for row in score.table()]
        return {"voting": self.recipe.voting, **score.figures(), "classes": rows}

    def metrics(self, score: SegmentationScore, tested_on: str) -> tuple[Metric, ...]:
        return metrics_of(self.recipe, score, tested_on)

    def save(self, folder: Path, record: Mapping[str, Any]) -> None:
        golden, text = golden_cloud(self.scenes, self.recipe), recipe_text(self.recipe)
        save_segmentation(folder, self.model, self.recipe.model, record, golden, recipe=text, overwrite=True)
