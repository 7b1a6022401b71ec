"""Rooms as a camera sees them from a few places: labelled clouds with far sides and corners that nobody saw."""

from pathlib import Path

import numpy as np

from ppkt_zoo.data.scenes import LabelledScene
from ppkt_zoo.errors import InputError
from ppkt_zoo.rooms.camera import make_intrinsics, sample_camera, sample_close_up
from ppkt_zoo.rooms.layout.plans import make_room
from ppkt_zoo.rooms.rendering.frame import render
from ppkt_zoo.rooms.room import CLASSES, VERSION, Room
from ppkt_zoo.rooms.scenes import BOX_CLASSES, SCENE_FIELDS, as_scene, labelled_points, on_grid, scene_arrays
from ppkt_zoo.rooms.source import cached, room_seed

_HEIGHT, _WIDTH = 360, 480
_SPACING = 0.02
# Of fewer points nobody could tell where an object ends: it has no box.
_FEWEST_POINTS = 100
# One view is what a single RGB-D frame holds; two or three are a short sweep.
_VIEWS = (1, 1, 2, 3)
_CLOSE_UPS = 0.15
# Purpose of these random numbers; one seed must not serve another one.
_CAMERAS = 6


class PartialScans:
    """Labelled clouds of one to three views of a room: scan i is a pure function of (seed, i). A SceneSource.

    Half of them are of a single view, one view in seven looks down on a table from near. Depth is noisy, the grid is
    2 cm, and the ceiling stays where it is seen. Labels are indices into ``CLASSES``; boxes are the objects' own whole
    ones, for the classes of ``BOX_CLASSES`` and the objects of which the scan holds at least 100 points.

    Args:
        seed: which world; its rooms are those of :class:`~ppkt_zoo.rooms.scenes.RoomScenes`.
        rooms: how many rooms.
        per_room: how many scans of each.
        cache: folder for finished scans, or None.

    Raises:
        InputError: there is no room, or no scan of it.
    """

    classes = CLASSES
    box_classes = BOX_CLASSES

    def __init__(self, seed: int, rooms: int, per_room: int, cache: Path | str | None = None) -> None:
        if rooms < 1 or per_room < 1:
            raise InputError(f"rooms and per_room must be at least 1, got {rooms} and {per_room}")
        self.seed, self.rooms, self.per_room = seed, rooms, per_room
        self.name = f"partial-scans-{seed}"
        # How many scans a room has decides no scan, so it is no part of the folder's name.
        self.folder = None if cache is None else Path(cache) / f"partial-scans-v{VERSION}-seed{seed}"

    def __len__(self) -> int:
        return self.rooms * self.per_room

    def __getitem__(self, index: int) -> LabelledScene:
        if not -len(self) <= index < len(self):
            raise IndexError(f"scan {index} of {len(self)}")
        number, scan = divmod(index % len(self), self.per_room)
        seed = room_seed(self.seed, number)
        path = None if self.folder is None else self.folder / f"scan-{number:05d}-{scan:02d}.npz"
        return cached(
            path,
            SCENE_FIELDS,
            "scan",
            lambda: _scan(make_room(seed), np.random.default_rng([seed, _CAMERAS, scan])),
            lambda found: as_scene(found, f"{self.name}/{seed}-{scan}"),
            compressed=True,
        )


def _scan(room: Room, rng: np.random.Generator) -> dict[str, np.ndarray]:
    parts = []
    for view in range(int(rng.choice(_VIEWS))):
        angle = float(rng.uniform(50, 75))
        pose = (sample_close_up if rng.random() < _CLOSE_UPS else sample_camera)(room, rng, angle)
        frame = render(room, make_intrinsics(_HEIGHT, _WIDTH, angle), pose, _HEIGHT, _WIDTH, noise=True, view=view)
        parts.append(labelled_points(frame))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return scene_arrays(room, _FEWEST_POINTS, *on_grid(_SPACING, *columns))
