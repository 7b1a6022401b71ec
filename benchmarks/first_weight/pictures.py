"""Part (d): a room and the real kitchen, in colour and coloured by the features' principal components."""

from pathlib import Path

import numpy as np

from held_out import kitchen, rooms
from ppkt_zoo.data.frames import FrameSource
from ppkt_zoo.data.fuse import fuse
from ppkt_zoo.view.picture import feature_picture, save_picture
from setting import ROOMS_TO_RETRIEVE, Setting

_MOST_BYTES = 500_000


def measure(setting: Setting, folder: Path) -> dict[str, object]:
    """Write the pictures into a folder; what they show."""
    frames = setting.amount.picture_frames
    room = rooms(setting, ROOMS_TO_RETRIEVE + 1, 1, frames)
    real = kitchen(setting)
    spread = [int(index) for index in np.linspace(0, len(real) - 1, min(len(real), 2 * frames)).round()]
    return {
        "room": _draw(setting, room, list(range(len(room))), folder / "first_weight_room.png"),
        "kitchen": _draw(setting, real, spread, folder / "first_weight_kitchen.png"),
    }


def _draw(setting: Setting, source: FrameSource, indices: list[int], path: Path) -> dict[str, object]:
    cloud = fuse(source, indices, voxel=0.02, far=4.0)
    features = setting.student.encode(cloud.xyz, cloud.rgb)
    for height in (420, 360, 300, 240, 180):
        save_picture(feature_picture(cloud.xyz, cloud.rgb, features, height=height), path)
        if path.stat().st_size <= _MOST_BYTES:
            break
    return {"file": path.name, "points": len(cloud.xyz), "frames": len(indices), "bytes": path.stat().st_size}
