"""Points and pixels in the space where they met in training, for retrieval and for the collapse check."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from _probes.clouds import FrameCloud
from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.points.cloud import CloudBatch
from ppkt_zoo.teachers.teacher import Teacher
from ppkt_zoo.transfer.projection import UPL, PointHead, ProjectionKind, Sampling


@dataclass(frozen=True)
class Heads:
    """The two trained projections of a weight, and the level of the student that they belong to."""

    upl: UPL
    head: PointHead
    level: str

    def with_random_head(self, seed: int) -> "Heads":
        """The same UPL beside a point head of random numbers, for a random student."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2000 + seed)
            return Heads(self.upl, PointHead(self.head.channels, self.head.dim).eval(), self.level)


def read_heads(projection: Mapping[str, Tensor], level: str, sampling: Sampling = "bilinear") -> Heads:
    """UPL and point head from a weight's projection tensors; their names and shapes say what they are.

    Raises:
        KeyError: there is no UPL or no point head among them.
    """
    channels, dim, kind = _shape(projection, "upl.")
    upl = UPL(channels, dim, kind, sampling)
    upl.load_state_dict(_under("upl.", projection), strict=True)
    return Heads(upl.eval(), read_point_head(projection, "head."), level)


def read_point_head(projection: Mapping[str, Tensor], prefix: str) -> PointHead:
    """A point head from the projection tensors whose names begin with a prefix.

    Raises:
        KeyError: there are none.
    """
    head = PointHead(*_shape(projection, prefix))
    head.load_state_dict(_under(prefix, projection), strict=True)
    return head.eval()


def has_head(projection: Mapping[str, Tensor], prefix: str) -> bool:
    """Whether there is a projection of that prefix."""
    return any(key.startswith(f"{prefix}projection.") for key in projection)


def _shape(projection: Mapping[str, Tensor], prefix: str) -> tuple[int, int, ProjectionKind]:
    """Channels, dimensions and kind: one layer, or the first and the last of an MLP."""
    if f"{prefix}projection.weight" in projection:
        dim, channels = projection[f"{prefix}projection.weight"].shape[:2]
        return channels, dim, "linear"
    return (
        projection[f"{prefix}projection.0.weight"].shape[1],
        projection[f"{prefix}projection.2.weight"].shape[0],
        "mlp",
    )


def _under(prefix: str, projection: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in projection.items() if key.startswith(prefix)}


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
