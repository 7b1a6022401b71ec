"""ScanNet's frames from whatever was downloaded: a stream, a scan's folder, or a folder of scans."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.data.gravity import WORLD_UP, Up, check_up
from ppkt_zoo.data.readers.cameras import Intrinsics, Matrix, read_matrix, read_pose
from ppkt_zoo.data.readers.images import check_depth_scale, find_color, read_color, read_depth
from ppkt_zoo.data.readers.scannet.scan import SCAN_NAME, Scan, TwoCameras, find_scans
from ppkt_zoo.data.readers.scannet.sens import SensFrames
from ppkt_zoo.data.subset import Joined, check_name, entries, existing_folder, natural_key
from ppkt_zoo.errors import FrameError

_PARTS = (("color", (".jpg", ".jpeg", ".png")), ("depth", (".png",)), ("pose", (".txt",)))


class ExportedFrames(Scan):
    """What SensReader exports from a stream, and the 25 000 frames that are published so.

    color/0.jpg, depth/0.png, pose/0.txt                         a frame's images and its 4×4 pose
    intrinsic/intrinsic_color.txt, intrinsic_depth.txt           4×4 of each camera (SensReader), or
    intrinsics_color.txt, intrinsics_depth.txt                   the same beside the folders (scannet_frames_25k)
    intrinsic/extrinsic_color.txt, extrinsic_depth.txt           4×4, taken for the identity where there is none

    Args:
        up: as in :class:`Scan`.
        depth_scale: stored units in a metre.

    Raises:
        FrameError: a folder or a file of intrinsics is missing, or no frame has a pose; the rest is checked when a
            frame is read.
    """

    def __init__(self, folder: Path | str, up: Up = "world-z", depth_scale: float = 1000.0) -> None:
        self.folder = existing_folder(folder)
        check_depth_scale(depth_scale)
        self._depth_scale = depth_scale
        self._stems = _list_stems(self.folder)
        if not self._stems:
            raise FrameError(f"{self.folder}: no frames here: expected color/0.jpg, depth/0.png, pose/0.txt and so on")
        lost = {number for number in self._stems if self._is_lost(number)}
        super().__init__(
            name=self.folder.resolve().name,
            cameras=_read_cameras(self.folder),
            numbers=sorted(self._stems.keys() - lost),
            skipped=sorted(lost),
            up=up,
        )

    def _color(self, number: int) -> NDArray[np.uint8]:
        return read_color(find_color(self.folder / "color", self._stems[number]))

    def _depth(self, number: int) -> NDArray[np.float32]:
        return read_depth(self.folder / "depth" / f"{self._stems[number]}.png", self._depth_scale)

    def _pose(self, number: int) -> Matrix:
        return read_pose(self.folder / "pose" / f"{self._stems[number]}.txt")

    def _is_lost(self, number: int) -> bool:
        try:
            pose = self._pose(number)
            return not (np.isfinite(pose).all() and pose[:3, :3].any())
        except FrameError:
            # A pose that is missing or damaged is no lost tracking: reading this frame will say so.
            return False


def _list_stems(folder: Path) -> dict[int, str]:
    """Frames by number: those of which at least one of the three files is there."""
    stems: dict[int, str] = {}
    for part, suffixes in _PARTS:
        if not (folder / part).is_dir():
            raise FrameError(f"{folder / part}: this folder is missing: a scan has color/, depth/ and pose/")
        for path in entries(folder / part):
            if path.suffix.lower() in suffixes and path.stem.isdecimal():
                check_name(path)
                stem = stems.setdefault(int(path.stem), path.stem)
                if stem != path.stem:
                    raise FrameError(
                        f"{path}: frame {int(path.stem)} is named {stem} too: give its files the same name"
                    )
    return stems


def _read_cameras(folder: Path) -> TwoCameras:
    color, depth = (_find(folder, f"intrinsic_{part}.txt") for part in ("color", "depth"))
    return TwoCameras(
        color=read_matrix(color, 4, "intrinsics file")[:3, :3],
        depth=read_matrix(depth, 4, "intrinsics file")[:3, :3],
        color_to_base=_extrinsics(folder, "color"),
        depth_to_base=_extrinsics(folder, "depth"),
        where=str(color.parent),
    )


def _extrinsics(folder: Path, part: str) -> Matrix:
    path = folder / "intrinsic" / f"extrinsic_{part}.txt"
    return read_matrix(path, 4, "file of extrinsics") if path.exists() else np.eye(4)


def _find(folder: Path, name: str) -> Path:
    """A file of intrinsics in either layout; where there is none, the path of SensReader, to be named."""
    candidates = [folder / "intrinsic" / name, folder / name.replace("intrinsic_", "intrinsics_")]
    return next((path for path in candidates if path.exists()), candidates[0])


class ScanNetFrames(Joined):
    """The frames of all scans that lie at a path, each scan from its stream or its exported images.

    Attributes:
        scans: the scans, in the order of their names.
        skipped: name of each scan that lost tracking → the numbers of the frames left out for it.

    Args:
        path: a ``.sens`` file, the folder of one scan, ``scans``, or the folder that holds it.
        intrinsics: must be None: the recordings have their own, of two cameras.
        up: ``"gravity"`` or ``"world-z"``, the same here, since the world of ScanNet has z up. For a stream of
            another name ``"gravity"`` finds it by depth normals. ``"camera-y"`` or a vector as in :class:`Scan`.
        depth_scale: stored units in a metre; by default 1000 for exported images, and what it says for a stream.

    Raises:
        FrameError: nothing there, a scan without frames, or a file that cannot be; images are checked when a frame
            is read.
    """

    def __init__(
        self,
        path: Path | str,
        intrinsics: Intrinsics | None = None,
        up: Up = "gravity",
        depth_scale: float | None = None,
    ) -> None:
        if intrinsics is not None:
            raise FrameError(f"{path}: a recording of ScanNet has intrinsics of both its cameras: leave intrinsics out")
        up = check_up(up, WORLD_UP)
        place = Path(path)
        if place.suffix == ".sens" or _is_recording(place):
            places = [place]
        else:
            found = find_scans(existing_folder(place))
            places = [found[name] for name in sorted(found, key=natural_key)]
        if not places:
            raise FrameError(f"{place}: no scans of ScanNet here: expected folders sceneNNNN_NN, or scans/ of them")
        self.scans = tuple(_open(scan, up, depth_scale) for scan in places)
        self.skipped = {scan.name: scan.skipped for scan in self.scans if scan.skipped}
        super().__init__(self.scans, name=place.resolve().name.removesuffix(".sens"))


def is_scannet(path: Path) -> bool:
    """Whether a path is for :class:`ScanNetFrames`: a stream, a scan, or a folder of scans."""
    if path.suffix == ".sens":
        return True
    return path.is_dir() and (_is_recording(path) or bool(find_scans(path)))


def _is_recording(folder: Path) -> bool:
    return _is_exported(folder) or (folder.is_dir() and bool(_streams(folder)))


def _is_exported(folder: Path) -> bool:
    return (folder / "pose").is_dir() and ((folder / "color").is_dir() or (folder / "depth").is_dir())


def _streams(folder: Path) -> list[Path]:
    return [path for path in entries(folder) if path.suffix == ".sens"]


def _open(place: Path, up: Up, depth_scale: float | None) -> Scan:
    if place.suffix != ".sens":
        if _is_exported(place):
            return ExportedFrames(place, _published(up), 1000.0 if depth_scale is None else depth_scale)
        name = place.resolve().name
        streams = _streams(existing_folder(place))
        if len(streams) > 1:
            raise FrameError(f"{place}: {len(streams)} streams in one folder: name the one that is meant")
        place = streams[0] if streams else place / f"{name}.sens"
    return SensFrames(place, _published(up) if SCAN_NAME.match(place.name) else up, depth_scale)


def _published(up: Up) -> Up:
    return "world-z" if isinstance(up, str) and up == "gravity" else up
