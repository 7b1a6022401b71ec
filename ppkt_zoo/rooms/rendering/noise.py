"""A volume of periodic noise that all textures read."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

_SIZE = 48
_CHANNELS = 2


@lru_cache(maxsize=4)
def _volume(device: str) -> Tensor:
    """float32 (1, C, S + 1, S + 1, S + 1), values about in [−1, 1], the last plane equal to the first."""
    rng = np.random.default_rng(71)
    total = torch.zeros(_CHANNELS, _SIZE, _SIZE, _SIZE)
    for cells, weight in ((6, 0.5), (12, 0.3), (24, 0.2)):
        lattice = torch.from_numpy(rng.uniform(-1, 1, (1, _CHANNELS, cells, cells, cells)).astype(np.float32))
        wrapped = functional.pad(lattice, (1, 1, 1, 1, 1, 1), mode="circular")
        step = _SIZE // cells
        grown = functional.interpolate(wrapped, scale_factor=step, mode="trilinear", align_corners=False)
        total += grown[0, :, step:-step, step:-step, step:-step] * (weight * 1.7)
    return functional.pad(total[None], (0, 1, 0, 1, 0, 1), mode="circular").to(device)


def noise(place: Tensor) -> Tensor:
    """Smooth noise of several octaves.

    Args:
        place: float32 (3, P); the pattern repeats at every integer, its largest blobs are 1/6 wide.

    Returns:
        float32 (2, P), two independent fields, about in [−1, 1].
    """
    at = ((place - place.floor()) * 2 - 1).T.contiguous()
    return functional.grid_sample(_volume(str(place.device)), at[None, :, None, None], align_corners=True)[
        0, :, :, 0, 0
    ]
