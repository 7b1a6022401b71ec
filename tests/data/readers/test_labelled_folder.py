"""A plain folder of labelled scans is read in every format, and every slip in it is told before it costs an hour."""

import json
from pathlib import Path

import numpy as np
import pytest

from ppkt_zoo.data.readers.class_names import read_class_names
from ppkt_zoo.data.readers.labelled_folder import LabelledFolder, find_scans
from ppkt_zoo.data.readers.open import open_scene
from ppkt_zoo.errors import FrameError
from ppkt_zoo.points.files.cloud_files import write_cloud
from tests.data.readers.own_scans import IDS, arrays, boxes, names, scan, text

EXPECTED = np.searchsorted(IDS, arrays(0)[2])


def write(folder: Path, ending: str) -> None:
    """The first scan as a file of this kind, its label under a name that others give it."""
    xyz, rgb, ids = arrays(0)
    match ending:
        case ".ply":
            write_cloud(folder / "a.ply", xyz, rgb, scalar_Classification=ids.astype(np.float32), instance=ids)
        case ".npz":
            np.savez(folder / "a.npz", points=xyz, colors=rgb, Semantic_Labels=ids[:, None].astype(np.int64))
        case ".txt":
            (folder / "a.txt").write_text("//X Y Z R G B Label\n" + text(xyz, rgb, ids))
        case ".csv":
            (folder / "a.csv").write_text("x,y,z,red,green,blue,class\n" + text(xyz, rgb, ids, ","))
        case ".pcd":
            head = "FIELDS x y z r g b label\nSIZE 4 4 4 1 1 1 4\nTYPE F F F U U U U\nWIDTH 300\nHEIGHT 1\nDATA ascii\n"
            (folder / "a.pcd").write_text(head + text(xyz, rgb, ids))
        case _:
            laspy = pytest.importorskip("laspy", reason='needs the extra: pip install "ppkt-zoo[las]"')
            header = laspy.LasHeader(point_format=2, version="1.2")
            header.scales = [0.0001] * 3
            header.offsets = [500_000, 4_000_000, 0]
            file = laspy.LasData(header)
            file.x, file.y, file.z = xyz.T.astype(np.float64) + np.array([[500_000], [4_000_000], [0]])
            file.red, file.green, file.blue = rgb.T.astype(np.uint16) * 257
            file.classification = ids
            file.write(str(folder / f"a{ending}"))


@pytest.mark.parametrize("ending", [".ply", ".npz", ".txt", ".csv", ".pcd", ".las", ".laz"])
def test_labels_of_every_format_belong_to_their_points(tmp_path: Path, ending: str) -> None:
    write(tmp_path, ending)
    names(tmp_path)
    source = LabelledFolder(tmp_path)
    assert (source.classes, source.class_ids, len(source)) == (("wall", "floor", "chair"), IDS, 1)
    found = source[0]
    assert found.name == "a"
    assert (found.label == EXPECTED).all()
    xyz, rgb, ids = arrays(0)
    moved = xyz.min(axis=0) if ending in (".las", ".laz", ".txt", ".csv") else 0
    np.testing.assert_allclose(found.xyz, xyz - moved, atol=2e-4)
    assert found.rgb is not None
    assert (found.rgb == rgb).all()
    assert (found.instance is not None) == (ending == ".ply")
    if found.instance is not None:
        assert (found.instance == ids).all()


def test_labels_stay_with_their_points_where_some_have_no_position(tmp_path: Path) -> None:
    xyz, rgb, ids = arrays(0)
    xyz[[0, 7, 299]] = np.nan
    write_cloud(tmp_path / "a.ply", xyz, rgb, label=ids)
    names(tmp_path)
    found = LabelledFolder(tmp_path)[0]
    assert (len(found.xyz), found.dropped) == (297, 3)
    assert (found.label == np.delete(EXPECTED, [0, 7, 299])).all()


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int64, np.uint64, np.float32, np.float64, bool])
def test_labels_of_any_number_type(tmp_path: Path, kind: type) -> None:
    ids = arrays(0)[2].astype(kind)
    scan(tmp_path, "a.npz", ids=ids)
    names(tmp_path, "{0: nothing, 1: something}" if kind is bool else "{2: wall, 5: floor, 9: chair}")
    expected = np.ones(300) if kind is bool else EXPECTED
    assert (LabelledFolder(tmp_path)[0].label == expected).all()


def test_minus_one_nan_and_ignored_ids_are_no_class_and_ids_of_one_name_are_one_class(tmp_path: Path) -> None:
    ids = np.array([0, 1, 2, 3, -1, np.nan, -100, 255] + [7] * 292, np.float32)
    scan(tmp_path, "a.npz", ids=ids)
    names(tmp_path, "classes: {3: plant, 7: building, 1: plant, 2: ground}\nignore: [0, -100, 255]\n")
    source = LabelledFolder(tmp_path)
    assert (source.classes, source.class_ids) == (("plant", "ground", "building"), (1, 2, 7))
    assert source[0].label[:9].tolist() == [-1, 0, 1, 0, -1, -1, -1, -1, 2]


