"""Rooms as geometry: what is rendered lies on the solids, inside the boxes, at the same place from every side."""

import numpy as np
import pytest
import torch

from ppkt_zoo.points.back_projection import back_project
from ppkt_zoo.rooms import CLASSES, Room, look_at, make_intrinsics, make_room, render, room_cloud, sample_camera
from ppkt_zoo.rooms.layout.planner import Floor
from ppkt_zoo.rooms.room import SHELL
from ppkt_zoo.rooms.shapes import Shape

HEIGHT, WIDTH = 96, 128
SEEDS = (0, 3, 5, 8)


@pytest.fixture(scope="module")
def rooms() -> list[Room]:
    return [make_room(seed) for seed in SEEDS]


def view(room: Room, seed: int, noise: bool = False):
    return render(room, make_intrinsics(HEIGHT, WIDTH, 60.0), sample_camera(room, seed), HEIGHT, WIDTH, noise=noise)


def points(frame):
    xyz, pixel = back_project(frame.depth, frame.intrinsics, frame.pose)
    return xyz, frame.label[pixel[:, 1], pixel[:, 0]], frame.instance[pixel[:, 1], pixel[:, 0]]


def in_box(xyz: np.ndarray, centre: np.ndarray, size: np.ndarray, heading: float) -> np.ndarray:
    """How far each point is outside an oriented box, per axis (negative: inside)."""
    away, c, s = xyz - centre, np.cos(heading), np.sin(heading)
    own = np.stack([c * away[:, 0] + s * away[:, 1], c * away[:, 1] - s * away[:, 0], away[:, 2]], axis=1)
    return np.abs(own) - size / 2


def test_same_seed_same_room_and_frame() -> None:
    first, second = (view(make_room(11), 4, noise=True) for _ in range(2))
    for field in ("color", "depth", "label", "instance", "pose"):
        np.testing.assert_array_equal(getattr(first, field), getattr(second, field), err_msg=field)


def test_number_of_threads_changes_nothing() -> None:
    before = torch.get_num_threads()
    frames = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            frames.append(view(make_room(12), 1))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(frames[0].color, frames[1].color)
    np.testing.assert_array_equal(frames[0].depth, frames[1].depth)


def test_other_seeds_other_rooms(rooms: list[Room]) -> None:
    assert len({room.extent for room in rooms}) == len(rooms)
    assert len({len(room.solids) for room in rooms}) > 1
    assert not np.array_equal(view(rooms[0], 1).color, view(rooms[0], 2).color)


def test_many_classes_over_a_few_rooms() -> None:
    seen = {item.name for seed in range(24) for item in make_room(seed).objects}
    assert seen <= set(CLASSES)
    missing = set(CLASSES) - {"wall", "floor", "ceiling"} - seen
    assert not missing


def test_instances_are_numbered_from_one(rooms: list[Room]) -> None:
    for room in rooms:
        assert [item.instance for item in room.objects] == list(range(1, len(room.objects) + 1))
        solids = room.solids
        assert (solids.instance[:SHELL] == 0).all()
        for item in room.objects:
            assert (solids.label[solids.instance == item.instance] == item.label).all()


def test_points_lie_in_their_object_s_box_and_in_the_room(rooms: list[Room]) -> None:
    for room in rooms:
        width, depth, height = room.extent
        xyz, label, instance = points(view(room, 0))
        assert (np.abs(xyz[:, :2]) < np.array([width, depth]) / 2 + 1e-3).all()
        assert xyz[:, 2].min() > -1e-3
        assert xyz[:, 2].max() < height + 1e-3
        for item in room.objects:
            rows = instance == item.instance
            assert (label[rows] == item.label).all()
            # 1 mm: the march into rounded boxes stops that near.
            assert (in_box(xyz[rows], item.centre, item.size, item.heading) < 2e-3).all(), item.name


