"""What may happen to a cloud between the probe's training and its use: one function for each change.

A change is applied to scans that no weight was trained on. What a random number decides is decided by the scan's
index alone, so every weight and every probe seed is asked about the same clouds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from benchmarks.evaluation.material import Labelled
from ppkt_zoo.points.cloud import PointCloud

_GREY = 128
_NEAR, _FAR = 0.01, 0.05


class Scans(Protocol):
    """Labelled scans by index, each of which can be had at other densities too."""

    def clean(self, index: int) -> Labelled:
        """As the probes know them."""
        ...

    def double(self, index: int) -> Labelled:
        """The same place with about twice as many points, measured ones, none made up."""
        ...

    def scanned(self, index: int, spacing: float) -> Labelled:
        """The same place with one point in each cell of so many metres, where the sensor saw so much."""
        ...


@dataclass(frozen=True)
class Change:
    """One change.

    Attributes:
        key: in files.
        title: in tables.
        how: what exactly is done.
        make: the scans, an index and a generator of random numbers → the changed cloud and its points' classes.
    """

    key: str
    title: str
    how: str
    make: Callable[[Scans, int, np.random.Generator], Labelled]

    def __call__(self, scans: Scans, index: int) -> Labelled:
        """The changed scan; the same every time."""
        return self.make(scans, index, np.random.default_rng([index, 61]))


def without_colour(scan: Labelled) -> Labelled:
    """No colour at all."""
    cloud, label = scan
    return PointCloud(cloud.xyz), label


def greyed(scan: Labelled) -> Labelled:
    """Every point of the same grey, as one gives it by hand to a network that demands colour."""
    cloud, label = scan
    return PointCloud(cloud.xyz, torch.full((len(cloud), 3), _GREY, dtype=torch.uint8)), label


def some(scan: Labelled, count: int, rng: np.random.Generator) -> Labelled:
    """So many points, drawn without replacement, in their order."""
    cloud, label = scan
    rows = np.sort(rng.permutation(len(cloud))[:count])
    kept = torch.from_numpy(rows)
    return PointCloud(cloud.xyz[kept], None if cloud.rgb is None else cloud.rgb[kept]), label[rows]


def noisy(scan: Labelled, sigma: float, rng: np.random.Generator) -> Labelled:
    """Every point moved by normal noise of `sigma` metres along each axis."""
    cloud, label = scan
    noise = torch.from_numpy(rng.standard_normal((len(cloud), 3), np.float32) * np.float32(sigma))
    return PointCloud(cloud.xyz + noise, cloud.rgb), label


def tilted(scan: Labelled, degrees: float, rng: np.random.Generator) -> Labelled:
    """Turned about a horizontal axis of random heading through the middle of the cloud."""
    cloud, label = scan
    heading, angle = rng.uniform(0, 2 * np.pi), np.radians(degrees)
    x, y = np.cos(heading), np.sin(heading)
    cross = np.array([[0, 0, y], [0, 0, -x], [-y, x, 0]])
    turn = torch.from_numpy(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross).float()
    middle = cloud.xyz.mean(dim=0)
    return PointCloud((cloud.xyz - middle) @ turn.T + middle, cloud.rgb), label


def scaled(scan: Labelled, factor: float) -> Labelled:
    """All coordinates times a factor: a cloud in a wrong unit, or of a badly calibrated camera."""
    cloud, label = scan
    return PointCloud(cloud.xyz * factor, cloud.rgb), label


def on_grid(scan: Labelled, spacing: float) -> Labelled:
    """One point in each occupied cell: mean place and mean colour of its points, and their most frequent class."""
    cloud, label = scan
    cells = np.floor(cloud.xyz.numpy() / spacing).astype(np.int64)
    cells -= cells.min(axis=0)
    sides = cells.max(axis=0) + 1
    key = (cells[:, 0] * sides[1] + cells[:, 1]) * sides[2] + cells[:, 2]
    _, cell, count = np.unique(key, return_inverse=True, return_counts=True)

    def means(rows: np.ndarray) -> np.ndarray:
        columns = [np.bincount(cell, rows[:, axis], len(count)) for axis in range(rows.shape[1])]
        return np.stack(columns, axis=1) / count[:, None]

    votes = np.stack([np.bincount(cell[label == one], minlength=len(count)) for one in range(-1, label.max() + 1)])
    color = None if cloud.rgb is None else torch.from_numpy(means(cloud.rgb.numpy()).round().astype(np.uint8))
    xyz = torch.from_numpy(means(cloud.xyz.numpy()).astype(np.float32))
    return PointCloud(xyz, color), votes.argmax(axis=0).astype(np.int64) - 1


def _half(scans: Scans, index: int, rng: np.random.Generator) -> Labelled:
    clean = scans.clean(index)
    return some(clean, len(clean[0]) // 2, rng)


CLEAN = Change("clean", "as it is", "nothing", lambda scans, index, rng: scans.clean(index))
CHANGES: tuple[Change, ...] = (
    CLEAN,
    Change("half", "half of the points", "a random half of the points", _half),
    Change("double", "twice as many points", "scanned anew", lambda scans, index, rng: scans.double(index)),
    Change("scan_1cm", "scan of 1 cm", "scanned anew", lambda scans, index, rng: scans.scanned(index, _NEAR)),
    Change(
        "map_5cm",
        "map of 5 cm",
        "mean place and colour in each cell of 5 cm",
        lambda scans, index, rng: on_grid(scans.clean(index), _FAR),
    ),
    Change(
        "noise_2cm",
        "noise of 2 cm",
        "normal noise of 2 cm along each axis",
        lambda scans, index, rng: noisy(scans.clean(index), 0.02, rng),
    ),
    *(
        Change(
            f"tilt_{degrees}",
            f"tilted by {degrees}°",
            "about a horizontal axis of random heading",
            lambda scans, index, rng, degrees=degrees: tilted(scans.clean(index), degrees, rng),  # type: ignore[misc]
        )
        for degrees in (5, 10)
    ),
    *(
        Change(
            f"scale_{round(factor * 100)}",
            f"scale × {factor:g}",
            "all coordinates times the factor",
            lambda scans, index, rng, factor=factor: scaled(scans.clean(index), factor),  # type: ignore[misc]
        )
        for factor in (0.8, 1.25)
    ),
)
