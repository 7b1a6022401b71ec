"""What one step sees: two crops of each of its images, and for the first what is in it."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import functional as tv

from ppkt_zoo.data.order import FrameOrder
from ppkt_zoo.engine.moving import OnDevice
from ppkt_zoo.errors import FrameError
from ppkt_zoo.rooms import CLASSES
from ppkt_zoo.teachers.training.images import ImageStore
from ppkt_zoo.teachers.training.recipe import CropSection, TeacherRecipe

Box = tuple[int, int, int, int]
"""Left, upper, right, lower edge in pixels; right and lower lie outside."""

# Widths to heights that a crop may have, and how often one is drawn before the whole image is taken.
_ASPECT = (3 / 4, 4 / 3)
_DRAWS = 10


def random_box(height: int, width: int, area: tuple[float, float], rng: np.random.Generator) -> Box:
    """A box of a random part of the image's area and a random aspect ratio, anywhere inside.

    Where ten draws do not fit into the image: the largest box of an allowed aspect ratio that does.
    """
    for _ in range(_DRAWS):
        size = height * width * rng.uniform(*area)
        aspect = math.exp(rng.uniform(math.log(_ASPECT[0]), math.log(_ASPECT[1])))
        box_width, box_height = round(math.sqrt(size * aspect)), round(math.sqrt(size / aspect))
        if 0 < box_width <= width and 0 < box_height <= height:
            break
    else:
        box_width = min(width, round(height * _ASPECT[1]))
        box_height = min(height, round(width / _ASPECT[0]))
    left, upper = int(rng.integers(width - box_width + 1)), int(rng.integers(height - box_height + 1))
    return left, upper, left + box_width, upper + box_height


def random_crop(image: np.ndarray, section: CropSection, rng: np.random.Generator) -> tuple[np.ndarray, Box]:
    """One augmented crop, as MoCo v2 makes them (arXiv 2003.04297, section 3).

    Args:
        image: uint8 (H, W, 3).
        section: sizes and shares.
        rng: where all randomness comes from.

    Returns:
        uint8 (size, size, 3), and the box of the image that it shows (mirrored in half of the cases).
    """
    height, width = image.shape[:2]
    box = random_box(height, width, section.area, rng)
    crop = resized(image, box, section.size)
    if rng.random() < 0.5:
        crop = tv.hflip(crop)
    if rng.random() < section.jitter_share:
        crop = _jittered(crop, section.jitter, rng)
    if rng.random() < section.grey_share:
        crop = tv.rgb_to_grayscale(crop, 3)
    if rng.random() < section.blur_share:
        crop = crop.filter(ImageFilter.GaussianBlur(rng.uniform(*section.blur)))
    return np.asarray(crop), box


def resized(image: np.ndarray, box: Box, size: int) -> Image.Image:
    """A box of an image at ``size`` × ``size`` pixels, bilinear with antialiasing."""
    return Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR, box)


def _jittered(image: Image.Image, most: tuple[float, float, float, float], rng: np.random.Generator) -> Image.Image:
    """Brightness, contrast, saturation and hue changed in random order."""
    changes = (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation, tv.adjust_hue)
    middle = (1.0, 1.0, 1.0, 0.0)
    for which in rng.permutation(len(changes)):
        image = changes[which](image, middle[which] + rng.uniform(-most[which], most[which]))
    return image


@dataclass(frozen=True)
class CropBatch(OnDevice):
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
