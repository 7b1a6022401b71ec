"""Whether the depth of a source is in the units that it is read in: a few of its frames tell.

One depth image alone may show a wall from near or a hall; over several, half of all depths of a room or a table lie
between a hand's width and some metres. Factors that cameras really have (4000, 5000, 10000 units in a metre where
1000 are expected) leave that range.
"""

import numpy as np

from ppkt_zoo.data.frames import FrameSource
from ppkt_zoo.data.readers.images import SAY_SCALE
from ppkt_zoo.errors import InputError

__all__ = ["doubt_of_units"]

_FRAMES = 5
# Metres that the median of depth lies between, of rooms and tables in front of depth cameras.
_NEAREST, _FARTHEST = 0.25, 6.0
# Every so many pixels are looked at.
_PROBE = 4


def doubt_of_units(source: FrameSource) -> str | None:
    """What speaks against the units that a source's depth is read in; None where nothing does.

    Frames that cannot be read are passed over: whoever asks for them is told.
    """
    middles = []
    for index in np.unique(np.linspace(0, len(source) - 1, _FRAMES).astype(int)):
        try:
            depth = source[int(index)].depth[::_PROBE, ::_PROBE]
        except InputError:
            continue
        if (depth > 0).any():
            middles.append(float(np.median(depth[depth > 0])))
    if not middles:
        return None
    middle = float(np.median(middles))
    if _NEAREST <= middle <= _FARTHEST:
        return None
    frames = "1 frame" if len(middles) == 1 else f"{len(middles)} frames"
    place = "under" if middle < _NEAREST else "beyond"
    return (
        f"{source.name}: half of the depth is {place} {middle:.3g} m (in the middle of {frames}), which rooms and "
        f"tables seldom are: if it is stored in other units than it is read in, {SAY_SCALE}: 1000 for millimetres, "
        "4000 for an L515, 5000 for TUM, 10000 for a D405 or SR300"
    )
