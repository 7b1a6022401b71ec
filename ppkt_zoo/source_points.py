"""What the commands that look at a file share: its points, and where their results may go."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ppkt_zoo.data.fuse import fuse, poses_join
from ppkt_zoo.data.open_frames import open_frames
from ppkt_zoo.errors import FrameError, InputError
from ppkt_zoo.points.back_projection import back_project, pixel_values
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.points.io import read_cloud
from ppkt_zoo.view.steps import thousands

if TYPE_CHECKING:
    from ppkt_zoo.data.frames import FrameSource

# Enough views for a room, few enough to be read in half a minute.
_FRAMES = 40
# Depth of a Kinect and its like is of little worth beyond.
_FAR = 4.5
_FUSED_SPACING = 0.02

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
    source: Path, every: int | None = None, frame: int | None = None, up: str | None = None, intrinsics: Any = None
) -> Points:
    """The points of a file, or of a folder of frames.

    Args:
        source: any point file of :func:`ppkt_zoo.points.io.read_cloud`, or any folder of
            :func:`ppkt_zoo.data.open_frames.open_frames`.
        every: of a folder, every n-th frame is fused; about 40 frames where not given.
        frame: of a folder, this frame alone.
        up: of a file, the axis that points up, one of ``UP_AXES``, by default "z"; of a folder, as for
            ``open_frames``, by default "gravity".
        intrinsics: of a folder, (fx, fy, cx, cy); by default its own file.

    Raises:
        InputError: no such file or folder, or one that cannot be read; options that contradict each other.
    """
    if not source.exists():
        raise InputError(f"{source} does not exist: give a point file or a folder of RGB-D frames")
    if source.is_dir():
        frames = open_frames(source, intrinsics, "gravity" if up is None else up)
        return _fused(frames, every) if frame is None else _single(frames, frame, every)
    if every is not None or frame is not None or intrinsics is not None:
        raise InputError(f"{source} is a file: --every, --frame and --intrinsics are for folders of frames")
    cloud = read_cloud(source)
    dropped = f" ({thousands(cloud.dropped)} rows without a position left out)" if cloud.dropped else ""
    axis = "z" if up is None else up
    if axis not in UP_AXES:
        raise InputError(f"--up {axis} is no axis of a point file: use {', '.join(UP_AXES)}")
    xyz = cloud.xyz if axis == "z" else cloud.xyz @ np.array(UP_AXES[axis], dtype=cloud.xyz.dtype).T
    return Points(xyz, cloud.rgb, f"{source.name}{dropped}")


def _single(frames: "FrameSource", index: int, every: int | None) -> Points:
    if every is not None:
        raise InputError("give --every or --frame, not both")
    if not 0 <= index < len(frames):
        raise InputError(f"{frames.name} holds frames 0 to {len(frames) - 1}, there is no frame {index}")
    one = frames[index]
    xyz, pixel = back_project(one.depth, one.intrinsics, one.pose)
    sensor = None if one.pose is None else one.pose[:3, 3]
    return Points(xyz, pixel_values(one.color, pixel), f"frame {one.name}", sensor)


def _fused(frames: "FrameSource", every: int | None) -> Points:
    chosen = range(0, len(frames), max(1, len(frames) // _FRAMES) if every is None else every)
    if len(frames) > 1 and not poses_join(frames):
        raise FrameError(f"the frames of {frames.name} have no poses that join them: choose one, e.g. --frame 0")
    fused = fuse(frames, chosen, voxel=_FUSED_SPACING, far=_FAR)
    return Points(fused.xyz, fused.rgb, f"{len(chosen)} of {len(frames)} frames of {frames.name}, fused")


def check_targets(what: str, out: Path, picture: Path | None) -> None:
    """Refuse, before any work, a target that would not be written.

    Raises:
        InputError: ``out`` is neither .npz nor .ply, or ``picture`` no .png.
    """
    if out.suffix.lower() not in (".npz", ".ply"):
        raise InputError(f"{what} are written as .npz or .ply: give an --out that ends so, not {out.name!r}")
    check_picture(picture)


def check_picture(picture: Path | None) -> None:
    """Raise InputError where a picture is asked for that is no .png."""
    if picture is not None and picture.suffix.lower() != ".png":
        raise InputError(f"pictures are written as .png: give a --picture that ends so, not {picture.name!r}")
