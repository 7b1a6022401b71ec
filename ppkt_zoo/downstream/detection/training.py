"""Fine-tuning a backbone as a VoteNet detector (Qi et al. 2019, arXiv 1904.09664, section 5.1 and appendix A.1)."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.backbones.modes import batch_norms, freeze_batch_norm
from ppkt_zoo.data.scenes import LabelledScene, SceneSource
from ppkt_zoo.downstream.detection.augment import SceneAugmentation
from ppkt_zoo.downstream.detection.boxes import upright
from ppkt_zoo.downstream.detection.coding import mean_sizes, scene_boxes
from ppkt_zoo.downstream.detection.losses import detection_loss
from ppkt_zoo.downstream.detection.targets import TrueBoxes
from ppkt_zoo.downstream.detection.votenet import VoteNet, VoteNetShape
from ppkt_zoo.errors import InputError, TrainingError
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.sparse.denormals import flushed_denormals

__all__ = ["DetectorRecipe", "FittedDetector", "Scenes", "fit_detector"]

Scenes = Sequence[LabelledScene] | SceneSource

_LEAST_MOMENTUM = 0.001
# Running statistics that look back over more than this part of a run would be those of a network long gone.
_LONGEST_MEMORY = 0.1


@dataclass(frozen=True)
class DetectorRecipe:
    """How to train a detector: Adam, a rate that falls in steps, batch norms that settle.

    Times are parts of the run, so a recipe holds for any number of scenes; the defaults are VoteNet's 180 epochs.

    Attributes:
        steps: optimiser steps.
        scenes_per_step: scenes in a batch; they are drawn without repetition until all were seen.
        points: drawn from each scene without repetition; a smaller scene gives all it has.
        lr: learning rate of the head.
        backbone_lr: that of the backbone; None for the same.
        decay_at: parts of the run after which the rates fall to ``decay`` of what they were.
        decay: see there.
        momentum: of all batch norms that train, at first.
        momentum_halved_every: part of the run after which it is halved, again and again, down to 0.001, or to
            10 / steps in a short run.
        batch_norm: "frozen" keeps the backbone's running statistics and normalises by them.
        margin: metres around a box in which a point still votes for it; the scan's noise on the box's faces.
        shape: sizes of the network; one heading bin trains and tests on the upright boxes around turned ones.
    """

    steps: int
    scenes_per_step: int = 8
    points: int = 20_000
    lr: float = 1e-3
    backbone_lr: float | None = None
    decay_at: tuple[float, ...] = (80 / 180, 120 / 180, 160 / 180)
    decay: float = 0.1
    momentum: float = 0.5
    momentum_halved_every: float = 20 / 180
    batch_norm: Literal["frozen", "train"] = "train"
    margin: float = 0.02
    shape: VoteNetShape = field(default_factory=VoteNetShape)

    def __post_init__(self) -> None:
        if min(self.steps, self.scenes_per_step, self.points) < 1 or self.lr <= 0 or (self.backbone_lr or 0) < 0:
            raise InputError("a detector's recipe needs steps, scenes_per_step, points of at least 1, positive rates")
        if not all(0 < part <= 1 for part in (*self.decay_at, self.decay, self.momentum, self.momentum_halved_every)):
            raise InputError("a detector's recipe has decay_at, decay and momentum in (0, 1]: parts of the run, shares")
        if self.margin < 0 or self.batch_norm not in ("frozen", "train"):
            raise InputError('a detector\'s recipe has a margin of 0 or more and batch_norm "frozen" or "train"')

    @classmethod
    def scannet(cls, scenes: int) -> "DetectorRecipe":
        """The protocol for ScanNet: 40 000 points, batch 32, 180 epochs of so many scenes, upright boxes."""
        return cls(_epochs(180, scenes, 32), scenes_per_step=32, points=40_000, margin=0.0)

    @classmethod
    def sun_rgbd(cls, scenes: int) -> "DetectorRecipe":
        """The protocol for SUN RGB-D: 20 000 points, batch 64, 180 epochs of so many scenes, turned boxes."""
        shape = VoteNetShape(heading_bins=12)
        return cls(_epochs(180, scenes, 64), scenes_per_step=64, points=20_000, margin=0.0, shape=shape)

    def rate(self, step: int) -> float:
        """Share of the learning rates at a step."""
        return self.decay ** sum(step >= part * self.steps for part in self.decay_at)

    def momentum_at(self, step: int) -> float:
        """Batch-norm momentum at a step."""
        least = max(_LEAST_MOMENTUM, min(self.momentum, 1 / (_LONGEST_MEMORY * self.steps)))
        return max(least, self.momentum * 0.5 ** int(step / self.steps / self.momentum_halved_every + 1e-9))


@dataclass(frozen=True)
class FittedDetector:
    """What training gives: the model in eval mode, and the loss's parts of each step."""

    model: VoteNet
    history: list[dict[str, float]] = field(repr=False)


