"""Checking the arrays of a frame or a scene when it is built."""

import numpy as np

from ppkt_zoo.errors import FrameError

FARTHEST = 1e6
"""Metres from the origin; beyond, float32 tells no two points apart that are a hand's breadth from each other."""


def check_array(
    where: str, field: str, value: object, dtype: type, shape: tuple[int | None, ...], empty: bool = False
) -> None:
    """Check that a value is an array of this dtype and shape.

    Args:
        where: what the error calls the frame or scene.
        field: what the error calls the value.
        value: the value.
        dtype: the dtype that it must have, exactly.
        shape: the size of each axis, None for any.
        empty: whether an axis may have size 0.

    Raises:
        FrameError: it is no array, or its dtype or shape is another.
    """
    if not isinstance(value, np.ndarray) or value.dtype != dtype:
        found = value.dtype if isinstance(value, np.ndarray) else type(value).__name__
        raise FrameError(f"{where}: {field} must be a {np.dtype(dtype).name} array, got {found}")
    fits = value.ndim == len(shape) and all(want in (None, got) for want, got in zip(shape, value.shape, strict=True))
    if not fits or (0 in value.shape and not empty):
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise FrameError(f"{where}: {field} must have shape ({wanted}), got {value.shape}")
