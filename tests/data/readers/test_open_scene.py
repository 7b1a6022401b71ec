"""Labelled scenes are opened by what lies in the folder."""

import pytest

from ppkt_zoo.data.readers.open import open_scene
from ppkt_zoo.data.readers.s3dis import S3DIS
from ppkt_zoo.data.readers.scannet.scenes import ScanNetScenes
from ppkt_zoo.errors import FrameError
from tests.data.readers.s3dis_files import room
from tests.data.scannet_files import annotated


def test_scannet(tmp_path):
    scan = annotated(tmp_path)
    for folder in (tmp_path, tmp_path / "scans", scan, str(scan)):
        scenes = open_scene(folder)
        assert isinstance(scenes, ScanNetScenes)
        assert (len(scenes), scenes[0].name) == (1, "scene0000_00")
        assert (len(scenes.classes), len(scenes.box_classes)) == (20, 18)
    next(scan.glob("*labels.ply")).unlink()
    with pytest.raises(FrameError, match=r"scene0000_00_vh_clean_2.labels.ply: this file is missing"):
        open_scene(tmp_path)


def test_s3dis(tmp_path):
    folder = room(tmp_path, "Area_1/office_1", {"floor_1.txt": 2})
    for path in (tmp_path, tmp_path / "Area_1", folder):
        scenes = open_scene(path)
        assert isinstance(scenes, S3DIS)
        assert (len(scenes), scenes[0].name) == (1, "Area_1/office_1")
        assert (len(scenes.classes), scenes.box_classes) == (13, ())
    (folder / "Annotations").rename(folder / "elsewhere")
    with pytest.raises(FrameError, match="Area_1/office_1/Annotations: no objects"):
        open_scene(tmp_path)


def test_something_else(tmp_path):
    with pytest.raises(FrameError, match=r"no labelled scenes of a known data set: ScanNet \(.*S3DIS \("):
        open_scene(tmp_path)
    with pytest.raises(FrameError, match="no such folder"):
        open_scene(tmp_path / "nowhere")
