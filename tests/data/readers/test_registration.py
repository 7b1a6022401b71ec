"""Registration of depth to colour: against plain loops, against a second rendered camera, and bad input."""

import numpy as np
import pytest

from ppkt_zoo.data.readers.registration import register_depth, scale_camera
from ppkt_zoo.errors import FrameError
from ppkt_zoo.rooms import make_intrinsics, make_room, render, sample_camera

# The Kinect's two lenses, about: 2.5 cm apart, turned by less than a degree.
KINECT = (0.0100, -0.0120, 0.0150), (0.025, -0.003, 0.004)


def camera(fx: float, fy: float, cx: float, cy: float) -> np.ndarray:
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])


def motion(angles, shift) -> np.ndarray:
    out = np.eye(4)
    for (i, j), angle in zip([(1, 2), (0, 2), (0, 1)], angles, strict=True):
        turn = np.eye(3)
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        out[:3, :3] = out[:3, :3] @ turn
    out[:3, 3] = shift
    return out


def by_loops(depth, source, target, size, between):
    """The same rule, pixel by pixel in float64: patches of a pixel's size that meet half-way on one surface."""
    height, width = depth.shape
    places = {}
    for v in range(height):
        for u in range(width):
            if depth[v, u] > 0:
                ray = np.array([(u - source[0, 2]) / source[0, 0], (v - source[1, 2]) / source[1, 1], 1.0])
                point = between[:3, :3] @ (ray * float(depth[v, u])) + between[:3, 3]
                places[v, u] = (target @ point)[:2] / point[2], point[2]
    image = np.zeros(size)
    for (v, u), (place, z) in places.items():
        grown = float(depth[v, u]) / z
        across = np.linalg.inv(source)[:2, :2].diagonal()
        # What the patch spans, upright: the derivative of the projection at the colour image's middle.
        nominal = np.abs(np.diag(target)[:2, None] * between[:2, :2] * across).sum(axis=1) / 2 * grown
        reach = np.zeros(2)
        for steps in (((0, -1), (0, 1)), ((-1, 0), (1, 0))):
            longest = np.zeros(2)
            for down, right in steps:
                other = (v + down, u + right)
                if other in places:
                    one, two = float(depth[v, u]), float(depth[other])
                    if abs(one - two) < 0.05 * min(one, two):
                        longest = np.maximum(longest, np.abs(places[other][0] - place) / 2)
            reach += longest
        reach = np.maximum(np.clip(reach, nominal, 4 * nominal), 0.5)
        low, high = place - reach, place + reach
        for y in range(max(0, int(np.ceil(low[1] - 1e-3))), min(size[0], int(np.ceil(high[1])))):
            for x in range(max(0, int(np.ceil(low[0] - 1e-3))), min(size[1], int(np.ceil(high[0])))):
                if image[y, x] == 0 or z < image[y, x]:
                    image[y, x] = z
    return image


def scene(seed: int = 1, height: int = 24, width: int = 32) -> np.ndarray:
    """A slanted wall with a box before it, and holes."""
    rng = np.random.default_rng(seed)
    v, u = np.mgrid[:height, :width]
    depth = 2.0 + 0.02 * u + 0.013 * v
    depth[6:14, 8:18] = 1.2
    depth[rng.random(depth.shape) < 0.05] = 0
    depth[16:22, 20:28] = 0
    return depth.astype(np.float32)


@pytest.mark.parametrize(
    ("target", "size", "angles", "shift"),
    [
        (camera(31.3, 30.1, 16.2, 11.7), (24, 32), (0.01, -0.02, 0.03), (0.06, 0.01, 0.02)),
        (camera(74.1, 75.3, 38.9, 28.2), (57, 77), (0.0, 0.0, 0.0), (-0.08, 0.0, 0.0)),
        (camera(12.7, 12.3, 7.1, 5.2), (11, 15), (0.03, 0.01, -0.02), (0.03, -0.04, -0.3)),
        (camera(30.3, 30.9, 11.2, 16.1), (32, 24), (0.0, 0.0, np.pi / 2), (0.0, 0.05, 0.0)),
    ],
)
def test_as_plain_loops_compute_it(target, size, angles, shift):
    depth, source, between = scene(), camera(30.0, 30.5, 15.3, 11.9), motion(angles, shift)
    wanted = by_loops(depth, source, target, size, between)
    found = register_depth(depth, source, target, size, between)
    assert found.dtype == np.float32
    assert found.shape == size
    # The 1.2 m box, the wall behind it and holes are all in view.
    assert (wanted == 0).sum() > 3
    assert wanted.max() - wanted[wanted > 0].min() > 0.8
    np.testing.assert_allclose(found, wanted, rtol=2e-6)


