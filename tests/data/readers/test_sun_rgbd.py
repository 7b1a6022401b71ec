"""SUN RGB-D: rotated bits, tilt, boxes of both versions, and broken folders."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from ppkt_zoo.data.readers.open import open_frames, open_scene
from ppkt_zoo.data.readers.open3d_folder import Open3DFolder
from ppkt_zoo.data.readers.sun_boxes import BOX_CLASSES, META
from ppkt_zoo.data.readers.sun_rgbd import SunRGBD
from ppkt_zoo.errors import FrameError
from ppkt_zoo.points.back_projection import back_project
from tests.data.frame_folders import CAMERA, POSES, open3d, render, save_color

PLACES = ("kv1/NYUdata/NYU0002", "kv1/NYUdata/NYU0010", "kv2/kinect2data/000002_2014-05-26_14-23-37_rgbf000103-resize")
# From the camera's axes (x right, y down, z ahead) to the data set's upright ones (x right, y ahead, z up).
UPRIGHT = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])


def write_frame(place, number: int) -> None:
    for name in ("image", "depth", "depth_bfx", "extrinsics", "annotation3Dfinal"):
        (place / name).mkdir(parents=True)
    color, depth = render(POSES[number])
    save_color(place / "image" / f"{place.name}.png", color)
    stored = np.rint(depth * 1000).astype(np.uint32)
    stored[0, :8] = 9000 + np.arange(8)
    stored[1, :8] = 0
    for name, values in (("depth_bfx", stored), ("depth", np.where(np.arange(64) % 5 == 0, 0, stored))):
        rotated = ((values << 3) & 0xFFFF) | (values >> 13)
        Image.fromarray(rotated.astype(np.uint16)).save(place / name / f"{place.name}.png")
    (place / "intrinsics.txt").write_text(
        " ".join(f"{value:f}" for value in (CAMERA + np.diag([number, 0, 0])).ravel())
    )
    tilt = np.column_stack([UPRIGHT.T @ POSES[number][:3, :3], np.zeros(3)])
    # Of several files the last counts.
    (place / "extrinsics" / "20140808220511.txt").write_text("\n".join(" ".join(map(str, row)) for row in np.eye(3, 4)))
    (place / "extrinsics" / "20150118235401.txt").write_text(
        "".join(" ".join(f"{value:.6f}" for value in row) + " \n" for row in tilt)
    )
    (place / "annotation3Dfinal" / "index.json").write_text(json.dumps(ANNOTATION))


# A chair whose first edge, which it faces, runs from (2, 3) to (3, 3); its other edge goes to y = 1.4.
ANNOTATION = {
    "objects": [
        None,
        {"name": "wall", "polygon": [{"X": [0, 1, 1, 0], "Z": [0, 0, 1, 1], "Ymin": 1, "Ymax": -1}]},
        {"name": "chair_:truncated", "polygon": [
            {"X": [2, 3, 3, 2], "Z": [3, 3, 1.4, 1.4], "Ymin": 0.9, "Ymax": 0.1, "rectangle": 1}
        ]},
        {"name": "table", "polygon": []},
    ],
    "version": "0.0.0",
}  # fmt: skip
CHAIR = [2.5, 2.2, -0.5, 1.6, 1.0, 0.8, np.pi / 2]


def sun(root):
    for number, name in enumerate(PLACES):
        write_frame(root / "SUNRGBD" / name, number)
    return root


def meta_box(name, centre, half, front):
    return {
        "basis": np.eye(3), "coeffs": np.array([half], dtype=float), "centroid": np.array([centre], dtype=float),
        "classname": name, "labelname": "", "orientation": np.array([front], dtype=float), "label": 3,
    }  # fmt: skip


def write_meta(path) -> None:
    """A struct array, one element a frame; a frame has many boxes, one, or an empty matrix."""
    savemat = pytest.importorskip("scipy.io").savemat
    many = [
        meta_box("bed", (1, 2, -0.3), (0.9, 1.1, 0.4), (0.6, 0.8, 0)),
        meta_box("night_stand", (0.5, 1, -0.5), (0.2, -0.25, 0.3), (0, -1, 0)),
        meta_box("lamp", (0, 1, 0), (0.1, 0.1, 0.2), (1, 0, 0)),
    ]
    boxes = [many, many[:1], []]
    frames = np.zeros((1, 3), dtype=[("sequenceName", "O"), ("groundtruth3DBB", "O"), ("Rtilt", "O")])
    for number, name in enumerate(PLACES):
        fields = list(many[0])
        found = np.zeros((1, len(boxes[number])), dtype=[(key, "O") for key in fields])
        for place, box in enumerate(boxes[number]):
            for key in fields:
                found[0, place][key] = box[key]
        # The real file has a slash behind some of its names.
        frames[0, number] = (
            f"SUNRGBD/{name}" + "/" * (number % 2),
            found if boxes[number] else np.zeros((0, 0)),
            np.eye(3),
        )
    savemat(path, {"SUNRGBDMeta": frames})


def test_reads_what_was_written(tmp_path):
    frames = open_frames(sun(tmp_path))
    assert isinstance(frames, SunRGBD)
    assert len(frames) == 3
    for index, name in enumerate(PLACES):
        frame = frames[index]
        color, depth = render(POSES[index])
        assert np.array_equal(frame.color, color)
        wanted = np.rint(depth * 1000) / 1000
        wanted[:2, :8] = 0
        np.testing.assert_allclose(frame.depth, wanted, rtol=1e-6)
        assert frame.intrinsics[0, 0] == CAMERA[0, 0] + index
        assert np.array_equal(frame.intrinsics[:, 1:], CAMERA[:, 1:])
        np.testing.assert_allclose(frame.pose[:3, :3], POSES[index][:3, :3], atol=1e-6)
        assert np.array_equal(frame.pose[:, 3], [0, 0, 0, 1])
        assert frame.name.endswith(f"SUNRGBD/{name}")


def test_bits_are_rotated_back(tmp_path):
    sun(tmp_path)
    path = next((tmp_path / "SUNRGBD" / PLACES[0] / "depth_bfx").iterdir())
    # 1 m, 7.999 m, 8.001 m, a value whose three highest bits wrapped round to the lowest, and its neighbour below.
    metres = np.array([[1000, 7999, 8001, 0b1010000000000001, 1]], dtype=np.uint32)
    Image.fromarray((((metres << 3) & 0xFFFF) | (metres >> 13)).astype(np.uint16)).save(path)
    assert np.array(Image.open(path))[0, 3] == 0b0000000000001101
    frames = SunRGBD(tmp_path)
    np.testing.assert_allclose(frames._depth(frames._frames[0]), [[1, 7.999, 0, 0, 0.001]], rtol=1e-6)


def test_raw_depth(tmp_path):
    frames = SunRGBD(sun(tmp_path), depth="raw")
    assert (frames[1].depth[10, ::5] == 0).all()
    assert (frames[1].depth[10, 1::5] > 0).all()
    with pytest.raises(FrameError, match='depth must be "bfx" or "raw"'):
        SunRGBD(tmp_path, depth="depth")


@pytest.mark.parametrize(
    ("below", "names"),
    [
        ("SUNRGBD", PLACES),
        ("SUNRGBD/kv1", PLACES[:2]),
        ("SUNRGBD/kv1/NYUdata", PLACES[:2]),
        ("SUNRGBD/kv2", PLACES[2:]),
        (f"SUNRGBD/{PLACES[1]}", PLACES[1:2]),
    ],
)
def test_parts_of_the_data_set(tmp_path, below, names):
    sun(tmp_path)
    write_meta(tmp_path / META)
    frames = open_frames(tmp_path / below)
    assert [f"{(tmp_path / below).name}{frames[i].name[len(frames.name) :]}" for i in range(len(frames))] == [
        f"SUNRGBD/{name}"[f"SUNRGBD/{name}".index((tmp_path / below).name) :] for name in names
    ]
    assert [len(frames.boxes(i).boxes) for i in range(len(frames))] == [(2, 1, 0)[PLACES.index(name)] for name in names]


def test_boxes_of_the_second_version(tmp_path):
    frames = SunRGBD(sun(tmp_path))
    write_meta(tmp_path / META)
    found = frames.boxes(0)
    # Full sizes: the second half size lies along the heading, the first across.
    wanted = [
        [1, 2, -0.3, 2.2, 1.8, 0.8, np.arctan2(0.8, 0.6)],
        [0.5, 1, -0.5, 0.5, 0.4, 0.6, -np.pi / 2],
    ]
    np.testing.assert_allclose(found.boxes, wanted, atol=1e-12)
    assert [frames.box_classes[i] for i in found.label] == ["bed", "night_stand"]
    assert found.label.dtype == np.int16
    assert found.others == {"lamp": 1}
    assert frames.boxes(1).boxes.shape == (1, 7)
    assert frames.boxes(2).boxes.shape == (0, 7)
    assert BOX_CLASSES[:3] == ("bed", "table", "sofa")
    assert len(BOX_CLASSES) == 10


def test_boxes_of_the_first_version(tmp_path):
    found = SunRGBD(sun(tmp_path)).boxes(1)
    np.testing.assert_allclose(found.boxes, [CHAIR], atol=1e-12)
    assert [BOX_CLASSES[i] for i in found.label] == ["chair"]
    assert found.others == {"wall": 1}


def test_scenes_are_clouds_with_boxes(tmp_path):
    scenes = open_scene(sun(tmp_path))
    write_meta(tmp_path / META)
    frames = SunRGBD(tmp_path)
    assert len(scenes) == len(frames) == len(PLACES)
    for index in range(len(PLACES)):
        scene, frame = scenes[index], frames[index]
        assert scene.name == frame.name
        assert len(scene.xyz) == (frame.depth > 0).sum()
        xyz, pixel = back_project(frame.depth, frame.intrinsics, frame.pose)
        np.testing.assert_array_equal(scene.xyz, xyz)
        np.testing.assert_array_equal(scene.rgb, frame.color[pixel[:, 1], pixel[:, 0]])
        assert (scene.label == -1).all()
        np.testing.assert_array_equal(scene.boxes, frames.boxes(index).boxes)
        np.testing.assert_array_equal(scene.box_label, frames.boxes(index).label)
        assert scene.box_classes == BOX_CLASSES


def test_a_box_holds_the_points_that_it_was_drawn_around(tmp_path):
    """The box's world is the one that the frame's pose leads to: a wall's points lie in a box along that wall."""
    sun(tmp_path)
    place = tmp_path / "SUNRGBD" / PLACES[0]
    # Camera 0 stands at (0, 0.2, 1.4) in the room and looks to +y; the wall there is 2.8 m away.
    box = {"X": [-2, 2.5, 2.5, -2], "Z": [2.75, 2.75, 2.85, 2.85], "Ymin": 1.4, "Ymax": -1.0}
    (place / "annotation3Dfinal/index.json").write_text(
        json.dumps({"objects": [{"name": "bookshelf", "polygon": [box]}]})
    )
    frames = SunRGBD(place)
    frame, (centre_box,) = frames[0], frames.boxes(0).boxes
    v, u = np.nonzero(frame.depth)
    rays = np.stack([u, v, np.ones(len(u))]) * frame.depth[v, u]
    points = (frame.pose[:3, :3] @ np.linalg.inv(frame.intrinsics) @ rays).T
    away = points - centre_box[:3]
    c, s = np.cos(centre_box[6]), np.sin(centre_box[6])
    own = np.stack([c * away[:, 0] + s * away[:, 1], -s * away[:, 0] + c * away[:, 1], away[:, 2]], axis=1)
    inside = (np.abs(own) < centre_box[3:6] / 2 + 1e-3).all(axis=1)
    wall = np.abs(points[:, 1] - 2.8) < 0.004
    assert wall.sum() > 200
    assert inside[wall].all()
    assert inside.sum() < 1.2 * wall.sum()


