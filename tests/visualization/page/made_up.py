"""A small corner of a room for pages: a floor and a wall of points with features, classes and boxes."""

from typing import Any, NamedTuple

import numpy as np

NAMES = ("floor", "wall", "nothing")


class Corner(NamedTuple):
    """A cloud and what is known of it."""

    xyz: np.ndarray
    rgb: np.ndarray
    features: np.ndarray
    labels: np.ndarray
    boxes: list[dict[str, Any]]


def corner(points: int = 3000, channels: int = 12) -> Corner:
    """Half of the points lie on the floor, half on a wall; features of either are about alike."""
    rng = np.random.default_rng(3)
    half = points // 2
    floor = np.column_stack([rng.uniform(0, 2, half), rng.uniform(0, 2, half), np.zeros(half)])
    wall = np.column_stack(
        [rng.uniform(0, 2, points - half), np.full(points - half, 2.0), rng.uniform(0, 1, points - half)]
    )
    labels = np.repeat([0, 1], [half, points - half])
    features = rng.normal(size=(2, channels))[labels] + 0.3 * rng.normal(size=(points, channels))
    rgb = rng.integers(60, 200, (points, 3)).astype(np.uint8)
    box = {"class": "shelf", "score": 0.875, "center": [1.0, 1.8, 0.3], "size": [0.6, 0.3, 0.6], "heading": 0.2}
    return Corner(np.concatenate([floor, wall]).astype(np.float32), rgb, features.astype(np.float32), labels, [box])