@pytest.mark.parametrize("fine", [1, 2, 2.5, 3.75])
def test_from_one_place_each_colour_pixel_has_the_depth_pixel_it_lies_in(fine):
    """Holes keep their size, an edge stays where it is, no value is new."""
    depth = scene()
    size = int(24 * fine), int(32 * fine)
    source = camera(30.0, 30.5, 15.3, 11.9)
    target = camera(30.0 * fine, 30.5 * fine, 15.8 * fine - 0.5, 12.4 * fine - 0.5)
    rows, columns = (((np.arange(n) + 0.5) / fine).astype(int) for n in size)
    wanted = depth[rows[:, None], columns]
    found = register_depth(depth, source, target, size)
    # A centre that lies on the border of two depth pixels has the nearer one.
    off_border = [np.abs((np.arange(n) + 0.5) / fine % 1) > 1e-6 for n in size]
    inner = np.ix_(*off_border)
    assert np.array_equal(found[inner], wanted[inner])
    assert np.isin(found, depth).all()
    assert (found[inner] == 0).any()
    # Nor does rounding open a seam where a centre does lie on such a border.
    assert register_depth(np.maximum(depth, np.float32(1)), source, target, size).all()


def test_fewer_pixels_keep_the_nearest():
    depth = scene()
    depth[depth == 0] = 3.0
    found = register_depth(depth, camera(30, 30, 15.5, 11.5), camera(15, 15, 7.5, 5.5), (12, 16))
    assert np.array_equal(found, depth.reshape(12, 2, 16, 2).min(axis=(1, 3)))


def test_the_gap_behind_an_edge_stays_open():
    """A step from 1 m to 3 m seen from the side that it hides: nothing is put in between."""
    depth = np.full((20, 40), 3.0, dtype=np.float32)
    depth[:, :20] = 1.0
    lens = camera(40, 40, 19.5, 9.5)
    between = motion((0, 0, 0), (-0.3, 0, 0))
    found = register_depth(depth, lens, lens, (20, 40), between)
    # The near half moves by 12 pixels to the left, the far half by 4.
    wanted = np.zeros((20, 40), dtype=np.float32)
    wanted[:, :8], wanted[:, 16:36] = 1.0, 3.0
    assert np.array_equal(found, wanted)
    other = register_depth(depth, lens, lens, (20, 40), motion((0, 0, 0), (0.3, 0, 0)))
    wanted[:], wanted[:, 12:32], wanted[:, 32:] = 0, 1.0, 3.0
    assert np.array_equal(other, wanted)


def test_points_behind_the_colour_camera_are_left_out():
    depth = np.full((6, 8), 1.0, dtype=np.float32)
    lens = camera(8, 8, 3.5, 2.5)
    assert not register_depth(depth, lens, lens, (6, 8), motion((0, 0, 0), (0, 0, -2.0))).any()
    assert not register_depth(depth, lens, lens, (6, 8), motion((0, 0, 0), (0, 0, -1.0))).any()
    assert register_depth(depth, lens, lens, (6, 8), motion((0, 0, 0), (0, 0, -0.5))).max() == 0.5


@pytest.mark.parametrize(("size", "view"), [((240, 320), 62.0), ((480, 640), 60.0), ((120, 160), 55.0)])
def test_as_the_second_camera_renders_it(size, view):
    room = make_room(7)
    pose, between = sample_camera(room, seed=0), motion(*KINECT)
    source, target = make_intrinsics(240, 320, 58.0), make_intrinsics(*size, view)
    depth = render(room, source, pose, 240, 320, noise=False).depth
    seen = render(room, target, pose @ np.linalg.inv(between), *size, noise=False).depth
    found = register_depth(depth, source, target, size, between)

    # Where would this pixel's true point lie in the depth image, and was it measured there?
    v, u = np.mgrid[: size[0], : size[1]]
    rays = np.stack([u, v, np.ones(size)], axis=-1) @ np.linalg.inv(target).T
    points = (rays * seen[..., None] - between[:3, 3]) @ between[:3, :3]
    place = points @ source.T
    column, row = (np.rint(place[..., i] / place[..., 2]).astype(int) for i in (0, 1))
    inside = (column > 1) & (column < 318) & (row > 1) & (row < 238)
    around = [depth[np.clip(row + i, 0, 239), np.clip(column + j, 0, 319)] for i in range(-3, 4) for j in range(-3, 4)]
    flat = np.ptp(around, axis=0) < 0.05 * seen
    visible = inside & flat & (np.abs(around[24] - points[..., 2]) < 0.03 * seen)
    assert visible.mean() > 0.5
    # No hole is invented on a surface that the depth camera saw.
    assert (found[visible] > 0).all()
    error = np.abs(found - seen)[visible] / seen[visible]
    assert np.median(error) < 0.002
    assert np.quantile(error, 0.999) < 0.04  # grazing surfaces: the nearest of the pixels that meet wins


