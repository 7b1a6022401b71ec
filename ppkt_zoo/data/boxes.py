"""Oriented boxes with labels: what readers of single frames and of scans give beside their frames."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Boxes:
    """Labelled boxes of one frame or scan.

    Attributes:
        boxes: float64 (K, 7): centre, full size, heading in radians counter-clockwise about +z, from world x to
            the box's own x (where the data set tells which way a thing faces, it is that way).
        label: int16 (K,), index into the reader's ``box_classes``.
        others: how many boxes of each other class were left out.
    """

    boxes: NDArray[np.float64]
    label: NDArray[np.int16]
    others: dict[str, int] = field(default_factory=dict)


def gather(found: list[tuple[str, list[float]]], index: dict[str, int]) -> Boxes:
    """Boxes of (class name, seven numbers); those whose class has no index are only counted."""
    others: dict[str, int] = {}
    for name, _ in found:
        if name not in index:
            others[name] = others.get(name, 0) + 1
    kept = [(index[name], box) for name, box in found if name in index]
    return Boxes(
        boxes=np.array([box for _, box in kept], dtype=np.float64).reshape(-1, 7),
        label=np.array([label for label, _ in kept], dtype=np.int16),
        others=others,
    )
