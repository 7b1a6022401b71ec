"""Spacing of points, and a cloud's main body."""

import numpy as np
import pytest

from ppkt_zoo.visualization.point_spacing import main_body, point_spacing
from tests.visualization.shapes import box_room, plane


@pytest.mark.parametrize("spacing", [0.01, 0.03])
def test_spacing_of_a_surface(spacing: float) -> None:
    floor = plane((0, 0, 0), (3, 0, 0), (0, 2, 0), spacing)
    found = point_spacing(floor)
    assert found.shape == (len(floor),)
    assert 0.8 * spacing < np.median(found) < 1.3 * spacing
    assert np.percentile(found, 99) < 2 * spacing


def test_spacing_of_an_edge_is_not_that_of_a_thin_surface() -> None:
    bar = plane((0, 0, 0), (3, 0, 0), (0, 0.01, 0), 0.02)
    assert np.median(point_spacing(bar)) < 0.03


def test_spacing_follows_the_density() -> None:
    near, far = plane((0, 0, 0), (1, 0, 0), (0, 1, 0), 0.01), plane((2, 0, 0), (1, 0, 0), (0, 1, 0), 0.04)
    found = point_spacing(np.concatenate([near, far]))
    assert np.median(found[len(near) :]) > 2.5 * np.median(found[: len(near)])


def test_a_lone_point_is_taken_for_noise() -> None:
    floor = plane((0, 0, 0), (3, 0, 0), (0, 2, 0), 0.02)
    found = point_spacing(np.concatenate([floor, [[1.0, 1.0, 1.5]]]))
    assert found[-1] < 0.03


def test_order_of_points_does_not_matter() -> None:
    xyz, _ = box_room(yaw=0.4)
    order = np.random.default_rng(0).permutation(len(xyz))
    np.testing.assert_array_equal(point_spacing(xyz)[order], point_spacing(xyz[order]))
    np.testing.assert_array_equal(main_body(xyz)[order], main_body(xyz[order]))


def test_hardly_any_cloud() -> None:
    for cloud in (np.zeros((1, 3), np.float32), np.zeros((5, 3), np.float32)):
        assert (point_spacing(cloud) > 0).all()
        assert main_body(cloud).all()


def test_stray_points_are_not_of_the_body() -> None:
    xyz, _ = box_room()
    stray = np.random.default_rng(0).normal((9, 9, 1), 0.05, (20, 3))
    body = main_body(np.concatenate([xyz, stray]))
    assert body[: len(xyz)].all()
    assert not body[len(xyz) :].any()


def test_two_large_parts_are_both_of_the_body() -> None:
    xyz, _ = box_room()
    assert main_body(np.concatenate([xyz, xyz + np.array([9, 0, 0])])).all()
