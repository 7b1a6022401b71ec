"""How VoteNet writes a box down: heading as bin and residual, size as class and residual.

Qi et al. 2019 (arXiv 1904.09664), section 4.2; the coding is that of Frustum PointNets (arXiv 1711.08488), section 4.3.
"""

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from ppkt_zoo.data.scenes import LabelledScene
from ppkt_zoo.downstream.detection.boxes import upright
from ppkt_zoo.errors import InputError

__all__ = ["decode_heading", "encode_heading", "mean_sizes", "scene_boxes"]


def encode_heading(angle: Tensor, bins: int) -> tuple[Tensor, Tensor]:
    """Radians (…) → bin int64 (…) and residual (…) in [−1, 1), in half widths of a bin.

    Bin i is centred at i · 2π / bins; half of the first bin lies below 0.
    """
    half = math.pi / bins
    shifted = torch.remainder(angle + half, 2 * math.pi)
    chosen = (shifted / (2 * half)).long().clamp_(max=bins - 1)
    return chosen, shifted / half - 2 * chosen - 1


def decode_heading(chosen: Tensor, residual: Tensor, bins: int) -> Tensor:
    """Inverse of :func:`encode_heading`: radians, one turn above −π / bins."""
    return (2 * chosen + residual) * (math.pi / bins)


def scene_boxes(scene: LabelledScene, classes: tuple[str, ...], turned: bool) -> tuple[np.ndarray, np.ndarray]:
    """Boxes float64 (K, 7) and labels int64 (K,) of a scene, checked.

    Args:
        scene: with boxes of these classes.
        classes: what a detector knows.
        turned: False for the upright boxes around turned ones, as VoteNet treats ScanNet.

    Raises:
        InputError: the scene has no boxes at all to learn from or to compare with, has other classes, or has a box of
            size 0.
    """
    if scene.boxes is None or scene.box_label is None:
        raise InputError(f"scene {scene.name} comes without boxes: detection needs a source that has them")
    if scene.box_classes != classes:
        raise InputError(
            f"scene {scene.name} has boxes of other classes ({', '.join(scene.box_classes)}) "
            f"than the detector ({', '.join(classes)})"
        )
    flat = (scene.boxes[:, 3:6] <= 0).any(axis=1)
    if flat.any():
        raise InputError(f"scene {scene.name}: box {int(flat.argmax())} has a size of 0: leave it out")
    return scene.boxes if turned else upright(scene.boxes), scene.box_label.astype(np.int64)


def mean_sizes(scenes: Iterable[LabelledScene], classes: tuple[str, ...], turned: bool) -> Tensor:
    """Mean full size of each class's boxes over the training scenes: float32 (classes, 3), metres.

    A class that no scene has gets the mean of all boxes; it can't be learned, but must be a size.

    Raises:
        InputError: as :func:`scene_boxes`, or no scene has a box.
    """
    total, count = np.zeros((len(classes), 3)), np.zeros(len(classes))
    for scene in scenes:
        boxes, label = scene_boxes(scene, classes, turned)
        np.add.at(total, label, boxes[:, 3:6])
        count += np.bincount(label, minlength=len(classes))
    if not count.any():
        raise InputError("none of the training scenes has a box: a detector needs some to learn from")
    mean = np.where(count[:, None] > 0, total / count.clip(min=1)[:, None], total.sum(axis=0) / count.sum())
    return torch.from_numpy(mean).float()
