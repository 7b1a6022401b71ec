"""`fit_detection`: from a recipe and scenes with boxes to a detector's folder and its scores."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Adam, Optimizer

from ppkt_zoo.data.scenes import LabelledScene, SceneSource
from ppkt_zoo.downstream.detection.average_precision import THRESHOLDS, DetectionScore
from ppkt_zoo.downstream.detection.dataset import DetectionBatch, DetectionDataset, sample_rows
from ppkt_zoo.downstream.detection.folder import save_detector
from ppkt_zoo.downstream.detection.loss import detection_loss
from ppkt_zoo.downstream.detection.model import VoteNet
from ppkt_zoo.downstream.detection.predict import evaluate_detector
from ppkt_zoo.downstream.detection.recipe import DetectionOptimiser, DetectionRecipe
from ppkt_zoo.downstream.detection.targets import mean_sizes
from ppkt_zoo.downstream.start import build_backbone
from ppkt_zoo.downstream.trainer import Finetuned, FinetuneTrainer, Report
from ppkt_zoo.engine.optim import set_learning_rate
from ppkt_zoo.errors import InputError

# Enough for a network's coarsest level and for the proposals of a room, little enough for a folder.
_GOLDEN_POINTS = 8000


class DetectionTrainer(FinetuneTrainer[DetectionBatch, DetectionRecipe, VoteNet, DetectionScore]):
    """One run of :func:`fit_detection`."""

    title = "detector"
    method = "detection"
    save = staticmethod(save_detector)

    @staticmethod
    def check_classes(train: SceneSource, other: SceneSource) -> None:
        if tuple(other.box_classes) != tuple(train.box_classes):
            raise InputError(
                f"{other.name} has boxes of other classes ({', '.join(other.box_classes)}) than {train.name} "
                f"({', '.join(train.box_classes)}): a detector is tested on what it learned"
            )

    def class_names(self) -> tuple[str, ...]:
        return tuple(self.scenes.box_classes)

    def open_dataset(self) -> DetectionDataset:
        return DetectionDataset(self.scenes, self.recipe)

    def build_model(self) -> VoteNet:
        return build_model(self.recipe, self.scenes)

    def build_optimizer(self) -> Optimizer:
        return build_optimizer(self.recipe.optimiser, self.model)

    def set_rates(self, step: int) -> float:
        """Learning rates and batch norms' momentum of a step; gives the head's rate."""
        section, steps = self.recipe.optimiser, self.recipe.steps
        falling = section.rate(step, steps)
        set_learning_rate(self.optimizer, falling)
        for norm in self.norms:
            norm.momentum = section.momentum_at(step, steps)
        return falling * section.lr

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

    def scores(self, score: DetectionScore) -> dict[str, Any]:
        columns = {f"ap{name}": score.average_precision(at).tolist() for name, at in THRESHOLDS.items()}
        rows = [
            {"name": one, **{key: column[number] for key, column in columns.items()}}
            for number, one in enumerate(self.class_names())
        ]
        return {**score.figures(), "classes": rows}

    def named_figures(self, score: DetectionScore) -> dict[str, float]:
        return {f"mAP@{at:g}": score.mean_average_precision(at) for at in THRESHOLDS.values()}

    def golden_rows(self, scene: LabelledScene) -> np.ndarray:
        return sample_rows(scene, _GOLDEN_POINTS, np.random.default_rng(0))


FittedDetection = Finetuned[VoteNet, DetectionScore]
fit_detection = DetectionTrainer.fit


def build_model(recipe: DetectionRecipe, scenes: SceneSource) -> VoteNet:
    """The recipe's backbone and a new head; both drawn from the recipe's seed. Mean sizes are those of the scenes.

    Raises:
        InputError: a scene without known boxes, of other classes or with a box of size 0, or no box at all.
        RecipeError, UnknownNameError, WeightError: as :func:`ppkt_zoo.downstream.start.build_backbone` does.
    """
    backbone = build_backbone(recipe)
    sizes = mean_sizes((scenes[number] for number in range(len(scenes))), scenes.box_classes, recipe.turned)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)  # the same head whatever the backbone began with
        model = VoteNet(backbone, scenes.box_classes, sizes, recipe.shape)
    model.points = recipe.points
    return model


def build_optimizer(section: DetectionOptimiser, model: VoteNet) -> Optimizer:
    """Adam over backbone and head, each at its own rate, which is its group's ``lr_scale``."""
    inner = {id(parameter) for parameter in model.backbone.parameters()}
    head = [parameter for parameter in model.parameters() if id(parameter) not in inner]
    rate = section.lr if section.backbone_lr is None else section.backbone_lr
    body = {"params": list(model.backbone.parameters()), "lr": rate, "lr_scale": rate}
    return Adam([body, {"params": head, "lr": section.lr, "lr_scale": section.lr}])