def test_points_lie_on_a_solid_and_none_is_in_front(rooms: list[Room]) -> None:
    """The distance of every point to the nearest solid, worked out apart from the ray caster, is nearly zero."""
    room = rooms[0]
    xyz, _, instance = points(view(room, 0))
    rows = np.flatnonzero(instance > 0)[::7]
    nearest = np.min([np.abs(distance(room, number, xyz[rows])) for number in range(SHELL, len(room.solids))], axis=0)
    assert len(rows) > 50
    assert nearest.max() < 3e-3
    # And a point half-way to the camera is in no solid.
    frame = view(room, 0)
    assert frame.pose is not None
    middle = (xyz[rows] + frame.pose[:3, 3]) / 2
    outside = np.min([distance(room, number, middle) for number in range(SHELL, len(room.solids))], axis=0)
    assert outside.min() > -1e-3


def distance(room: Room, number: int, xyz: np.ndarray) -> np.ndarray:
    """A lower bound of the distance to one solid that is exact on its surface; negative inside."""
    solids = room.solids
    own = (xyz - solids.centre[number].numpy()) @ solids.axes[number].numpy().T
    half, (first, second) = solids.half[number].numpy(), solids.extra[number].numpy()
    shape = Shape(int(solids.shape[number]))
    if shape == Shape.ELLIPSOID:
        return (np.linalg.norm(own / half, axis=1) - 1) * half.min()
    if shape == Shape.FRUSTUM:
        z = own[:, 2] / half[2]
        radius = (first + second) / 2 + (second - first) / 2 * z
        side = (np.linalg.norm(own[:, :2] / half[:2], axis=1) - radius) * half[:2].min()
        slope = abs(second - first) * half[:2].max() / (2 * half[2])
        return np.maximum(side / np.hypot(1, slope), np.abs(own[:, 2]) - half[2])
    radius = first if shape == Shape.ROUND_BOX else 0.0
    beyond = np.abs(own) - (half - radius)
    return np.linalg.norm(np.maximum(beyond, 0), axis=1) + np.minimum(beyond.max(1), 0) - radius


def test_two_views_see_the_same_world(rooms: list[Room]) -> None:
    """A point seen by one camera is seen by another at the same place, or hidden by something nearer."""
    for room in rooms:
        for number in range(3):
            xyz, _, instance = points(view(room, number))
            other = view(room, number + 10)
            assert other.pose is not None
            assert other.instance is not None
            seen = (xyz - other.pose[:3, 3]) @ other.pose[:3, :3]
            pixel = seen @ other.intrinsics.T
            u, v = (np.round(pixel[:, axis] / pixel[:, 2]).astype(int) for axis in (0, 1))
            rows = np.flatnonzero((seen[:, 2] > 0.1) & (u >= 0) & (u < WIDTH) & (v >= 0) & (v < HEIGHT))
            if len(rows) < 200:
                continue
            depth = other.depth[v[rows], u[rows]]
            behind = seen[rows, 2] - depth
            # Half a pixel of rounding can miss an edge: compare with the nearest of the pixels around.
            around = np.lib.stride_tricks.sliding_window_view(np.pad(other.depth, 1, mode="edge"), (3, 3))
            nearest = around.min(axis=(2, 3))[v[rows], u[rows]]
            assert np.mean(seen[rows, 2] < nearest - 0.03) < 0.02
            near = np.abs(behind) < 0.01
            assert near.mean() > 0.1
            same = instance[rows][near] == other.instance[v[rows], u[rows]][near]
            assert same.mean() > 0.93


def test_cameras_stand_free_and_see_things() -> None:
    intrinsics = make_intrinsics(60, 80, 60.0)
    for seed in range(5):
        room = make_room(seed + 50)
        for number in range(2):
            pose = sample_camera(room, number)
            np.testing.assert_array_equal(pose, sample_camera(room, number))
            position = pose[None, :3, 3]
            for item in room.objects:
                assert in_box(position, item.centre, item.size, item.heading).max() > 0, item.name
            assert 0.75 < position[0, 2] < 1.8
            frame = render(room, intrinsics, pose, 60, 80, noise=False)
            assert frame.instance is not None
            assert np.mean(frame.depth < 0.45) < 0.2
            assert len(np.unique(frame.instance)) > 2


