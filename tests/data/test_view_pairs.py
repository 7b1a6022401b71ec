"""Matches of two views: exact where the answer is known, true in 3D in rooms and in recorded frames."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ppkt_zoo.data.frames import FrameSource, RGBDFrame
from ppkt_zoo.data.readers.open3d_folder import Open3DFolder
from ppkt_zoo.data.view_pairs import match_rows, match_views
from ppkt_zoo.errors import FrameError, InputError
from ppkt_zoo.points.back_projection import back_project
from ppkt_zoo.rooms import RoomsFrames
from tests.data.frame_folders import CAMERA, POSES, looking, render

HEIGHT, WIDTH = 30, 40
WALL = np.array([[50.0, 0, 19.5], [0, 50.0, 14.5], [0, 0, 1]])


def wall(shift: float = 0.0, far: float = 2.0) -> RGBDFrame:
    """A wall ``far`` metres ahead of a camera that has moved ``shift`` metres to its right."""
    pose = np.eye(4)
    pose[0, 3] = shift
    depth = np.full((HEIGHT, WIDTH), far, np.float32)
    return RGBDFrame(np.zeros((HEIGHT, WIDTH, 3), np.uint8), depth, WALL, pose, f"wall/{shift}")


def of_room(pose: np.ndarray) -> RGBDFrame:
    color, depth = render(pose)
    return RGBDFrame(color, depth.astype(np.float32), CAMERA, pose, "room")


def world(frame: RGBDFrame, pixels: np.ndarray) -> np.ndarray:
    """The places that pixels of a frame show, one for each pixel, in the order of the pixels."""
    xyz, all_pixels = back_project(frame.depth, frame.intrinsics, frame.pose)
    image = np.full((*frame.depth.shape, 3), np.nan)
    image[all_pixels[:, 1], all_pixels[:, 0]] = xyz
    return image[pixels[:, 1], pixels[:, 0]]


def test_a_wall_moves_by_whole_pixels() -> None:
    # 0.2 m at 2 m and a focal length of 50 pixels: five columns.
    a, b = match_views(wall(), wall(0.2))
    v, u = np.mgrid[:HEIGHT, 5:WIDTH]
    np.testing.assert_array_equal(a, np.column_stack([u.ravel(), v.ravel()]))
    np.testing.assert_array_equal(b, a - [5, 0])
    assert a.dtype == b.dtype == np.int64


def test_strides_holes_and_tolerances() -> None:
    first, second = wall(), wall(0.2)
    a, b = match_views(first, second, stride=3)
    assert not (a % 3).any()
    assert len(a) == 10 * 12
    first.depth[3] = 0
    second.depth[:, 7] = 0
    a, b = match_views(first, second)
    assert 3 not in a[:, 1]
    assert 7 not in b[:, 0]
    assert len(a) == 29 * 34
    near = wall(0.2, 2.03)
    assert len(match_views(first, near)[0]) > 900  # 0.02 m and 1 % of 2 m
    assert len(match_views(first, near, relative_tolerance=0)[0]) == 0
    assert len(match_views(first, near, tolerance=0.031, relative_tolerance=0)[0]) > 900


def test_what_is_hidden_is_no_match() -> None:
    """A board half a metre ahead of the second camera hides the wall behind its columns 10 to 19."""
    second = wall(0.2)
    second.depth[:, 10:20] = 0.5
    b = match_views(wall(), second)[1]
    np.testing.assert_array_equal(np.unique(b[:, 0]), np.r_[0:10, 20:35])
    back_a, back_b = match_views(second, wall())
    assert not np.isin(back_a[:, 0], np.arange(10, 20)).any()
    assert not np.isin(back_b[:, 0], np.arange(15, 25)).any()


def test_a_frame_matches_itself_wholly_and_what_is_behind_it_not_at_all() -> None:
    frame = of_room(POSES[3])
    a, b = match_views(frame, frame)
    np.testing.assert_array_equal(a, b)
    assert len(a) == frame.depth.size
    turned = of_room(looking(POSES[3][:3, 3], 75.0 + 180, 20.0))
    assert len(match_views(frame, turned)[0]) == 0


@settings(max_examples=25, deadline=None)
@given(
    heading=st.integers(-40, 40),
    pitch=st.integers(-30, 9),
    roll=st.integers(-10, 9),
    x=st.floats(-1, 1),
    size=st.booleans(),
)
def test_matches_are_one_place_whatever_the_cameras(heading: int, pitch: int, roll: int, x: float, size: bool) -> None:
    # Fractions of a degree: the renderer knows no ray along an axis.
    first, pose = (
        of_room(looking((0.0, 0.0, 1.4), 0.3, -10.2)),
        looking((x, 0.2, 1.3), heading + 0.3, pitch + 0.2, roll + 0.37),
    )
    camera = CAMERA * [[2], [2], [1]] if size else CAMERA
    color, depth = render(pose, camera, (96, 128) if size else (48, 64))
    second = RGBDFrame(color, depth.astype(np.float32), camera, pose, "other")
    a, b = match_views(first, second)
    assert len(np.unique(a, axis=0)) == len(np.unique(b, axis=0)) == len(a)
    apart = np.linalg.norm(world(first, a) - world(second, b), axis=1)
    deep = second.depth[b[:, 1], b[:, 0]]
    # Along the view the tolerance, across it the half diagonal of a pixel, with room for slanting rays.
    assert (apart < 1.4 * (0.02 + 0.012 * deep) + deep / camera[0, 0]).all()


def check_neighbours(source: FrameSource, pairs: list[tuple[int, int]], least: float, colours: float) -> None:
    for one, two in pairs:
        first, second = source[one], source[two]
        a, b = match_views(first, second, stride=2)
        share = len(a) / np.count_nonzero(first.depth[::2, ::2])
        assert share > least, (one, two, share)
        apart = np.linalg.norm(world(first, a) - world(second, b), axis=1)
        deep = second.depth[b[:, 1], b[:, 0]]
        assert (apart < 1.4 * (0.02 + 0.01 * deep) + deep / second.intrinsics[0, 0]).all()
        assert np.median(apart) < 0.01 + 0.6 * np.median(deep) / second.intrinsics[0, 0]
        color = [frame.color[p[:, 1], p[:, 0]].astype(float) for frame, p in ((first, a), (second, b))]
        # Scrambled pairs differ by several times as much.
        apart_in_color = np.abs(color[0] - color[1]).mean()
        assert apart_in_color < colours
        assert np.abs(color[0] - color[1][::-1]).mean() > 2 * apart_in_color
        if first.label is not None and second.label is not None:
            assert (first.label[a[:, 1], a[:, 0]] == second.label[b[:, 1], b[:, 0]]).mean() > 0.97


def test_walks_through_rooms() -> None:
    check_neighbours(RoomsFrames(5, 1, 3, 120, 160, walk=True), [(0, 1), (1, 2)], 0.25, 20)


def test_recorded_frames(shared: Path) -> None:
    source = Open3DFolder(shared / "frames/icl_livingroom", up="world-z")
    check_neighbours(source, [(0, 1), (150, 153)], 0.6, 12)


def test_a_frame_without_a_pose_is_named() -> None:
    lost = replace(wall(), pose=None, name="lost")
    for pair in ((lost, wall()), (wall(), lost)):
        with pytest.raises(FrameError, match="frame lost has no pose"):
            match_views(*pair)
    with pytest.raises(InputError, match="not both 0, got 0 and 0"):
        match_views(wall(), wall(), tolerance=0, relative_tolerance=0)
    sparse = wall()
    sparse.depth[::2] = 0
    with pytest.raises(FrameError, match=r"frame wall/0.0: .*all holes"):
        match_views(sparse, wall(), stride=2)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31), kept=st.floats(0, 1), matches=st.integers(0, 60))
def test_rows_of_the_matches_that_are_left(seed: int, kept: float, matches: int) -> None:
    rng = np.random.default_rng(seed)
    every = np.column_stack([one.ravel() for one in np.mgrid[:9, :7]])
    clouds = [rng.permutation(every[rng.random(len(every)) < kept]) for _ in range(2)]
    sides = [every[rng.permutation(len(every))[:matches]] for _ in range(2)]
    rows_a, rows_b = match_rows(*clouds, *sides)
    where = [{tuple(pixel): row for row, pixel in enumerate(cloud.tolist())} for cloud in clouds]
    want = [
        (where[0][tuple(p)], where[1][tuple(q)])
        for p, q in zip(sides[0].tolist(), sides[1].tolist(), strict=True)
        if tuple(p) in where[0] and tuple(q) in where[1]
    ]
    assert list(zip(rows_a.tolist(), rows_b.tolist(), strict=True)) == want
    assert rows_a.dtype == rows_b.dtype == np.int64


def test_pixels_that_are_none() -> None:
    good = np.zeros((1, 2), np.int64)
    for bad in (np.zeros((1, 3), np.int64), np.zeros((1, 2)), good - 1):
        with pytest.raises(InputError, match="pixels_a must be"):
            match_rows(good, good, bad, good)
    with pytest.raises(InputError, match="two pixels each, got 1 in a and 2 in b"):
        match_rows(good, good, good, np.zeros((2, 2), np.int64))
