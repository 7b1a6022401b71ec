"""Whether a cloud's extent can be metres: kilometres, degrees, millimetres and whole cities are told."""

import warnings

import numpy as np
import torch
from torch import Tensor

from ppkt_zoo.errors import ScaleWarning

__all__ = ["extremes", "warn_of_coarse_steps", "warn_of_few_voxels", "warn_of_scale"]

# A room, a floor of an office, a street: all fit. Beyond it stands a landscape, or units are not metres.
_CITY_METRES = 300.0
_MILLIMETRE_METRES = 5000.0
# No scan of a scene is so small; a room in kilometres or degrees is.
_TINY_METRES = 0.05
# Degrees lie along x and y alone: then a cloud is so many times as high as it is wide.
_STEEP = 20.0
# Where neighbouring float32 numbers stand further apart than this, the shape of a room is lost.
_COARSEST_STEP = 0.01
# Fewer points may well be one place.
_FEWEST_POINTS = 16
# A network that gets a cloud of fewer voxels along its longest side sees no shape.
_FEWEST_VOXELS = 4.0


def extremes(xyz: Tensor) -> tuple[Tensor, Tensor]:
    """The smallest and the largest x, y and z of points (N, 3), N ≥ 1."""
    # Sixty-four points to a row: along short rows torch's reduction is several times slower.
    whole = len(xyz) // 64 * 64
    packed, rest = xyz[:whole].reshape(-1, 64 * 3), xyz[whole:]
    low = torch.cat([packed.amin(dim=0).view(64, 3), rest]) if whole else rest
    high = torch.cat([packed.amax(dim=0).view(64, 3), rest]) if whole else rest
    return low.amin(dim=0), high.amax(dim=0)


def warn_of_scale(points: int, low: Tensor, high: Tensor, stacklevel: int = 3) -> None:
    """Warn of an extent that speaks of other units than metres, or of a whole city.

    Args:
        points: how many.
        low, high: the smallest and largest x, y, z (3,), as given.
        stacklevel: as of warnings.warn.
    """
    wide, deep, tall = ((high.double() - low.double()).abs()).tolist()
    widest, across = max(wide, deep, tall), max(wide, deep)
    text = ""
    if widest > _MILLIMETRE_METRES:
        text = f"the cloud is {widest:.0f} m wide: are they millimetres (divide by 1000), or a whole city?"
    elif widest > _CITY_METRES:
        text = f"the cloud is {widest:.0f} m wide: is that a whole city, or other units than metres?"
    elif points >= _FEWEST_POINTS and widest < _TINY_METRES:
        text = (
            f"all {points} points lie within {widest:.2g} m: are they kilometres (multiply by 1000), degrees "
            "(project them to metres) or parts of another unit? coordinates must be metres"
        )
    elif points >= _FEWEST_POINTS and across < _TINY_METRES and tall > _STEEP * across:
        text = (
            f"all {points} points lie within {across:.2g} m along x and y, and within {tall:.2g} m along z: are x and "
            "y degrees of longitude and latitude? project them to metres, such as UTM"
        )
    if text:
        warnings.warn(text, ScaleWarning, stacklevel=stacklevel)


def warn_of_few_voxels(xyz: Tensor, voxel_size: float, stacklevel: int = 3) -> None:
    """Warn where all points lie in a few voxels of a weight, and :func:`warn_of_scale` had nothing to say."""
    if len(xyz) < _FEWEST_POINTS:
        return
    low, high = extremes(xyz)
    widest = float((high - low).max())
    if _TINY_METRES <= widest < _FEWEST_VOXELS * voxel_size:
        warnings.warn(
            f"all {len(xyz)} points lie within {widest:.2g} m, and this weight's voxels are {voxel_size:g} m: it sees "
            "almost nothing. Are they kilometres, degrees or parts of another unit? coordinates must be metres",
            ScaleWarning,
            stacklevel=stacklevel,
        )


def warn_of_coarse_steps(far: float, stacklevel: int = 3) -> None:
    """Warn where float32 numbers so far from the origin stand too far apart."""
    step = float(np.spacing(np.float32(far)))
    if step > _COARSEST_STEP:
        warnings.warn(
            f"xyz is float32 and lies {far:.0f} m from the origin, where its numbers stand {step:.2g} m apart: "
            "give map coordinates as float64, they are centred before they become float32",
            ScaleWarning,
            stacklevel=stacklevel,
        )