def test_large_furniture_does_not_intersect() -> None:
    """Chairs may be pushed under tables; everything else large has its own floor."""
    large = {"sofa", "bed", "cabinet", "bookshelf", "counter", "table", "desk", "stool", "plant"}
    large |= {"refrigerator", "toilet", "bathtub", "bin"}
    for seed in range(12):
        room = make_room(seed)
        standing = [item for item in room.objects if item.name in large and item.centre[2] < item.size[2] / 2 + 0.05]
        width, depth, _ = room.extent
        for number, item in enumerate(standing):
            floor = Floor(width + 2, depth + 2, np.random.default_rng(0))
            floor.take(item.centre, item.heading, item.size[0] - 0.04, item.size[1] - 0.04)
            for other in standing[number + 1 :]:
                free = floor.free(other.centre, other.heading, other.size[0] - 0.04, other.size[1] - 0.04)
                assert free, (seed, item.name, other.name)


def test_noise_makes_holes_and_changes_colour(rooms: list[Room]) -> None:
    clean, noisy = view(rooms[1], 0), view(rooms[1], 0, noise=True)
    assert (clean.depth > 0).all()
    holes = np.mean(noisy.depth == 0)
    assert 0.001 < holes < 0.5
    both = noisy.depth > 0
    error = np.abs(noisy.depth - clean.depth)[both] / clean.depth[both] ** 2
    assert error.max() < 0.02
    assert error.mean() > 1e-4
    np.testing.assert_array_equal(clean.label, noisy.label)
    assert not np.array_equal(clean.color, noisy.color)


def test_frames_are_well_exposed(rooms: list[Room]) -> None:
    for room in rooms:
        color = view(room, 2, noise=True).color
        assert 50 < color.mean() < 205
        assert color.std() > 15


def test_look_at_puts_the_target_in_the_middle() -> None:
    pose = look_at(np.array([1.0, 2.0, 1.5]), np.array([-1.0, 0.5, 0.3]))
    seen = (np.array([-1.0, 0.5, 0.3]) - pose[:3, 3]) @ pose[:3, :3]
    np.testing.assert_allclose(seen[:2], 0, atol=1e-12)
    assert seen[2] > 0
    assert pose[2, 1] < 0  # image y points down


def test_room_cloud(rooms: list[Room]) -> None:
    room = rooms[2]
    xyz, rgb, label, instance = room_cloud(room, spacing=0.05, views=2)
    assert (xyz.dtype, rgb.dtype, label.dtype, instance.dtype) == (np.float32, np.uint8, np.int16, np.int32)
    assert len(xyz) == len(rgb) == len(label) == len(instance) > 1000
    assert len(np.unique(np.floor(xyz / 0.05).astype(int), axis=0)) == len(xyz)
    assert CLASSES.index("ceiling") not in label
    whole = room_cloud(room, spacing=0.05, views=2, ceiling=True)
    kept = (whole[2] != CLASSES.index("ceiling")) & (whole[0][:, 2] < room.extent[2] - 0.15)
    assert kept.sum() <= len(xyz) <= len(whole[0])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
def test_gpu_renders_the_same_room() -> None:
    pose = sample_camera(make_room(3), 1)
    intrinsics = make_intrinsics(240, 320, 60.0)
    here, there = (render(make_room(3, device), intrinsics, pose, 240, 320, noise=False) for device in ("cpu", "cuda"))
    assert np.mean(here.instance == there.instance) > 0.999
    assert np.mean(np.abs(here.depth - there.depth) < 1e-3) > 0.999
    assert np.abs(here.color.astype(int) - there.color).mean() < 1.0