def fit_detector(
    backbone: Backbone,
    scenes: Scenes,
    recipe: DetectorRecipe,
    seed: int,
    augmentation: SceneAugmentation | None = None,
) -> FittedDetector:
    """Train a copy of the backbone and a new VoteNet head; the backbone that was given stays as it is.

    The seed decides the head's first numbers, the order of the scenes, their points and their augmentation, so equal
    seeds give equal results on one machine. Mean sizes are those of the scenes' boxes.

    Args:
        backbone: pretrained or random.
        scenes: the labelled ones, read anew for each use: a list where they fit into memory.
        recipe: the optimisation and the head.
        seed: see above.
        augmentation: none where None.

    Raises:
        InputError: no scenes, a scene without known boxes, other classes in some, a box of size 0, no box at all.
        TrainingError: the votes or the loss are no longer finite.
    """
    if len(scenes) == 0:
        raise InputError("training a detector needs at least one scene")
    classes, turned = scenes[0].box_classes, recipe.shape.heading_bins > 1
    sizes = mean_sizes((scenes[index] for index in range(len(scenes))), classes, turned)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = VoteNet(copy.deepcopy(backbone), classes, sizes, recipe.shape)
    device = next(backbone.parameters()).device
    model.to(device)
    norms = _prepare(model, recipe.batch_norm == "frozen")
    inner = {id(parameter) for parameter in model.backbone.parameters()}
    head = [parameter for parameter in model.parameters() if id(parameter) not in inner]
    rate = recipe.lr if recipe.backbone_lr is None else recipe.backbone_lr
    groups = [{"params": list(model.backbone.parameters()), "lr": rate}, {"params": head, "lr": recipe.lr}]
    optimiser = torch.optim.Adam(groups)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, recipe.rate)
    generator = np.random.default_rng(seed)
    history: list[dict[str, float]] = []
    waiting: list[int] = []
    for step in range(recipe.steps):
        while len(waiting) < recipe.scenes_per_step:
            waiting += generator.permutation(len(scenes)).tolist()
        chosen = [waiting.pop(0) for _ in range(recipe.scenes_per_step)]
        batch, truth = _batch([scenes[index] for index in chosen], classes, recipe, augmentation, generator)
        for norm in norms:
            norm.momentum = recipe.momentum_at(step)
        with flushed_denormals():
            loss = detection_loss(model(batch.to(device)), truth.to(device), model.mean_sizes, recipe.margin)
            figures = loss.figures()
            if not np.isfinite(figures["total"]):
                raise TrainingError(
                    f"the detector's loss is {figures['total']} at step {step}: lower the learning rate"
                )
            optimiser.zero_grad(set_to_none=True)
            loss.total.backward()
        optimiser.step()
        schedule.step()
        history.append(figures)
    return FittedDetector(model.eval(), history)


def drawn(scene: LabelledScene, points: int | None, generator: np.random.Generator) -> np.ndarray:
    """Rows of so many points of a scene, rising; all of them where it has no more or ``points`` is None."""
    count = len(scene.xyz)
    if points is None or count <= points:
        return np.arange(count)
    return np.sort(generator.choice(count, points, replace=False))


def _batch(
    chosen: Sequence[LabelledScene],
    classes: tuple[str, ...],
    recipe: DetectorRecipe,
    augmentation: SceneAugmentation | None,
    generator: np.random.Generator,
) -> tuple[CloudBatch, TrueBoxes]:
    clouds, truth = [], []
    turned = recipe.shape.heading_bins > 1
    for scene in chosen:
        # Upright boxes are put around turned ones after these have moved, not before and again.
        boxes, label = scene_boxes(scene, classes, turned=True)
        rows = drawn(scene, recipe.points, generator)
        xyz, rgb = scene.xyz[rows], None if scene.rgb is None else scene.rgb[rows]
        if augmentation is not None:
            xyz, rgb, boxes = augmentation(xyz, rgb, boxes, generator)
        clouds.append(PointCloud.from_arrays(xyz, rgb))
        truth.append((boxes if turned else upright(boxes), label))
    return CloudBatch.collate(clouds), TrueBoxes.collate(truth)


def _prepare(model: VoteNet, frozen: bool) -> list[_BatchNorm]:
    """Training mode; returns the batch norms that train."""
    model.train()
    if frozen:
        freeze_batch_norm(model.backbone)
    return [norm for norm in batch_norms(model) if norm.training]


def _epochs(epochs: int, scenes: int, batch: int) -> int:
    if scenes < 1:
        raise InputError(f"a protocol needs the number of training scenes, at least 1, got {scenes}")
    return epochs * -(-scenes // batch)
