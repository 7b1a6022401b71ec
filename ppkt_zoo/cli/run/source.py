"""What the commands that look at a file share: its points, and where their results may go."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ppkt_zoo.cli.run.steps import thousands
from ppkt_zoo.data.fuse import fuse, poses_join
from ppkt_zoo.data.gravity import align_up
from ppkt_zoo.data.readers.open import open_frames
from ppkt_zoo.data.upright import doubt_of_z, find_up
from ppkt_zoo.errors import FrameError, InputError, InputWarning
from ppkt_zoo.files.reading import usable_path
from ppkt_zoo.files.targets import check_file_target
from ppkt_zoo.points.back_projection import back_project, pixel_values
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.points.files.cloud_files import read_cloud

if TYPE_CHECKING:
    from ppkt_zoo.backbones.base import Backbone
    from ppkt_zoo.data.frames import FrameSource
    from ppkt_zoo.points.files.cloud_files import CloudArrays

# Enough views for a room, few enough to be read in half a minute.
_FRAMES = 40
# Depth of a Kinect and its like is of little worth beyond.
_FAR = 4.5
_FUSED_SPACING = 0.02
# Files that hold many frames.
_FRAME_FILES = (".mat", ".sens")

#: The axis that points up in a file → the rotation that takes it to +z.
UP_AXES: dict[str, list[list[int]]] = {
    "z": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "-z": [[1, 0, 0], [0, -1, 0], [0, 0, -1]],
    "y": [[1, 0, 0], [0, 0, -1], [0, 1, 0]],
    "-y": [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
    "x": [[0, 1, 0], [0, 0, 1], [1, 0, 0]],
    "-x": [[0, 0, 1], [0, 1, 0], [-1, 0, 0]],
}


class Points(NamedTuple):
    """What was read.

    Attributes:
        xyz: float (N, 3), metres, z up.
        rgb: uint8 (N, 3), or None.
        told: a few words on what it is.
        sensor: float64 (3,), where it was seen from, if from one place.
    """

    xyz: np.ndarray
    rgb: np.ndarray | None
    told: str
    sensor: np.ndarray | None = None

    def cloud(self) -> tuple[PointCloud, np.ndarray | None]:
        """The points as a cloud, and the sensor's place in it: map coordinates are moved to the origin."""
        cloud = PointCloud.from_arrays(self.xyz, self.rgb)
        return cloud, None if self.sensor is None else self.sensor + (cloud.xyz[0].numpy() - self.xyz[0])


def read_points(
    source: Path,
    every: int | None = None,
    frame: int | None = None,
    up: str | None = None,
    intrinsics: Any = None,
    depth_scale: float | None = None,
) -> Points:
    """The points of a file, or of a folder of frames.

    Args:
        source: any point file of :func:`ppkt_zoo.points.files.cloud_files.read_cloud`, or any folder of
            :func:`ppkt_zoo.data.readers.open.open_frames`.
        every: of a folder, every n-th frame is fused; about 40 frames where not given.
        frame: of a folder, this frame alone.
        up: of a file, the axis that points up, one of ``UP_AXES``, or "gravity" to find it by the surfaces
            (:func:`ppkt_zoo.data.upright.find_up`); by default "z", with an InputWarning where much speaks against it.
            Of a folder, as for ``open_frames``, by default "gravity".
        intrinsics: of a folder, (fx, fy, cx, cy) or (3, 3); by default its own file.
        depth_scale: of a folder, stored units of depth in a metre; by default the format's own.

    Raises:
        InputError: no such file or folder, or one that cannot be read; options that contradict each other.
    """
    source = _check_exists(source)
    if source.is_dir() or source.suffix.lower() in _FRAME_FILES:
        frames = open_frames(source, intrinsics, "gravity" if up is None else up, depth_scale)
        return _fused(frames, every) if frame is None else _single(frames, frame, every)
    if any(option is not None for option in (every, frame, intrinsics, depth_scale)):
        raise InputError(
            f"{source} is a file: --every, --frame, --intrinsics and --depth-scale are for folders of frames"
        )
    if up is not None and up != "gravity" and up not in UP_AXES:
        raise InputError(f"--up {up} is no axis of a point file: use {', '.join(UP_AXES)}, or gravity")
    return _from_file(source, read_cloud(source), up)


def _check_exists(source: Path) -> Path:
    source = usable_path(source, InputError)
    if not source.exists():
        raise InputError(f"{source} does not exist: give a point file or a folder of RGB-D frames")
    return source


