"""Which point is seen at each pixel: a z-buffer of point splats in plain numpy."""

from dataclasses import dataclass

import numpy as np

_EMPTY = np.iinfo(np.int64).max
_INDEX_BITS = 32
_INDEX_MASK = (1 << _INDEX_BITS) - 1
_DEPTH_STEPS = 1 << 30
_MAX_RADIUS = 24


@dataclass(frozen=True)
class Splats:
    """What a camera sees.

    Attributes:
        row: int64 (H, W), the row of the point seen at each pixel; −1 where there is none.
        depth: float32 (H, W), its distance along the camera's axis in metres; infinity where there is none.
    """

    row: np.ndarray
    depth: np.ndarray


def splat(pixel: np.ndarray, depth: np.ndarray, size: tuple[int, int], radius: int, bulge: float) -> Splats:
    """Draw every point as a small disc that bends away from the camera.

    A splat's edge lies ``bulge`` metres behind its centre (a paraboloid), so each pixel of a smooth surface
    goes to the point whose centre is nearest, while a surface in front still hides all that is behind it.
    As a paraboloid is a sum over x and y, the splats are grown along rows first and along columns then.

    Args:
        pixel: int64 (N, 2), column and row of each point; points outside the image are left out.
        depth: float (N,), distance along the camera's axis; points at or behind the camera are left out.
        size: (height, width) of the image.
        radius: how far a splat reaches from its centre, in pixels; cut to 24.
        bulge: metres.
    """
    height, width = size
    inside = (depth > 0) & (pixel >= 0).all(axis=1) & (pixel[:, 0] < width) & (pixel[:, 1] < height)
    rows = np.flatnonzero(inside)
    keys = np.full(height * width, _EMPTY, dtype=np.int64)
    if rows.size == 0:
        return Splats(np.full(size, -1, dtype=np.int64), np.full(size, np.inf, dtype=np.float32))
    shown = depth[rows].astype(np.float64)
    # The range must hold a splat's bulge too, along both axes.
    nearest, span = shown.min(), float(np.ptp(shown)) + 2 * bulge + 1e-6
    steps = ((shown - nearest) * (_DEPTH_STEPS / span)).astype(np.int64)
    np.minimum.at(keys, pixel[rows, 1] * width + pixel[rows, 0], (steps << _INDEX_BITS) | rows)
    keys = keys.reshape(size)
    radius = min(radius, _MAX_RADIUS)
    per_pixel = bulge * (_DEPTH_STEPS / span) / max(radius, 1) ** 2
    grown = _grow(keys, radius, per_pixel)
    # What a square's corner covers outside the circle goes to the smaller squares that fit into the circles.
    winner = pixel[np.where(grown != _EMPTY, grown & _INDEX_MASK, rows[0])]
    away = winner - np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
    corner = (grown != _EMPTY) & ((away**2).sum(axis=-1) > (radius + 0.5) ** 2)
    if corner.any():
        grown[corner] = _grow(keys, int((radius + 0.5) / np.sqrt(2)), per_pixel)[corner]
    seen = grown != _EMPTY
    row = np.where(seen, grown & _INDEX_MASK, -1)
    return Splats(row, np.where(seen, depth[np.maximum(row, 0)], np.inf).astype(np.float32))


def _grow(keys: np.ndarray, radius: int, per_pixel: float) -> np.ndarray:
    """Each key spreads over a square; at offset (x, y) it is raised by ``per_pixel``·(x² + y²) depth steps."""
    return _grow_along(_grow_along(keys, 1, radius, per_pixel), 0, radius, per_pixel)


def _grow_along(keys: np.ndarray, axis: int, radius: int, per_pixel: float) -> np.ndarray:
    """Each key spreads along an axis, at offset d raised by ``per_pixel``·d² depth steps."""
    grown = keys.copy()
    length = keys.shape[axis]
    for offset in range(1, min(radius, length - 1) + 1):
        raised = np.int64(per_pixel * offset**2) << _INDEX_BITS
        ahead = np.moveaxis(grown, axis, 0)
        source = np.moveaxis(keys, axis, 0)
        # An empty pixel is the largest integer: raise only the others, or it would wrap around.
        shifted = np.where(source == _EMPTY, _EMPTY, source + raised)
        np.minimum(ahead[offset:], shifted[:-offset], out=ahead[offset:])
        np.minimum(ahead[:-offset], shifted[offset:], out=ahead[:-offset])
    return grown


def point_spacing(xyz: np.ndarray) -> float:
    """About how far apart neighbouring points of a surface lie, in metres; the sparser parts decide.

    Points are counted in cubes of 1/48 of the extent: a cube crossed by a surface and holding n points has
    them about ``edge / √n`` apart. The answer does not depend on the points' order.

    Args:
        xyz: float (N, 3), N ≥ 1.
    """
    extent = float(np.ptp(xyz, axis=0).max())
    if len(xyz) < 2 or extent == 0:
        return 0.01
    edge = extent / 48
    cell = np.floor((xyz - xyz.min(axis=0)) / edge).astype(np.int64)
    _, count = np.unique((cell[:, 0] * 64 + cell[:, 1]) * 64 + cell[:, 2], return_counts=True)
    # Weighted by points: a cube that a surface only grazes should not speak for the cloud.
    order = np.argsort(count)
    share = np.cumsum(count[order]) / len(xyz)
    typical = count[order][np.searchsorted(share, 0.2)]
    return float(edge / np.sqrt(typical))
