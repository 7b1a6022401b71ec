"""Open a folder of frames in whichever of the known formats it is."""

import warnings
from collections.abc import Callable
from pathlib import Path

from ppkt_zoo.data.frames import FrameSource
from ppkt_zoo.data.gravity import Up
from ppkt_zoo.data.readers.arkit_scenes import ARKitScenes, is_arkit_scan
from ppkt_zoo.data.readers.cameras import Intrinsics
from ppkt_zoo.data.readers.class_names import find_class_file
from ppkt_zoo.data.readers.images import doubt_of_units
from ppkt_zoo.data.readers.labelled_folder import LabelledFolder, is_labelled_folder
from ppkt_zoo.data.readers.nyuv2 import FILE as NYU_FILE
from ppkt_zoo.data.readers.nyuv2 import NYUv2
from ppkt_zoo.data.readers.open3d_folder import Open3DFolder, is_open3d
from ppkt_zoo.data.readers.plain import PlainFrames
from ppkt_zoo.data.readers.s3dis import S3DIS
from ppkt_zoo.data.readers.scannet.frames import ScanNetFrames, is_scannet
from ppkt_zoo.data.readers.scannet.scan import find_scans
from ppkt_zoo.data.readers.scannet.scenes import ScanNetScenes
from ppkt_zoo.data.readers.seven_scenes import SevenScenes
from ppkt_zoo.data.readers.sun_rgbd import SunRGBD, SunScenes, is_sun_rgbd
from ppkt_zoo.data.readers.tum import TumRGBD
from ppkt_zoo.data.scenes import SceneSource
from ppkt_zoo.data.shards.folder import ShardFrames, is_shard_folder
from ppkt_zoo.data.statistics import tell_left_out
from ppkt_zoo.data.subset import check_name, entries, existing_folder
from ppkt_zoo.errors import FrameError, InputWarning, ScaleWarning
from ppkt_zoo.files.reading import usable_path

# Endings of clouds and meshes, for those who give a folder of them. Text has the same endings as much else.
_POINT_FILES = (".ply", ".pcd", ".las", ".laz", ".e57", ".npz", ".npy", ".xyz", ".glb", ".gltf", ".obj", ".stl", ".off")
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
        # Without a single pose they are frames of one's own camera, each of which finds its up by itself.
        lambda f: _any_named(f, "frame-*.pose.txt") or any(_any_named(place, "frame-*") for place in f.glob("seq-*")),
        SevenScenes,
        "7-Scenes (frame-NNNNNN.color.png, .depth.png, .pose.txt)",
    ),
    (
        lambda f: _any_named(f, "*.color.*", but=_POINT_FILES) or _any_named(f, "*.depth.png"),
        PlainFrames,
        "plain (NAME.color.jpg, NAME.depth.png)",
    ),
)
_MOST_LOOKED_AT = 20
#: Endings of single files that hold many frames.
FRAME_FILES = (".mat", ".sens")


def frames_format(folder: Path) -> str | None:
    """The format that a folder's frames are in, with its files, for messages; None where no reader knows it.

    Raises:
        FrameError: the folder cannot be read.
    """
    return next((files for fits, _, files in _FORMATS if fits(folder)), None)


def open_frames(
    path: Path | str, intrinsics: Intrinsics | None = None, up: Up = "gravity", depth_scale: float | None = None
) -> FrameSource:
    """The frames of a folder in any format that a reader of ours knows (docs/datasets.md lists them).

    Args:
        path: the folder; for NYU Depth v2 its ``.mat`` file too, for ScanNet a ``.sens`` file.
        intrinsics: (3, 3) or (fx, fy, cx, cy); by default the folder's own file (see each reader).
        up: how poses are turned to z up (see each reader).
        depth_scale: stored units in a metre; by default the format's own (1000 for most).

    Warns:
        ScaleWarning: by some of its frames, depth is in other units than it is read in.
        InputWarning: images were left out since tracking was lost there.

    Raises:
        FrameError: no such folder, or its files are in none of these formats.
    """
    folder = usable_path(path, FrameError, "path of frames")
    if folder.suffix in FRAME_FILES and not folder.is_dir():
        check_name(folder)
    else:
        folder = existing_folder(path)
    scale = {} if depth_scale is None else {"depth_scale": depth_scale}
    for fits, reader, _ in _FORMATS:
        if fits(folder):
            source = reader(folder, intrinsics, up, **scale)
            _warn(source)
            return source
    known = ", ".join(files for _, _, files in _FORMATS)
    raise FrameError(f"{folder}: no frames in a known format{_what_else(folder) or f': {known}'}")


