"""A whole room as one cloud."""

import numpy as np

from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.points.back_projection import pixel_values
from ppkt_zoo.rooms.camera import make_intrinsics, sample_camera
from ppkt_zoo.rooms.classes import CLASSES
from ppkt_zoo.rooms.rendering.frame import render
from ppkt_zoo.rooms.room import Room


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
