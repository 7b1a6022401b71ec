"""Shape from depth alone: darken creases and the rims behind near surfaces (eye-dome lighting)."""

from collections.abc import Iterator

import numpy as np


def relief(depth: np.ndarray, grain: float, pixels: float, cap: float, strength: float = 2.2) -> np.ndarray:
    """Brightness float32 (H, W) in (0, 1] of every pixel.

    A pixel is darkened by how much nearer its surroundings lie than itself, taken over opposite pairs of
    neighbours, so that a plane keeps its brightness however steeply it is seen (Boucheny's eye-dome lighting
    darkens it).

    Args:
        depth: float (H, W) in metres, infinity where nothing is seen.
        grain: metres, the roughness of the splats themselves, which is smoothed away.
        pixels: the radius of a splat; surroundings are looked at in multiples of it.
        cap: metres; a step beyond it darkens no more.
        strength: how dark it gets.
    """
    empty = ~np.isfinite(depth)
    smooth = np.where(empty, np.inf, depth).astype(np.float32)
    for step in (pixels, 0.5 * pixels, pixels):
        smooth = _smooth(smooth, max(1, round(step)), 4 * grain)
    total = np.zeros(depth.shape, dtype=np.float32)
    # Creases close by are drawn as lines, wide surroundings as a soft shadow.
    for reach, weight in ((0.7, 0.5), (1.5, 0.6), (4, 0.5), (9, 0.4)):
        step = max(1, round(reach * pixels))
        near = np.zeros_like(total)
        for pair in _opposite_pairs(smooth, step):
            inward = sum(np.clip(np.where(np.isfinite(other), smooth - other, 0), -cap, cap) for other in pair)
            near += np.maximum(np.nan_to_num(inward) - 0.25 * grain, 0)
        total += weight * near / (4 * cap)
    return np.where(empty, 1, 0.32 + 0.68 * np.exp(-strength * total)).astype(np.float32)


def _smooth(depth: np.ndarray, step: int, tolerance: float) -> np.ndarray:
    """The mean of a pixel and those neighbours, in opposite pairs, that belong to its surface."""
    total, count = depth.copy(), np.ones_like(depth)
    for one, other in _opposite_pairs(depth, step):
        # Both sides or neither, or the slope of a surface would shift its rim.
        with np.errstate(invalid="ignore"):
            bend = np.abs(one + other - 2 * depth)
            same = (bend < tolerance) & (np.abs(one - other) < 8 * tolerance)
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
