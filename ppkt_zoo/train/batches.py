"""What one step sees, built in a worker process: clouds, teacher features and pixel-point pairs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ppkt_zoo.data.augment import CloudAugmentation
from ppkt_zoo.data.augment_image import ImageAugmentation
from ppkt_zoo.data.frames import FrameSource, RGBDFrame
from ppkt_zoo.errors import FrameError, InputError
from ppkt_zoo.points.back_projection import back_project, pixel_values
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.train.sources import FrameOrder
from ppkt_zoo.train.teacher_cache import TeacherCache

# Fewer points than this tell nothing, and a coarse level would hold a single voxel.
_FEWEST_POINTS = 256


@dataclass(frozen=True)
class Step:
    """One step's data before the teacher and the feature coordinates are known.

    Attributes:
        step: which step.
        clouds: the student's input; None where every frame of the step had to be skipped.
        features: cached teacher features of each frame, or None where the teacher runs online.
        images: uint8 (H, W, 3) of each frame, for an online teacher; empty with cached features.
        image_sizes: (H, W) of each frame's image.
        point, frame: int64 (N,), row in the joined clouds and frame of each pair.
        pixel: float32 (N, 2), (u, v) of each pair in its image as it was augmented.
        skipped: a line for each frame that could not be used.
    """

    step: int
    clouds: CloudBatch | None
    features: list[Tensor] | None
    images: list[np.ndarray]
    image_sizes: list[tuple[int, int]]
    point: Tensor
    frame: Tensor
    pixel: Tensor
    skipped: list[str]


@dataclass(frozen=True)
class _Prepared:
    """A frame's cloud and image, and its pairs: rows of the cloud, and where they lie in the image."""

    cloud: PointCloud
    image: np.ndarray
    rows: np.ndarray
    pixel: np.ndarray


class StepDataset(Dataset[Step]):
    """Steps by number. Item ``t`` is a pure function of the seed and ``t``: workers and resuming change nothing.

    Args:
        sources: the frame sources, in the recipe's order.
        caches: cached teacher features of each source, or None for an online teacher.
        pixel_strides: of each source, every n-th pixel becomes a point.
        order: which frames a step sees.
        augmentation: of the student's cloud.
        pairs: pixel-point pairs a step.
        images: augmentation of the images before the (online) teacher sees them.
        seed: the run's seed.
        steps: length of the data set.
    """

    def __init__(
        self,
        sources: Sequence[FrameSource],
        caches: Sequence[TeacherCache] | None,
        pixel_strides: Sequence[int],
        order: FrameOrder,
        augmentation: CloudAugmentation,
        pairs: int,
        images: ImageAugmentation,
        seed: int,
        steps: int,
    ) -> None:
        self._sources, self._caches, self._strides = sources, caches, pixel_strides
        self._order, self._augmentation = order, augmentation
        self._pairs, self._images, self._seed, self._steps = pairs, images, seed, steps

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, step: int) -> Step:
        prepared: list[_Prepared] = []
        features: list[Tensor] = []
        skipped: list[str] = []
        frames = self._order(step)
        for place, (source, index) in enumerate(frames):
            # Every frame has a random state of its own, so that a frame is the same whoever prepares the others.
            rng = np.random.default_rng([self._seed, 1, step, place])
            share = self._pairs // len(frames) + (place < self._pairs % len(frames))
            try:
                frame = self._sources[source][index]
                one = self._prepare(frame, self._strides[source], share, rng)
            except (FrameError, InputError) as error:
                skipped.append(f"{self._sources[source].name}[{index}]: {error}")
                continue
            prepared.append(one)
            if self._caches is not None:
                features.append(self._caches[source].features(index, frame.color))
        point, owner, pixel = _join_pairs(prepared)
        return Step(
            step=step,
            clouds=CloudBatch.collate([one.cloud for one in prepared]) if prepared else None,
            features=None if self._caches is None else features,
            images=[one.image for one in prepared] if self._caches is None else [],
            image_sizes=[one.image.shape[:2] for one in prepared],
            point=point,
            frame=owner,
            pixel=pixel,
            skipped=skipped,
        )

    def _prepare(self, frame: RGBDFrame, stride: int, pairs: int, rng: np.random.Generator) -> _Prepared:
        xyz, pixel = back_project(frame.depth, frame.intrinsics, frame.pose, stride=stride)
        rgb = pixel_values(frame.color, pixel)
        xyz, rgb, kept = self._augmentation(xyz, rgb, rng)
        if len(xyz) < _FEWEST_POINTS:
            raise FrameError(f"frame {frame.name}: only {len(xyz)} points are left, too few to learn from")
        image, pixel, alive = self._images(frame.color, pixel[kept], rng)
        # The paper's sampling: uniform over the pixels with depth that the teacher sees, as many in every frame.
        seen = np.flatnonzero(alive)
        rows = rng.choice(seen, size=min(pairs, len(seen)), replace=False)
        return _Prepared(PointCloud.from_arrays(xyz, rgb), image, rows, pixel[rows])


def _join_pairs(prepared: list[_Prepared]) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs of all frames: rows in the joined clouds, frames, and pixels."""
    if not prepared:
        return torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.int64), torch.empty(0, 2)
    firsts = np.cumsum([0, *(len(one.cloud) for one in prepared[:-1])])
    point = np.concatenate([one.rows + first for one, first in zip(prepared, firsts, strict=True)])
    frame = np.repeat(np.arange(len(prepared)), [len(one.rows) for one in prepared])
    pixel = np.concatenate([one.pixel for one in prepared])
    return torch.from_numpy(point), torch.from_numpy(frame), torch.from_numpy(pixel)
