"""Which points of a cloud a page shows."""

import numpy as np
import pytest

from ppkt_zoo.visualization.page.thinning import thin


def surface(points: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    flat = rng.uniform(0, 4, (points, 3))
    flat[:, 2] = np.where(np.arange(points) % 2, 0, flat[:, 2])
    flat[::2, 0] = 0
    return flat.astype(np.float32)


def test_a_small_cloud_keeps_all_points() -> None:
    found = thin(surface(500), 500)
    assert found.rows.tolist() == list(range(500))
    assert found.voxel is None


@pytest.mark.parametrize("most", [50, 900, 15_000])
def test_a_large_one_comes_near_the_budget_and_never_above(most: int) -> None:
    found = thin(surface(60_000), most)
    assert 0.7 * most <= len(found.rows) <= most
    assert (np.diff(found.rows) > 0).all()


def test_it_is_one_point_of_each_cube_and_none_is_empty() -> None:
    xyz = surface(30_000)
    found = thin(xyz, 2000)
    cells = np.floor((xyz - xyz.min(axis=0)) / found.voxel).astype(int)
    kept = cells[found.rows]
    assert len(np.unique(kept, axis=0)) == len(found.rows) == len(np.unique(cells, axis=0))


def test_what_is_thinned_does_not_depend_on_the_order() -> None:
    xyz = surface(20_000)
    order = np.random.default_rng(1).permutation(len(xyz))
    kept, of_shuffled = xyz[thin(xyz, 1500).rows], xyz[order][thin(xyz[order], 1500).rows]
    assert {tuple(one) for one in kept.tolist()} == {tuple(one) for one in of_shuffled.tolist()}


def test_rows_without_a_position_and_stray_points_are_counted() -> None:
    xyz = surface(5000)
    xyz[7] = np.nan
    xyz[9, 1] = np.inf
    xyz[11] = (4e6, 0, 0)
    found = thin(xyz, 10_000)
    assert (found.without_position, found.stray, len(found.rows)) == (2, 1, 4997)
    assert not np.isin([7, 9, 11], found.rows).any()


def test_points_in_one_place_become_one() -> None:
    assert len(thin(np.ones((1000, 3), np.float32), 10).rows) == 1
