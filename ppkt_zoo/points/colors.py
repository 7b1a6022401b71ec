"""Colours as files hold them, to uint8; one rule for all file formats."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.errors import InputError


def as_uint8(colors: NDArray[Any], where: str) -> NDArray[np.uint8]:
    """Colours (N, 3) of a file to uint8.

    Whole numbers lie in 0..255; uint16 with anything above 255 is taken for the full 16-bit range, as LAS
    defines it. Floats lie in [0, 1], or are whole numbers in 0..255.

    Raises:
        InputError: the numbers fit none of these; the message begins with ``where``.
    """
    if colors.dtype == np.uint8:
        return np.ascontiguousarray(colors)
    if colors.dtype.kind not in "fiu":
        raise InputError(f"{where}: colours must be numbers, got {colors.dtype}")
    low, high = colors.min(), colors.max()
    if colors.dtype.kind == "f":
        # NaN fails these comparisons too.
        if low >= 0 and high <= 1:
            return np.rint(colors * 255.0).astype(np.uint8)
        if low >= 0 and high <= 255 and np.array_equal(colors, np.rint(colors)):
            return colors.astype(np.uint8)
        raise InputError(
            f"{where}: colours given as floats must lie in [0, 1] or be whole numbers in 0..255, "
            f"found {low:.4g} to {high:.4g}; are these columns normals?"
        )
    if colors.dtype == np.uint16 and high > 255:
        return np.rint(colors / 257.0).astype(np.uint8)
    if low < 0 or high > 255:
        raise InputError(f"{where}: colours must lie in 0..255, found {low} to {high}")
    return colors.astype(np.uint8)