def _from_file(source: Path, cloud: "CloudArrays", up: str | None) -> Points:
    told = source.name + (f" ({thousands(cloud.dropped)} rows without a position left out)" if cloud.dropped else "")
    if up == "gravity":
        found = find_up(cloud.xyz)
        # A camera's forward becomes +y, as it does for frames; any other cloud is turned as little as can be.
        turn = align_up(found.up, np.array([0.0, 0.0, 1.0] if found.camera else [0.0, 1.0, 0.0]))
        place = ", ".join(f"{part:.2f}" for part in found.up)
        told += f", turned upright: ({place}) of the file is up"
        return Points(_turned(cloud.xyz, turn), cloud.rgb, told, np.zeros(3) if found.camera else None)
    if up is None and (doubt := doubt_of_z(cloud.xyz)) is not None:
        warnings.warn(
            f"{source}: z is taken as up, but {doubt}: give --up gravity to find up by the surfaces, or the axis, such "
            "as --up -y; --up z says that it is right",
            InputWarning,
            stacklevel=3,
        )
    axis = "z" if up is None else up
    return Points(cloud.xyz if axis == "z" else _turned(cloud.xyz, np.array(UP_AXES[axis])), cloud.rgb, told)


def _turned(xyz: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    return xyz @ rotation.T.astype(xyz.dtype)


def _single(frames: "FrameSource", index: int, every: int | None) -> Points:
    if every is not None:
        raise InputError("give --every or --frame, not both")
    if not 0 <= index < len(frames):
        raise InputError(f"{frames.name} holds frames 0 to {len(frames) - 1}, there is no frame {index}")
    one = frames[index]
    xyz, pixel = back_project(one.depth, one.intrinsics, one.pose)
    if len(xyz) == 0:
        raise FrameError(f"frame {one.name} has no depth anywhere, so it gives no points: choose another one")
    sensor = None if one.pose is None else one.pose[:3, 3]
    return Points(xyz, pixel_values(one.color, pixel), f"frame {one.name}", sensor)


def _fused(frames: "FrameSource", every: int | None) -> Points:
    chosen = range(0, len(frames), max(1, len(frames) // _FRAMES) if every is None else every)
    if len(frames) > 1 and not poses_join(frames):
        raise FrameError(f"the frames of {frames.name} have no poses that join them: choose one, e.g. --frame 0")
    fused = fuse(frames, chosen, voxel=_FUSED_SPACING, far=_FAR)
    told = f"{len(chosen) - len(fused.skipped)} of {len(frames)} frames of {frames.name}, fused"
    if fused.skipped:
        rest = f", and {len(fused.skipped) - 1} more" if len(fused.skipped) > 1 else ""
        told += f" ({len(fused.skipped)} left out: {fused.skipped[0]}{rest})"
    return Points(fused.xyz, fused.rgb, told)


def weight_told(name: str, backbone: "Backbone") -> str:
    """A few words on a weight that was loaded."""
    return f"{name}, voxels of {backbone.input_spec.voxel_size * 100:g} cm"


def check_targets(what: str, out: Path, picture: Path | None, source: Path) -> None:
    """Refuse, before any work, a target that would not be written, or that would take the place of the source.

    Raises:
        InputError: ``out`` is neither .npz nor .ply, ``picture`` no .png, or either cannot be written there.
    """
    check_out(what, out, (".npz", ".ply"), source)
    check_picture(picture)


def check_out(what: str, out: Path, endings: tuple[str, ...], source: Path) -> None:
    """Refuse, before any work, an ``--out`` of another ending, one that cannot be written, and the source itself.

    Raises:
        InputError: it is one of these.
    """
    if out.suffix.lower() not in endings:
        raise InputError(f"{what} are written as {' or '.join(endings)}: give an --out that ends so, not {out.name!r}")
    check_file_target(out, InputError, "--out")
    _check_exists(source)
    if out.exists() and out.samefile(source):
        raise InputError(f"--out {out} is the source itself: give another path, so that nothing is lost")


def check_picture(picture: Path | None) -> None:
    """Raise InputError where a picture is asked for that is no .png, or cannot be written."""
    if picture is None:
        return
    if picture.suffix.lower() != ".png":
        raise InputError(f"pictures are written as .png: give a --picture that ends so, not {picture.name!r}")
    check_file_target(picture, InputError, "--picture")
