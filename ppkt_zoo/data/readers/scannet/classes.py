"""The classes of ScanNet's benchmark, by their ids among the 40 of NYU Depth v2 (nyu40)."""

import numpy as np
from numpy.typing import NDArray

# id in nyu40 → class, of the benchmark for semantic segmentation.
NYU40_CLASSES = {
    1: "wall",
    2: "floor",
    3: "cabinet",
    4: "bed",
    5: "chair",
    6: "sofa",
    7: "table",
    8: "door",
    9: "window",
    10: "bookshelf",
    11: "picture",
    12: "counter",
    14: "desk",
    16: "curtain",
    24: "refrigerator",
    28: "shower curtain",
    33: "toilet",
    34: "sink",
    36: "bathtub",
    39: "otherfurniture",
}
CLASSES = tuple(NYU40_CLASSES.values())
# Objects are all but wall and floor. Tables of detection call otherfurniture "garbagebin", as VoteNet did.
BOX_CLASSES = CLASSES[2:]
_INDEX = {identity: index for index, identity in enumerate(NYU40_CLASSES)}


def to_classes(nyu40: NDArray) -> NDArray[np.int16]:
    """Ids in nyu40 (N,) as indices (N,) into ``CLASSES``; −1 for those that the benchmark leaves out.

    Three published scans hold ids beyond 40 (50, 149), which no benchmark counts: −1 too.
    """
    table = np.full(max(_INDEX) + 1, -1, dtype=np.int16)
    table[list(_INDEX)] = list(_INDEX.values())
    known = (nyu40 >= 0) & (nyu40 < len(table))
    return np.where(known, table[np.where(known, nyu40, 0)], np.int16(-1))


def to_box_class(nyu40: int) -> int:
    """Index into ``BOX_CLASSES`` of an id in nyu40; −1 for what is no object of the benchmark."""
    return max(_INDEX.get(nyu40, 0) - 2, -1)
