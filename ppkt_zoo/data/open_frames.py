"""Open a folder of frames in whichever of the known formats it is."""

from pathlib import Path
from typing import Any

from ppkt_zoo.data.frames import FrameSource
from ppkt_zoo.data.listing import existing_folder
from ppkt_zoo.data.open3d_folder import Open3DFolder
from ppkt_zoo.data.plain import PlainFrames
from ppkt_zoo.data.seven_scenes import SevenScenes
from ppkt_zoo.errors import FrameError


def open_frames(
    path: Path | str, intrinsics: Any = None, up: Any = "gravity", depth_scale: float = 1000.0
) -> FrameSource:
    """The frames of a folder: Open3D's layout, a 7-Scenes sequence or scene, or a plain folder.

    Args:
        path: the folder.
        intrinsics: (3, 3) or (fx, fy, cx, cy); by default the folder's own file (see each reader).
        up: how poses are turned to z up (see each reader).
        depth_scale: stored units in a metre.

    Raises:
        FrameError: no such folder, or its files are in none of these formats.
    """
    folder = existing_folder(path)
    if (folder / "trajectory.log").exists() or (folder / "depth").is_dir():
        return Open3DFolder(folder, intrinsics, up, depth_scale)
    if any(folder.glob("frame-*")) or any(folder.glob("seq-*/frame-*")):
        return SevenScenes(folder, intrinsics, up, depth_scale)
    if any(folder.glob("*.color.*")) or any(folder.glob("*.depth.png")):
        return PlainFrames(folder, intrinsics, up, depth_scale)
    raise FrameError(
        f"{folder}: no frames in a known format: Open3D (image/, depth/, trajectory.log), "
        "7-Scenes (frame-NNNNNN.color.png, .depth.png, .pose.txt) or plain (NAME.color.jpg, NAME.depth.png)"
    )
