"""What one step sees, built in a worker process: clouds, teacher features, pixel pairs and view pairs."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ppkt_zoo.data.augment.cloud import CloudAugmentation
from ppkt_zoo.data.augment.image import ImageAugmentation
from ppkt_zoo.data.frames import FrameSource, RGBDFrame
from ppkt_zoo.data.order import FrameOrder
from ppkt_zoo.data.view_pairs import match_rows, match_views
from ppkt_zoo.errors import FrameError, InputError
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.pair_sampling import PairSampling, choose_pairs
from ppkt_zoo.teachers.cache import TeacherCache
from ppkt_zoo.transfer.objective import ViewPairs

# Fewer points than this tell nothing, and a coarse level would hold a single voxel.
_FEWEST_POINTS = 256


@dataclass(frozen=True)
class Step:
    """One step's data before the teacher and the feature coordinates are known.

    Attributes:
        step: which step, from 0; with gradient accumulation, which batch.
        clouds: the student's input; None where every frame of the step had to be skipped.
        features: cached teacher features of each frame, or None where the teacher runs online or there is none.
        images: uint8 (H, W, 3) of each frame, for an online teacher; empty where nobody looks at them.
        image_sizes: (H, W) of each frame's image.
        point, frame: int64 (N,), row in the joined clouds and frame of each pixel pair.
        pixel: float32 (N, 2), (u, v) of each pair in its image as it was augmented.
        views: points of overlapping views that are the same place.
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
    views: ViewPairs
    skipped: list[str]


@dataclass(frozen=True)
class StepSource:
    """A source of frames as the steps use it.

    Attributes:
        frames: the frames.
        cache: the teacher's features of them, or None.
        pixel_stride: every n-th pixel in each direction becomes a point.
    """

    frames: FrameSource
    cache: TeacherCache | None
    pixel_stride: int


@dataclass(frozen=True)
class Preparation:
    """What happens to the frames of a step.

    Attributes:
        augmentation: of the student's clouds.
        images: augmentation of the images before an online teacher sees them.
        keep_images: whether an online teacher will look at them.
        pixel_pairs: pixel-point pairs a step; 0 for none.
        pair_sampling, pair_voxel: how they are chosen, see :func:`ppkt_zoo.points.pair_sampling.choose_pairs`.
        view_pairs: matched points of overlapping views a step; 0 for none.
    """

    augmentation: CloudAugmentation
    images: ImageAugmentation
    keep_images: bool
    pixel_pairs: int
    pair_sampling: PairSampling = "uniform"
    pair_voxel: float = 0.05
    view_pairs: int = 0


@dataclass(frozen=True)
class _Prepared:
    """A frame's cloud, the pixel that each of its points came from, its image, and its pixel pairs.

    Pairs are rows of the cloud and where they lie in the augmented image.
    """

    frame: RGBDFrame
    cloud: PointCloud
    origin: np.ndarray
    image: np.ndarray
    rows: np.ndarray
    pixel: np.ndarray


