"""Walks: free floor under every step, overlapping views, the same seed the same walk."""

import itertools

import numpy as np
import pytest

from ppkt_zoo.errors import InputError
from ppkt_zoo.rooms import RoomsFrames, make_room, overlap_of_views, sample_walk
from ppkt_zoo.rooms.layout.planner import Floor


@pytest.mark.parametrize("seed", [0, 1, 2, 8, 9, 18])
def test_neighbouring_views_overlap_and_steps_are_a_walker_s(seed: int) -> None:
    room = make_room(seed)
    poses = sample_walk(room, 3, 10, overlap=0.5)
    assert len(poses) == 10
    shares = [overlap_of_views(room, one, two) for one, two in itertools.pairwise(poses)]
    assert min(shares) >= 0.5
    steps = [np.linalg.norm(two[:3, 3] - one[:3, 3]) for one, two in itertools.pairwise(poses)]
    assert max(steps) < 0.6
    assert sum(steps) > 0.5


def test_a_walk_stays_clear_of_furniture() -> None:
    for seed in (0, 3, 5):
        room = make_room(seed)
        standing = [item for item in room.objects if item.centre[2] - item.size[2] / 2 < 1.2 and item.size[2] > 0.3]
        width, depth, _ = room.extent
        for pose in sample_walk(room, 1, 12):
            x, y, z = pose[:3, 3]
            assert abs(x) < width / 2 - 0.2
            assert abs(y) < depth / 2 - 0.2
            assert 1.1 < z < 1.85
            for item in standing:
                floor = Floor(width, depth, np.random.default_rng(0))
                floor.take(item.centre, item.heading, item.size[0], item.size[1])
                assert floor.free(np.array([x, y, 0]), 0.0, 0.1, 0.1), (seed, item.name)


def test_the_same_view_overlaps_wholly_and_a_turned_one_not_at_all() -> None:
    room = make_room(4)
    pose = sample_walk(room, 0, 1)[0]
    behind = pose.copy()
    behind[:3, 0], behind[:3, 2] = -pose[:3, 0], -pose[:3, 2]
    assert overlap_of_views(room, pose, pose) == 1.0
    assert overlap_of_views(room, pose, behind) < 0.05


def test_one_seed_one_walk() -> None:
    room = make_room(6)
    first, second, other = sample_walk(room, 5, 4), sample_walk(room, 5, 4), sample_walk(room, 6, 4)
    np.testing.assert_array_equal(np.array(first), np.array(second))
    assert not np.array_equal(np.array(first), np.array(other))


def test_frames_follow_the_walk_of_their_room() -> None:
    frames = RoomsFrames(5, 2, 3, 48, 64, walk=True)
    backwards = RoomsFrames(5, 2, 3, 48, 64, walk=True)
    forward = [frames[index] for index in range(6)]
    for index in reversed(range(6)):
        np.testing.assert_array_equal(forward[index].color, backwards[index].color)
    poses = [frame.pose for frame in forward]
    assert all(pose is not None for pose in poses)
    step = np.linalg.norm(poses[1][:3, 3] - poses[0][:3, 3])
    assert step < 0.6
    assert forward[0].intrinsics[0, 0] == forward[2].intrinsics[0, 0]


@pytest.mark.parametrize(("views", "overlap"), [(0, 0.4), (3, 0.95), (3, -0.1)])
def test_a_walk_that_cannot_be_is_named(views: int, overlap: float) -> None:
    with pytest.raises(InputError, match="walk"):
        sample_walk(make_room(0), 0, views, overlap=overlap)


def test_walk_and_close_ups_exclude_each_other() -> None:
    with pytest.raises(InputError, match="either walk or close_ups"):
        RoomsFrames(1, 1, 1, walk=True, close_ups=0.5)
