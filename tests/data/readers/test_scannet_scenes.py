"""ScanNet's annotated scans: labels, objects and boxes as they were written, and what is missing or does not fit."""

import json
import shutil

import numpy as np
import pytest

from ppkt_zoo.data.readers.scannet.annotation import BOX_CLASSES, CLASSES, to_box_class, to_classes
from ppkt_zoo.data.readers.scannet.scenes import ScanNetScenes
from ppkt_zoo.errors import FrameError
from tests.data.scannet_files import CLASSES_20, GROUPS, NYU40, RGB, SEGMENTS, TURN, XYZ, annotated, ply

NAME = "scene0000_00"
ALIGNED = XYZ.astype(np.float64) @ TURN[:3, :3].T + TURN[:3, 3]


def rewrite(path, change):
    stored = json.loads(path.read_text())
    change(stored)
    path.write_text(json.dumps(stored))


def test_the_twenty_classes():
    ids = np.arange(-3, 160)
    found = to_classes(ids)
    assert found.dtype == np.int16
    for identity, index in zip(ids, found, strict=True):
        assert (CLASSES[index] if index >= 0 else None) == CLASSES_20.get(identity)
        boxed = to_box_class(int(identity))
        expected = CLASSES_20.get(identity)
        assert (BOX_CLASSES[boxed] if boxed >= 0 else None) == (None if expected in ("wall", "floor") else expected)
    assert (len(CLASSES), len(BOX_CLASSES)) == (20, 18)


def test_every_vertex(tmp_path):
    scene = ScanNetScenes(annotated(tmp_path))[0]
    np.testing.assert_allclose(scene.xyz, ALIGNED, atol=1e-6)
    assert np.array_equal(scene.rgb, RGB)
    names = [scene.classes[index] if index >= 0 else None for index in scene.label]
    assert names == [CLASSES_20.get(int(identity)) for identity in NYU40]
    assert scene.instance.tolist() == [4, 4, 1, 1, 2, 2, 2, 2, 0, 3, 3, 0]
    assert (scene.name, scene.dropped) == (NAME, 0)


def test_boxes_are_those_of_the_objects_along_the_aligned_axes(tmp_path):
    """Chair, sofa and other furniture; the wall is an object but no box."""
    scene = ScanNetScenes(annotated(tmp_path))[0]
    assert [scene.box_classes[index] for index in scene.box_label] == ["chair", "sofa", "otherfurniture"]
    for box, rows in zip(scene.boxes, ([2, 3], [4, 5, 6, 7], [9, 10]), strict=True):
        low, high = ALIGNED[rows].min(axis=0), ALIGNED[rows].max(axis=0)
        np.testing.assert_allclose(box, [*(low + high) / 2, *(high - low), 0], atol=1e-6)


def test_without_boxes_only_the_meshes_and_the_alignment_are_needed(tmp_path):
    folder = annotated(tmp_path, tsv=False)
    for path in folder.glob("*.json"):
        path.unlink()
    scenes = ScanNetScenes(folder, boxes=False)
    scene = scenes[0]
    assert (scene.instance, scene.boxes, scene.box_label, scenes.box_classes) == (None, None, None, ())
    assert (scene.label >= 0).sum() == 8
    (folder / f"{NAME}.txt").unlink()
    with pytest.raises(FrameError, match=rf"{NAME}.txt: this file is missing"):
        ScanNetScenes(folder, boxes=False)
    assert np.array_equal(ScanNetScenes(folder, boxes=False, align=False)[0].xyz, XYZ)
    with pytest.raises(FrameError, match="align=True, or boxes=False"):
        ScanNetScenes(folder, align=False)


def test_many_scans_from_either_folder(tmp_path):
    for name in ("scene0010_01", "scene0002_00"):
        annotated(tmp_path, name)
    (tmp_path / "scans/notes").mkdir()
    for folder in (tmp_path, tmp_path / "scans"):
        scenes = ScanNetScenes(folder)
        assert [scenes[index].name for index in range(len(scenes))] == ["scene0002_00", "scene0010_01"]
    chosen = ScanNetScenes(tmp_path, scenes=["scene0010_01"])
    assert (len(chosen), chosen[0].name) == (1, "scene0010_01")
    (tmp_path / "list.txt").write_text("scene0010_01\nscene0002_00\n")
    listed = ScanNetScenes(tmp_path, scenes=tmp_path / "list.txt")
    assert [listed[index].name for index in range(2)] == ["scene0010_01", "scene0002_00"]
    (tmp_path / "list.txt").write_text("scene0010_01\nscene0004_00\n")
    with pytest.raises(FrameError, match="no folder of the scan scene0004_00"):
        ScanNetScenes(tmp_path, scenes=str(tmp_path / "list.txt"))
    with pytest.raises(FrameError, match=r"val.txt: this list of scans is missing"):
        ScanNetScenes(tmp_path, scenes=tmp_path / "val.txt")
    shutil.rmtree(tmp_path / "scans")
    with pytest.raises(FrameError, match="no scans of ScanNet here"):
        ScanNetScenes(tmp_path)