def test_a_label_that_nobody_named_is_told_with_its_points(tmp_path: Path) -> None:
    scan(tmp_path, "a.npz")
    names(tmp_path, "{2: wall, 5: floor}")
    count = int((arrays(0)[2] == 9).sum())
    with pytest.raises(FrameError, match=rf"a\.npz: classes\.yaml names no label 9 \({count} points\): name it there"):
        LabelledFolder(tmp_path)[0]


def test_without_names_the_message_shows_the_file_to_write(tmp_path: Path) -> None:
    scan(tmp_path, "a.npz")
    scan(tmp_path, "b.ply", 1)
    with pytest.raises(FrameError, match=r"classes\.yaml must give .* in a and 1 more are 2, 5, 9") as told:
        LabelledFolder(tmp_path)
    line = str(told.value)
    names(tmp_path, line[line.index("classes: {") : line.index("}") + 1])
    assert LabelledFolder(tmp_path).classes == ("name_of_2", "name_of_5", "name_of_9"), "what it shows can be used"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"height_above": np.zeros(300)},
            r"no field of labels; it has xyz, rgb, height_above: call it label, or .*data\.label=",
        ),
        ({"label": np.zeros(300), "class": np.zeros(300)}, r"label and class could both be the labels: say which"),
        ({"label": np.full(300, 0.5)}, r"field label must hold whole numbers, found 0\.5"),
        ({"label": np.full(300, np.inf)}, r"must hold whole numbers, found inf"),
        ({"label": np.zeros((300, 2))}, r"one whole number a point, got float64 of shape \(300, 2\)"),
        ({"label": np.full(300, 2**40)}, r"ids below 2\^31"),
        ({"label": np.array(["wall"] * 300)}, "one whole number a point, got <U4"),
    ],
)
def test_fields_that_are_no_labels_are_named(tmp_path: Path, fields: dict[str, np.ndarray], message: str) -> None:
    xyz, rgb, _ = arrays(0)
    np.savez(tmp_path / "a.npz", xyz=xyz, rgb=rgb, **fields)
    names(tmp_path)
    with pytest.raises(FrameError, match=message):
        LabelledFolder(tmp_path)[0]


