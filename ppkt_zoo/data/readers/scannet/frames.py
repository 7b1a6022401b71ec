"""ScanNet's frames from whatever was downloaded: a stream, a scan's folder, or a folder of scans."""

from pathlib import Path

from ppkt_zoo.data.gravity import WORLD_UP, Up, check_up
from ppkt_zoo.data.readers.cameras import Intrinsics
from ppkt_zoo.data.readers.scannet.exported import ExportedFrames
from ppkt_zoo.data.readers.scannet.scan import SCAN_NAME, Scan, find_scans
from ppkt_zoo.data.readers.scannet.sens import SensFrames
from ppkt_zoo.data.subset import Joined, entries, existing_folder, natural_key
from ppkt_zoo.errors import FrameError


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
