"""Which way is up: on rooms whose answer is known, and measured on the real and photo-realistic frames."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.data.gravity import align_up, depth_normals, estimate_up, refine_up, world_to_z_up
from ppkt_zoo.data.readers.open3d_folder import Open3DFolder
from ppkt_zoo.data.readers.plain import OBJECT_CLASSES, PlainFrames
from ppkt_zoo.data.readers.seven_scenes import SevenScenes
from ppkt_zoo.errors import FrameError
from ppkt_zoo.points.back_projection import back_project
from tests.data.frame_folders import CAMERA, POSES, degrees_between, looking, render, turned

Z = np.array([0.0, 0.0, 1.0])
MOSD_CAMERA = (525, 525, 319.5, 239.5)


def depth_of(pose: np.ndarray) -> np.ndarray:
    return render(pose)[1].astype(np.float32)


def test_normals_of_a_room_are_its_walls():
    pose = looking((0.0, 0.0, 1.5), 40.0, -45.0)
    normals = depth_normals(depth_of(pose), CAMERA) @ pose[:3, :3].T
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1)
    assert np.median(np.abs(normals).max(axis=1)) > 0.999
    # Floor and walls face the camera inside the room.
    assert normals[np.abs(normals[:, 2]) > 0.99, 2].min() > 0


@pytest.mark.parametrize("pitch", [-60, -45, -30, -10, 5, 20])
@pytest.mark.parametrize("roll", [-15, 0, 10])
def test_a_single_frame(pitch, roll):
    pose = looking((0.0, 0.0, 1.5), 40.0, pitch, roll)
    up = estimate_up([(depth_of(pose), CAMERA, None)])
    assert degrees_between(pose[:3, :3] @ up, Z) < 1.5


@pytest.mark.parametrize("seed", range(5))
def test_a_sequence_in_a_world_without_gravity(seed):
    world = turned(seed)
    up = estimate_up([(depth_of(pose), CAMERA, world @ pose) for pose in POSES])
    assert degrees_between(up, world[:3, 2]) < 1.0


def test_noise_of_a_kinect():
    rng = np.random.default_rng(0)
    camera = CAMERA * [[8], [8], [1]]
    pose = POSES[0]
    depth = render(pose, camera, (384, 512))[1]
    depth += rng.standard_normal(depth.shape) * 0.0015 * depth**2
    depth[rng.random(depth.shape) < 0.2] = 0
    up = estimate_up([(depth.astype(np.float32), camera, None)])
    assert degrees_between(pose[:3, :3] @ up, Z) < 1.5


def test_the_first_guess_can_be_given():
    pose = looking((0.0, 0.0, 1.5), 40.0, -10.0, 90.0)  # a camera held upright
    views = [(depth_of(pose), CAMERA, None)]
    assert degrees_between(pose[:3, :3] @ estimate_up(views), Z) > 80
    assert degrees_between(pose[:3, :3] @ estimate_up(views, start=np.array([-3.0, 0, 0])), Z) < 1.5


def test_too_little_to_see():
    depth = np.zeros((48, 64), dtype=np.float32)
    depth[10:14, 10:14] = 1.0
    with pytest.raises(FrameError, match=r"too few surfaces.*camera-y"):
        estimate_up([(depth, CAMERA, None)])
    with pytest.raises(FrameError, match="0 normals in 0 depth maps"):
        estimate_up([])


def test_refinement_of_one_plane_alone():
    normals = np.tile([0.0, -0.8, -0.6], (100, 1))
    np.testing.assert_allclose(refine_up(normals, np.array([0.0, -1.0, 0.0])), [0, -0.8, -0.6], atol=1e-12)


@given(st.lists(st.floats(-1, 1), min_size=6, max_size=6))
@settings(deadline=None)
def test_align_up_is_a_rotation(numbers):
    up, forward = np.array(numbers[:3]), np.array(numbers[3:])
    if np.linalg.norm(up) < 0.01 or np.linalg.norm(forward) < 0.01:
        return
    turn = align_up(up, forward)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(turn) > 0
    np.testing.assert_allclose(turn @ up / np.linalg.norm(up), Z, atol=1e-9)
    if degrees_between(up, forward) % 180 > 10 and degrees_between(up, forward) < 170:
        ahead = turn @ forward
        assert abs(ahead[0]) < 1e-9
        assert ahead[1] > 0


def test_heading_of_a_camera_that_looks_straight_down():
    turn = align_up(np.array([0.0, 0.0, -1.0]))
    np.testing.assert_allclose(turn @ [0.0, -1.0, 0.0], [0, 1, 0], atol=1e-12)
    with pytest.raises(FrameError, match="no direction"):
        align_up(np.zeros(3))


@pytest.mark.parametrize("broken", ["pose", "NaN", "depth"])
def test_damaged_frames_do_not_count(broken):
    world = turned(1)

    def pose_of(index):
        if broken == "pose" and index % 2:
            raise FrameError("missing")
        return world @ POSES[index] * (np.nan if broken == "NaN" and index % 2 else 1)

    def view_of(index):
        if broken == "depth" and index % 2:
            raise FrameError("cut short")
        return depth_of(POSES[index]), CAMERA

    transform = world_to_z_up("gravity", pose_of, view_of, len(POSES), "here")
    assert degrees_between(transform[:3, :3] @ world[:3, 2], Z) < 1
    with pytest.raises(FrameError, match="here: no frame has a usable pose"):
        world_to_z_up("gravity", lambda index: np.full((4, 4), np.nan), view_of, len(POSES), "here")


@pytest.mark.parametrize("reader", [SevenScenes, Open3DFolder])
def test_real_rooms_stand_upright(shared, reader):
    """The main horizontal surface lies within 1.5° of level, most of the rest is upright, and things stand on top."""
    name = "seven_scenes_redkitchen" if reader is SevenScenes else "icl_livingroom"
    frames = reader(shared / "frames" / name)
    chosen = [frames[index] for index in range(0, len(frames), len(frames) // 12)]
    normals = np.concatenate([depth_normals(f.depth, f.intrinsics) @ f.pose[:3, :3].T for f in chosen])
    assert degrees_between(main_direction(normals, Z), Z) < 1.5
    level, upright = np.abs(normals[:, 2]) > np.cos(np.radians(10)), np.abs(normals[:, 2]) < np.sin(np.radians(10))
    assert level.mean() + upright.mean() > 0.65
    assert all(f.pose[2, 1] < 0 for f in chosen)  # image rows run downwards in the world


def test_single_real_frames_agree_with_their_sequence(shared):
    frames = SevenScenes(shared / "frames/seven_scenes_redkitchen")
    errors = []
    for index in range(0, 100, 10):
        frame = frames[index]
        up = estimate_up([(frame.depth, frame.intrinsics, None)])
        errors.append(degrees_between(frame.pose[:3, :3] @ up, Z))
    assert max(errors) < 4
    assert np.median(errors) < 2


def test_real_tables_are_level(shared):
    """Each table top of mosd, by the given object ids, lies within 2° of level (median under 0.5°)."""
    frames = PlainFrames(shared / "frames/mosd", intrinsics=MOSD_CAMERA)
    tilts = [table_tilt(frames[index]) for index in range(0, len(frames), 6)]
    assert max(tilts) < 2
    assert np.median(tilts) < 0.5


def table_tilt(frame: RGBDFrame) -> float:
    xyz, pixel = back_project(frame.depth, frame.intrinsics, frame.pose, stride=4)
    table = xyz[frame.label[pixel[:, 1], pixel[:, 0]] == OBJECT_CLASSES.index("table")].astype(np.float64)
    keep = np.ones(len(table), dtype=bool)
    for _ in range(5):
        middle = table[keep].mean(axis=0)
        normal = np.linalg.svd(table[keep] - middle, full_matrices=False)[2][2]
        keep = np.abs((table - middle) @ normal) < 0.01
    return degrees_between(normal * np.sign(normal[2]), Z)


def main_direction(normals: np.ndarray, near: np.ndarray) -> np.ndarray:
    """The mean of the densest bundle of normals around a direction, either sign."""
    normals = normals * np.sign(normals @ near)[:, None]
    found = np.median(normals[normals @ near > np.cos(np.radians(20))], axis=0)
    for _ in range(10):
        found /= np.linalg.norm(found)
        found = normals[normals @ found > np.cos(np.radians(5))].mean(axis=0)
    return found
