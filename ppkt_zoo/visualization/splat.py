"""What a camera sees of a cloud: a z-buffer of point splats in plain numpy, and shape from its depth alone.

A soft light comes from above, and shadows lie behind near surfaces (eye-dome lighting).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

_EMPTY = np.iinfo(np.int64).max
_INDEX_BITS = 32
_INDEX_MASK = (1 << _INDEX_BITS) - 1
_DEPTH_STEPS = 1 << 30
_MAX_RADIUS = 24

# (distance in splat radii, weight): the first ones draw creases, the wide ones a soft shadow around them.
_SURROUNDINGS = ((0.7, 0.30), (1.2, 0.30), (2.0, 0.25), (3.2, 0.22), (4.8, 0.20), (7.0, 0.18), (10.0, 0.15))
_DARKEST = 0.38
_STRENGTH = 2.0
# Where the light comes from, in the camera's frame (right, down, forward): over the left shoulder.
_LIGHT = np.array([-0.35, -0.80, -0.50]) / np.linalg.norm([-0.35, -0.80, -0.50])
# Brightness of surfaces turned away from the light, and of those turned this far to it or farther.
_AMBIENT, _BRIGHTEST, _FULL = 0.86, 1.12, 0.75


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


def shade(depth: np.ndarray, metres: float, radius: float, grain: float) -> np.ndarray:
    """Brightness float32 (H, W) of every pixel, 0.3 to 1.12; 1 where nothing is seen.

    Args:
        depth: float (H, W) in metres, infinity where nothing is seen.
        metres: what a pixel spans at the cloud's distance.
        radius: the radius of a splat in pixels; surroundings are looked at in multiples of it.
        grain: metres, the roughness of the splats themselves, which is smoothed away.
    """
    empty = ~np.isfinite(depth)
    smooth = np.where(empty, np.inf, depth).astype(np.float32)
    with np.errstate(invalid="ignore"):
        for step in (radius, 0.5 * radius, radius):
            smooth = _smooth(smooth, max(1, round(step)), 4 * grain)
        bright = _shadow(smooth, radius, grain) * _light(smooth, metres, max(1, round(0.5 * radius)))
    return np.where(empty, 1, bright).astype(np.float32)


def _shadow(depth: np.ndarray, radius: float, grain: float) -> np.ndarray:
    """How open each pixel's surroundings are.

    A pixel is darkened by how much nearer its surroundings lie than itself, taken over opposite pairs of
    neighbours, so that a plane keeps its brightness however steeply it is seen (Boucheny's eye-dome lighting
    darkens it).
    """
    total = np.zeros(depth.shape, dtype=np.float32)
    cap = 8 * grain
    for reach, weight in _SURROUNDINGS:
        near = np.zeros(depth.shape, dtype=np.float32)
        for one, other in _opposite_pairs(depth, max(1, round(reach * radius))):
            inward = np.clip(depth - one, -cap, cap) + np.clip(depth - other, -cap, cap)
            # Where nothing lies on one side, a slope could not be told from a step.
            near += np.where(np.isfinite(one + other), np.maximum(inward - 0.3 * grain, 0), 0)
        total += weight * near / (4 * cap)
    total = np.nan_to_num(total)
    return _DARKEST + (1 - _DARKEST) * np.exp(-_STRENGTH * total)


def _light(depth: np.ndarray, metres: float, step: int) -> np.ndarray:
    """Lambert's law for the normals of the depth map."""
    slopes = []
    for right, down in ((step, 0), (0, step)):
        ahead = np.roll(depth, (-down, -right), axis=(0, 1)) - depth
        behind = depth - np.roll(depth, (down, right), axis=(0, 1))
        # The flatter side belongs to the same surface; the other may lead over its rim.
        slope = np.where(np.abs(ahead) < np.abs(behind), ahead, behind) / (step * metres)
        slopes.append(np.clip(np.nan_to_num(slope, posinf=0, neginf=0), -8, 8))
    toward = slopes[0] * _LIGHT[0] + slopes[1] * _LIGHT[1] - _LIGHT[2]
    cosine = toward / np.sqrt(slopes[0] ** 2 + slopes[1] ** 2 + 1)
    return _AMBIENT + (_BRIGHTEST - _AMBIENT) * np.clip(cosine / _FULL, 0, 1)


def _smooth(depth: np.ndarray, step: int, tolerance: float) -> np.ndarray:
    """The mean of a pixel and those neighbours, in opposite pairs, that belong to its surface."""
    total, count = depth.copy(), np.ones_like(depth)
    for one, other in _opposite_pairs(depth, step):
        # Both sides or neither, or the slope of a surface would shift its rim.
        same = (np.abs(one + other - 2 * depth) < tolerance) & (np.abs(one - other) < 8 * tolerance)
        total += np.where(same, one + other, 0)
        count += 2 * same
    return total / count


def _opposite_pairs(depth: np.ndarray, step: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of every pixel the neighbours ``step`` to its left and right, above and below, and on both diagonals."""
    height, width = depth.shape
    padded = np.pad(depth, step, constant_values=np.inf)
    for right, down in ((step, 0), (0, step), (step, step), (step, -step)):
        yield (
            padded[step + down : step + down + height, step + right : step + right + width],
            padded[step - down : step - down + height, step - right : step - right + width],
        )