@pytest.mark.parametrize("place", ["scans/scene0000_00", "scans", ".", "elsewhere"])
def test_where_the_map_of_labels_may_lie(tmp_path, place):
    folder = annotated(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    file = tmp_path / "scannetv2-labels.combined.tsv"
    shutil.move(file, tmp_path / place / "moved.tsv")
    (tmp_path / place / "moved.tsv").rename(tmp_path / place / file.name)
    given = {"label_map": tmp_path / place / file.name} if place == "elsewhere" else {}
    assert len(ScanNetScenes(folder, **given)[0].boxes) == 3
    (tmp_path / place / file.name).unlink()
    with pytest.raises(FrameError, match=r"scannetv2-labels.combined.tsv: this map of labels is missing"):
        ScanNetScenes(folder, **given)


@pytest.mark.parametrize(
    "ending",
    ["_vh_clean_2.ply", "_vh_clean_2.labels.ply", ".aggregation.json", "_vh_clean_2.0.010000.segs.json", ".txt"],
)
def test_a_missing_file_is_named_at_once(tmp_path, ending):
    annotated(tmp_path, "scene0000_01")
    folder = annotated(tmp_path)
    (folder / f"{NAME}{ending}").unlink()
    with pytest.raises(FrameError, match=f"{NAME}/{NAME}{ending}: this file is missing: download it"):
        ScanNetScenes(tmp_path)
    shutil.rmtree(folder)
    folder.mkdir()
    with pytest.raises(FrameError, match=r"_vh_clean_2.ply: this file is missing \(5 files are missing in all\)"):
        ScanNetScenes(tmp_path)


def groups(change):
    return ".aggregation.json", lambda stored: change(stored["segGroups"])


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (("_vh_clean_2.labels.ply", ply(XYZ[:11], RGB, NYU40)), "11 labels for a mesh of 12 vertices"),
        (("_vh_clean_2.labels.ply", ply(XYZ, RGB)), "labels.ply: the vertices have no label of the right type"),
        (("_vh_clean_2.labels.ply", ply(XYZ, RGB, NYU40)[:-40]), "labels.ply: .*cut short"),
        (("_vh_clean_2.ply", b""), "vh_clean_2.ply: not a .ply file"),
        (("_vh_clean_2.ply", ply(XYZ * np.float32(np.nan), RGB)), f"scene {NAME}: xyz has NaN"),
        ((".aggregation.json", b'{"segGroups": ['), "aggregation.json: this aggregation: this is not whole JSON"),
        ((".aggregation.json", b"[1]"), "no list segGroups"),
        ((".aggregation.json", b"\xff\xfe"), "not a text file"),
        (groups(lambda g: g[1].pop("segments")), "a group should have objectId, label and segments"),
        (groups(lambda g: g[1].update(objectId=-1)), "a group should have objectId"),
        (groups(lambda g: g[1].update(objectId=2**31)), "a group should have objectId"),
        (groups(lambda g: g[1].update(segments=[2**70])), "a group should have objectId"),
        (groups(lambda g: g[1].update(label=None)), "a group should have objectId"),
        (groups(lambda g: g.append(7)), "a group should have objectId"),
        (
            groups(lambda g: g[2].update(segments=[77, 901])),
            r"object 2 \(rack\) has segment 901, which no vertex is of",
        ),
        (groups(lambda g: g[2].update(label="rocket")), "the label 'rocket' is not in .*tsv"),
        ((".txt", b"colorHeight = 968\n"), f"{NAME}.txt: no line axisAlignment"),
        ((".txt", b"axisAlignment = 1 2 3\n"), "axisAlignment should be 16 numbers"),
        ((".txt", b"axisAlignment = " + b"0 " * 16), "axisAlignment is no transform"),
        (("_vh_clean_2.0.010000.segs.json", b'{"segIndices": [3, 4]}'), "2 segment ids for a mesh of 12 vertices"),
        (("_vh_clean_2.0.010000.segs.json", b'{"segIndices": [3, 4.5]}'), "something that is no id"),
        (("_vh_clean_2.0.010000.segs.json", b'{"segments": []}'), "no list segIndices"),
    ],
)
def test_files_that_do_not_fit(tmp_path, file, says):
    folder = annotated(tmp_path)
    ending, change = file
    if callable(change):
        rewrite(folder / f"{NAME}{ending}", change)
    else:
        (folder / f"{NAME}{ending}").write_bytes(change)
    scenes = ScanNetScenes(folder)
    with pytest.raises(FrameError, match=says):
        scenes[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("id\tcategory\n1\twall\n", "no columns raw_category and nyu40id"),
        ("id\traw_category\tnyu40id\n1\twall\t1\n2\toffice chair\n", "line 3 has no id in nyu40"),
        ("", "no columns"),
    ],
)
def test_a_map_of_labels_that_is_damaged(tmp_path, text, says):
    folder = annotated(tmp_path)
    (tmp_path / "scannetv2-labels.combined.tsv").write_text(text)
    with pytest.raises(FrameError, match=says):
        ScanNetScenes(folder)[0]


def test_objects_that_are_listed_twice_count_once(tmp_path):
    """As in scene0217_00: the later listing has the vertices, and the earlier no box."""
    folder = annotated(tmp_path)
    again = [{**group, "objectId": group["objectId"] + 4} for group in GROUPS]
    rewrite(folder / f"{NAME}.aggregation.json", lambda stored: stored["segGroups"].extend(again))
    scene = ScanNetScenes(folder)[0]
    assert scene.instance.tolist() == [8, 8, 5, 5, 6, 6, 6, 6, 0, 7, 7, 0]
    assert [scene.box_classes[index] for index in scene.box_label] == ["chair", "sofa", "otherfurniture"]


def test_a_scan_without_objects(tmp_path):
    folder = annotated(tmp_path)
    rewrite(folder / f"{NAME}.aggregation.json", lambda stored: stored["segGroups"].clear())
    scene = ScanNetScenes(folder)[0]
    assert scene.boxes.shape == (0, 7)
    assert not scene.instance.any()
    assert len(SEGMENTS) == len(scene.xyz)