def _warn(source: FrameSource) -> None:
    """Say what a reader left out, and where the units of depth are in doubt."""
    lost = _lost(source)
    if lost:
        warnings.warn(InputWarning(f"{source.name}: {tell_left_out(lost, len(source) + len(lost))}"), stacklevel=3)
    # Shards were looked at when they were packed.
    doubt = None if isinstance(source, ShardFrames) else doubt_of_units(source)
    if doubt is not None:
        warnings.warn(ScaleWarning(doubt), stacklevel=3)


def _lost(source: FrameSource) -> list[str]:
    """Why each frame was left out that a reader found lost when it was opened."""
    if isinstance(source, Open3DFolder):
        return list(source.skipped)
    if isinstance(source, ScanNetFrames):
        return [f"{name}/{number}: tracking was lost" for name, lost in source.skipped.items() for number in lost]
    if isinstance(source, TumRGBD | ARKitScenes):
        return ["no pose of that time"] * source.unmatched["pose"]
    return []


def _any_named(folder: Path, pattern: str, but: tuple[str, ...] = ()) -> bool:
    found = (path for path in entries(folder) if path.match(pattern)) if folder.is_dir() else ()
    return any(path.suffix.lower() not in but for path in found)


def _what_else(folder: Path) -> str:
    """What a folder without frames does hold, where that tells what to give instead."""
    inside = [one for one in entries(folder) if not one.name.startswith(".")] if folder.is_dir() else []
    clouds = [one for one in inside if one.suffix.lower() in _POINT_FILES and one.is_file()]
    if clouds:
        count = "1 point file" if len(clouds) == 1 else f"{len(clouds)} point files"
        shown = ", ".join(one.name for one in clouds[:3]) + (", …" if len(clouds) > 3 else "")
        return f", but {count} ({shown}): give a file, such as {clouds[0]}; encode takes them all"
    for one in [one for one in inside if one.is_dir()][:_MOST_LOOKED_AT]:
        if any(fits(one) for fits, _, _ in _FORMATS):
            return f", but the folder {one.name} in it does hold frames: give {one}"
    return ""


def _is_s3dis(folder: Path) -> bool:
    return any(any(folder.glob(places)) for places in ("Annotations", "*/Annotations", "Area_*/*"))


def _own_scans(folder: Path) -> SceneSource:
    # Without names of classes it is a folder of boxes.
    return LabelledFolder(folder, labels=find_class_file(folder) is not None)


# What tells a data set, its reader, and its files for the message.
_DATA_SETS: tuple[tuple[Callable[[Path], bool], Callable[[Path], SceneSource], str], ...] = (
    (lambda f: bool(find_scans(f)), ScanNetScenes, "ScanNet (scene0000_00/scene0000_00_vh_clean_2.ply)"),
    (is_sun_rgbd, SunScenes, "SUN RGB-D (SUNRGBD/kv1/…/image/, depth_bfx/, intrinsics.txt, extrinsics/)"),
    (_is_s3dis, S3DIS, "S3DIS (Area_1/office_1/Annotations/chair_1.txt)"),
    (is_labelled_folder, _own_scans, "own scans (scan.ply with a field label, classes.yaml)"),
)


def open_scene(path: Path | str) -> SceneSource:
    """The labelled scenes of a data set, all that are there, as its reader gives them by default.

    Args:
        path: the data set's folder, or the one of a part of it (see each reader).

    Raises:
        FrameError: no such folder, its files are of none of these data sets, or some are missing.
    """
    folder = existing_folder(path)
    for fits, reader, _ in _DATA_SETS:
        if fits(folder):
            return reader(folder)
    known = ", ".join(files for _, _, files in _DATA_SETS)
    raise FrameError(f"{folder}: no labelled scenes of a known data set: {known}")
