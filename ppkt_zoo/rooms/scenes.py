"""RoomScenes: whole labelled rooms by number, with a cache on disk."""

from pathlib import Path

import numpy as np

from ppkt_zoo.data.scenes import LabelledScene
from ppkt_zoo.errors import FrameError, InputError
from ppkt_zoo.rooms.classes import CLASSES
from ppkt_zoo.rooms.cloud import room_cloud
from ppkt_zoo.rooms.layout.make import make_room
from ppkt_zoo.rooms.room import Room
from ppkt_zoo.rooms.room_files import read_arrays, room_seed, say_made_again, write_arrays
from ppkt_zoo.rooms.version import VERSION

BOX_CLASSES: tuple[str, ...] = (
    "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture", "counter", "desk",
    "curtain", "refrigerator", "shower_curtain", "toilet", "sink", "bathtub", "bin",
)  # fmt: skip
"""The 18 classes that objects are detected of, those of ScanNet's benchmark (bin: its garbagebin)."""

_FEWEST_POINTS = 30  # an object of which a scan holds fewer has no box
_FIELDS = ("xyz", "rgb", "label", "instance", "boxes", "box_label")


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
