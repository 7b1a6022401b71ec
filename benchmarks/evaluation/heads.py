"""Points and pixels in the space where they met in training, for retrieval and for the collapse check."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from benchmarks.evaluation.material import FrameCloud
from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.points.cloud import CloudBatch
from ppkt_zoo.teachers.teacher import Teacher
from ppkt_zoo.transfer.projection import UPL, PointHead


@dataclass(frozen=True)
class Heads:
    """The two trained projections of a weight, and the level of the student that they belong to."""

    upl: UPL
    head: PointHead
    level: str


def has_head(projection: Mapping[str, Tensor], prefix: str) -> bool:
    """Whether there is a projection of that prefix."""
    return any(key.startswith(f"{prefix}projection.") for key in projection)


def draw_rows(frames: Sequence[FrameCloud], pairs: int, seed: int) -> Iterator[Tensor]:
    """Rows of each frame's points, the same number in each, `pairs` in all."""
    generator = np.random.default_rng([seed, 23])
    for number, one in enumerate(frames):
        share = pairs // len(frames) + (number < pairs % len(frames))
        yield torch.from_numpy(generator.permutation(len(one.cloud))[:share])


@torch.no_grad()
def pixel_embeddings(teacher: Teacher, upl: UPL, one: FrameCloud, rows: Tensor) -> Tensor:
    """What UPL makes of the pixels of these points: (R, D) of length 1."""
    image = torch.from_numpy(one.frame.color).permute(2, 0, 1)[None].float() / 255.0
    pixel = torch.from_numpy(one.pixel)[rows]
    size = (one.frame.color.shape[0], one.frame.color.shape[1])
    place = teacher.pixel_to_feature(pixel, size)
    return upl(teacher(image), torch.zeros(len(rows), dtype=torch.int64), place)


@torch.no_grad()
def point_features(backbone: Backbone, level: str, one: FrameCloud, rows: Tensor) -> Tensor:
    """Features of these points at a level: (R, C), before any head."""
    return backbone(CloudBatch.collate([one.cloud])).at(level, rows)
