"""Reading an image between its pixels, for tests that follow a point through an augmentation."""

import numpy as np


def bilinear(image: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    """Bilinear values (N, 3) of an image at (u, v)."""
    low = np.minimum(np.floor(pixel).astype(int), [image.shape[1] - 2, image.shape[0] - 2])
    right, down = (pixel - low).T[..., None]
    u, v = low.T
    value = image.astype(np.float64)
    above = value[v, u] * (1 - right) + value[v, u + 1] * right
    below = value[v + 1, u] * (1 - right) + value[v + 1, u + 1] * right
    return above * (1 - down) + below * down
