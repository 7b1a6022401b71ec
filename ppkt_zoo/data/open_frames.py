"""Open a folder of frames in whichever of the known formats it is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ppkt_zoo.data.arkit_scenes import ARKitScenes, is_arkit_scan
from ppkt_zoo.data.frames import FrameSource
from ppkt_zoo.data.listing import existing_folder
from ppkt_zoo.data.nyuv2 import FILE as NYU_FILE
from ppkt_zoo.data.nyuv2 import NYUv2
from ppkt_zoo.data.open3d_files import is_open3d
from ppkt_zoo.data.open3d_folder import Open3DFolder
from ppkt_zoo.data.plain import PlainFrames
from ppkt_zoo.data.scannet.frames import ScanNetFrames, is_scannet
from ppkt_zoo.data.seven_scenes import SevenScenes
from ppkt_zoo.data.shards import ShardFrames, is_shard_folder
from ppkt_zoo.data.sun_rgbd import SunRGBD, is_sun_rgbd
from ppkt_zoo.data.tum import TumRGBD
from ppkt_zoo.errors import FrameError

# What tells a format, its reader, and its files for the message; the first that fits is taken, so the formats
# with names of their own stand before those that many share.
_FORMATS: tuple[tuple[Callable[[Path], bool], Callable[..., FrameSource], str], ...] = (
    (is_shard_folder, ShardFrames, "shards (shards.json, shard-NNNNNN.tar)"),
    (lambda f: f.suffix == ".mat" or (f / NYU_FILE).exists(), NYUv2, f"NYU Depth v2 ({NYU_FILE})"),
    (lambda f: (f / "rgb.txt").exists() and (f / "depth.txt").exists(), TumRGBD, "TUM (rgb.txt, depth.txt)"),
    (is_arkit_scan, ARKitScenes, "ARKitScenes (lowres_wide/, lowres_depth/, lowres_wide.traj)"),
    (is_sun_rgbd, SunRGBD, "SUN RGB-D (SUNRGBD/kv1/…/image/, depth_bfx/, intrinsics.txt, extrinsics/)"),
    (is_scannet, ScanNetFrames, "ScanNet (scene0000_00.sens, or color/, depth/, pose/, intrinsic/)"),
    (is_open3d, Open3DFolder, "Open3D and Redwood (image/ or rgb/, depth/, trajectory.log)"),
    (
        lambda f: any(f.glob("frame-*")) or any(f.glob("seq-*/frame-*")),
        SevenScenes,
        "7-Scenes (frame-NNNNNN.color.png, .depth.png, .pose.txt)",
    ),
    (
        lambda f: any(f.glob("*.color.*")) or any(f.glob("*.depth.png")),
        PlainFrames,
        "plain (NAME.color.jpg, NAME.depth.png)",
    ),
)


def open_frames(
    path: Path | str, intrinsics: Any = None, up: Any = "gravity", depth_scale: float | None = None
) -> FrameSource:
    """The frames of a folder in any format that a reader of ours knows (docs/datasets.md lists them).

    Args:
        path: the folder; for NYU Depth v2 its ``.mat`` file too, for ScanNet a ``.sens`` file.
        intrinsics: (3, 3) or (fx, fy, cx, cy); by default the folder's own file (see each reader).
        up: how poses are turned to z up (see each reader).
        depth_scale: stored units in a metre; by default the format's own (1000 for most).

    Raises:
        FrameError: no such folder, or its files are in none of these formats.
    """
    folder = Path(path) if Path(path).suffix in (".mat", ".sens") else existing_folder(path)
    scale = {} if depth_scale is None else {"depth_scale": depth_scale}
    for fits, reader, _ in _FORMATS:
        if fits(folder):
            return reader(folder, intrinsics, up, **scale)
    known = ", ".join(files for _, _, files in _FORMATS)
    raise FrameError(f"{folder}: no frames in a known format: {known}")
