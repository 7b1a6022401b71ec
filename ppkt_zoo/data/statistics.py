"""What is in a source of frames, in numbers: sizes, depths, holes, poses, and what could not be read."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ppkt_zoo.data.frames import FrameSource, RGBDFrame
from ppkt_zoo.errors import FrameError

# Depths are counted in centimetres up to here.
_FARTHEST = 200.0
_BINS_A_METRE = 100


def tell_left_out(reasons: Sequence[str], looked_at: int) -> str:
    """Such as "2 of 8 frames left out: frame f3: pose has NaN (tracking was lost); and 1 more"; "" where none was."""
    if not reasons:
        return ""
    more = f"; and {len(reasons) - 1} more" if len(reasons) > 1 else ""
    return f"{len(reasons)} of {looked_at} {'frame' if looked_at == 1 else 'frames'} left out: {reasons[0]}{more}"


def check_enough(reasons: Sequence[str], looked_at: int, name: str) -> None:
    """Refuse a source of which too much cannot be used.

    Args:
        reasons: what is wrong with each frame that was left out.
        looked_at: how many frames were asked for.
        name: of the source.

    Raises:
        FrameError: more than half of them, or all, are left out; the message gives the first reason.
    """
    if reasons and 2 * len(reasons) > looked_at:
        part = "none" if len(reasons) == looked_at else f"only {looked_at - len(reasons)}"
        raise FrameError(f"{name}: {part} of {looked_at} frames can be used, the first of the others: {reasons[0]}")


@dataclass
class FrameStatistics:
    """Numbers over the frames that were looked at.

    Attributes:
        looked_at: how many frames were read, damaged ones included.
        readable: the indices of those that could be read.
        damaged: what was wrong with each frame that could not be read.
        sizes: how many frames have each image size (width, height).
        cameras: how many frames have each (fx, fy, cx, cy), rounded to a tenth of a pixel.
        pixels, empty: how many pixels there are, and how many of them have no depth.
        depths: how many pixels lie in each centimetre.
        positions: index of each frame with a pose → where its camera stands, float64 (3,), metres.
        labels: how many pixels each class has; empty where no frame has labels.
        unlabelled: pixels of labelled frames that have no class.
    """

    looked_at: int = 0
    readable: list[int] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    cameras: Counter[tuple[float, float, float, float]] = field(default_factory=Counter)
    pixels: int = 0
    empty: int = 0
    depths: np.ndarray = field(default_factory=lambda: np.zeros(int(_FARTHEST * _BINS_A_METRE), dtype=np.int64))
    positions: dict[int, np.ndarray] = field(default_factory=dict)
    labels: Counter[int] = field(default_factory=Counter)
    unlabelled: int = 0

    @property
    def holes(self) -> float:
        """Part of all pixels that have no depth."""
        return self.empty / max(self.pixels, 1)

    def depth_at(self, part: float) -> float:
        """The depth in metres, to a centimetre, that this part of the measured pixels does not exceed."""
        sums = np.cumsum(self.depths)
        return float(np.searchsorted(sums, part * sums[-1]) + 1) / _BINS_A_METRE

    def add(self, index: int, frame: RGBDFrame) -> None:
        """Count one frame."""
        self.readable.append(index)
        height, width = frame.depth.shape
        self.sizes[width, height] += 1
        k = frame.intrinsics
        self.cameras[round(k[0, 0], 1), round(k[1, 1], 1), round(k[0, 2], 1), round(k[1, 2], 1)] += 1
        measured = frame.depth[frame.depth > 0]
        self.pixels += frame.depth.size
        self.empty += frame.depth.size - len(measured)
        bins = np.minimum((measured * _BINS_A_METRE).astype(np.int64), len(self.depths) - 1)
        self.depths += np.bincount(bins, minlength=len(self.depths))
        if frame.pose is not None:
            self.positions[index] = frame.pose[:3, 3].copy()
        if frame.label is not None:
            classes, counts = np.unique(frame.label, return_counts=True)
            self.labels.update({int(one): int(n) for one, n in zip(classes, counts, strict=True) if one >= 0})
            self.unlabelled += int((frame.label < 0).sum())


def frame_statistics(source: FrameSource, indices: Iterable[int] | None = None) -> FrameStatistics:
    """Look at frames of a source one by one, by default at all."""
    found = FrameStatistics()
    for index in range(len(source)) if indices is None else indices:
        found.looked_at += 1
        try:
            found.add(index, source[index])
        except FrameError as error:
            found.damaged.append(str(error))
    return found
