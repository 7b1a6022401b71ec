"""What the commands that look at a file share: its points, and where their results may go."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ppkt_zoo.cli.options import MeshName, numbers
from ppkt_zoo.data.own_cloud import load_cloud
from ppkt_zoo.errors import FrameError, InputError
from ppkt_zoo.files.reading import usable_path
from ppkt_zoo.files.targets import check_file_target, check_folder_target
from ppkt_zoo.points.cloud import PointCloud

if TYPE_CHECKING:
    from ppkt_zoo.cli.options import FrameReading, Reading
    from ppkt_zoo.data.frames import FrameSource

# Enough views for a room, few enough to be read in half a minute.
_FRAMES = 40
# Depth of a Kinect and its like is of little worth beyond.
FAR = 4.5
FUSED_SPACING = 0.02
# Files that hold many frames.
_FRAME_FILES = (".mat", ".sens")


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


def camera(text: str | None) -> Any:
    """The value of ``--intrinsics``: (fx, fy, cx, cy), a 3×3 matrix, or what a file says; None where not given.

    Raises:
        InputError: neither numbers nor a file.
        FrameError: the file holds no intrinsics.
    """
    if text is None:
        return None
    if Path(text).expanduser().is_file():
        from ppkt_zoo.data.readers.cameras import read_intrinsics

        return read_intrinsics(Path(text).expanduser())
    try:
        found = numbers("--intrinsics", ",".join(re.split(r"[,;\s]+", text.strip(" \t[]()"))))
    except InputError as error:
        raise InputError(f"{error}, or the path of a file that holds them; there is no such file") from None
    if len(found) == 9:
        return [found[0:3], found[3:6], found[6:9]]
    if len(found) != 4:
        raise InputError(f"--intrinsics {text!r} holds {len(found)} numbers: give fx,fy,cx,cy or the nine of a matrix")
    return found


def read_frames(reading: "FrameReading") -> "FrameSource":
    """The frames of a folder, see :func:`ppkt_zoo.data.readers.open.open_frames`; poses are turned by gravity unless
    told otherwise.

    Raises:
        InputError, FrameError: no frames there, or an option that does not fit.
    """
    from ppkt_zoo.data.readers.open import open_frames

    up = "gravity" if reading.up is None else reading.up
    return open_frames(reading.path, camera(reading.intrinsics), up, reading.depth_scale)


def read_points(reading: "Reading") -> Points:
    """The points of a file, or of a folder of frames.

    Of frames, every n-th (about 40 by default) are fused, or one alone is taken. A file is read by
    :func:`ppkt_zoo.data.own_cloud.load_cloud`.

    Raises:
        InputError: no such file or folder, or one that cannot be read; options that contradict each other.
    """
    source = check_source(reading.path)
    if source.is_dir() or source.suffix.lower() in _FRAME_FILES:
        if reading.unit is not None or reading.mesh is not MeshName.auto:
            raise InputError(f"{source} holds frames: --unit and --mesh are for files; for depth, give --depth-scale")
        frames = read_frames(reading)
        return _fused(frames, reading.every) if reading.frame is None else _single(frames, reading.frame, reading.every)
    of_frames = (reading.every, reading.frame, reading.intrinsics, reading.depth_scale)
    if any(option is not None for option in of_frames):
        raise InputError(
            f"{source} is a file: --every, --frame, --intrinsics and --depth-scale are for folders of frames"
        )
    unit = None if reading.unit is None else reading.unit.value
    cloud = load_cloud(source, unit=unit, up=reading.up, mesh=reading.mesh.value)
    notes = f" ({'; '.join(cloud.notes)})" if cloud.notes else ""
    return Points(cloud.xyz, cloud.rgb, f"{source.name}{notes}", cloud.sensor)


def check_source(source: Path) -> Path:
    """The path of a source; raises InputError where there is nothing."""
    source = usable_path(source, InputError)
    if not source.exists():
        raise InputError(f"{source} does not exist: give a point file, a mesh or a folder of RGB-D frames")
    return source


def _single(frames: "FrameSource", index: int, every: int | None) -> Points:
    if every is not None:
        raise InputError("give --every or --frame, not both")
    if not 0 <= index < len(frames):
        raise InputError(f"{frames.name} holds frames 0 to {len(frames) - 1}, there is no frame {index}")
    one = frames[index]
    xyz, rgb, _ = one.points()
    sensor = None if one.pose is None else one.pose[:3, 3]
    return Points(xyz, rgb, f"frame {one.name}", sensor)


def _fused(frames: "FrameSource", every: int | None) -> Points:
    from ppkt_zoo.data.fuse import fuse, poses_join

    chosen = range(0, len(frames), max(1, len(frames) // _FRAMES) if every is None else every)
    if len(frames) > 1 and not poses_join(frames):
        raise FrameError(f"the frames of {frames.name} have no poses that join them: choose one, e.g. --frame 0")
    fused = fuse(frames, chosen, voxel=FUSED_SPACING, far=FAR)
    told = f"{len(chosen) - len(fused.skipped)} of {len(frames)} frames of {frames.name}, fused"
    if fused.skipped:
        rest = f", and {len(fused.skipped) - 1} more" if len(fused.skipped) > 1 else ""
        told += f" ({len(fused.skipped)} left out: {fused.skipped[0]}{rest})"
    return Points(fused.xyz, fused.rgb, told)


def check_out(what: str, out: Path, endings: tuple[str, ...], source: Path) -> None:
    """Refuse, before any work, an ``--out`` of another ending, one that cannot be written, and the source itself.

    Raises:
        InputError: it is one of these.
    """
    if out.suffix.lower() not in endings:
        raise InputError(f"{what} are written as {' or '.join(endings)}: give an --out that ends so, not {out.name!r}")
    # A .zarr is a folder, and one that is there is replaced.
    (check_folder_target if out.suffix.lower() == ".zarr" else check_file_target)(out, InputError, "--out")
    check_source(source)
    if out.exists() and out.samefile(source):
        raise InputError(f"--out {out} is the source itself: give another path, so that nothing is lost")


def check_picture(picture: Path | None) -> None:
    """Raise InputError where a picture is asked for that is no .png, or cannot be written."""
    if picture is None:
        return
    if picture.suffix.lower() != ".png":
        raise InputError(f"pictures are written as .png: give a --picture that ends so, not {picture.name!r}")
    check_file_target(picture, InputError, "--picture")
