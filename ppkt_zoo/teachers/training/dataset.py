"""What one step sees: two crops of each of its images, and for the first what is in it."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ppkt_zoo.data.order import FrameOrder
from ppkt_zoo.errors import FrameError
from ppkt_zoo.rooms import CLASSES
from ppkt_zoo.teachers.training.crops import Box, random_crop
from ppkt_zoo.teachers.training.images import ImageStore
from ppkt_zoo.teachers.training.recipe import TeacherRecipe


@dataclass(frozen=True)
class CropBatch:
    """One step's crops.

    Attributes:
        step: which step.
        query: uint8 (B, 3, S, S).
        key: uint8 (B, 3, S, S), other crops of the same images; None for a supervised teacher.
        order: int64 (B,), in which random order the keys go through their encoder.
        target: float32 (B, classes), 1 where a class is in the query's crop; None for a self-supervised teacher.
    """

    step: int
    query: Tensor
    key: Tensor | None
    order: Tensor
    target: Tensor | None

    def to(self, device: torch.device) -> "CropBatch":
        """The same batch on another device."""
        query, key, order, target = (
            None if tensor is None else tensor.to(device) for tensor in (self.query, self.key, self.order, self.target)
        )
        assert query is not None
        assert order is not None
        return CropBatch(self.step, query, key, order, target)


class CropDataset(Dataset[CropBatch]):
    """Steps by number. Item ``t`` is a pure function of the recipe and ``t``: workers and resuming change nothing.

    Recipes that differ in the method alone see the very same query crops.

    Args:
        images: what crops are cut from.
        recipe: seed, batch, crops, labels.
    """

    def __init__(self, images: ImageStore, recipe: TeacherRecipe) -> None:
        self._images, self._recipe = images, recipe
        self._order = FrameOrder(recipe.seed, [len(images)], [recipe.batch])

    def __len__(self) -> int:
        return self._recipe.steps

    def __getitem__(self, step: int) -> CropBatch:
        recipe = self._recipe
        queries, keys, targets = [], [], []
        for place, (_, number) in enumerate(self._order(step)):
            image, label = self._images[number]
            crop, box = random_crop(image, recipe.crop, np.random.default_rng([recipe.seed, 1, step, place]))
            queries.append(crop)
            if recipe.contrast is not None:
                keys.append(random_crop(image, recipe.crop, np.random.default_rng([recipe.seed, 2, step, place]))[0])
            if recipe.labels is not None:
                if label is None:
                    raise FrameError(f"image {number} has no labels: a supervised teacher cannot learn from it")
                targets.append(classes_in(label, box, recipe.labels.share))
        order = np.random.default_rng([recipe.seed, 3, step]).permutation(recipe.batch)
        return CropBatch(
            step,
            stacked(queries),
            stacked(keys) if keys else None,
            torch.from_numpy(order),
            torch.from_numpy(np.stack(targets)) if targets else None,
        )


def classes_in(label: np.ndarray, box: Box, share: float) -> np.ndarray:
    """float32 (classes,): 1 for each class that covers at least ``share`` of the box; −1 in ``label`` is no class."""
    left, upper, right, lower = box
    part = label[upper:lower, left:right]
    count = np.bincount(part[part >= 0], minlength=len(CLASSES))
    return (count >= share * part.size).astype(np.float32)


def stacked(crops: list[np.ndarray]) -> Tensor:
    """uint8 (S, S, 3) each → uint8 (B, 3, S, S), laid out channels last."""
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)
