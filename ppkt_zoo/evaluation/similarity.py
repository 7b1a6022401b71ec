"""Similarity search: cosine similarity of features to those of a point, and the places where it is largest."""

from typing import Any

import numpy as np
from torch import Tensor

from ppkt_zoo.errors import InputError

# A place that has no point so near is a slip of the hand.
_FARTHEST = 0.5
_LENGTH = 1e-12
# Rows that are normalised at a time: the features of a large cloud are held once.
_BLOCK = 1 << 18


def nearest_point(xyz: np.ndarray, place: Any) -> int:
    """The row of the point nearest to a place.

    Args:
        xyz: float (N, 3), metres.
        place: three numbers, in the same coordinates.

    Raises:
        InputError: not three finite numbers, no points, or none within half a metre of the place.
    """
    where = np.asarray(place, np.float64)
    if where.shape != (3,) or not np.isfinite(where).all():
        raise InputError(f"a place is three finite numbers x, y, z in metres, got {place!r}")
    if len(xyz) == 0:
        raise InputError("the cloud has no points")
    away = np.linalg.norm(xyz - where, axis=1)
    row = int(away.argmin())
    if away[row] > _FARTHEST:
        low, high = (", ".join(f"{value:.2f}" for value in edge) for edge in (xyz.min(axis=0), xyz.max(axis=0)))
        raise InputError(
            f"no point lies within {_FARTHEST} m of {where.round(3).tolist()}, the nearest is {away[row]:.2f} m away; "
            f"the cloud reaches from ({low}) to ({high})"
        )
    return row


def similarity(features: Any, query: Any) -> np.ndarray:
    """Cosine similarity of every point to a query, float32 (N,), −1 to 1.

    Args:
        features: float (N, C), numpy or torch.
        query: a row, or several whose mean direction is asked for (an example given by more than one click).

    Raises:
        InputError: features that are no finite (N, C), no row, or one outside.
    """
    array = features.detach().cpu().numpy() if isinstance(features, Tensor) else np.asarray(features)
    starts = range(0, len(array) if array.ndim else 0, _BLOCK)
    if array.ndim != 2 or not all(np.isfinite(array[at : at + _BLOCK]).all() for at in starts):
        raise InputError(f"features must be finite (N, C), got shape {array.shape}: was this cloud encoded?")
    rows = np.atleast_1d(np.asarray(query))
    if rows.size == 0 or rows.dtype.kind not in "iu" or rows.min() < 0 or rows.max() >= len(array):
        raise InputError(f"query must name rows 0 to {len(array) - 1}, got {query!r}")
    direction = _unit(array[rows]).mean(axis=0)
    direction = direction / max(float(np.linalg.norm(direction)), _LENGTH)
    values = np.empty(len(array), np.float32)
    for at in starts:
        values[at : at + _BLOCK] = _unit(array[at : at + _BLOCK]) @ direction
    return values


def _unit(rows: np.ndarray) -> np.ndarray:
    unit: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(min=_LENGTH)
    return unit


def top_matches(xyz: np.ndarray, values: np.ndarray, picked: int, count: int = 5, apart: float = 0.5) -> list[int]:
    """Rows of the most similar points elsewhere, best first, each some way from those before it.

    Args:
        xyz: float (N, 3), metres.
        values: float (N,), see :func:`similarity`.
        picked: the row that they are compared with; it and its surroundings are left out.
        count: at most so many; fewer where the cloud is too small.
        apart: metres between any two of them.

    Raises:
        InputError: lengths differ.
    """
    if len(xyz) != len(values):
        raise InputError(f"{len(xyz)} points need as many values of similarity, got {len(values)}")
    left = np.where(np.linalg.norm(xyz - xyz[picked], axis=1) < apart, -np.inf, values)
    found: list[int] = []
    while len(found) < count and np.isfinite(left.max()):
        row = int(left.argmax())
        found.append(row)
        left[np.linalg.norm(xyz - xyz[row], axis=1) < apart] = -np.inf
        left[row] = -np.inf
    return found


# What 0.1 called them; they go with 0.3.
likeness, alike_places = similarity, top_matches
