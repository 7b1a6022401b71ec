"""Which field of a scan holds its labels, and its labels as whole numbers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.data.readers.class_names import UNLABELLED
from ppkt_zoo.errors import FrameError
from ppkt_zoo.points.files.fields import PointFields

# Of names in any case, without the prefix that CloudCompare writes. One of them must be there, and no second one.
_LABELS = (
    *("label", "labels", "class", "classes", "classification", "semantic", "semantics", "semantic_label"),
    *("semantic_labels", "semantic_id", "sem_label", "class_id", "class_label", "category", "category_id", "label_id"),
)
_INSTANCES = ("instance", "instances", "instance_id", "instance_label", "instance_labels", "object_id", "ins_label")
_PREFIX = "scalar_"
_LARGEST_ID = 2**31 - 1


def labels_of(fields: PointFields, named: str | None = None) -> NDArray[np.int64]:
    """The labels of a scan's points, int64 (N,), as stored; −1 where the file has NaN.

    Args:
        fields: of the scan.
        named: the field; found by its usual names where None.

    Raises:
        FrameError: no such field, or several, or one that holds no whole numbers.
    """
    return _whole(fields, _pick(fields, _LABELS, "labels", named))


def instances_of(fields: PointFields) -> NDArray[np.int32] | None:
    """The object of each point, int32 (N,), 0 for none; None where the scan has no such field.

    Raises:
        FrameError: several fields could be it, or it holds no whole numbers.
    """
    if not any(_plain(name) in _INSTANCES for name in fields.columns):
        return None
    ids = _whole(fields, _pick(fields, _INSTANCES, "instances"))
    return np.maximum(ids, 0).astype(np.int32)


def _pick(fields: PointFields, known: tuple[str, ...], what: str, named: str | None = None) -> tuple[str, NDArray[Any]]:
    """Name and values of the column of a scan that a name, or one of the usual names, belongs to."""
    there = ", ".join(fields.columns) or "nothing but positions and colours"
    if named is not None:
        wanted = [column for column in fields.columns.items() if column[0].lower() == named.lower()]
        if not wanted:
            raise FrameError(f"{fields.where}: no field {named!r}; it has {there}")
        return wanted[0]
    found = [column for column in fields.columns.items() if _plain(column[0]) in known]
    if len(found) > 1:
        raise FrameError(
            f"{fields.where}: {' and '.join(name for name, _ in found)} could both be the {what}: say which, "
            f"data.label={found[-1][0]}"
        )
    if not found:
        raise FrameError(
            f"{fields.where}: no field of {what}; it has {there}: call it {known[0]}, or say which it "
            "is, data.label=NAME"
        )
    return found[0]


def _whole(fields: PointFields, column: tuple[str, NDArray[Any]]) -> NDArray[np.int64]:
    """A column of ids as int64 (N,); NaN is −1."""
    values, where = column[1], f"{fields.where}: field {column[0]}"
    if values.ndim != 1 or values.dtype.kind not in "fiub":
        raise FrameError(f"{where} must hold one whole number a point, got {values.dtype} of shape {values.shape}")
    if values.dtype.kind == "f":
        none = np.isnan(values)
        values = np.where(none, UNLABELLED, values)
        wrong = ~np.isfinite(values) | (values != np.rint(values))
        if wrong.any():
            raise FrameError(f"{where} must hold whole numbers, found {values[wrong][0]:g}: is it another field?")
    low, high = values.min(), values.max()
    if low < -_LARGEST_ID or high > _LARGEST_ID:
        raise FrameError(f"{where} must hold ids below 2^31, found {low:g} to {high:g}")
    return values.astype(np.int64)


def _plain(name: str) -> str:
    return name.strip().lower().removeprefix(_PREFIX).replace(" ", "_")
