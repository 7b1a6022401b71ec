"""Densities of clouds that are known beforehand."""

import numpy as np
import pytest

from ppkt_zoo.data.examine.density import density_of, doubled, extent_of, far_off

RNG = np.random.default_rng(0)


def plane(spacing: float, size: float = 2.0) -> np.ndarray:
    """A level grid of points."""
    steps = np.arange(0, size, spacing) + spacing / 2
    x, y = np.meshgrid(steps, steps)
    return np.stack([x, y, np.zeros_like(x)], axis=-1).reshape(-1, 3)


@pytest.mark.parametrize("spacing", [0.005, 0.01, 0.05, 0.2])
def test_the_spacing_of_a_grid_is_found(spacing: float) -> None:
    assert density_of(plane(spacing), 0.04).spacing == pytest.approx(spacing, rel=0.25)


def test_a_plane_without_gaps_has_eight_neighbours_to_a_voxel() -> None:
    found = density_of(plane(0.01), 0.04)
    assert found.per_voxel == pytest.approx(16, rel=0.05)
    assert 7.5 < found.neighbours <= 8
    assert density_of(plane(0.2), 0.04).neighbours == 0


def test_a_large_cloud_is_judged_by_a_part_of_it() -> None:
    large = RNG.uniform(0, 40, (1_000_000, 3)) * (1, 1, 0)
    found = density_of(large, 0.04)
    assert found.per_voxel == pytest.approx(1.5, rel=0.15)
    assert found.spacing == pytest.approx(0.04, rel=0.25)


def test_single_points_and_wide_clouds_are_no_fault() -> None:
    assert density_of(np.zeros((1, 3)), 0.04).per_voxel == 1
    assert density_of(np.array([[0.0, 0, 0], [1e9, 0, 0]]), 0.04).neighbours == 0


def test_doubles_are_counted() -> None:
    xyz = RNG.normal(size=(1000, 3))
    assert doubled(xyz) == 0
    assert doubled(np.concatenate([xyz, xyz[:7], xyz[:7]])) == 14


def test_only_what_lies_far_off_is_far_off() -> None:
    xyz = RNG.uniform(0, 5, (1000, 3))
    assert not far_off(xyz).any()
    xyz[17] += 1000
    assert np.flatnonzero(far_off(xyz)).tolist() == [17]
    assert extent_of(xyz[:10]) == pytest.approx(tuple(np.ptp(xyz[:10], axis=0)))
