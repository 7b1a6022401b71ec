"""Which way is up in a cloud of unknown origin."""

from pathlib import Path

import numpy as np
import pytest

from ppkt_zoo.data.gravity import align_up
from ppkt_zoo.data.upright import doubt_of_z, find_up
from ppkt_zoo.errors import InputError
from ppkt_zoo.points.files.cloud_files import read_cloud
from ppkt_zoo.rooms import make_room, room_cloud

TILT = np.radians(40)
TURNED = np.array([[1, 0, 0], [0, np.cos(TILT), -np.sin(TILT)], [0, np.sin(TILT), np.cos(TILT)]])


def a_table() -> np.ndarray:
    """A large level plane with a few boxes on it, z up, without walls or ceiling."""
    rng = np.random.default_rng(0)
    plane = np.concatenate([rng.uniform(-1, 1, (30_000, 2)), rng.normal(0, 0.001, (30_000, 1))], axis=1)
    boxes = []
    for x, y in ((-0.5, 0.2), (0.3, -0.4), (0.6, 0.5)):
        for axis in range(3):
            face = rng.uniform(0, 0.25, (3000, 3))
            face[:, axis] = 0.25
            boxes.append(face + np.array((x, y, 0)))
    return np.concatenate([plane, *boxes])


def seen_by_a_camera() -> np.ndarray:
    """A slanted floor as a depth camera stores it: x right, y down, z forward, one point a pixel."""
    v, u = np.mgrid[-0.45:0.45:120j, -0.6:0.6:160j]
    up = np.array([0.0, -np.cos(0.5), -np.sin(0.5)])
    rays = np.stack([u, v, np.ones_like(u)], axis=-1).reshape(-1, 3)
    floor = -1.2 / (rays @ up)
    depth = np.where((floor > 0) & (floor < 3), floor, 3.0)
    return rays * depth[:, None]


def test_what_is_upright_stays_and_raises_no_doubt() -> None:
    for xyz in (room_cloud(make_room(2), spacing=0.05, views=6)[0], a_table()):
        assert find_up(xyz).up[2] > 0.999
        assert doubt_of_z(xyz) is None
        # Scans whose corner lies in the origin, and those on a map.
        assert doubt_of_z(xyz - xyz.min(axis=0) + 0.5) is None
        assert doubt_of_z(xyz + np.array((513_000.0, 5_403_000.0, 280.0))) is None


@pytest.mark.parametrize("rotation", [TURNED, np.diag([1, -1, -1]), np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])])
def test_a_table_is_turned_upright(rotation: np.ndarray) -> None:
    found = find_up(a_table() @ rotation.T)
    assert found.up @ rotation @ (0, 0, 1) > 0.999
    assert not found.camera


def test_a_tilt_is_doubted() -> None:
    xyz = room_cloud(make_room(2), spacing=0.05, views=6)[0] @ TURNED.T
    doubt = doubt_of_z(xyz)
    assert doubt is not None
    assert "tilted by" in doubt


def test_a_camera_frame_is_known_by_its_rays() -> None:
    xyz = seen_by_a_camera()
    found = find_up(xyz)
    assert found.camera
    np.testing.assert_allclose(found.up, (0, -np.cos(0.5), -np.sin(0.5)), atol=0.02)
    assert "depth camera" in (doubt_of_z(xyz) or "")
    upright = xyz @ align_up(found.up).T
    assert doubt_of_z(upright) is None


def test_a_real_camera_frame_and_a_real_terrain(shared: Path) -> None:
    table = read_cloud(shared / "clouds" / "kinect_table_rgb.pcd").xyz
    found = find_up(table)
    assert found.camera
    floor = (table @ found.up)[table[:, 2] < 2.5]
    assert np.ptp(np.percentile(floor, (5, 60))) < 0.1, "most of it is a level floor"
    assert doubt_of_z(table) is not None
    terrain = read_cloud(shared / "clouds" / "terrain_utm.pcd").xyz
    assert find_up(terrain).up[2] > 0.99
    assert doubt_of_z(terrain) is None


def test_too_few_surfaces_are_told() -> None:
    for xyz in (np.zeros((1, 3)), np.zeros((1000, 3)), np.random.default_rng(0).normal(size=(3000, 3))):
        with pytest.raises(InputError, match="--up z"):
            find_up(xyz)
        assert doubt_of_z(xyz) is None