def test_the_field_may_be_named(tmp_path: Path) -> None:
    xyz, rgb, ids = arrays(0)
    np.savez(tmp_path / "a.npz", xyz=xyz, rgb=rgb, label=np.zeros(300), truth_2=ids)
    names(tmp_path)
    assert (LabelledFolder(tmp_path, label="Truth_2")[0].label == EXPECTED).all()
    with pytest.raises(FrameError, match="no field 'truth'; it has xyz, rgb, label, truth_2"):
        LabelledFolder(tmp_path, label="truth")[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("classes: [wall, floor, wall]", "names one class twice"),
        ("{0: wall, 1: [floor]}", "the name of label 1 must be text"),
        ("{0: wall, 1: off}", "the name of label 1 must be text, got False: put it in quotes"),
        ("{wall: 0}", "classes has the id 'wall'"),
        ("{-3: wall, 1: floor}", "give ids of 0 or more"),
        ("classes: {0: wall, 1: floor}\nignore: [1]", "label 1 stands under classes and under ignore"),
        ("classes: {0: wall, 1: floor}\nignored: [1]", "there is no field 'ignored', only classes, ignore"),
        ("classes: {0: wall, 1: floor}\ncolors: {wall: [300, 0, 0]}", "the colour of wall must be"),
        ("classes: {0: wall, 1: floor}\ncolors: {door: [30, 0, 0]}", "'door', which is no class"),
        ("classes: {0: &a wall, 1: *a}", "it uses an alias"),
        ("{0: wall, 0: floor}", "'0' stands twice in one mapping"),
        ("classes: {0: wall\n", "not valid YAML"),
        ("5", "this must be fields"),
    ],
)
def test_a_slip_in_the_names_is_told(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(FrameError, match=message):
        read_class_names(names(tmp_path, content))


def test_names_in_other_forms(tmp_path: Path) -> None:
    listed = read_class_names(names(tmp_path, "[wall, floor]"))
    assert (listed.names, listed.ids) == (("wall", "floor"), (0, 1))
    full = read_class_names(names(tmp_path, "classes: {4: wall, 7: 12}\ncolors: {wall: '#ff8000', '12': [1, 2, 3]}"))
    assert full.colors == {"wall": (255, 128, 0), "12": (1, 2, 3)}
    written = tmp_path / "classes.json"
    written.write_text('[{"label": 4, "name": "wall", "color": [9, 8, 7]}, {"label": 6, "name": "floor"}]')
    assert (read_class_names(written).ids, read_class_names(written).colors) == ((4, 6), {"wall": (9, 8, 7)})
    for row in ({"label": [4], "name": "wall"}, {"label": 4, "name": ["wall"]}):
        written.write_text(json.dumps([row]))
        with pytest.raises(FrameError, match="label must be a whole number and its name text"):
            read_class_names(written)
    written.write_text('{"4": "wall", "6": "floor"}')
    assert read_class_names(written).ids == (4, 6)
    with pytest.raises(FrameError, match=r"classes\.yaml and classes\.json are both there"):
        LabelledFolder(tmp_path, [scan(tmp_path, "a.ply")])


def test_boxes_move_with_map_coordinates_and_their_classes_are_those_that_occur(tmp_path: Path) -> None:
    xyz, rgb, _ = arrays(0)
    far = xyz.astype(np.float64) + np.array([500_000, 4_000_000, 0])
    write_cloud(tmp_path / "a.npz", far, rgb)
    scan(tmp_path, "b.ply")
    boxes(tmp_path, "a", [{"class": "lamp", "center": [500_001, 4_000_001, 1], "size": [1, 2, 3], "score": 0.5}])
    boxes(tmp_path, "b", [])
    source = LabelledFolder(tmp_path, labels=False)
    assert (source.classes, source.box_classes) == ((), ("lamp",))
    first = source[0]
    np.testing.assert_allclose(first.boxes, [[*(1 - xyz.min(axis=0)[:2]), 1 - xyz[:, 2].min(), 1, 2, 3, 0]], atol=1e-3)
    assert first.box_label.tolist() == [0]
    assert source[1].boxes.shape == (0, 7)
    names(tmp_path, "boxes: [chair]")
    with pytest.raises(FrameError, match=r"a\.boxes\.json has the class 'lamp', which classes\.yaml does not list"):
        LabelledFolder(tmp_path, labels=False)
    (tmp_path / "a.boxes.json").unlink()
    with pytest.raises(FrameError, match=r"a\.boxes\.json is missing: list the objects"):
        LabelledFolder(tmp_path, labels=False, boxes=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": [1, 0, 1]}, r"box 0 \(chair\) has no size along y"),
        ({"size": [1, -2, 1]}, "has no size along y"),
        ({"size": [1, 2]}, "size must be three numbers in metres"),
        ({"heading": 90}, "heading 90 is more than a turn of 2π: give radians, not degrees"),
        ({"heading": -180.0}, "radians, not degrees"),
        ({"heading": "north"}, "heading must hold finite numbers"),
        ({"centre": [1, 2, True]}, "centre must hold finite numbers"),
        ({"center": [1, 2, 3]}, "needs one centre"),
        ({"class": 3}, "needs a class"),
        ({"yaw": 1}, "has a field 'yaw': it has class, centre, size, heading"),
    ],
)
def test_a_slip_in_a_box_is_told(tmp_path: Path, change: dict[str, object], message: str) -> None:
    scan(tmp_path, "a.ply")
    one = {"class": "chair", "centre": [1, 1, 1], "size": [1, 1, 1], "heading": 0}
    boxes(tmp_path, "a", [{**one, **change}])
    with pytest.raises(FrameError, match=message):
        LabelledFolder(tmp_path, labels=False)
    boxes(tmp_path, "a").write_text('[{"class": "chair", "centre": [NaN, 0, 0], "size": [1, 1, 1]}]')
    with pytest.raises(FrameError, match="NaN is no number that JSON knows"):
        LabelledFolder(tmp_path, labels=False)


def test_what_is_no_scan_is_passed_over_and_scans_of_one_name_are_refused(tmp_path: Path) -> None:
    scan(tmp_path, "scan10.ply")
    scan(tmp_path, "scan9.npz")
    names(tmp_path)
    for other in ("train.txt", "README.txt", "._scan9.npz", ".hidden.ply", "picture.png"):
        (tmp_path / other).write_text("x")
    assert [file.name for file in find_scans(tmp_path)] == ["scan9.npz", "scan10.ply"]
    assert isinstance(open_scene(tmp_path), LabelledFolder)
    scan(tmp_path, "scan9.ply")
    with pytest.raises(FrameError, match=r"scan9\.npz and scan9\.ply are both there"):
        find_scans(tmp_path)


def test_the_fingerprint_is_that_of_scans_boxes_and_names(tmp_path: Path) -> None:
    scan(tmp_path, "a.ply")
    names(tmp_path)
    boxes(tmp_path, "a")
    seen = {LabelledFolder(tmp_path).fingerprint()}
    boxes(tmp_path, "a", [])
    seen.add(LabelledFolder(tmp_path).fingerprint())
    names(tmp_path, "{2: wall, 5: floor, 9: stool}")
    seen.add(LabelledFolder(tmp_path).fingerprint())
    scan(tmp_path, "a.ply", 1)
    seen.add(LabelledFolder(tmp_path).fingerprint())
    assert len(seen) == 4
    (tmp_path / "notes.txt").write_text("nothing of it")
    assert LabelledFolder(tmp_path).fingerprint() in seen