def test_scaled_colour_keeps_its_points():
    """A bright spot moves to where the new intrinsics project it."""
    color = np.zeros((48, 64, 3), dtype=np.uint8)
    color[12:16, 40:44] = (255, 128, 0)
    lens = camera(50, 52, 31.0, 24.0)
    for size in ((24, 32), (96, 128), (36, 80)):
        small, scaled = scale_camera(color, lens, size)
        assert small.shape == (*size, 3)
        assert small.dtype == np.uint8
        v, u = np.mgrid[: size[0], : size[1]]
        weight = small[..., 0] / small[..., 0].sum(dtype=float)
        middle = np.array([(u * weight).sum(), (v * weight).sum(), 1.0])
        ray = np.linalg.inv(lens) @ [41.5, 13.5, 1.0]
        np.testing.assert_allclose(scaled @ ray, middle, atol=0.05)
        assert scaled[0, 0] == 50 * size[1] / 64
        assert scaled[1, 1] == 52 * size[0] / 48


def test_scaling_averages_and_the_same_size_changes_nothing():
    stripes = np.zeros((16, 16, 3), dtype=np.uint8)
    stripes[:, ::2] = 200
    half, _ = scale_camera(stripes, camera(9, 9, 8, 8), (8, 8))
    assert np.abs(half[2:-2, 2:-2].astype(int) - 100).max() < 12
    same, lens = scale_camera(stripes, camera(9, 9, 8, 8), (16, 16))
    assert np.array_equal(same, stripes)
    assert same is not stripes
    assert np.array_equal(lens, camera(9, 9, 8, 8))


LENS = camera(9, 9, 4, 3)
GOOD = {"depth": np.ones((6, 8), np.float32), "depth_intrinsics": LENS, "color_intrinsics": LENS, "size": (6, 8)}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"depth": np.ones((6, 8))}, "depth must be a float32 array .* got float64"),
        ({"depth": [[1.0]]}, "depth must be a float32 array .* got list"),
        ({"depth": np.ones((6, 8, 1), np.float32)}, r"got float32 \(6, 8, 1\)"),
        ({"depth": np.ones((0, 8), np.float32)}, "no pixels"),
        ({"depth": np.full((6, 8), np.nan, np.float32)}, "write holes as 0"),
        ({"depth": np.full((6, 8), -1, np.float32)}, "write holes as 0"),
        ({"depth_intrinsics": np.diag([0, 9, 1.0])}, "depth_intrinsics is no pinhole matrix"),
        ({"depth_intrinsics": np.ones((3, 4))}, r"depth_intrinsics must have shape \(3, 3\)"),
        ({"depth_intrinsics": np.diag([1e-13, 9, 1.0])}, "depth_intrinsics cannot be inverted"),
        ({"color_intrinsics": np.full((3, 3), np.nan)}, "color_intrinsics has NaN"),
        ({"color_intrinsics": "kinect"}, "color_intrinsics must be numbers"),
        ({"size": (6,)}, "size must be"),
        ({"size": (0, 8)}, "at least one pixel"),
        ({"size": 6}, "size must be"),
        ({"depth_to_color": np.zeros((4, 4))}, "depth_to_color is not a rotation"),
        ({"depth_to_color": np.diag([1, 1, -1, 1.0])}, "depth_to_color is not a rotation"),
        ({"depth_to_color": np.eye(3)}, r"depth_to_color must have shape \(4, 4\)"),
        ({"depth_to_color": np.full((4, 4), np.inf)}, "depth_to_color has NaN or infinity"),
        ({"depth_to_color": np.vstack([np.eye(4)[:3], [[1, 0, 0, 1]]])}, "depth_to_color is not a rotation"),
    ],
)
def test_refuses(change, says):
    register_depth(**GOOD)
    with pytest.raises(FrameError, match=says):
        register_depth(**{**GOOD, **change})


@pytest.mark.parametrize(
    ("color", "lens", "size", "says"),
    [
        (np.zeros((6, 8, 3)), LENS, (3, 4), "color must be a uint8 array"),
        (np.zeros((6, 8), np.uint8), LENS, (3, 4), "color must be a uint8 array"),
        (np.zeros((0, 8, 3), np.uint8), LENS, (3, 4), "color has no pixels"),
        (np.zeros((6, 8, 3), np.uint8), np.eye(4), (3, 4), "intrinsics must have shape"),
        (np.zeros((6, 8, 3), np.uint8), LENS, (3, 0), "at least one pixel"),
    ],
)
def test_scaling_refuses(color, lens, size, says):
    with pytest.raises(FrameError, match=says):
        scale_camera(color, lens, size)
