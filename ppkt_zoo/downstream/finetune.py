"""Fine-tuning: a backbone and a linear head, trained together on a few labelled clouds."""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.backbones.norm import freeze_batch_norm
from ppkt_zoo.downstream.segmentation.model import SegmentationModel
from ppkt_zoo.engine.denormals import flushed_denormals
from ppkt_zoo.errors import InputError, TrainingError
from ppkt_zoo.evaluation.metrics import IGNORE, Confusion
from ppkt_zoo.points.cloud import CloudBatch, PointCloud

__all__ = ["Augmentation", "FinetuneRecipe", "Finetuned", "LabelledCloud", "evaluate", "finetune"]

#: (xyz float32 (N, 3), rgb uint8 (N, 3), generator) → the changed arrays, and the row that each came from.
Augmentation = Callable[[np.ndarray, np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class LabelledCloud:
    """A cloud with a class for each point.

    Attributes:
        cloud: N points.
        label: int64 (N,), a class or −1 for none.

    Raises:
        InputError: the labels aren't int64, one a point, −1 or more.
    """

    cloud: PointCloud
    label: Tensor

    def __post_init__(self) -> None:
        if self.label.shape != (len(self.cloud),) or self.label.dtype != torch.int64:
            found = f"{self.label.dtype} {tuple(self.label.shape)}"
            raise InputError(f"label must be int64 ({len(self.cloud)},), one a point, got {found}")
        if int(self.label.min()) < IGNORE:
            raise InputError(f"label must be a class 0, 1, … or {IGNORE} for none, got {int(self.label.min())}")


@dataclass(frozen=True)
class FinetuneRecipe:
    """How to fine-tune: AdamW, a short linear warm-up, then a cosine to zero.

    Attributes:
        steps: optimiser steps.
        clouds_per_step: clouds in a batch; they are drawn without repetition until all were seen.
        lr: peak learning rate of the backbone.
        head_lr: peak learning rate of the head, which begins from random numbers whatever the backbone is.
        weight_decay: of AdamW.
        warmup: share of the steps in which the rate rises.
        batch_norm: "frozen" keeps the backbone's running statistics and normalises by them, which is what a few
            clouds need: their own statistics, gathered over a short training, fit no other cloud.
            "train" gathers them anew, as training from scratch usually does.
    """

    steps: int = 60
    clouds_per_step: int = 2
    lr: float = 2e-3
    head_lr: float = 1e-2
    weight_decay: float = 1e-2
    warmup: float = 0.1
    batch_norm: Literal["frozen", "train"] = "frozen"

    def __post_init__(self) -> None:
        if self.steps < 1 or self.clouds_per_step < 1 or self.lr < 0 or self.head_lr <= 0:
            raise InputError("a fine-tuning recipe needs steps and clouds_per_step of at least 1 and positive rates")
        if self.weight_decay < 0 or not 0 <= self.warmup < 1:
            raise InputError("a fine-tuning recipe needs weight_decay ≥ 0 and warmup in [0, 1)")
        if self.batch_norm not in ("frozen", "train"):
            raise InputError(f'a fine-tuning recipe has batch_norm "frozen" or "train", not "{self.batch_norm}"')


@dataclass(frozen=True)
class Finetuned:
    """What fine-tuning gives: the model in eval mode, and the loss of each step."""

    model: SegmentationModel
    losses: list[float] = field(repr=False)


def finetune(
    backbone: Backbone,
    clouds: Sequence[LabelledCloud],
    classes: int,
    recipe: FinetuneRecipe,
    seed: int,
    augmentation: Augmentation | None = None,
) -> Finetuned:
    """Train a copy of the backbone and a new linear head; the backbone that was given stays as it is.

    The seed decides the head's first numbers, the order of the clouds and their augmentation, so equal seeds
    give equal results on one machine.

    Args:
        backbone: pretrained or random.
        clouds: the labelled ones.
        classes: how many classes there are.
        recipe: the optimisation.
        seed: see above.
        augmentation: changes a cloud before each use, e.g. `ppkt_zoo.data.augment.cloud.CloudAugmentation`.

    Raises:
        InputError: no clouds, a label beyond the classes, or no labelled point in a cloud.
        TrainingError: the loss is no longer finite.
    """
    _check_clouds(clouds, classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = SegmentationModel(copy.deepcopy(backbone), [f"class {number}" for number in range(classes)])
    model.to(next(backbone.parameters()).device).train()
    if recipe.batch_norm == "frozen":
        freeze_batch_norm(model.backbone)
    generator = np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(
        [
            {"params": model.backbone.parameters(), "lr": recipe.lr},
            {"params": model.head.parameters(), "lr": recipe.head_lr},
        ],
        weight_decay=recipe.weight_decay,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, recipe))
    losses: list[float] = []
    waiting: list[int] = []
    for step in range(recipe.steps):
        while len(waiting) < recipe.clouds_per_step:
            waiting += generator.permutation(len(clouds)).tolist()
        chosen = [_augmented(clouds[waiting.pop(0)], augmentation, generator) for _ in range(recipe.clouds_per_step)]
        with flushed_denormals():
            loss = _loss(model, chosen)
            if not bool(torch.isfinite(loss)):
                raise TrainingError(f"the fine-tuning loss is {float(loss)} at step {step}: lower the learning rate")
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
    return Finetuned(model.eval(), losses)


def evaluate(model: SegmentationModel, clouds: Sequence[LabelledCloud], classes: int) -> Confusion:
    """One confusion matrix over every labelled point of all clouds (full clouds, not voxels)."""
    score = Confusion(classes)
    for one in clouds:
        score.update(one.label, model.predict(one.cloud.xyz, one.cloud.rgb).labels)
    return score


def _loss(model: SegmentationModel, chosen: Sequence[LabelledCloud]) -> Tensor:
    device = next(model.parameters()).device
    label = torch.cat([one.label for one in chosen])
    rows = (label != IGNORE).nonzero().squeeze(1)
    batch = CloudBatch.collate([one.cloud for one in chosen]).to(device)
    return F.cross_entropy(model(batch, rows.to(device)), label[rows].to(device))


def _augmented(one: LabelledCloud, augmentation: Augmentation | None, generator: np.random.Generator) -> LabelledCloud:
    if augmentation is None:
        return one
    colors = torch.zeros_like(one.cloud.xyz, dtype=torch.uint8) if one.cloud.rgb is None else one.cloud.rgb
    xyz, rgb, kept = augmentation(one.cloud.xyz.numpy(), colors.numpy(), generator)
    label = one.label[torch.from_numpy(kept)]
    changed = PointCloud.from_arrays(xyz, None if one.cloud.rgb is None else rgb)
    # A dropout that happened to take every labelled point would leave nothing to learn from.
    return LabelledCloud(changed, label) if bool((label != IGNORE).any()) else one


def _rate(step: int, recipe: FinetuneRecipe) -> float:
    """Share of the peak rate at a step: never 0, so that every step teaches."""
    rising = max(1, round(recipe.warmup * recipe.steps))
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1.0 + math.cos(math.pi * (step - rising) / max(1, recipe.steps - rising)))


def _check_clouds(clouds: Sequence[LabelledCloud], classes: int) -> None:
    if not clouds:
        raise InputError("fine-tuning needs at least one labelled cloud")
    if classes < 2:
        raise InputError(f"fine-tuning needs at least 2 classes, got {classes}")
    for index, one in enumerate(clouds):
        highest = int(one.label.max())
        if highest >= classes:
            raise InputError(f"cloud {index} has the label {highest}, outside 0..{classes - 1}")
        if highest == IGNORE:
            raise InputError(f"cloud {index} has no labelled point: leave it out")
