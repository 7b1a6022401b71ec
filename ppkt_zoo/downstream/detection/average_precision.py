"""Average precision of 3D detection, as VoteNet's evaluation counts it (Qi et al. 2019, 1904.09664, section 5)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.downstream.detection.boxes import as_boxes, iou_matrix
from ppkt_zoo.errors import InputError

#: The overlaps that are reported, by the end of their figures' names.
THRESHOLDS = {"25": 0.25, "50": 0.5}


class DetectionScore:
    """Detections and true boxes of as many scenes as are given to it, and the scores over all of them.

    Detections of a class are taken by falling score over all scenes. One is right where the true box of its class
    that it overlaps most in its scene overlaps it more than the threshold, and no better detection has found that
    box before; a second finding counts as wrong. The area under precision over recall is taken over all points,
    after precision is made to fall. Detections of equal score stand in the order in which they were given.
    """

    def __init__(self, classes: int) -> None:
        """Nothing counted yet; InputError where there is no class at all."""
        if classes < 1:
            raise InputError(f"a detection score needs at least 1 class, got {classes}")
        self.classes = classes
        self.scenes = 0
        self._true = np.zeros(classes, np.int64)
        # For each class: score, overlap with the best true box, and that box's number in the class.
        self._found: list[list[NDArray[np.float64]]] = [[] for _ in range(classes)]

    def update(self, truth: Any, truth_label: Any, boxes: Any, label: Any, score: Any) -> "DetectionScore":
        """Count one scene.

        Args:
            truth: true boxes (K, 7): centre, full size, heading counter-clockwise about +z.
            truth_label: integers (K,) in 0..classes−1.
            boxes: detections (D, 7).
            label: integers (D,) in 0..classes−1.
            score: (D,), the greater the surer.

        Returns:
            This score, so that calls can be chained.

        Raises:
            InputError: other shapes, NaN or infinite numbers, a true box without volume, a label out of range.
        """
        true_boxes, found_boxes = as_boxes("truth", truth), as_boxes("boxes", boxes)
        if (true_boxes[:, 3:6] == 0).any():
            row = int((true_boxes[:, 3:6] == 0).any(axis=1).argmax())
            raise InputError(f"truth has a box of size 0 in row {row}: nothing can overlap it, leave it out")
        true_labels = self._labels("truth_label", truth_label, len(true_boxes))
        found_labels = self._labels("label", label, len(found_boxes))
        scores = np.asarray(score, dtype=np.float64)
        if scores.shape != (len(found_boxes),) or not np.isfinite(scores).all():
            raise InputError(f"score must be {len(found_boxes)} finite numbers, one for each of the boxes")
        for one in np.unique(found_labels):
            mine, true = found_labels == one, true_boxes[true_labels == one]
            self._found[one].append(self._matched(found_boxes[mine], scores[mine], true, int(self._true[one])))
        self._true += np.bincount(true_labels, minlength=self.classes)
        self.scenes += 1
        return self

    def average_precision(self, threshold: float = 0.25) -> NDArray[np.float64]:
        """AP of each class: float64 (classes,), NaN for a class of which no scene has a true box."""
        areas = np.array([_area(*self._curve(one, threshold)) for one in range(self.classes)])
        return np.where(self._true > 0, areas, np.nan)

    def recall(self, threshold: float = 0.25) -> NDArray[np.float64]:
        """Share of each class's true boxes that are found: float64 (classes,), NaN as above."""
        curves = [self._curve(one, threshold)[0] for one in range(self.classes)]
        return np.where(self._true > 0, [curve[-1] if len(curve) else 0.0 for curve in curves], np.nan)

    def mean_average_precision(self, threshold: float = 0.25) -> float:
        """mAP: the mean of `average_precision` over the classes that have true boxes.

        Raises:
            InputError: no scene had a true box.
        """
        return self._mean(self.average_precision(threshold))

    def mean_recall(self, threshold: float = 0.25) -> float:
        """The mean of `recall` over the classes that have true boxes; errors as of `mean_average_precision`."""
        return self._mean(self.recall(threshold))

    def figures(self) -> dict[str, float]:
        """map25, map50, recall25, recall50: the means above; errors as of `mean_average_precision`."""
        precision = {f"map{name}": self.mean_average_precision(at) for name, at in THRESHOLDS.items()}
        return precision | {f"recall{name}": self.mean_recall(at) for name, at in THRESHOLDS.items()}

    def _mean(self, values: NDArray[np.float64]) -> float:
        if not self._true.any():
            raise InputError("no true box was counted, so there is no score: call update() with true boxes first")
        return float(np.nanmean(values))

    @staticmethod
    def _matched(
        boxes: NDArray[np.float64], scores: NDArray[np.float64], true: NDArray[np.float64], before: int
    ) -> NDArray[np.float64]:
        """Rows (score, best overlap, number of that true box); ``before``: true boxes of the class so far."""
        if not len(true):
            return np.stack([scores, np.zeros_like(scores), np.full_like(scores, -1.0)], axis=1)
        overlap = iou_matrix(boxes, true)
        return np.stack([scores, overlap.max(axis=1), before + overlap.argmax(axis=1)], axis=1)

    def _curve(self, one: int, threshold: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Recall and precision of a class after each detection, by falling score."""
        if not 0 <= threshold < 1:
            raise InputError(f"threshold is an overlap, 0 or more and below 1, got {threshold:g}")
        rows = np.concatenate([np.empty((0, 3)), *self._found[one]])
        rows = rows[np.argsort(-rows[:, 0], kind="stable")]
        right = np.zeros(len(rows), bool)
        over = np.flatnonzero(rows[:, 1] > threshold)
        _, first = np.unique(rows[over, 2], return_index=True)
        right[over[first]] = True
        hits = right.cumsum()
        return hits / max(1, self._true[one]), hits / np.arange(1, len(rows) + 1)

    def _labels(self, name: str, value: Any, count: int) -> NDArray[np.int64]:
        labels = np.asarray(value)
        if labels.shape != (count,) or (count and labels.dtype.kind not in "iu"):
            raise InputError(f"{name} must be {count} integers, one a box, got {labels.dtype} {labels.shape}")
        wrong = (labels < 0) | (labels >= self.classes)
        if wrong.any():
            raise InputError(f"{name} has the class {labels[wrong][0]}, outside 0..{self.classes - 1}")
        return labels.astype(np.int64)


def _area(recall: NDArray[np.float64], precision: NDArray[np.float64]) -> float:
    """Area under the precision that falls: at each recall the best one at this recall or beyond."""
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall, prepend=0.0) * envelope).sum())
