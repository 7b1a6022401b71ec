"""Colours of classes stay apart, keep their class, and are told in a legend."""

import numpy as np
import pytest

from ppkt_zoo.errors import InputError
from ppkt_zoo.visualization.classes import _oklab, class_colors, segmentation_picture

CLASSES = ("wall", "floor", "chair", "sofa")


def room() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    xyz = rng.uniform(0, 2, (4000, 3)).astype(np.float32)
    return xyz, np.where(xyz[:, 2] < 0.4, 1, 0)


def test_colours_stay_apart() -> None:
    colors = class_colors(30)
    lab = _oklab(colors)
    away = np.linalg.norm(lab[:, None] - lab[None], axis=2)[~np.eye(30, dtype=bool)]
    assert away.min() > 0.06
    assert lab[:, 0].max() < 0.9, "paper is white"


def test_a_class_keeps_its_colour_however_many_follow() -> None:
    assert (class_colors(5) == class_colors(30)[:5]).all()


def test_oklab_of_known_colours() -> None:
    lab = _oklab(np.array([[255, 255, 255], [0, 0, 0], [255, 0, 0]]))
    np.testing.assert_allclose(lab, [[1, 0, 0], [0, 0, 0], [0.628, 0.225, 0.126]], atol=2e-3)


def test_the_picture_holds_the_classes_colours_and_its_legend_those_that_occur() -> None:
    xyz, labels = room()
    bare = segmentation_picture(xyz, None, labels, CLASSES, height=120)
    page = np.asarray(bare).reshape(-1, 3)
    colors = class_colors(4)
    shown = [(page == color).all(axis=1).any() for color in colors]
    assert shown == [True, True, False, False]
    truth = np.full(len(labels), 2)
    with_truth = segmentation_picture(xyz, None, labels, CLASSES, truth=truth, height=120)
    assert with_truth.height > bare.height
    assert (np.asarray(with_truth).reshape(-1, 3) == colors[2]).all(axis=1).any()


@pytest.mark.parametrize(
    ("labels", "said"),
    [(np.full(4000, 4), "between -1 and 3, found 4 to 4"), (np.zeros(9, int), "must be 4000 integers, one a point")],
)
def test_labels_that_do_not_fit(labels: np.ndarray, said: str) -> None:
    with pytest.raises(InputError, match=said):
        segmentation_picture(room()[0], None, labels, CLASSES)
