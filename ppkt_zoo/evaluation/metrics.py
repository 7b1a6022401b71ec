"""Scores of a labelling, read off one confusion matrix over a whole set of clouds."""

from typing import Any

import numpy as np
from torch import Tensor

from ppkt_zoo.errors import InputError

IGNORE = -1  # The label of points that no score looks at.


class Confusion:
    """Counts of (true class, predicted class) over as many clouds as are given to it.

    One matrix over the whole set, never a mean of per-cloud scores: small clouds would weigh as much as
    large ones, and a class that a cloud lacks would count there as a failure.

    Attributes:
        matrix: int64 (classes, classes); rows are the truth, columns the prediction.
    """

    def __init__(self, classes: int) -> None:
        """An empty matrix; InputError where there are fewer than two classes."""
        if classes < 2:
            raise InputError(f"a confusion matrix needs at least 2 classes, got {classes}")
        self.matrix = np.zeros((classes, classes), dtype=np.int64)

    @property
    def classes(self) -> int:
        """How many classes the matrix counts."""
        return self.matrix.shape[0]

    def update(self, truth: Any, prediction: Any) -> "Confusion":
        """Count the points of one cloud; points whose truth is −1 are left out.

        Args:
            truth: integers (N,), numpy or torch, in −1..classes−1.
            prediction: integers (N,) in 0..classes−1 wherever the truth isn't −1.

        Returns:
            This matrix, so that calls can be chained.

        Raises:
            InputError: other shapes or dtypes, or a label out of range.
        """
        true_rows, predicted_rows = _as_labels("truth", truth), _as_labels("prediction", prediction)
        if true_rows.shape != predicted_rows.shape:
            raise InputError(f"truth has {true_rows.size} labels but prediction has {predicted_rows.size}: one a point")
        counted = true_rows != IGNORE
        true_rows, predicted_rows = true_rows[counted], predicted_rows[counted]
        self._check_range("truth", true_rows)
        self._check_range("prediction", predicted_rows)
        cells = np.bincount(true_rows * self.classes + predicted_rows, minlength=self.classes**2)
        self.matrix += cells.reshape(self.classes, self.classes)
        return self

    def iou(self) -> np.ndarray:
        """Intersection over union of each class, diag / (row + column − diag).

        Returns:
            float64 (classes,); NaN for a class that neither the truth nor the prediction holds.
        """
        hits = np.diag(self.matrix).astype(np.float64)
        union = self.matrix.sum(axis=1) + self.matrix.sum(axis=0) - hits
        return _ratio(hits, union)

    def class_accuracy(self) -> np.ndarray:
        """Share of each class's points that are found, diag / row: float64 (classes,), NaN where absent."""
        return _ratio(np.diag(self.matrix).astype(np.float64), self.matrix.sum(axis=1))

    def mean_iou(self) -> float:
        """mIoU: the mean of `iou` over the classes that the truth or the prediction holds."""
        self._check_counted()
        return float(np.nanmean(self.iou()))

    def mean_accuracy(self) -> float:
        """mAcc: the mean of `class_accuracy` over the classes that the truth holds."""
        self._check_counted()
        return float(np.nanmean(self.class_accuracy()))

    def accuracy(self) -> float:
        """Share of all counted points that are right."""
        self._check_counted()
        return float(np.diag(self.matrix).sum() / self.matrix.sum())

    def _check_range(self, name: str, labels: np.ndarray) -> None:
        if labels.size and (labels.min() < 0 or labels.max() >= self.classes):
            wrong = labels[(labels < 0) | (labels >= self.classes)][0]
            raise InputError(
                f"{name} has the label {wrong}, outside 0..{self.classes - 1}: map it to a class"
                + (f", or to {IGNORE} to leave the point out" if name == "truth" else "")
            )

    def _check_counted(self) -> None:
        if not self.matrix.any():
            raise InputError("no labelled point was counted, so there is no score: call update() with labels first")


def _as_labels(name: str, value: Any) -> np.ndarray:
    labels = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
    if labels.ndim != 1:
        raise InputError(f"{name} must have shape (N,), got {labels.shape}")
    if labels.dtype.kind not in "iu":
        raise InputError(f"{name} must hold integer labels, got dtype {labels.dtype}")
    return labels.astype(np.int64)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
