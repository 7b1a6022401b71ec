"""Overlap of boxes against VoteNet's own numbers, by hand, and against points; suppression against brute force."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ppkt_zoo.downstream.detection.boxes import footprints, iou_matrix, iou_of_pairs, suppressed, upright
from ppkt_zoo.errors import InputError

UNIT = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0]


def random_boxes(seed: int, count: int, spread: float = 1.0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    center, size = generator.uniform(-spread, spread, (count, 3)), generator.uniform(0.2, 2, (count, 3))
    return np.hstack([center, size, generator.uniform(-4, 4, (count, 1))])


def inside(points: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Which points a box holds, point by point, in the box's own axes."""
    turn = np.array([[np.cos(box[6]), -np.sin(box[6])], [np.sin(box[6]), np.cos(box[6])]])
    local = points - box[:3]
    local[:, :2] = local[:, :2] @ turn
    return (np.abs(local) <= box[3:6] / 2).all(axis=1)


@pytest.mark.parametrize("kind", ["axis_aligned", "oriented"])
def test_overlap_is_votenets(shared: Path, kind: str) -> None:
    with np.load(shared / "fixtures" / f"detection_ap_{kind}.npz") as file:
        pairs = file["iou_pairs"]
        first, second = file["ground_truth"][pairs[:, 0], 2:9], file["predictions"][pairs[:, 1], 2:9]
        np.testing.assert_allclose(iou_of_pairs(first, second), file["iou"], rtol=0, atol=1e-6)


def test_overlap_by_hand() -> None:
    # Half of a cube is shared with its neighbour half a metre on: 0.5 / 1.5.
    assert iou_of_pairs([UNIT], [[0.5, 0, 0, 1, 1, 1, 0]]) == pytest.approx([1 / 3])
    # A cube turned by 45° shares a regular octagon of area 2(√2 − 1).
    eighth = 2 * (np.sqrt(2) - 1)
    assert iou_of_pairs([UNIT], [[0, 0, 0, 1, 1, 1, np.pi / 4]]) == pytest.approx([eighth / (2 - eighth)])
    # One metre up they only touch.
    assert iou_of_pairs([UNIT], [[0, 0, 1, 1, 1, 1, 0.3]]) == pytest.approx([0])
    # A box without volume overlaps nothing, not even itself.
    flat = [0, 0, 0, 1, 1, 0, 0.2]
    assert iou_of_pairs([flat], [flat]) == [0]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), angle=st.floats(-7, 7))
def test_overlap_knows_no_frame(seed: int, angle: float) -> None:
    first, second = random_boxes(seed, 5), random_boxes(seed + 1, 5)
    value = iou_of_pairs(first, second)
    np.testing.assert_allclose(iou_of_pairs(second, first), value, atol=1e-12)
    np.testing.assert_allclose(iou_of_pairs(first, first), 1, atol=1e-9)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    moved = []
    for boxes in (first, second):
        other = boxes.copy()
        other[:, :2] = other[:, :2] @ turn + (3, -2)
        other[:, 6] += angle
        moved.append(other)
    np.testing.assert_allclose(iou_of_pairs(*moved), value, atol=1e-9)
    # Half a turn, or a quarter with length and width exchanged, is the same box.
    again = second[:, [0, 1, 2, 4, 3, 5, 6]] + [0, 0, 0, 0, 0, 0, np.pi / 2]
    np.testing.assert_allclose(iou_of_pairs(first, again), value, atol=1e-9)


def test_overlap_is_the_share_of_points() -> None:
    points = np.random.default_rng(0).uniform(-2.5, 2.5, (100_000, 3))
    for first, second in zip(random_boxes(2, 5, 0.3), random_boxes(3, 5, 0.3), strict=True):
        a, b = inside(points.copy(), first), inside(points.copy(), second)
        assert iou_of_pairs([first], [second])[0] == pytest.approx((a & b).sum() / (a | b).sum(), abs=0.02)


def test_a_table_holds_all_pairs() -> None:
    first, second = random_boxes(4, 7), random_boxes(5, 9)
    table = iou_matrix(first, second)
    assert table.shape == (7, 9)
    for row in range(7):
        np.testing.assert_allclose(table[row], iou_of_pairs(np.tile(first[row], (9, 1)), second), atol=1e-12)
    assert iou_matrix(np.empty((0, 7)), second).shape == (0, 9)


def test_the_upright_box_holds_all_corners_and_no_more() -> None:
    boxes = random_boxes(6, 20)
    around, corners = upright(boxes), footprints(boxes)
    for axis in (0, 1):
        np.testing.assert_allclose(around[:, axis] - around[:, 3 + axis] / 2, corners[..., axis].min(axis=1))
        np.testing.assert_allclose(around[:, axis] + around[:, 3 + axis] / 2, corners[..., axis].max(axis=1))
    np.testing.assert_array_equal(around[:, [2, 5]], boxes[:, [2, 5]])
    assert not around[:, 6].any()


def greedy(boxes: np.ndarray, score: np.ndarray, label: np.ndarray, threshold: float) -> list[int]:
    """Suppression as the words say it, one pair at a time."""
    kept: list[int] = []
    for row in sorted(range(len(boxes)), key=lambda one: -score[one]):
        rivals = [other for other in kept if label[other] == label[row]]
        if all(iou_of_pairs([boxes[row]], [boxes[other]])[0] <= threshold for other in rivals):
            kept.append(row)
    return kept


@pytest.mark.parametrize("seed", range(3))
def test_suppression_is_greedy_within_a_class(seed: int) -> None:
    generator = np.random.default_rng(seed)
    boxes, score, label = random_boxes(seed, 40, 0.4), generator.random(40), generator.integers(0, 3, 40)
    found = suppressed(boxes, score, label, 0.25).tolist()
    assert found == greedy(boxes, score, label, 0.25)
    assert 3 < len(found) < 40
    one_class = suppressed(boxes, score, None, 0.25).tolist()
    assert one_class == greedy(boxes, score, np.zeros(40), 0.25)
    assert len(one_class) < len(found)


def test_nothing_to_suppress() -> None:
    assert suppressed(np.empty((0, 7)), np.empty(0)).shape == (0,)


@pytest.mark.parametrize(
    ("boxes", "words"),
    [
        (np.zeros((2, 6)), r"first must have shape \(K, 7\)"),
        ([UNIT, [np.nan, *UNIT[1:]]], "first has NaN or infinite numbers in row 1"),
        ([[0, 0, 0, 1, -1, 1, 0]], "first has a negative size in row 0"),
        ([UNIT, UNIT], "first has 2 boxes but second has 1"),
    ],
)
def test_what_is_no_box_is_told(boxes: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        iou_of_pairs(boxes, [UNIT])


def test_a_score_for_each_box() -> None:
    with pytest.raises(InputError, match="2 boxes need one finite score"):
        suppressed([UNIT, UNIT], [0.5, np.nan])
