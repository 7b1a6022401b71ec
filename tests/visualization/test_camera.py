"""Viewpoints, and the walls that they leave out."""

import numpy as np
import pytest

from ppkt_zoo.errors import InputError
from ppkt_zoo.visualization.camera import find_shell, look_at, views
from tests.visualization.shapes import box_room


@pytest.mark.parametrize("yaw", [0.0, 0.3, 1.2])
def test_shell_of_a_room(yaw: float) -> None:
    xyz, _ = box_room(yaw=yaw)
    shell = find_shell(xyz)
    turned = (shell.yaw - yaw) % (np.pi / 2)
    assert min(turned, np.pi / 2 - turned) < np.deg2rad(1.1)
    # Opposite walls' distances, whichever of the four directions comes first.
    reach = [shell.walls[0] + shell.walls[2], shell.walls[1] + shell.walls[3]]
    # Each is cut a little in front of its plane.
    np.testing.assert_allclose(sorted(reach), [3.7, 4.7], atol=0.2)
    np.testing.assert_allclose(shell.ceiling, 2.45, atol=0.1)


def test_order_of_points_does_not_matter() -> None:
    xyz, _ = box_room(yaw=0.5)
    order = np.random.default_rng(0).permutation(len(xyz))
    assert find_shell(xyz) == find_shell(xyz[order])


def test_what_is_no_room_has_no_shell() -> None:
    rng = np.random.default_rng(0)
    ball = rng.normal(size=(20_000, 3))
    ball /= np.linalg.norm(ball, axis=1, keepdims=True)
    hills = rng.uniform(0, 200, (20_000, 3)) * (1, 1, 0.05)
    for cloud in (ball, hills, np.zeros((1, 3))):
        shell = find_shell(cloud)
        assert np.isinf(shell.walls).all()
        assert np.isinf(shell.ceiling)


def test_walls_before_the_camera_are_left_out_and_nothing_else() -> None:
    xyz, part = box_room()
    view = look_at(xyz, azimuth=35, elevation=37, shell=find_shell(xyz))
    kept = np.bincount(part[view.keep], minlength=7) / np.bincount(part, minlength=7)
    assert (kept[[1, 2, 5]] < 0.05).all(), "the walls at +x and +y and the ceiling stand before the camera"
    assert (kept[[3, 4]] > 0.9).all(), "the other two walls stay"
    assert kept[0] > 0.95
    assert kept[6] == 1


def test_three_views_look_into_the_room() -> None:
    xyz, part = box_room(yaw=0.2)
    three = views(xyz)
    assert [view.name for view in three] == ["corner", "corner", "top"]
    for view in three:
        share = (part[view.keep] == 6).sum() / (part == 6).sum()
        assert share == 1, "the table is always there"
        assert not np.isin(5, part[view.keep]).any(), "the ceiling never is"
        assert view.eye[2] > xyz[:, 2].max()
    assert views(xyz, cutaway=False)[0].keep.size == len(xyz)
    # The longer side lies across the picture.
    assert three[2].width > three[2].height


def test_axes_are_right_down_forward() -> None:
    xyz, _ = box_room()
    view = look_at(xyz, azimuth=-90, elevation=20)
    np.testing.assert_allclose(view.axes @ view.axes.T, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(view.axes), 1)
    plane, depth = view.project(np.array([[1.0, 0, 0], [4.0, 0, 0], [4.0, 0, 2.0], [4.0, 3.0, 0]]))
    assert plane[1, 0] > plane[0, 0], "seen from -y, +x is to the right"
    assert plane[2, 1] < plane[1, 1], "and up is up"
    assert depth[3] > depth[1], "and +y is away"


def test_the_window_holds_the_cloud_but_not_a_stray_point() -> None:
    xyz, _ = box_room()
    far = np.concatenate([xyz, [[60.0, 60.0, 0.0]]]).astype(np.float32)
    view = look_at(far, 0, 90)
    left, top, right, bottom = view.window
    plane, _ = view.project(far)
    inside = (plane[:, 0] >= left) & (plane[:, 0] <= right) & (plane[:, 1] >= top) & (plane[:, 1] <= bottom)
    assert inside[:-1].mean() > 0.99
    assert not inside[-1]


@pytest.mark.parametrize("elevation", [-90, 0, 90])
def test_hardly_any_cloud_can_be_looked_at(elevation: float) -> None:
    for cloud in (np.zeros((1, 3), np.float32), np.array([[0, 0, 0], [1, 0, 0]], np.float32)):
        view = look_at(cloud, 30, elevation)
        assert view.width > 0
        assert view.height > 0


@pytest.mark.parametrize("broken", [np.zeros((0, 3)), np.zeros((4, 2)), np.array([[0, 0, np.nan]])])
def test_broken_clouds_are_refused(broken: np.ndarray) -> None:
    with pytest.raises(InputError, match="xyz"):
        views(broken)
