"""Elastic distortion: a smooth random displacement field (Simard et al. 2003; for clouds as in Choy et al. 2019)."""

import numpy as np


def elastic_distortion(
    xyz: np.ndarray, granularity: float, magnitude: float, rng: np.random.Generator
) -> np.ndarray:
    """Move points by noise on a coarse grid, smoothed twice along each axis and interpolated between its nodes.

    Args:
        xyz: float32 (N, 3), metres.
        granularity: distance of the grid's nodes in metres.
        magnitude: factor of the smoothed unit noise, in metres.
        rng: where the noise comes from.

    Returns:
        float32 (N, 3).
    """
    if len(xyz) == 0:
        return xyz
    lowest = xyz.min(axis=0)
    place = (xyz - lowest) / np.float32(granularity)
    size = np.floor(place.max(axis=0)).astype(int) + 2
    field = rng.standard_normal((*size, 3), np.float32)
    for _ in range(2):
        for axis in range(3):
            field = _smooth(field, axis)
    base = np.floor(place).astype(np.int64)
    part = place - base
    flat = field.reshape(-1, 3)
    shift = np.zeros_like(xyz)
    for corner in np.ndindex(2, 2, 2):
        share = np.prod(np.where(corner, part, 1 - part), axis=1, keepdims=True)
        node = base + np.array(corner)
        shift += share * flat[(node[:, 0] * size[1] + node[:, 1]) * size[2] + node[:, 2]]
    return (xyz + shift * np.float32(magnitude)).astype(np.float32)


def _smooth(field: np.ndarray, axis: int) -> np.ndarray:
    """Mean of each node and its two neighbours along an axis; the border counts as its own neighbour."""
    widths = [(0, 0)] * field.ndim
    widths[axis] = (1, 1)
    padded = np.pad(field, widths, mode="edge")
    length = field.shape[axis]
    parts = [np.take(padded, range(start, start + length), axis=axis) for start in range(3)]
    return (parts[0] + parts[1] + parts[2]) / np.float32(3)
