"""Whole rooms: one as a cloud, labelled rooms by number with a cache on disk, and the fixed worlds of rooms-bench.

The worlds to pretrain in, to train in with few labels, and to be tested in are never mixed.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.data.scenes import LabelledScene
from ppkt_zoo.errors import InputError, UnknownNameError
from ppkt_zoo.points.back_projection import pixel_values
from ppkt_zoo.rooms.camera import make_intrinsics, sample_camera
from ppkt_zoo.rooms.layout.plans import make_room
from ppkt_zoo.rooms.rendering.frame import render
from ppkt_zoo.rooms.room import CLASSES, VERSION, Room
from ppkt_zoo.rooms.source import RoomsFrames, cached, room_seed

BOX_CLASSES: tuple[str, ...] = (
    "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture", "counter", "desk",
    "curtain", "refrigerator", "shower_curtain", "toilet", "sink", "bathtub", "bin",
)  # fmt: skip
"""The 18 classes that objects are detected of, those of ScanNet's benchmark (bin: its garbagebin)."""

_FEWEST_POINTS = 30  # an object of which a scan holds fewer has no box
SCENE_FIELDS = ("xyz", "rgb", "label", "instance", "boxes", "box_label")

FRACTIONS: tuple[float, ...] = (0.01, 0.05, 0.1, 0.3, 1.0)
"""The shares of labelled training scenes; each smaller subset lies in the next larger one."""


