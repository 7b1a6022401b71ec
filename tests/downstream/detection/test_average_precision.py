"""Average precision against VoteNet's own evaluation, and by hand."""

from pathlib import Path

import numpy as np
import pytest

from ppkt_zoo.downstream.detection.average_precision import DetectionScore
from ppkt_zoo.errors import InputError


def box(x: float, size: float = 1.0) -> list[float]:
    return [x, 0.0, 0.0, size, 1.0, 1.0, 0.0]


NONE = np.empty((0, 7))


@pytest.mark.parametrize("kind", ["axis_aligned", "oriented"])
def test_scores_are_votenets(shared: Path, kind: str) -> None:
    with np.load(shared / "fixtures" / f"detection_ap_{kind}.npz") as file:
        true, found = file["ground_truth"], file["predictions"]
        score = DetectionScore(5)
        for scene in np.unique(np.concatenate([true[:, 0], found[:, 0]])):
            mine, seen = true[true[:, 0] == scene], found[found[:, 0] == scene]
            score.update(mine[:, 2:9], mine[:, 1].astype(int), seen[:, 2:9], seen[:, 1].astype(int), seen[:, 9])
        for threshold in (0.25, 0.5):
            exact = {"rtol": 0, "atol": 1e-6}
            np.testing.assert_allclose(score.average_precision(threshold), file[f"ap_{threshold}"], **exact)
            np.testing.assert_allclose(score.mean_average_precision(threshold), file[f"map_{threshold}"], **exact)
            np.testing.assert_allclose(score.recall(threshold), file[f"recall_{threshold}"], **exact)


def test_by_hand() -> None:
    score = DetectionScore(3)
    # By falling score: right 0.9, a second finding 0.8, nothing there 0.7, right 0.6; the third true box is missed.
    found = [box(0), box(0.1), box(50), box(10), box(0)]
    score.update([box(0), box(10), box(20)], [0, 0, 0], found, [0, 0, 0, 0, 1], [0.9, 0.8, 0.7, 0.6, 0.99])
    score.update([box(0)], [2], NONE, [], [])
    assert score.scenes == 2
    # Precision 1 up to a third, then 2/4 up to two thirds. Class 1 is nowhere, class 2 is never found.
    np.testing.assert_allclose(score.average_precision(0.25), [1 / 3 + 1 / 3 * 0.5, np.nan, 0])
    np.testing.assert_allclose(score.recall(0.25), [2 / 3, np.nan, 0])
    assert score.mean_average_precision() == pytest.approx(0.25)
    assert score.mean_recall() == pytest.approx(1 / 3)


def test_a_detection_looks_at_its_best_box_alone() -> None:
    # Both detections overlap the first box most; the second box would do for the second one, but isn't its best.
    score = DetectionScore(1).update([box(0), box(0.5)], [0, 0], [box(0), box(0.2)], [0, 0], [0.9, 0.8])
    assert score.recall(0.25)[0] == 0.5


def test_an_overlap_must_exceed_the_threshold() -> None:
    # Half as long: the overlap is exactly a half.
    score = DetectionScore(1).update([box(0)], [0], [box(0, 0.5)], [0], [0.5])
    assert score.average_precision(0.5) == [0]
    assert score.average_precision(0.49) == [1]


def test_scenes_are_not_mixed_and_their_order_does_not_matter() -> None:
    scenes = [([box(0)], [0], [box(0), box(3)], [0, 0], [0.9, 0.2]), ([box(3)], [0], [box(0)], [0], [0.5])]
    one, other = DetectionScore(1), DetectionScore(1)
    for scene in scenes:
        one.update(*scene)
    for scene in reversed(scenes):
        other.update(*scene)
    assert one.average_precision()[0] == other.average_precision()[0] == pytest.approx(0.5)


def test_no_true_box_at_all() -> None:
    score = DetectionScore(2).update(NONE, [], [box(0)], [1], [0.5])
    assert np.isnan(score.average_precision()).all()
    with pytest.raises(InputError, match="no true box was counted"):
        score.mean_average_precision()


@pytest.mark.parametrize(
    ("scene", "words"),
    [
        (([box(0, 0.0)], [0], NONE, [], []), "truth has a box of size 0 in row 0"),
        (([box(0)], [2], NONE, [], []), r"truth_label has the class 2, outside 0\.\.1"),
        (([box(0)], [0, 1], NONE, [], []), "truth_label must be 1 integers"),
        ((NONE, [], [box(0)], [-1], [0.1]), "label has the class -1"),
        ((NONE, [], [box(0)], [0], [np.nan]), "score must be 1 finite numbers"),
        ((NONE, [], [box(np.inf)], [0], [0.1]), "boxes has NaN or infinite numbers in row 0"),
    ],
)
def test_what_does_not_fit_is_told(scene: tuple, words: str) -> None:
    with pytest.raises(InputError, match=words):
        DetectionScore(2).update(*scene)
    with pytest.raises(InputError, match="at least 1 class"):
        DetectionScore(0)


def test_a_threshold_is_an_overlap() -> None:
    with pytest.raises(InputError, match="below 1, got 25"):
        DetectionScore(1).average_precision(25)
