"""Elastic distortion: a smooth random displacement field (Simard et al. 2003; for clouds as in Choy et al. 2019)."""

import numpy as np

from ppkt_zoo.errors import InputError

# A hall of 100 × 100 × 10 m at 0.2 m has 13 million; 16 bytes each while it is smoothed.
_MOST_NODES = 1 << 24


def elastic_distortion(xyz: np.ndarray, granularity: float, magnitude: float, rng: np.random.Generator) -> np.ndarray:
    """Move points by noise on a coarse grid, smoothed twice along each axis and interpolated between its nodes.

    Args:
        xyz: float32 (N, 3), metres.
        granularity: distance of the grid's nodes in metres.
        magnitude: factor of the smoothed unit noise, in metres.
        rng: where the noise comes from.

    Returns:
        float32 (N, 3).

    Raises:
        InputError: the cloud is so wide, or granularity so fine, that the grid would not fit into memory.
    """
    if len(xyz) == 0:
        return xyz
    lowest = xyz.min(axis=0)
    place = (xyz - lowest) / np.float32(granularity)
    size = np.floor(place.max(axis=0)).astype(int) + 2
    if np.prod(size.astype(float)) > _MOST_NODES:
        raise InputError(
            f"xyz is up to {size.max() * granularity:.0f} m wide: too wide for elastic distortion with nodes "
            f"every {granularity:g} m"
        )
    field = rng.standard_normal((*size, 3), np.float32)
    for _ in range(2):
        for axis in range(3):
            field = _smooth(field, axis)
    base = np.floor(place).astype(np.int64)
    part = (place - base).T.copy()
    sides = (1 - part, part)
    first = (base[:, 0] * size[1] + base[:, 1]) * size[2] + base[:, 2]
    flat = field.reshape(-1, 3)
    shift = np.zeros_like(xyz)
    for x, y, z in np.ndindex(2, 2, 2):
        share = sides[x][0] * sides[y][1] * sides[z][2]
        shift += share[:, None] * flat.take(first + ((x * size[1] + y) * size[2] + z), axis=0)
    return (xyz + shift * np.float32(magnitude)).astype(np.float32)


def _smooth(field: np.ndarray, axis: int) -> np.ndarray:
    """Mean of each node and its two neighbours along an axis; the border counts as its own neighbour."""
    widths = [(0, 0)] * field.ndim
    widths[axis] = (1, 1)
    padded = np.pad(field, widths, mode="edge")
    length = field.shape[axis]
    parts = [np.take(padded, range(start, start + length), axis=axis) for start in range(3)]
    return (parts[0] + parts[1] + parts[2]) / np.float32(3)