def test_up(tmp_path):
    sun(tmp_path)
    assert SunRGBD(tmp_path, up="none")[0].pose is None
    for given in ("camera-y", "world-z", (0, 0, 1)):
        with pytest.raises(FrameError, match="up must be one of 'gravity', 'none'"):
            SunRGBD(tmp_path, up=given)


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ("image", "image: this folder of a frame is missing"),
        ("depth_bfx", "depth_bfx: this folder of a frame is missing"),
        ("image/*.png", r"image: no image \(.jpg or .jpeg or .png\) in this folder"),
        ("extrinsics/*.txt", "extrinsics: no tilt matrix"),
    ],
)
def test_missing_parts_are_named(tmp_path, part, says):
    place = sun(tmp_path) / "SUNRGBD" / PLACES[1]
    for path in sorted(place.glob(part)):
        for inner in path.iterdir() if path.is_dir() else ():
            inner.unlink()
        path.rmdir() if path.is_dir() else path.unlink()
    frames = SunRGBD(tmp_path)
    with pytest.raises(FrameError, match=says) as caught:
        frames[1]
    assert str(place) in str(caught.value)
    assert frames[2].pose is not None


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("intrinsics.txt", "52 0 31 0 52", "holds 5: it is cut short"),
        ("intrinsics.txt", "0 0 31 0 52 23 0 0 1", "no pinhole matrix"),
        ("extrinsics/20150118235401.txt", "1 0 0 0 0 1", "3×4 numbers but holds 6"),
        ("extrinsics/20150118235401.txt", "nan " * 12, "pose has NaN"),
        ("extrinsics/20150118235401.txt", "1 0 0 0 0 one", "no number"),
        ("extrinsics/20150118235401.txt", "0 " * 12, "not a rotation"),
        ("image/NYU0010.png", b"\x89PNG\r\n\x1a\n123", "cut short or damaged"),
        ("depth_bfx/NYU0010.png", b"", "empty file"),
    ],
)
def test_damaged_parts(tmp_path, file, content, says):
    place = sun(tmp_path) / "SUNRGBD" / PLACES[1]
    (place / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(FrameError, match=says) as caught:
        SunRGBD(tmp_path)[1]
    assert "NYU0010" in str(caught.value)


def test_damaged_boxes(tmp_path):
    place = sun(tmp_path) / "SUNRGBD" / PLACES[0]
    for content in ('{"objects": [', '{"things": []}', '{"objects": [{"name": "bed", "polygon": [{"X": [1]}]}]}', "[]"):
        (place / "annotation3Dfinal/index.json").write_text(content)
        with pytest.raises(FrameError, match=r"NYU0002.annotation3Dfinal.index\.json: this file of boxes is cut short"):
            SunRGBD(place).boxes(0)
    (place / "annotation3Dfinal/index.json").unlink()
    with pytest.raises(FrameError, match=r"index\.json: this file of boxes is missing"):
        SunRGBD(place).boxes(0)
    (tmp_path / META).write_bytes(b"MATLAB 5.0 MAT-file" + bytes(300))
    with pytest.raises(FrameError, match=rf"{META}: this {META} is incomplete or damaged"):
        SunRGBD(place).boxes(0)
    write_meta(tmp_path / META)
    whole = (tmp_path / META).read_bytes()
    (tmp_path / META).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FrameError, match=rf"{META}: this .* is incomplete or damaged"):
        SunRGBD(place).boxes(0)
    short = whole.replace(b"orientation", b"orientatioX")
    (tmp_path / META).write_bytes(short)
    with pytest.raises(
        FrameError, match=rf"{META}: this {META} is incomplete or damaged \(a table has no field orientation\)"
    ):
        SunRGBD(place).boxes(0)
    (tmp_path / META).write_bytes(whole)
    moved = tmp_path / "SUNRGBD/kv1/NYUdata/NYU9999"
    place.rename(moved)
    with pytest.raises(FrameError, match=rf"{META}: the frame kv1/NYUdata/NYU9999 is not in this file"):
        SunRGBD(moved).boxes(0)


def test_boxes_need_no_scipy(tmp_path, monkeypatch):
    write_meta(sun(tmp_path) / META)
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    assert len(SunRGBD(tmp_path).boxes(0).boxes)


def test_an_own_recording_named_after_a_sensor_is_none_of_it(tmp_path):
    assert isinstance(open_frames(open3d(tmp_path / "realsense")), Open3DFolder)
    assert isinstance(open_frames(open3d(tmp_path / "own/kv2/room")), Open3DFolder)


def test_folders_without_frames(tmp_path):
    (tmp_path / "SUNRGBD").mkdir()
    with pytest.raises(FrameError, match="no frames of SUN RGB-D here"):
        open_frames(tmp_path)
