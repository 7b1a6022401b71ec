"""Fewer points for a picture."""

import numpy as np
import pytest

from ppkt_zoo.visualization.picture import feature_picture
from ppkt_zoo.visualization.point_spacing import rows_to_draw
from ppkt_zoo.visualization.similarity import similarity_picture
from tests.visualization.shapes import box_room


def test_a_small_cloud_is_drawn_whole() -> None:
    xyz, _ = box_room()
    np.testing.assert_array_equal(rows_to_draw(xyz), np.arange(len(xyz)))


@pytest.mark.parametrize("most", [500, 3000])
def test_a_large_cloud_is_thinned_evenly(most: int) -> None:
    rng = np.random.default_rng(0)
    # One half is scanned a hundred times as densely as the other.
    dense, sparse = rng.uniform(0, 1, (50_000, 3)), rng.uniform(0, 1, (500, 3)) + np.array((1.0, 0, 0))
    xyz = (np.concatenate([dense, sparse]) * (1, 1, 0.001)).astype(np.float32)
    rows = rows_to_draw(xyz, most)
    assert 0.3 * most < len(rows) <= most
    assert (np.diff(rows) > 0).all()
    assert (rows >= 50_000).sum() > 0.1 * len(rows), "what is sparse keeps its points"


def test_the_order_of_points_does_not_matter() -> None:
    xyz = np.random.default_rng(0).uniform(0, 1, (20_000, 3)).astype(np.float32)
    order = np.random.default_rng(1).permutation(len(xyz))
    one, other = xyz[rows_to_draw(xyz, 3000)], xyz[order][rows_to_draw(xyz[order], 3000)]
    np.testing.assert_array_equal(np.unique(one, axis=0), np.unique(other, axis=0))


@pytest.mark.parametrize("xyz", [np.zeros((50, 3)), np.outer(np.arange(5000.0), (1, 0, 0)), np.full((9, 3), 5e6)])
def test_points_in_one_place_or_in_a_row(xyz: np.ndarray) -> None:
    rows = rows_to_draw(xyz, 5)
    assert 1 <= len(rows) <= 5


def test_a_thinned_picture_looks_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    xyz, part = box_room()
    xyz = np.concatenate([xyz + rng.normal(0, 0.01, xyz.shape) for _ in range(6)]).astype(np.float32)
    rgb = (np.stack([part * 30, 255 - part * 30, part * 0 + 90], axis=1)).astype(np.uint8)
    rgb = np.concatenate([rgb] * 6)
    features = np.eye(7, dtype=np.float32)[np.concatenate([part] * 6)]
    whole = np.asarray(feature_picture(xyz, rgb, features, height=120)).astype(float)
    drawn: list[int] = []

    def fewer(points: np.ndarray) -> np.ndarray:
        rows = rows_to_draw(points, len(points) // 3)
        drawn.append(len(rows))
        return rows

    monkeypatch.setattr("ppkt_zoo.visualization.picture.rows_to_draw", fewer)
    thin = np.asarray(feature_picture(xyz, rgb, features, height=120)).astype(float)
    assert drawn[0] < len(xyz) / 3
    width = min(whole.shape[1], thin.shape[1])
    assert abs(whole.shape[1] - thin.shape[1]) < 0.05 * width
    assert abs((whole < 250).mean() - (thin < 250).mean()) < 0.03, "surfaces stay closed"
    np.testing.assert_allclose(whole.mean(axis=(0, 1)), thin.mean(axis=(0, 1)), atol=6)


def test_the_picked_point_is_marked_though_it_is_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    xyz, _ = box_room()
    picked = len(xyz) - 1

    def without(points: np.ndarray) -> np.ndarray:
        return np.arange(0, len(points) - 1)

    monkeypatch.setattr("ppkt_zoo.visualization.classes.rows_to_draw", without)
    page = np.asarray(similarity_picture(xyz, None, np.linspace(0, 1, len(xyz)), picked, height=100))
    upper = page[: page.shape[0] // 2].astype(int)
    assert ((upper[..., 0] > 150) & (upper[..., 1] < 80)).any()
