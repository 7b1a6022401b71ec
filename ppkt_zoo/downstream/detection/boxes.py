"""Upright oriented boxes: overlap, suppression of doubles, and the upright box around each.

A box is a row of seven numbers: centre, full size, heading in radians counter-clockwise about +z.
"""

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from torch import Tensor

from ppkt_zoo.errors import InputError

Floats = NDArray[np.float64]

#: Corners of the unit square, counter-clockwise.
_CORNERS = np.array([[0.5, 0.5], [-0.5, 0.5], [-0.5, -0.5], [0.5, -0.5]])


def as_boxes(name: str, boxes: Any) -> Floats:
    """Boxes as float64 (K, 7), checked.

    Raises:
        InputError: another shape, NaN or infinite numbers, or a negative size; the message begins with ``name``.
    """
    values = boxes.detach().cpu().numpy() if isinstance(boxes, Tensor) else np.asarray(boxes)
    if values.ndim != 2 or values.shape[1] != 7 or values.dtype.kind not in "fiu":
        raise InputError(
            f"{name} must have shape (K, 7): centre, full size, heading; got {values.dtype} {values.shape}"
        )
    values = values.astype(np.float64)
    wrong = ~np.isfinite(values).all(axis=1)
    if wrong.any():
        raise InputError(f"{name} has NaN or infinite numbers in row {int(wrong.argmax())}: leave such boxes out")
    wrong = (values[:, 3:6] < 0).any(axis=1)
    if wrong.any():
        raise InputError(f"{name} has a negative size in row {int(wrong.argmax())}: sizes are full lengths, 0 or more")
    return values


def footprints(boxes: Floats) -> Floats:
    """Corners of the boxes seen from above, counter-clockwise: (K, 7) → (K, 4, 2)."""
    cosine, sine = np.cos(boxes[:, 6]), np.sin(boxes[:, 6])
    turn = np.stack([np.stack([cosine, sine], axis=1), np.stack([-sine, cosine], axis=1)], axis=1)
    corners: Floats = (_CORNERS * boxes[:, None, 3:5]) @ turn + boxes[:, None, :2]
    return corners


def upright(boxes: Floats) -> Floats:
    """The smallest boxes of heading 0 that hold the given ones: (K, 7) → (K, 7)."""
    around = boxes.copy()
    cosine, sine = np.abs(np.cos(boxes[:, 6])), np.abs(np.sin(boxes[:, 6]))
    around[:, 3] = cosine * boxes[:, 3] + sine * boxes[:, 4]
    around[:, 4] = sine * boxes[:, 3] + cosine * boxes[:, 4]
    around[:, 6] = 0.0
    return around


def iou_of_pairs(first: Any, second: Any) -> Floats:
    """Intersection over union, row by row: overlap of the footprints × overlap of the heights / union.

    Args:
        first: (P, 7).
        second: (P, 7).

    Returns:
        float64 (P,) in [0, 1]; 0 where a box has no volume.

    Raises:
        InputError: not as many rows, or no boxes, see :func:`as_boxes`.
    """
    a, b = as_boxes("first", first), as_boxes("second", second)
    if len(a) != len(b):
        raise InputError(f"first has {len(a)} boxes but second has {len(b)}: one pair a row")
    overlap = np.empty(len(a))
    # Turned polygons cost a hundred times more than products of intervals.
    straight = (a[:, 6] == 0) & (b[:, 6] == 0)
    overlap[straight] = _shared_length(a[straight], b[straight], (0, 1)).prod(axis=1)
    turned = [shapely.polygons(footprints(boxes[~straight])) for boxes in (a, b)]
    overlap[~straight] = shapely.area(shapely.intersection(*turned))
    common = overlap * _shared_length(a, b, (2,))[:, 0]
    union = a[:, 3:6].prod(axis=1) + b[:, 3:6].prod(axis=1) - common
    return np.divide(common, union, out=np.zeros(len(a)), where=union > 0)


def iou_matrix(first: Any, second: Any) -> Floats:
    """Intersection over union of each box with each: (A, 7), (B, 7) → float64 (A, B).

    Raises:
        InputError: no boxes, see :func:`as_boxes`.
    """
    a, b = as_boxes("first", first), as_boxes("second", second)
    near = _shared_length(upright(a)[:, None], upright(b)[None], (0, 1, 2)).min(axis=2) > 0
    rows, columns = near.nonzero()
    table = np.zeros((len(a), len(b)))
    table[rows, columns] = iou_of_pairs(a[rows], b[columns])
    return table


def suppressed(boxes: Any, score: Any, label: Any = None, threshold: float = 0.25) -> NDArray[np.int64]:
    """Non-maximum suppression: the best box stays, all of its class that overlap it more than ``threshold`` go.

    VoteNet's own evaluation overlaps the upright boxes around turned ones; here it is the boxes themselves.

    Args:
        boxes: (K, 7).
        score: (K,).
        label: integers (K,): boxes of different labels leave each other alone; None for one label.
        threshold: intersection over union above which the lower score goes.

    Returns:
        int64, the rows that stay, by falling score; equal scores in the order given.

    Raises:
        InputError: no boxes, see :func:`as_boxes`, or not one finite score and one label for each.
    """
    values, scores = as_boxes("boxes", boxes), np.asarray(score)
    labels = np.zeros(len(values), np.int64) if label is None else np.asarray(label)
    if scores.shape != (len(values),) or labels.shape != scores.shape or not np.isfinite(scores).all():
        raise InputError(f"{len(values)} boxes need one finite score and one label each")
    kept: list[NDArray[np.int64]] = []
    for one in np.unique(labels):
        rows = np.flatnonzero(labels == one)
        rows = rows[np.argsort(-scores[rows], kind="stable")]
        clash = iou_matrix(values[rows], values[rows]) > threshold
        alive = np.ones(len(rows), bool)
        for place in range(len(rows)):
            if alive[place]:
                alive[place + 1 :] &= ~clash[place, place + 1 :]
        kept.append(rows[alive])
    found = np.sort(np.concatenate(kept)) if kept else np.empty(0, np.int64)
    return found[np.argsort(-scores[found], kind="stable")]


def _shared_length(a: Floats, b: Floats, axes: tuple[int, ...]) -> Floats:
    """How long the boxes' intervals along some axes overlap, 0 or more: (…, 7), (…, 7) → (…, len(axes))."""
    where, size = list(axes), [axis + 3 for axis in axes]
    high = np.minimum(a[..., where] + a[..., size] / 2, b[..., where] + b[..., size] / 2)
    low = np.maximum(a[..., where] - a[..., size] / 2, b[..., where] - b[..., size] / 2)
    shared: Floats = (high - low).clip(min=0)
    return shared
