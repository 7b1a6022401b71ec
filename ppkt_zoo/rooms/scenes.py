"""Whole rooms: one as a cloud, and RoomScenes, labelled rooms by number with a cache on disk."""

from pathlib import Path

import numpy as np

from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.data.scenes import LabelledScene
from ppkt_zoo.errors import FrameError, InputError
from ppkt_zoo.points.back_projection import pixel_values
from ppkt_zoo.rooms.camera import make_intrinsics, sample_camera
from ppkt_zoo.rooms.classes import CLASSES
from ppkt_zoo.rooms.layout.plans import make_room
from ppkt_zoo.rooms.rendering.frame import render
from ppkt_zoo.rooms.room import Room
from ppkt_zoo.rooms.source import read_arrays, room_seed, say_made_again, write_arrays
from ppkt_zoo.rooms.version import VERSION

BOX_CLASSES: tuple[str, ...] = (
    "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture", "counter", "desk",
    "curtain", "refrigerator", "shower_curtain", "toilet", "sink", "bathtub", "bin",
)  # fmt: skip
"""The 18 classes that objects are detected of, those of ScanNet's benchmark (bin: its garbagebin)."""

_FEWEST_POINTS = 30  # an object of which a scan holds fewer has no box
_FIELDS = ("xyz", "rgb", "label", "instance", "boxes", "box_label")


def room_cloud(
    room: Room, spacing: float = 0.02, seed: int = 0, views: int = 12, ceiling: bool = False, noise: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Fuse several views of a room on a grid.

    Args:
        room: the room.
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
        _points(render(room, intrinsics, sample_camera(room, rng, angle), height, width, noise=noise, view=view))
        for view in range(views)
    ]
    xyz, rgb, label, instance = (np.concatenate(column) for column in zip(*parts, strict=True))
    if not ceiling:
        keep = (label != CLASSES.index("ceiling")) & (xyz[:, 2] < room.extent[2] - 0.12)
        xyz, rgb, label, instance = xyz[keep], rgb[keep], label[keep], instance[keep]
    cell = np.floor(xyz / spacing).astype(np.int64)
    cell -= cell.min(0)
    size = cell.max(0) + 1
    key = (cell[:, 0] * size[1] + cell[:, 1]) * size[2] + cell[:, 2]
    _, first, inverse, count = np.unique(key, return_index=True, return_inverse=True, return_counts=True)
    color = np.stack([np.bincount(inverse, rgb[:, axis], len(first)) for axis in range(3)], axis=1) / count[:, None]
    return xyz[first], np.round(color).astype(np.uint8), label[first], instance[first]


def _points(frame: RGBDFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
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
        self.seed, self.rooms = seed, rooms
        self.folder = None if cache is None else Path(cache) / f"scenes-v{VERSION}-seed{seed}"

    @property
    def name(self) -> str:
        """What reports call this source."""
        return f"room-scenes-{self.seed}"

    def __len__(self) -> int:
        return self.rooms

    def __getitem__(self, index: int) -> LabelledScene:
        if not -len(self) <= index < len(self):
            raise IndexError(f"scene {index} of {len(self)}")
        index %= len(self)
        name = f"{self.name}/{room_seed(self.seed, index)}"
        path = None if self.folder is None else self.folder / f"scene-{index:05d}.npz"
        if path is not None and path.exists():
            try:
                return _as_scene(read_arrays(path, _FIELDS, "scene"), name)
            except FrameError as error:
                say_made_again(path, error)
        found = _scan(make_room(room_seed(self.seed, index)))
        if path is not None:
            write_arrays(path, found, compressed=True)
        return _as_scene(found, name)


def _scan(room: Room) -> dict[str, np.ndarray]:
    xyz, rgb, label, instance = room_cloud(room, noise=True)
    count = np.bincount(instance, minlength=len(room.objects) + 1)
    kept = [
        row
        for row, item in enumerate(room.objects)
        if item.name in BOX_CLASSES and count[item.instance] >= _FEWEST_POINTS
    ]
    box_label = np.array([BOX_CLASSES.index(room.objects[row].name) for row in kept], np.int16)
    return dict(zip(_FIELDS, (xyz, rgb, label, instance, room.boxes[kept], box_label), strict=True))


def _as_scene(found: dict[str, np.ndarray], name: str) -> LabelledScene:
    xyz, rgb, label, instance, boxes, box_label = (found[field] for field in _FIELDS)
    return LabelledScene(xyz, rgb, label, instance, boxes, box_label, CLASSES, BOX_CLASSES, name)