class StepDataset(Dataset[Step]):
    """Steps by number. Item ``t`` is a pure function of the seed and ``t``: workers and resuming change nothing.

    Args:
        sources: the frame sources, in the recipe's order.
        order: which frames a step sees.
        preparation: what happens to them.
        seed: the run's seed.
        steps: length of the data set.
        rank, ranks: of several processes that share each step's frames, which one this is. Frames and pairs are
            the same however many share them; frames in a row stay together.
    """

    def __init__(
        self,
        sources: Sequence[StepSource],
        order: FrameOrder,
        preparation: Preparation,
        seed: int,
        steps: int,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        self._sources, self._order, self._preparation = sources, order, preparation
        self._seed, self._steps, self._rank, self._ranks = seed, steps, rank, ranks

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, step: int) -> Step:
        rows = self._order.rows(step)
        frames = sum(len(row) for row in rows)
        prepared: list[_Prepared] = []
        features: list[Tensor] = []
        skipped: list[str] = []
        matches: list[tuple[np.ndarray, np.ndarray]] = []
        place = first_point = 0
        for number, row in enumerate(rows):
            mine = number % self._ranks == self._rank
            of_row: list[tuple[int, _Prepared]] = []
            for source, index in row:
                here, place = place, place + 1
                if not mine:
                    continue
                try:
                    one = self._prepare(source, index, step, here, frames)
                except (FrameError, InputError) as error:
                    skipped.append(f"{self._sources[source].frames.name}[{index}]: {error}")
                    continue
                cache = self._sources[source].cache
                if cache is not None:
                    features.append(cache.features(index, one.frame.color))
                prepared.append(one)
                of_row.append((first_point, one))
                first_point += len(one.cloud)
            if mine and self._preparation.view_pairs:
                matches += self._match(of_row, step, number, sum(max(len(other) - 1, 0) for other in rows))
        point, owner, pixel = _join_pairs(prepared)
        return Step(
            step=step,
            clouds=CloudBatch.collate([one.cloud for one in prepared]) if prepared else None,
            features=features if any(source.cache is not None for source in self._sources) else None,
            images=[one.image for one in prepared] if self._preparation.keep_images else [],
            image_sizes=[one.image.shape[:2] for one in prepared],
            point=point,
            frame=owner,
            pixel=pixel,
            views=_join_matches(matches),
            skipped=skipped,
        )

    def _prepare(self, source: int, index: int, step: int, place: int, frames: int) -> _Prepared:
        """One frame of a step; ``place`` is its position among the step's ``frames``, whoever prepares the others."""
        settings = self._preparation
        # Every frame has a random state of its own, so that it is the same whoever prepares the others.
        rng = np.random.default_rng([self._seed, 1, step, place])
        frame = self._sources[source].frames[index]
        points, seen, origin = frame.points(self._sources[source].pixel_stride)
        xyz, rgb, kept = settings.augmentation(points, seen, rng)
        if len(xyz) < _FEWEST_POINTS:
            raise FrameError(f"frame {frame.name}: only {len(xyz)} points are left, too few to learn from")
        image, pixel, alive = settings.images(frame.color, origin[kept], rng)
        pairs = settings.pixel_pairs // frames + (place < settings.pixel_pairs % frames)
        # The paper's sampling is uniform over the pixels with depth that the teacher sees, as many in every frame.
        rows = choose_pairs(xyz, np.flatnonzero(alive), pairs, settings.pair_sampling, settings.pair_voxel, rng)
        return _Prepared(frame, PointCloud.from_arrays(xyz, rgb), origin[kept], image, rows, pixel[rows])

    def _match(
        self, row: list[tuple[int, _Prepared]], step: int, number: int, neighbours: int
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Matched points of each frame of a row with the next one, in rows of the joined clouds."""
        count = self._preparation.view_pairs // neighbours
        rng = np.random.default_rng([self._seed, 2, step, number])
        found = []
        for (first_of_a, a), (first_of_b, b) in pairwise(row):
            of_a, of_b = match_rows(a.origin, b.origin, *match_views(a.frame, b.frame))
            chosen = rng.choice(len(of_a), size=min(count, len(of_a)), replace=False)
            found.append((of_a[chosen] + first_of_a, of_b[chosen] + first_of_b))
        return found


def _join_pairs(prepared: list[_Prepared]) -> tuple[Tensor, Tensor, Tensor]:
    """Pixel pairs of all frames: rows in the joined clouds, frames, and pixels."""
    if not prepared:
        return torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.int64), torch.empty(0, 2)
    firsts = np.cumsum([0, *(len(one.cloud) for one in prepared[:-1])])
    point = np.concatenate([one.rows + first for one, first in zip(prepared, firsts, strict=True)])
    frame = np.repeat(np.arange(len(prepared)), [len(one.rows) for one in prepared])
    pixel = np.concatenate([one.pixel for one in prepared])
    return torch.from_numpy(point), torch.from_numpy(frame), torch.from_numpy(pixel)


def _join_matches(matches: list[tuple[np.ndarray, np.ndarray]]) -> ViewPairs:
    sides = zip(*matches, strict=True) if matches else (np.empty((1, 0), np.int64),) * 2
    first, second = (torch.from_numpy(np.concatenate(side).astype(np.int64)) for side in sides)
    return ViewPairs(first, second)
