"""What one step sees, built in a worker process: clouds, teacher features, pixel pairs and view pairs."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ppkt_zoo.data.order import FrameOrder
from ppkt_zoo.data.view_pairs import match_rows, match_views
from ppkt_zoo.errors import FrameError, InputError
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.pretraining.prepare import FusedViews, Preparation, Prepared, StepSource, prepare_frame
from ppkt_zoo.transfer.objective import ViewPairs

__all__ = ["Preparation", "Step", "StepDataset", "StepSource"]


@dataclass(frozen=True)
class Step:
    """One step's data before the teacher and the feature coordinates are known.

    Attributes:
        step: which step, from 0; with gradient accumulation, which batch.
        clouds: the student's input, one for each frame, or for each row of fused views; None where every frame of the
            step had to be skipped.
        features: cached teacher features of each frame, or None where the teacher runs online or there is none.
        images: uint8 (H, W, 3) of each frame, for an online teacher; empty where nobody looks at them.
        image_sizes: (H, W) of each frame's image.
        point, frame: int64 (N,), row in the joined clouds and frame of each pixel pair.
        pixel: float32 (N, 2), (u, v) of each pair in its image as it was augmented.
        views: points of overlapping views that are the same place.
        skipped: a line for each frame that could not be used.
        further: cached features of each frame by further teachers, by name.
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
    further: dict[str, list[Tensor]] = field(default_factory=dict)


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
        prepared: list[Prepared] = []
        clouds: list[PointCloud] = []
        features: list[Tensor] = []
        further: dict[str, list[Tensor]] = {name: [] for source in self._sources for name in source.further}
        skipped: list[str] = []
        matches: list[tuple[np.ndarray, np.ndarray]] = []
        place = points = 0
        for number, row in enumerate(rows):
            first, place = place, place + len(row)
            if number % self._ranks != self._rank:
                continue
            found, unusable = self._prepare(row, step, first, frames)
            skipped += unusable
            for source, index, one in found:
                cache = self._sources[source].cache
                if cache is not None:
                    features.append(cache.features(index, one.frame.color))
                for name, other in self._sources[source].further.items():
                    further[name].append(other.features(index, one.frame.color))
            of_row = []
            for _, _, one in found:
                # Views that were fused share a cloud.
                if not clouds or one.cloud is not clouds[-1]:
                    clouds.append(one.cloud)
                    points += len(one.cloud)
                of_row.append(replace(one, first=points - len(one.cloud)))
            prepared += of_row
            if self._preparation.view_pairs:
                matches += self._match(of_row, step, number, sum(max(len(other) - 1, 0) for other in rows))
        point, owner, pixel = _join_pairs(prepared)
        return Step(
            step=step,
            clouds=CloudBatch.collate(clouds) if clouds else None,
            features=features if any(source.cache is not None for source in self._sources) else None,
            images=[one.image for one in prepared] if self._preparation.keep_images else [],
            image_sizes=[one.image.shape[:2] for one in prepared],
            point=point,
            frame=owner,
            pixel=pixel,
            views=_join_matches(matches),
            skipped=skipped,
            further=further,
        )

    def _prepare(
        self, row: Sequence[tuple[int, int]], step: int, place: int, frames: int
    ) -> tuple[list[tuple[int, int, Prepared]], list[str]]:
        """Frames of a row as (source, index, what became of it), and a line for each that cannot be used.

        ``place`` is that of the row's first frame among the step's ``frames``, whoever prepares the others.
        """
        # Every frame has a random state of its own, so that it is the same whoever prepares the others.
        states = [np.random.default_rng([self._seed, 1, step, place + view]) for view in range(len(row))]
        counts = [self._pairs(place + view, frames) for view in range(len(row))]
        used: list[tuple[int, int, Prepared]] = []
        skipped: list[str] = []
        fused = FusedViews() if row and self._sources[row[0][0]].fuse else None
        for (source, index), rng, pairs in zip(row, states, counts, strict=True):
            origin = self._sources[source]
            try:
                if fused is not None:
                    fused.add(origin.frames[index], origin.pixel_stride, (source, index), rng, pairs)
                else:
                    one = prepare_frame(origin.frames[index], origin.pixel_stride, self._preparation, rng, pairs)
                    used.append((source, index, one))
            except (FrameError, InputError) as error:
                skipped.append(f"{origin.frames.name}[{index}]: {error}")
        if fused is None:
            return used, skipped
        try:
            used = [(*name, one) for name, one in fused.prepare(self._preparation)]
        except (FrameError, InputError) as error:
            skipped += [f"{self._sources[source].frames.name}[{index}]: {error}" for source, index in fused.names]
        return used, skipped

    def _pairs(self, place: int, frames: int) -> int:
        """Pixel pairs of the frame at a place: as many in every frame, as far as that goes."""
        pairs = self._preparation.pixel_pairs
        return pairs // frames + (place < pairs % frames)

    def _match(
        self, row: list[Prepared], step: int, number: int, neighbours: int
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Matched points of each frame of a row with the next one, in rows of the joined clouds."""
        if len(row) < 2:  # then a step may have no neighbours at all
            return []
        count = self._preparation.view_pairs // neighbours
        rng = np.random.default_rng([self._seed, 2, step, number])
        found = []
        for a, b in pairwise(row):
            of_a, of_b = match_rows(a.origin, b.origin, *match_views(a.frame, b.frame))
            chosen = rng.choice(len(of_a), size=min(count, len(of_a)), replace=False)
            found.append((of_a[chosen] + a.first, of_b[chosen] + b.first))
        return found


def _join_pairs(prepared: list[Prepared]) -> tuple[Tensor, Tensor, Tensor]:
    """Pixel pairs of all frames: rows in the joined clouds, frames, and pixels."""
    if not prepared:
        return torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.int64), torch.empty(0, 2)
    point = np.concatenate([one.rows + one.first for one in prepared])
    frame = np.repeat(np.arange(len(prepared)), [len(one.rows) for one in prepared])
    pixel = np.concatenate([one.pixel for one in prepared])
    return torch.from_numpy(point), torch.from_numpy(frame), torch.from_numpy(pixel)


def _join_matches(matches: list[tuple[np.ndarray, np.ndarray]]) -> ViewPairs:
    sides = zip(*matches, strict=True) if matches else (np.empty((1, 0), np.int64),) * 2
    first, second = (torch.from_numpy(np.concatenate(side).astype(np.int64)) for side in sides)
    return ViewPairs(first, second)
