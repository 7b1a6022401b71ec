"""Part (d): the demo's room and the real kitchen, in colour and coloured by their features."""

from pathlib import Path

import numpy as np
from held_out import kitchen
from setting import Setting

from ppkt_zoo.cli.run.demo import SEED
from ppkt_zoo.data.fuse import fuse
from ppkt_zoo.rooms import make_room, room_cloud
from ppkt_zoo.visualization.picture import feature_picture, save_picture

_SPACING = 0.02
_FAR = 4.0  # A Kinect's depth beyond it is mostly noise.
_MOST_BYTES = 500_000
_HEIGHTS = (420, 360, 300, 240, 180)


def draw(setting: Setting, folder: Path) -> dict[str, object]:
    """Write the two pictures into a folder; what they show."""
    views = setting.amount.picture_frames
    xyz, rgb, _, _ = room_cloud(make_room(SEED), spacing=_SPACING, seed=SEED, views=views)
    real = kitchen(setting)
    frames = np.linspace(0, len(real) - 1, min(len(real), 2 * views)).round().astype(int)
    fused = fuse(real, frames.tolist(), voxel=_SPACING, far=_FAR)
    return {
        "room": {"frames": views, **_draw(setting, xyz, rgb, folder / "first_weight_room.png")},
        "kitchen": {"frames": len(frames), **_draw(setting, fused.xyz, fused.rgb, folder / "first_weight_kitchen.png")},
    }


def _draw(setting: Setting, xyz: np.ndarray, rgb: np.ndarray, path: Path) -> dict[str, object]:
    features = setting.student.encode(xyz, rgb)
    for height in _HEIGHTS:  # The largest that fits the repository's limit.
        save_picture(feature_picture(xyz, rgb, features, height=height), path)
        if path.stat().st_size <= _MOST_BYTES:
            break
    return {"file": path.name, "points": len(xyz), "bytes": path.stat().st_size}
