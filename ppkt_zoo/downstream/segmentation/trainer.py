"""`fit_segmentation`: from a recipe and labelled scenes to a model folder and its scores."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import SGD, AdamW, Optimizer

from ppkt_zoo.backbones.norm import batch_norms
from ppkt_zoo.backbones.readout import Readout
from ppkt_zoo.data.scenes import LabelledScene, SceneSource
from ppkt_zoo.downstream.segmentation.dataset import SegmentationBatch, SegmentationDataset, crop_rows
from ppkt_zoo.downstream.segmentation.evaluation import SegmentationScore, check_classes, evaluate_segmentation
from ppkt_zoo.downstream.segmentation.folder import save_segmentation
from ppkt_zoo.downstream.segmentation.model import SegmentationModel
from ppkt_zoo.downstream.segmentation.recipe import CropSection, SegmentationOptimiser, SegmentationRecipe
from ppkt_zoo.downstream.start import build_backbone
from ppkt_zoo.downstream.trainer import Finetuned, FinetuneTrainer, Report
from ppkt_zoo.evaluation.metrics import IGNORE
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.points.readout_spec import ReadOut

# Wide enough for several voxels of a network's coarsest level, which are 16 of the finest; few enough for a folder.
_GOLDEN_VOXELS, _GOLDEN_POINTS = 48, 4000
# Scenes of which a random backbone's levels get one scale.
_STATISTICS_SCENES = 4


class SegmentationTrainer(FinetuneTrainer[SegmentationBatch, SegmentationRecipe, SegmentationModel, SegmentationScore]):
    """One run of :func:`fit_segmentation`."""

    title = "fine-tune"
    method = "segmentation"
    save = staticmethod(save_segmentation)

    @staticmethod
    def check_classes(train: SceneSource, other: SceneSource) -> None:
        check_classes(tuple(train.classes), other)

    def class_names(self) -> tuple[str, ...]:
        return tuple(self.scenes.classes)

    def open_dataset(self) -> SegmentationDataset:
        return SegmentationDataset(self.scenes, self.recipe)

    def build_model(self) -> SegmentationModel:
        first = (self.scenes[number] for number in range(min(len(self.scenes), _STATISTICS_SCENES)))
        clouds = (PointCloud.from_arrays(scene.xyz, scene.rgb) for scene in first)
        model = build_model(self.recipe, self.class_names(), clouds)
        # What the user's own files call the classes goes into the model, so that its answers do too.
        model.ids = tuple(getattr(self.scenes, "class_ids", ())) or model.ids
        model.colors = dict(getattr(self.scenes, "class_colors", {}))
        return model

    def build_optimizer(self) -> Optimizer:
        return build_optimizer(self.recipe.optimiser, self.model)

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

    def scores(self, score: SegmentationScore) -> dict[str, Any]:
        rows = [row._asdict() for row in score.table()]
        return {"voting": self.recipe.voting, **score.figures(), "classes": rows}

    @property
    def looks(self) -> str:
        return f", {self.recipe.voting} votes" if self.recipe.voting > 1 else ""

    def named_figures(self, score: SegmentationScore) -> dict[str, float]:
        figures = score.figures()
        return {
            f"{name} ({where})": figures[f"{prefix}{key}"]
            for prefix, where in (("", "full cloud"), ("voxel_", "voxels"))
            for key, name in (("miou", "mIoU"), ("macc", "mAcc"))
        }

    def golden_rows(self, scene: LabelledScene) -> np.ndarray:
        """A column of the scene about a labelled point, evenly thinned."""
        known = np.where(scene.label == IGNORE, IGNORE, 0)
        anywhere = known if (known == 0).any() else np.zeros_like(known)
        column = CropSection(edge=_GOLDEN_VOXELS * self.recipe.backbone.input_spec.voxel_size)
        rows = crop_rows(scene.xyz, anywhere, column, np.random.default_rng(0))
        return rows[np.linspace(0, len(rows) - 1, min(len(rows), _GOLDEN_POINTS)).round().astype(int)]


FittedSegmentation = Finetuned[SegmentationModel, SegmentationScore]
fit_segmentation = SegmentationTrainer.fit


def build_model(
    recipe: SegmentationRecipe, classes: tuple[str, ...], clouds: Iterable[PointCloud] = ()
) -> SegmentationModel:
    """The recipe's backbone, random or from a weight, and a new head; both drawn from the recipe's seed.

    Args:
        recipe: of the run.
        classes: that the head tells apart.
        clouds: for the statistics of a read-out, where the backbone comes without.

    Raises:
        RecipeError, UnknownNameError, WeightError: as :func:`ppkt_zoo.downstream.start.build_backbone` does.
    """
    backbone = build_backbone(recipe)
    how = recipe.readout
    if isinstance(how, ReadOut) and how.levels == "concat" and backbone.readout is None:
        backbone.readout = Readout.of(backbone, clouds, "the first scenes that it was fine-tuned on")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)  # the same head whatever the backbone began with
        model = SegmentationModel(backbone, classes, recipe.level, readout=recipe.readout)
    for norm in batch_norms(model):
        norm.momentum = recipe.batch_norm_momentum
    return model


def build_optimizer(section: SegmentationOptimiser, model: SegmentationModel) -> Optimizer:
    """SGD or AdamW; no weight decay on biases and batch-norm parameters. A group's rate is scaled by ``lr_scale``.

    Levels finer than the head's get no gradient and so never move.
    """
    groups = []
    for part, lr_scale in ((model.backbone, 1.0), (model.head, section.head_lr)):
        for decay in (True, False):
            chosen = [one for one in part.parameters() if one.requires_grad and (one.ndim > 1) == decay]
            weight_decay = section.weight_decay if decay else 0.0
            groups.append({"params": chosen, "weight_decay": weight_decay, "lr_scale": lr_scale})
    if section.name == "sgd":
        return SGD(groups, lr=section.lr, momentum=section.momentum, dampening=section.dampening)
    return AdamW(groups, lr=section.lr)
