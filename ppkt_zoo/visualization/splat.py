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


def splat(
    pixel: np.ndarray, depth: np.ndarray, size: tuple[int, int], radius: np.ndarray | int, bulge: float
) -> Splats:
    """Draw every point as a small disc that bends away from the camera.

    A disc's edge lies ``bulge`` metres behind its centre (a paraboloid), so each pixel of a smooth surface
    goes to the point whose centre is nearest, while a surface in front still hides all that is behind it.
    As a paraboloid is a sum over x and y, the discs are grown along rows first and along columns then.

    Args:
        pixel: int64 (N, 2), column and row of each point; points outside the image are left out.
        depth: float (N,), distance along the camera's axis; points at or behind the camera are left out.
        size: (height, width) of the image.
        radius: how far a disc reaches from its centre, in pixels, for each point (N,) or for all. Radii are
            rounded up to one of three, and cut to 24.
        bulge: metres.
    """
    height, width = size
    inside = (depth > 0) & (pixel >= 0).all(axis=1) & (pixel[:, 0] < width) & (pixel[:, 1] < height)
    rows = np.flatnonzero(inside)
    keys = np.full(size, _EMPTY, dtype=np.int64)
    if rows.size:
        shown = depth[rows].astype(np.float64)
        # The range must hold a disc's bulge too, along both axes.
        nearest, span = shown.min(), float(np.ptp(shown)) + 2 * bulge + 1e-6
        steps = ((shown - nearest) * (_DEPTH_STEPS / span)).astype(np.int64)
        classes = _round_up(np.broadcast_to(radius, depth.shape)[rows])
        for reach in np.unique(classes):
            chosen = classes == reach
            layer = np.full(size, _EMPTY, dtype=np.int64)
            place = pixel[rows[chosen]]
            np.minimum.at(layer, (place[:, 1], place[:, 0]), (steps[chosen] << _INDEX_BITS) | rows[chosen])
            np.minimum(keys, _discs(layer, pixel, int(reach), bulge * _DEPTH_STEPS / span), out=keys)
    seen = keys != _EMPTY
    row = np.where(seen, keys & _INDEX_MASK, -1)
    far = np.full(size, np.inf, dtype=np.float32)
    far[seen] = depth[row[seen]]
    return Splats(row, far)


def _round_up(radius: np.ndarray) -> np.ndarray:
    """Radii as one of three: the usual one, and 1.5 and 2.5 times it."""
    usual = max(1.0, float(np.percentile(radius, 40)))
    choices = np.minimum(np.ceil(usual * np.array([1.0, 1.5, 2.5])), _MAX_RADIUS).astype(np.int64)
    return choices[np.minimum(np.searchsorted(choices, radius), 2)]


def _discs(keys: np.ndarray, pixel: np.ndarray, radius: int, bulge_steps: float) -> np.ndarray:
    """Keys of single pixels grown to discs."""
    per_pixel = bulge_steps / radius**2
    grown = _grow(keys, radius, per_pixel)
    # What a square's corner covers outside the circle goes to the smaller squares that fit into the circles.
    y, x = np.nonzero(grown != _EMPTY)
    winner = pixel[grown[y, x] & _INDEX_MASK]
    corner = (winner[:, 0] - x) ** 2 + (winner[:, 1] - y) ** 2 > (radius + 0.5) ** 2
    y, x = y[corner], x[corner]
    grown[y, x] = _grow(keys, int((radius + 0.5) / np.sqrt(2)), per_pixel)[y, x]
    return grown


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
