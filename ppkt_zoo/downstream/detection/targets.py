"""What VoteNet's seeds and proposals should have said (Qi et al. 2019, arXiv 1904.09664, sections 4.1 and 4.2)."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ppkt_zoo.data.scenes import LabelledScene
from ppkt_zoo.downstream.detection.boxes import upright
from ppkt_zoo.engine.moving import OnDevice
from ppkt_zoo.errors import InputError

#: A cluster so near to a true centre is an object, one farther than the other is none; metres, between counts not.
NEAR, FAR = 0.3, 0.6


@dataclass(frozen=True)
class TrueBoxes(OnDevice):
    """The true boxes of a batch, all clouds end to end.

    Attributes:
        boxes: float32 (K, 7): centre, full size, heading.
        label: int64 (K,).
        sizes: boxes of each cloud; 0 is allowed.
    """

    boxes: Tensor
    label: Tensor
    sizes: tuple[int, ...]

    @classmethod
    def collate(cls, scenes: Sequence[tuple[np.ndarray, np.ndarray]]) -> "TrueBoxes":
        """Join (boxes (K, 7), label (K,)) of several clouds."""
        if any(len(boxes) != len(label) for boxes, label in scenes):
            raise InputError("every box needs one label")
        boxes = np.concatenate([np.empty((0, 7)), *(boxes for boxes, _ in scenes)])
        label = np.concatenate([np.empty(0, np.int64), *(label.astype(np.int64) for _, label in scenes)])
        return cls(torch.from_numpy(boxes).float(), torch.from_numpy(label), tuple(len(boxes) for boxes, _ in scenes))


@dataclass(frozen=True)
class Assignment:
    """What each proposal stands for.

    Attributes:
        near: bool (P,), it is an object.
        far: bool (P,), it is none; neither where it is neither near nor far.
        box: int64 (P,), row of the true box whose centre is nearest; −1 where the cloud has no box.
    """

    near: Tensor
    far: Tensor
    box: Tensor


def inside(xyz: Tensor, boxes: Tensor, margin: float = 0.0) -> Tensor:
    """Which points lie in which boxes, faces included: (N, 3), (K, 7) → bool (N, K).

    Args:
        xyz: metres.
        boxes: centre, full size, heading.
        margin: metres by which every face is moved outwards.
    """
    x, y, z = (xyz[:, None, axis] - boxes[None, :, axis] for axis in range(3))
    cosine, sine = boxes[:, 6].cos(), boxes[:, 6].sin()
    half = boxes[:, 3:6] / 2 + margin
    along, across = x * cosine + y * sine, y * cosine - x * sine
    return (along.abs() <= half[:, 0]) & (across.abs() <= half[:, 1]) & (z.abs() <= half[:, 2])


@torch.no_grad()
def assign(clusters: Tensor, sizes: Sequence[int], truth: TrueBoxes) -> Assignment:
    """Tell by the distance to the nearest true centre what each cluster stands for.

    Args:
        clusters: float32 (P, 3), all clouds end to end.
        sizes: clusters of each cloud.
        truth: the true boxes of the same clouds.
    """
    box = torch.full((len(clusters),), -1, dtype=torch.int64, device=clusters.device)
    distance = torch.full((len(clusters),), torch.inf, device=clusters.device)
    for part, true in of_each_cloud(sizes, truth.sizes):
        distance[part], nearest = distances(clusters[part], truth.boxes[true, :3]).sqrt().min(dim=1)
        box[part] = nearest + true.start
    return Assignment(near=distance < NEAR, far=distance > FAR, box=box)


def of_each_cloud(sizes: Sequence[int], others: Sequence[int]) -> Iterator[tuple[slice, slice]]:
    """Where the rows of each cloud lie among all rows of two kinds, for clouds that have both."""
    begin = start = 0
    for count, other in zip(sizes, others, strict=True):
        if count and other:
            yield slice(begin, begin + count), slice(start, start + other)
        begin, start = begin + count, start + other


def distances(first: Tensor, second: Tensor) -> Tensor:
    """Squared distances: (A, 3), (B, 3) → (A, B)."""
    return (first[:, None] - second[None]).square().sum(dim=2)


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
