"""Targets and losses of VoteNet, by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ppkt_zoo.downstream.detection.loss import detection_loss
from ppkt_zoo.downstream.detection.model import Proposals
from ppkt_zoo.downstream.detection.targets import (
    TrueBoxes,
    assign,
    decode_heading,
    encode_heading,
    inside,
    mean_sizes,
    scene_boxes,
)
from ppkt_zoo.errors import InputError
from tests.downstream.detection.detection_scenes import CLASSES, SIZES, scene

MEAN = torch.from_numpy(SIZES).float()
NONE = (np.empty((0, 7)), np.empty(0, np.int64))


def box(x: float, y: float = 0.0, one: int = 0, heading: float = 0.0) -> list[float]:
    return [x, y, 0.0, *SIZES[one], heading]


def proposals(seeds: list, votes: list, clusters: list, shift: float = 0.0, clouds: int = 1) -> Proposals:
    """Proposals with all scores 0, each centre ``shift`` beyond its cluster in x; clouds of equal numbers."""
    places = torch.tensor(clusters, dtype=torch.float32).reshape(-1, 3)
    count = len(places)
    return Proposals(
        seeds=torch.tensor(seeds, dtype=torch.float32).reshape(-1, 3),
        votes=torch.tensor(votes, dtype=torch.float32).reshape(-1, 3).requires_grad_(),
        seed_sizes=(len(seeds) // clouds,) * clouds,
        clusters=places,
        sizes=(count // clouds,) * clouds,
        objectness=torch.zeros(count, 2, requires_grad=True),
        center=(places + torch.tensor([shift, 0.0, 0.0])).requires_grad_(),
        heading=torch.zeros(count, 4, requires_grad=True),
        heading_residual=torch.zeros(count, 4, requires_grad=True),
        size=torch.zeros(count, 2, requires_grad=True),
        size_residual=torch.zeros(count, 2, 3, requires_grad=True),
        semantic=torch.zeros(count, 2, requires_grad=True),
    )


@given(angle=st.floats(-20, 20), bins=st.integers(1, 16))
def test_a_heading_comes_back(angle: float, bins: int) -> None:
    chosen, residual = encode_heading(torch.tensor(angle, dtype=torch.float64), bins)
    assert 0 <= chosen < bins
    assert -1 <= residual <= 1 + 1e-9
    back = float(decode_heading(chosen, residual, bins))
    assert math.cos(back - angle) == pytest.approx(1, abs=1e-12)


def test_bins_by_hand() -> None:
    chosen, residual = encode_heading(torch.tensor([0.0, math.pi / 2, -0.1, 3 * math.pi / 4 - 0.01]), 4)
    assert chosen.tolist() == [0, 1, 0, 1]
    np.testing.assert_allclose(residual, [0, 0, -0.1 / (math.pi / 4), 1 - 0.01 / (math.pi / 4)], atol=1e-5)


def test_inside_by_hand() -> None:
    boxes = torch.tensor([box(0), box(1, 1, 1, math.pi / 2)])
    points = torch.tensor([[0.29, 0.19, 0.24], [0.31, 0, 0], [1, 1.59, 0], [1.59, 1, 0]])
    assert inside(points, boxes).tolist() == [[True, False], [False, False], [False, True], [False, False]]
    assert inside(points, boxes, margin=0.02)[1].tolist() == [True, False]


def test_assignment_by_hand() -> None:
    truth = TrueBoxes.collate([(np.array([box(0), box(2)]), np.array([0, 1])), NONE])
    clusters = torch.tensor([[0.29, 0, 0], [0.45, 0, 0], [1.39, 0, 0], [2.1, 0.1, 0], [0.0, 0, 0]])
    what = assign(clusters, (4, 1), truth)
    assert what.near.tolist() == [True, False, False, True, False]
    assert what.far.tolist() == [False, False, True, False, True]
    assert what.box.tolist() == [0, 0, 1, 1, -1]


def test_losses_by_hand() -> None:
    heading = math.pi / 2 + 0.5 * math.pi / 4
    truth = TrueBoxes.collate([(np.array([box(0, heading=heading), box(5)]), np.array([1, 0]))])
    # Seeds: one in the first box whose vote is 0.3 off in two coordinates, one in no box.
    found = proposals([[0, 0, 0], [9, 9, 9]], [[0.3, 0, 0.3], [0, 0, 0]], [[0.1, 0, 0], [0.5, 0, 0], [3, 0, 0]], 0.2)
    loss = detection_loss(found, truth, MEAN)
    assert loss.vote.item() == pytest.approx(0.6)
    # The near and the far cluster count, weighted; the one between does not.
    assert loss.objectness.item() == pytest.approx(math.log(2) * (0.8 + 0.2) / 2)
    # The object is 0.3 from its centre; true centres are 0.3 and 1.8 from the nearest proposal.
    assert loss.center.item() == pytest.approx(0.09 + (0.09 + 1.8**2) / 2, rel=1e-5)
    assert loss.heading.item() == pytest.approx(math.log(4))
    assert loss.heading_residual.item() == pytest.approx(0.5 * 0.5**2, rel=1e-5)
    assert loss.size.item() == pytest.approx(math.log(2))
    # The first box is as large as class 0 but of class 1: relative errors of −1/2, 1/3, 3/2 (beyond the quadratic).
    expected = (0.5 / 4 + 0.5 / 9 + (1.5 - 0.5)) / 3
    assert loss.size_residual.item() == pytest.approx(expected, rel=1e-5)
    assert loss.semantic.item() == pytest.approx(math.log(2))
    parts = loss.figures()
    boxes = parts["center"] + 0.1 * parts["heading"] + parts["heading_residual"] + 0.1 * parts["size"]
    boxes += parts["size_residual"]
    expected = 10 * (parts["vote"] + 0.5 * parts["objectness"] + boxes + 0.1 * parts["semantic"])
    assert parts["total"] == pytest.approx(expected, rel=1e-5)


def test_a_seed_in_two_boxes_votes_for_the_nearer() -> None:
    truth = TrueBoxes.collate([(np.array([box(0), box(0.2)]), np.array([0, 0]))])
    found = proposals([[0.1, 0, 0]], [[0.15, 0, 0]], [[9, 0, 0]])
    loss = detection_loss(found, truth, MEAN).vote
    assert loss.item() == pytest.approx(0.05, rel=1e-5)
    loss.backward()
    np.testing.assert_allclose(found.votes.grad, [[-1, 0, 0]])


def test_clouds_of_a_batch_do_not_meet() -> None:
    one = (np.array([box(0)]), np.array([0]))
    apart = detection_loss(proposals([[0, 0, 0]], [[0.1, 0, 0]], [[0.1, 0, 0]]), TrueBoxes.collate([one]), MEAN)
    twice = proposals([[0, 0, 0]] * 2, [[0.1, 0, 0], [7, 7, 7]], [[0.1, 0, 0]] * 2, clouds=2)
    both = detection_loss(twice, TrueBoxes.collate([one, NONE]), MEAN)
    # The second cloud has no box: its seed votes for nothing, its proposal is no object.
    for name in ("vote", "center", "semantic", "size_residual"):
        assert getattr(both, name).item() == pytest.approx(getattr(apart, name).item()), name
    assert both.objectness.item() == pytest.approx(math.log(2) / 2)
    assert apart.objectness.item() == pytest.approx(math.log(2) * 0.8)


def test_a_batch_without_any_box_teaches_that_nothing_is_there() -> None:
    found = proposals([[0, 0, 0]], [[1, 1, 1]], [[0, 0, 0], [1, 0, 0]])
    loss = detection_loss(found, TrueBoxes.collate([NONE]), MEAN)
    figures = loss.figures()
    assert figures.pop("objectness") == pytest.approx(0.2 * math.log(2))
    assert figures.pop("total") == pytest.approx(math.log(2))
    assert not any(figures.values())
    loss.total.backward()
    assert (found.objectness.grad[:, 1] > 0).all()
    assert not found.center.grad.any()


def test_halves_give_float32_losses() -> None:
    truth = TrueBoxes.collate([(np.array([box(0)]), np.array([0]))])
    with torch.autocast("cpu", torch.bfloat16):
        loss = detection_loss(proposals([[0, 0, 0]], [[0.1, 0, 0]], [[0.1, 0, 0]]), truth, MEAN).total
    assert loss.dtype == torch.float32


def test_mean_sizes_and_a_class_that_no_scene_has() -> None:
    boxes = np.array([box(0), [1, 0, 0, 1.0, 0.6, 0.7, 0]])
    known = mean_sizes([scene(boxes, [0, 0]), scene(np.empty((0, 7)), [])], CLASSES, turned=True)
    np.testing.assert_allclose(known, [[0.8, 0.5, 0.6]] * 2, rtol=1e-6)
    turned = mean_sizes([scene(np.array([box(0, heading=math.pi / 2)]), [0])], CLASSES, turned=False)
    np.testing.assert_allclose(turned[0], SIZES[0][[1, 0, 2]], rtol=1e-6)
    with pytest.raises(InputError, match="none of the training scenes has a box"):
        mean_sizes([scene(np.empty((0, 7)), [])], CLASSES, turned=True)


def test_scenes_that_do_not_fit_are_told() -> None:
    flat = scene(np.array([[0, 0, 0, 1, 0, 1, 0]]), [0])
    with pytest.raises(InputError, match="box 0 has a size of 0"):
        scene_boxes(flat, CLASSES, turned=True)
    with pytest.raises(InputError, match=r"other classes \(crate, plank\) than the detector \(chair\)"):
        scene_boxes(flat, ("chair",), turned=True)
    with pytest.raises(InputError, match="every box needs one label"):
        TrueBoxes.collate([(np.zeros((2, 7)), np.zeros(1, np.int64))])
