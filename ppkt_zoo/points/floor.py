"""Where the floor of a cloud is."""

import math

from torch import Tensor

# Of the points of a cloud so many may lie below its floor: reflections, and what a sensor sees through a window.
_BELOW_FLOOR = 0.01


def floor_of(z: Tensor) -> Tensor:
    """The height of a cloud's floor, a number: one point in a hundred may lie below it.

    Args:
        z: float (N,), metres.
    """
    return z.kthvalue(max(1, math.ceil(_BELOW_FLOOR * len(z)))).values
