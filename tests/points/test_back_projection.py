"""Back-projection against computations of another kind, and what it refuses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ppkt_zoo.errors import InputError
from ppkt_zoo.points.back_projection import back_project, pixel_values

CAMERA = np.array([[500.0, 0, 3.2], [0, 480.0, 2.1], [0, 0, 1]])


def some_pose(seed: int = 0) -> np.ndarray:
    q, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))
    pose = np.eye(4)
    pose[:3, :3] = q * np.sign(np.linalg.det(q))
    pose[:3, 3] = [100.0, -50.0, 2.0]
    return pose


def test_one_pixel_by_hand():
    depth = np.zeros((5, 7), dtype=np.float32)
    depth[4, 6] = 2.0
    xyz, pixel = back_project(depth, CAMERA)
    assert pixel.tolist() == [[6, 4]]
    assert pixel.dtype == np.int64
    assert xyz.dtype == np.float32
    np.testing.assert_allclose(xyz, [[(6 - 3.2) * 2 / 500, (4 - 2.1) * 2 / 480, 2.0]], rtol=1e-6)


def test_equals_the_inverse_camera_matrix():
    """The formula against K⁻¹ (u, v, 1) z in homogeneous coordinates, then the 4×4 pose."""
    depth = np.random.default_rng(1).uniform(0.5, 4, (5, 7)).astype(np.float32)
    pose = some_pose()
    xyz, pixel = back_project(depth, CAMERA, pose)
    v, u = np.mgrid[:5, :7]
    rays = np.linalg.inv(CAMERA) @ np.stack([u.ravel(), v.ravel(), np.ones(35)])
    world = pose @ np.vstack([rays * depth.ravel(), np.ones(35)])
    np.testing.assert_allclose(xyz, world[:3].T, rtol=2e-7, atol=1e-6)
    assert np.array_equal(pixel, np.stack([u.ravel(), v.ravel()], axis=1))


@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    stride=st.integers(1, 4),
    seed=st.integers(0, 99),
    posed=st.booleans(),
)
@settings(deadline=None, max_examples=60)
def test_points_project_to_their_pixels(height, width, stride, seed, posed):
    rng = np.random.default_rng(seed)
    depth = rng.uniform(0.5, 4, (height, width)).astype(np.float32)
    depth[rng.random(depth.shape) < 0.3] = rng.choice([0.0, np.nan, np.inf, -1.0])
    depth[0, 0] = 1.5
    pose = some_pose(seed) if posed else None
    xyz, pixel = back_project(depth, CAMERA, pose, stride)
    camera = xyz.astype(np.float64) if pose is None else (xyz - pose[:3, 3]) @ pose[:3, :3]
    seen = camera @ CAMERA.T
    np.testing.assert_allclose(seen[:, :2] / seen[:, 2:], pixel, atol=0.02)
    np.testing.assert_allclose(seen[:, 2], depth[pixel[:, 1], pixel[:, 0]], rtol=1e-4)
    valid = np.isfinite(depth) & (depth > 0)
    rows, columns = np.nonzero(valid[::stride, ::stride])
    assert np.array_equal(pixel, np.stack([columns * stride, rows * stride], axis=1))


def test_a_pose_far_from_the_origin_is_applied_in_float64():
    """Two points 1 mm apart stay 1 mm apart where the world's numbers still allow it."""
    depth = np.array([[1.0, 1.001]], dtype=np.float32)
    pose = np.eye(4)
    pose[:3, 3] = 1000.0
    xyz, _ = back_project(depth, CAMERA, pose)
    assert abs(float(xyz[1, 2]) - float(xyz[0, 2]) - 0.001) < 1e-4


def test_a_real_frame(shared):
    """A kitchen frame, pixel by pixel in plain Python, on a sample of its pixels."""
    from ppkt_zoo.data.readers.seven_scenes import SevenScenes

    frame = SevenScenes(shared / "frames/seven_scenes_redkitchen", up="world-z")[25]
    xyz, pixel = back_project(frame.depth, frame.intrinsics, frame.pose)
    assert len(xyz) == int((frame.depth > 0).sum()) > 200_000
    for row in range(0, len(xyz), 9973):
        u, v = (int(number) for number in pixel[row])
        z = float(frame.depth[v, u])
        camera = [(u - 320) * z / 585, (v - 240) * z / 585, z, 1.0]
        world = [sum(float(frame.pose[i, j]) * camera[j] for j in range(4)) for i in range(3)]
        np.testing.assert_allclose(xyz[row], world, atol=1e-6)


@pytest.mark.parametrize("hole", [0.0, np.nan, np.inf, -1.0])
def test_depth_full_of_holes(hole):
    with pytest.raises(InputError, match="all holes"):
        back_project(np.full((4, 5), hole, dtype=np.float32), CAMERA)


GOOD = np.ones((4, 5), dtype=np.float32)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ((GOOD[0], CAMERA), "depth must be an array of shape"),
        ((GOOD[:0], CAMERA), "depth must be an array of shape"),
        ((GOOD.tolist(), CAMERA), "depth must be an array of shape.*list"),
        (((GOOD * 1000).astype(np.uint16), CAMERA), "divide millimetres by 1000"),
        ((GOOD, CAMERA[:2]), "intrinsics must be a"),
        ((GOOD, None), "intrinsics must be a"),
        ((GOOD, -CAMERA), "positive focal lengths"),
        ((GOOD, CAMERA * np.nan), "finite"),
        ((GOOD, CAMERA + np.eye(3, k=1)), "skew"),
        ((GOOD, CAMERA, np.eye(3)), "pose must be a"),
        ((GOOD, CAMERA, np.eye(4) * np.nan), "tracking was lost"),
        ((GOOD, CAMERA, None, 0), "stride"),
        ((GOOD, CAMERA, None, 1.5), "stride"),
        ((GOOD, CAMERA, None, True), "stride"),
    ],
)
def test_refuses(arguments, names):
    with pytest.raises(InputError, match=names):
        back_project(*arguments)


@pytest.mark.parametrize("stride", [1, 3])
def test_blocks_of_rows_join_without_a_seam(stride: int):
    # Larger than one block, with rows that are all holes, against the formula for the whole image.
    depth = np.random.default_rng(0).uniform(0.5, 4, (97, 611)).astype(np.float32)
    depth[np.random.default_rng(1).random(depth.shape) < 0.3] = 0
    depth[20:60] = np.nan
    xyz, pixel = back_project(depth, CAMERA, some_pose(), stride)
    row, column = np.nonzero(np.nan_to_num(depth[::stride, ::stride]))
    assert np.array_equal(pixel, np.column_stack([column, row]) * stride)
    z = depth[pixel[:, 1], pixel[:, 0]].astype(np.float64)
    homogeneous = np.column_stack([pixel, np.ones(len(pixel))]) * z[:, None]
    camera = homogeneous @ np.linalg.inv(CAMERA).T
    expected = camera @ some_pose()[:3, :3].T + some_pose()[:3, 3]
    np.testing.assert_allclose(xyz, expected, rtol=0, atol=1e-5)


def test_pixel_values_are_those_of_the_image():
    image = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    pixel = np.array([[8, 0], [0, 5], [3, 2]])
    assert np.array_equal(pixel_values(image, pixel), image[pixel[:, 1], pixel[:, 0]])
    assert np.array_equal(pixel_values(image[..., 0], pixel), image[pixel[:, 1], pixel[:, 0], 0])
