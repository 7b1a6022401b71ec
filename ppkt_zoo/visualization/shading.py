"""Shape from depth alone: a soft light from above, and shadows behind near surfaces (eye-dome lighting)."""

from collections.abc import Iterator

import numpy as np

# (distance in splat radii, weight): the first ones draw creases, the wide ones a soft shadow around them.
_SURROUNDINGS = ((0.7, 0.30), (1.2, 0.30), (2.0, 0.25), (3.2, 0.22), (4.8, 0.20), (7.0, 0.18), (10.0, 0.15))
_DARKEST = 0.38
_STRENGTH = 2.0
# Where the light comes from, in the camera's frame (right, down, forward): over the left shoulder.
_LIGHT = np.array([-0.35, -0.80, -0.50]) / np.linalg.norm([-0.35, -0.80, -0.50])
# Brightness of surfaces turned away from the light, and of those turned this far to it or farther.
_AMBIENT, _BRIGHTEST, _FULL = 0.86, 1.12, 0.75


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
