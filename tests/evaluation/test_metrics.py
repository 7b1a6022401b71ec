"""The confusion matrix and its scores, against sums done by hand."""

import numpy as np
import pytest
import torch

from ppkt_zoo.errors import InputError
from ppkt_zoo.evaluation.metrics import Confusion


def test_scores_by_hand() -> None:
    # Class 0: 3 true, 2 found, 1 called 1. Class 1: 2 true, 2 found. Class 2: 1 true, called 0.
    score = Confusion(3).update(np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 1, 0]))
    assert score.matrix.tolist() == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
    np.testing.assert_allclose(score.iou(), [2 / 4, 2 / 3, 0.0])
    assert score.mean_iou() == pytest.approx((2 / 4 + 2 / 3 + 0) / 3)
    assert score.mean_accuracy() == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert score.accuracy() == pytest.approx(4 / 6)


def test_a_class_absent_from_both_is_left_out_and_one_only_predicted_is_not() -> None:
    absent = Confusion(3).update(np.array([0, 1]), np.array([0, 1]))
    assert np.isnan(absent.iou()[2])
    assert absent.mean_iou() == 1.0

    predicted = Confusion(3).update(np.array([0, 1]), np.array([0, 2]))
    np.testing.assert_allclose(predicted.iou(), [1.0, 0.0, 0.0])
    assert predicted.mean_iou() == pytest.approx(1 / 3)
    assert predicted.mean_accuracy() == pytest.approx(1 / 2)  # Class 2 isn't in the truth.


def test_ignored_labels_are_masked_whatever_was_predicted_there() -> None:
    score = Confusion(2).update(np.array([0, -1, 1]), np.array([0, 77, 1]))
    assert score.matrix.tolist() == [[1, 0], [0, 1]]


def test_one_matrix_over_the_whole_set_is_not_the_mean_over_clouds() -> None:
    score = Confusion(2)
    score.update(torch.tensor([0, 0, 0, 1]), torch.tensor([0, 0, 0, 1]))
    score.update(torch.tensor([0, 1], dtype=torch.int16), torch.tensor([1, 0]))
    assert score.matrix.tolist() == [[3, 1], [1, 1]]
    assert score.mean_iou() == pytest.approx((3 / 5 + 1 / 3) / 2)


@pytest.mark.parametrize(
    ("truth", "prediction", "named"),
    [
        ([0, 2], [0, 1], "truth has the label 2"),
        ([0, -2], [0, 1], "truth has the label -2"),
        ([0, 1], [0, 2], "prediction has the label 2"),
        ([0, 1], [0, -1], "prediction has the label -1"),
        ([0, 1], [0], "truth has 2 labels but prediction has 1"),
        ([0.0, 1.0], [0, 1], "integer labels"),
        ([[0, 1]], [0, 1], "shape"),
    ],
)
def test_bad_labels_are_named(truth: list[int], prediction: list[int], named: str) -> None:
    score = Confusion(2)
    with pytest.raises(InputError, match=named):
        score.update(np.array(truth), np.array(prediction))
    assert not score.matrix.any()


def test_no_score_without_labels() -> None:
    with pytest.raises(InputError, match="no labelled point"):
        Confusion(2).update(np.array([-1]), np.array([0])).mean_iou()
    with pytest.raises(InputError, match="at least 2 classes"):
        Confusion(1)
