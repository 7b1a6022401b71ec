"""Open a folder of labelled scenes in whichever of the known data sets it is."""

from collections.abc import Callable
from pathlib import Path

from ppkt_zoo.data.readers.class_names import find_class_file
from ppkt_zoo.data.readers.labelled_folder import LabelledFolder, is_labelled_folder
from ppkt_zoo.data.readers.s3dis import S3DIS
from ppkt_zoo.data.readers.scannet.names import find_scans
from ppkt_zoo.data.readers.scannet.scenes import ScanNetScenes
from ppkt_zoo.data.readers.sun_rgbd import is_sun_rgbd
from ppkt_zoo.data.readers.sun_scenes import SunScenes
from ppkt_zoo.data.scenes import SceneSource
from ppkt_zoo.data.subset import existing_folder
from ppkt_zoo.errors import FrameError


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
