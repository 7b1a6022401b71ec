"""What a page shows, checked: a cloud and what is known of its points."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from ppkt_zoo.errors import InputError
from ppkt_zoo.points.arrays import as_tensor, check_colors
from ppkt_zoo.visualization.pca import ColorBasis

#: Most classes that a page can name: their numbers are stored in 16 bits, and one of them means "none".
MOST_CLASSES = 65_535
# Metres; nothing that anyone scans lies there.
_FARTHEST = 1e15


@dataclass(frozen=True)
class ClassSet:
    """The class of every point, with names.

    Attributes:
        labels: int64 (N,) in 0..K−1, or −1 for none.
        names: K names, any text.
        colors: red, green and blue (0..255) of classes that have a colour of their own, None for the others; may be
            shorter than ``names``.
    """

    labels: np.ndarray
    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int] | None, ...] = ()

    @classmethod
    def of(cls, value: Any, points: int, what: str, noun: str = "class") -> "ClassSet":
        """From ``(labels, names)``, from labels alone, or from one of these.

        Raises:
            InputError: labels are no integers (N,), one is outside of the names, or there are too many.
        """
        if isinstance(value, ClassSet):
            labels, names, colors = np.asarray(value.labels), tuple(map(str, value.names)), value.colors
        elif isinstance(value, tuple) and len(value) == 2:
            labels, names, colors = _numpy(value[0]), tuple(map(str, value[1])), ()
        else:
            labels = _numpy(value)
            most = int(labels.max(initial=-1)) + 1 if labels.dtype.kind in "iu" else 0
            names, colors = tuple(f"{noun} {number}" for number in range(min(most, MOST_CLASSES + 1))), ()
        if labels.shape != (points,) or labels.dtype.kind not in "iu":
            raise InputError(f"{what} must be {points} integers, one a point, got {labels.dtype} {labels.shape}")
        if len(names) > MOST_CLASSES:
            raise InputError(f"{what}: a page names at most {MOST_CLASSES} of them, these are more")
        low, high = int(labels.min()), int(labels.max())
        if low < -1 or high >= len(names):
            raise InputError(f"{what} must lie between -1 (none) and {len(names) - 1}, found {low} to {high}")
        return cls(labels.astype(np.int64, copy=False), names, colors)


@dataclass(frozen=True)
class BoxSet:
    """Boxes with names and scores.

    Attributes:
        boxes: float64 (K, 7): centre and full size in metres, heading in radians counter-clockwise about +z.
        labels: int64 (K,), index into ``names``.
        names: names of the classes, any text.
        scores: float64 (K,), or None where there are none.
    """

    boxes: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    scores: np.ndarray | None = None

    @classmethod
    def of(cls, value: Any) -> "BoxSet":
        """From what :func:`ppkt_zoo.detect` gives, the list that ``ppkt-zoo detect`` writes, or an array (K, 7).

        Raises:
            InputError: no such thing, or numbers that are no boxes.
        """
        if isinstance(value, BoxSet):
            return value
        if all(hasattr(value, name) for name in ("boxes", "label", "score", "classes")):
            return cls.checked(value.boxes, value.label, tuple(map(str, value.classes)), value.score)
        if (
            isinstance(value, Sequence)
            and not isinstance(value, str)
            and all(isinstance(one, Mapping) for one in value)
        ):
            return cls._of_rows(value)
        array = _numpy(value)
        return cls.checked(array, np.zeros(len(array) if array.ndim else 0, np.int64), ("object",), None)

    @classmethod
    def _of_rows(cls, rows: Sequence[Mapping[str, Any]]) -> "BoxSet":
        names = tuple(dict.fromkeys(str(row.get("class", "object")) for row in rows))
        labels = np.array([names.index(str(row.get("class", "object"))) for row in rows], np.int64)
        scored = [row["score"] for row in rows if "score" in row]
        if scored and len(scored) != len(rows):
            raise InputError("boxes must have a score each, or none of them")
        try:
            numbers = [[*row["center"], *row["size"], row.get("heading", 0.0)] for row in rows]
            boxes = np.array(numbers, np.float64).reshape(-1, 7)
            scores = np.array(scored, np.float64) if scored else None
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"boxes must have center and size (3 numbers each) and heading, as detect writes them ({error})"
            ) from None
        return cls.checked(boxes, labels, names, scores)

    @classmethod
    def checked(cls, boxes: Any, labels: Any, names: tuple[str, ...], scores: Any) -> "BoxSet":
        """From arrays; InputError where they do not fit each other, or are no boxes."""
        boxes, labels = _numpy(boxes), _numpy(labels)
        if boxes.ndim != 2 or boxes.shape[1] != 7 or boxes.dtype.kind not in "fiu":
            raise InputError(f"boxes must be numbers (K, 7): centre, size, heading; got {boxes.dtype} {boxes.shape}")
        boxes = boxes.astype(np.float64)
        if not np.isfinite(boxes).all() or (boxes[:, 3:6] < 0).any():
            raise InputError("boxes must be finite, with sizes of 0 or more")
        if labels.shape != (len(boxes),) or (len(boxes) and not 0 <= labels.min() <= labels.max() < len(names)):
            raise InputError(f"boxes: {len(boxes)} of them need a class each in 0..{len(names) - 1}")
        if scores is not None:
            scores = _numpy(scores).astype(np.float64)
            if scores.shape != (len(boxes),) or not np.isfinite(scores).all():
                raise InputError(f"boxes: {len(boxes)} of them need a finite score each, got shape {scores.shape}")
        return cls(boxes, labels.astype(np.int64), names, scores)


@dataclass(frozen=True)
class Content:
    """A cloud and what is known of it. Rows of all arrays are those of ``xyz``; a position may be NaN.

    Attributes:
        xyz: float32 or float64 (N, 3), metres, z up.
        rgb: uint8 (N, 3), or None.
        features: float (N, C), or None.
        basis: which feature gets which colour; None for a basis of these features alone.
        classes, clusters: of the points, or None.
        boxes: in the coordinates of ``xyz``, or None.
        title: such as the file's name.
        weight: what made the features.
        notes: sentences for the page's own remarks.
        seen_from: (3,), where the sensor stood, for what was seen from one place only.
        picked: row of the point that is compared with first, or None.
    """

    xyz: np.ndarray
    rgb: np.ndarray | None = None
    features: np.ndarray | None = None
    basis: ColorBasis | None = None
    classes: ClassSet | None = None
    clusters: ClassSet | None = None
    boxes: BoxSet | None = None
    title: str = "point cloud"
    weight: str | None = None
    notes: tuple[str, ...] = ()
    seen_from: np.ndarray | None = None
    picked: int | None = None

    @classmethod
    def of(
        cls, xyz: Any, rgb: Any = None, features: Any = None, classes: Any = None, boxes: Any = None,
        clusters: Any = None, **more: Any
    ) -> "Content":  # fmt: skip
        """Check what a user gives; see :func:`ppkt_zoo.view`.

        Raises:
            InputError: an argument does not fit; the message names it.
        """
        points = as_tensor("xyz", xyz)
        if points.ndim != 2 or points.shape[1] != 3 or points.shape[0] == 0:
            raise InputError(f"xyz must have shape (N, 3) with N ≥ 1, got {tuple(points.shape)}")
        place = points.cpu().numpy()
        place = place if place.dtype in (np.float32, np.float64) else place.astype(np.float64)
        finite = np.isfinite(place).all(axis=1)
        if not finite.any():
            raise InputError(f"xyz has no finite position among its {len(place)} rows: nothing can be shown")
        if float(np.abs(place[finite]).max()) > _FARTHEST:
            raise InputError("xyz reaches beyond 1e15 m from the origin: is it in metres, and without outliers?")
        color = None if rgb is None else _colors(rgb, place, finite)
        known = None if features is None else _features(features, len(place))
        picked = more.get("picked")
        if picked is not None and not (0 <= picked < len(place) and finite[picked]):
            raise InputError(f"picked must be the row of a point, 0 to {len(place) - 1}, got {picked}")
        if (seen_from := more.get("seen_from")) is not None:
            more["seen_from"] = np.asarray(seen_from, np.float64)
            if more["seen_from"].shape != (3,) or not np.isfinite(more["seen_from"]).all():
                raise InputError(f"seen_from must be three finite numbers, got {seen_from!r}")
        return cls(
            place, color, known,
            classes=None if classes is None else ClassSet.of(classes, len(place), "classes"),
            clusters=None if clusters is None else ClassSet.of(clusters, len(place), "clusters", "cluster"),
            boxes=None if boxes is None else BoxSet.of(boxes),
            **more,
        )  # fmt: skip


def _colors(rgb: Any, xyz: np.ndarray, finite: np.ndarray) -> np.ndarray:
    """uint8 (N, 3); the colour of a row without a position means nothing."""
    given = as_tensor("rgb", rgb).cpu()
    if given.shape == xyz.shape and given.is_floating_point() and not finite.all():
        given = given.clone()
        given[~as_tensor("rgb", finite)] = 0.0
    colors: np.ndarray = check_colors(given, as_tensor("xyz", xyz)).numpy()
    return colors


def _features(features: Any, points: int) -> np.ndarray:
    array = _numpy(features)
    if array.ndim != 2 or array.shape[0] != points or array.shape[1] == 0 or array.dtype.kind not in "fiu":
        raise InputError(f"features must be numbers ({points}, C), a row a point, got {array.dtype} {array.shape}")
    return array


def _numpy(value: Any) -> np.ndarray:
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