def room_cloud(
    room: Room, spacing: float = 0.02, seed: int = 0, views: int = 12, ceiling: bool = False, noise: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Fuse several views of a room on a grid.

    Args:
        spacing: edge of the grid's cells in metres; one point a cell.
        seed: which cameras.
        views: how many.
        ceiling: whether to keep the ceiling and what hangs from it.
        noise: noise of the camera and of the depth sensor.

    Returns:
        xyz float32 (N, 3), rgb uint8 (N, 3), label int16 (N,), instance int32 (N,); sorted by cell.
    """
    rng = np.random.default_rng([seed, 5])
    height, width, angle = 360, 480, 75.0
    intrinsics = make_intrinsics(height, width, angle)
    parts = [
        labelled_points(
            render(room, intrinsics, sample_camera(room, rng, angle), height, width, noise=noise, view=view)
        )
        for view in range(views)
    ]
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    if not ceiling:
        xyz, _, label, _ = columns
        keep = (label != CLASSES.index("ceiling")) & (xyz[:, 2] < room.extent[2] - 0.12)
        columns = [column[keep] for column in columns]
    return on_grid(spacing, *columns)


def on_grid(
    spacing: float, xyz: np.ndarray, rgb: np.ndarray, label: np.ndarray, instance: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """One point for each cell of a grid: the first one, with the mean colour of all; sorted by cell."""
    cell = np.floor(xyz / spacing).astype(np.int64)
    cell -= cell.min(0)
    size = cell.max(0) + 1
    key = (cell[:, 0] * size[1] + cell[:, 1]) * size[2] + cell[:, 2]
    _, first, inverse, count = np.unique(key, return_index=True, return_inverse=True, return_counts=True)
    color = np.stack([np.bincount(inverse, rgb[:, axis], len(first)) for axis in range(3)], axis=1) / count[:, None]
    return xyz[first], np.round(color).astype(np.uint8), label[first], instance[first]


def labelled_points(frame: RGBDFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A rendered frame's points: xyz, rgb, label, instance."""
    assert frame.label is not None
    assert frame.instance is not None
    xyz, rgb, pixel = frame.points()
    return xyz, rgb, pixel_values(frame.label, pixel), pixel_values(frame.instance, pixel)


class RoomScenes:
    """Scans of whole rooms: scene i is a pure function of (seed, i). A SceneSource.

    A scan is fused from a dozen noisy depth views on a 2 cm grid, without the ceiling. Labels are indices into
    ``CLASSES``; boxes are the objects' own oriented boxes, for the classes of ``BOX_CLASSES`` and the objects of
    which the scan holds at least 30 points.

    Args:
        seed: which world.
        rooms: how many rooms.
        cache: folder for finished scans, or None.
    """

    classes = CLASSES
    box_classes = BOX_CLASSES

    def __init__(self, seed: int, rooms: int, cache: Path | str | None = None) -> None:
        if rooms < 1:
            raise InputError(f"rooms must be at least 1, got {rooms}")
        self.seed, self.rooms, self.name = seed, rooms, f"room-scenes-{seed}"
        self.folder = None if cache is None else Path(cache) / f"scenes-v{VERSION}-seed{seed}"

    def __len__(self) -> int:
        return self.rooms

    def __getitem__(self, index: int) -> LabelledScene:
        if not -len(self) <= index < len(self):
            raise IndexError(f"scene {index} of {len(self)}")
        index %= len(self)
        path = None if self.folder is None else self.folder / f"scene-{index:05d}.npz"
        seed = room_seed(self.seed, index)
        name = f"{self.name}/{seed}"
        return cached(
            path,
            SCENE_FIELDS,
            "scene",
            lambda: _scan(make_room(seed)),
            lambda found: as_scene(found, name),
            compressed=True,
        )


def _scan(room: Room) -> dict[str, np.ndarray]:
    return scene_arrays(room, _FEWEST_POINTS, *room_cloud(room, noise=True))


def scene_arrays(
    room: Room, fewest: int, xyz: np.ndarray, rgb: np.ndarray, label: np.ndarray, instance: np.ndarray
) -> dict[str, np.ndarray]:
    """What a cache keeps of a scan: its points, and the boxes of the objects of which it holds `fewest` points."""
    count = np.bincount(instance, minlength=len(room.objects) + 1)
    kept = [row for row, item in enumerate(room.objects) if item.name in BOX_CLASSES and count[item.instance] >= fewest]
    box_label = np.array([BOX_CLASSES.index(room.objects[row].name) for row in kept], np.int16)
    return dict(zip(SCENE_FIELDS, (xyz, rgb, label, instance, room.boxes[kept], box_label), strict=True))


def as_scene(found: dict[str, np.ndarray], name: str) -> LabelledScene:
    """A scene from what a cache keeps of it."""
    xyz, rgb, label, instance, boxes, box_label = (found[field] for field in SCENE_FIELDS)
    heading = boxes[:, 6]
    # Furniture is turned by several things in turn: a few headings are more than a whole turn, which no scene may have.
    boxes[:, 6] = np.where(np.abs(heading) > 2 * np.pi, np.remainder(heading, 2 * np.pi), heading)
    return LabelledScene(xyz, rgb, label, instance, boxes, box_label, CLASSES, BOX_CLASSES, name)


@dataclass(frozen=True)
class RoomsBench:
    """One version of the benchmark.

    Attributes:
        name: ``"v1"``.
        world: version of the procedural world that it is defined on; another world would be another benchmark.
        pretrain_seed, teacher_seed, train_seed, validation_seed, test_seed: the worlds' seeds.
        pretrain_rooms, teacher_rooms, train_rooms, validation_rooms, test_rooms: rooms in each.
    """

    name: str
    world: int
    pretrain_seed: int
    teacher_seed: int
    train_seed: int
    validation_seed: int
    test_seed: int
    pretrain_rooms: int
    teacher_rooms: int
    train_rooms: int
    validation_rooms: int
    test_rooms: int

    def pretraining(self, cache: Path | str | None = None, walk: bool = False, close_ups: float = 0.0) -> RoomsFrames:
        """Unlabelled frames to pretrain on, four a room; as a walk where neighbouring views must overlap."""
        return RoomsFrames(self.pretrain_seed, self.pretrain_rooms, 4, cache=cache, walk=walk, close_ups=close_ups)

    def teacher_images(self, cache: Path | str | None = None) -> RoomsFrames:
        """Frames for those who train a 2D teacher in this world: of rooms that pretraining does not see."""
        return RoomsFrames(self.teacher_seed, self.teacher_rooms, 4, cache=cache)

    def train(self, fraction: float = 1.0, cache: Path | str | None = None, more: int = 0) -> RoomScenes:
        """Labelled scenes to fine-tune on: the first 1, 5, 10, 30 or all 100 of every hundred.

        Args:
            fraction: one of ``FRACTIONS``.
            cache: folder for finished scans, or None.
            more: further rooms of the same world; what learned from them is no entry of the benchmark.

        Raises:
            InputError: the fraction is none of ``FRACTIONS``.
        """
        if fraction not in FRACTIONS:
            known = ", ".join(f"{one:g}" for one in FRACTIONS)
            raise InputError(f"rooms-bench has the training fractions {known}, not {fraction:g}")
        return RoomScenes(self.train_seed, max(1, round(fraction * self.train_rooms)) + more, cache)

    def validation(self, cache: Path | str | None = None) -> RoomScenes:
        """Labelled scenes to choose learning rates and the like by."""
        return RoomScenes(self.validation_seed, self.validation_rooms, cache)

    def test(self, cache: Path | str | None = None) -> RoomScenes:
        """Labelled scenes to report on."""
        return RoomScenes(self.test_seed, self.test_rooms, cache)


_VERSIONS = {
    "v1": RoomsBench(
        name="v1",
        world=3,
        pretrain_seed=41_001,
        teacher_seed=41_002,
        train_seed=41_003,
        validation_seed=41_004,
        test_seed=41_005,
        pretrain_rooms=2000,
        teacher_rooms=1000,
        train_rooms=100,
        validation_rooms=20,
        test_rooms=50,
    )
}


def rooms_bench(name: str = "v1") -> RoomsBench:
    """A version of the benchmark by name.

    Raises:
        UnknownNameError: there is no such version.
        InputError: this ppkt-zoo's procedural world is not the one that the version is defined on.
    """
    if name not in _VERSIONS:
        raise UnknownNameError(f"rooms-bench has the versions {', '.join(_VERSIONS)}, not {name!r}")
    bench = _VERSIONS[name]
    if bench.world != VERSION:
        raise InputError(
            f"rooms-bench {name} is defined on world {bench.world}, this ppkt-zoo renders world {VERSION}: its "
            "figures could not be compared; install a ppkt-zoo of that world"
        )
    return bench
