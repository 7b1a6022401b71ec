"""The z-buffer."""

import numpy as np

from ppkt_zoo.visualization.splat import splat


def grid(height: int, width: int, step: int) -> np.ndarray:
    """Pixels int64 (N, 2) on a grid."""
    row, column = np.mgrid[0:height:step, 0:width:step]
    return np.stack([column.ravel(), row.ravel()], axis=1)


def test_the_nearer_point_hides_the_farther_one_in_either_order() -> None:
    pixel = np.array([[8, 8], [8, 8]])
    for depth, winner in (([1.0, 2.0], 0), ([2.0, 1.0], 1)):
        seen = splat(pixel, np.array(depth), (16, 16), radius=3, bulge=0.1)
        assert set(np.unique(seen.row)) == {-1, winner}
        assert seen.depth[8, 8] == 1.0


def test_a_splat_is_a_disc() -> None:
    seen = splat(np.array([[10, 10]]), np.array([1.0]), (21, 21), radius=6, bulge=0.1)
    row, column = np.mgrid[:21, :21]
    away = np.hypot(row - 10, column - 10)
    assert (seen.row[away <= 5.5] == 0).all()
    assert (seen.row[away > 6.6] == -1).all()
    assert np.isinf(seen.depth[seen.row == -1]).all()


def test_a_surface_in_front_is_closed() -> None:
    front, back = grid(60, 60, 4), grid(60, 60, 1)
    pixel = np.concatenate([front, back])
    depth = np.concatenate([np.full(len(front), 2.0), np.full(len(back), 3.0)])
    seen = splat(pixel, depth, (60, 60), radius=4, bulge=0.08)
    assert (seen.row < len(front)).all()
    assert (seen.row >= 0).all()


def test_a_pixel_of_a_flat_surface_goes_to_its_nearest_point() -> None:
    rng = np.random.default_rng(1)
    pixel = np.unique(rng.integers(0, 40, (150, 2)), axis=0)
    seen = splat(pixel, np.ones(len(pixel)), (40, 40), radius=9, bulge=0.05)
    row, column = np.mgrid[:40, :40]
    away = np.hypot(column[..., None] - pixel[:, 0], row[..., None] - pixel[:, 1])
    hit = seen.row >= 0
    np.testing.assert_allclose(
        np.take_along_axis(away, np.maximum(seen.row, 0)[..., None], 2)[hit, 0], away.min(2)[hit]
    )


def test_order_of_points_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    pixel, depth = rng.integers(0, 64, (500, 2)), rng.uniform(1, 5, 500)
    order = rng.permutation(500)
    first = splat(pixel, depth, (64, 64), radius=3, bulge=0.05)
    second = splat(pixel[order], depth[order], (64, 64), radius=3, bulge=0.05)
    np.testing.assert_array_equal(first.depth, second.depth)
    np.testing.assert_array_equal(first.row, np.where(second.row >= 0, order[second.row], -1))


def test_points_outside_the_image_or_behind_the_camera_are_left_out() -> None:
    pixel = np.array([[-1, 5], [5, -1], [16, 5], [5, 16], [5, 5]])
    seen = splat(pixel, np.array([1.0, 1, 1, 1, -1]), (16, 16), radius=2, bulge=0.1)
    assert (seen.row == -1).all()


def test_every_point_may_have_its_own_radius() -> None:
    pixel = np.array([[10, 10], [30, 10], [50, 10], [70, 10]])
    seen = splat(pixel, np.ones(4), (21, 90), radius=np.array([2, 2, 2, 5]), bulge=0.1)
    small, large = ((seen.row == row).sum() for row in (1, 3))
    assert large > 3 * small


def test_nothing_to_see() -> None:
    seen = splat(np.zeros((0, 2), np.int64), np.zeros(0), (5, 7), radius=2, bulge=0.1)
    assert seen.row.shape == seen.depth.shape == (5, 7)
    assert (seen.row == -1).all()
