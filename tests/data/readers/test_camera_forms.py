"""Intrinsics and poses as people have them: every usual form gives the same camera, and a wrong one is named."""

import json
import warnings

import numpy as np
import pytest

from ppkt_zoo.data.readers.cameras import read_checked_camera, read_intrinsics, read_pose
from ppkt_zoo.data.readers.open import open_frames
from ppkt_zoo.errors import FrameError, InputWarning, LostFrameError
from tests.data.frame_folders import CAMERA, HEIGHT, POSES, WIDTH, open3d, plain, seven_scenes

FX, FY, CX, CY = (float(CAMERA[at]) for at in ((0, 0), (1, 1), (0, 2), (1, 2)))
ROWS, COLUMNS = CAMERA.reshape(-1).tolist(), CAMERA.T.reshape(-1).tolist()
FOCAL = {"fx": FX, "fy": FY, "cx": CX, "cy": CY}
ROS = f"image_width: {WIDTH}\nimage_height: {HEIGHT}\ncamera_matrix:\n  rows: 3\n  cols: 3\n  data: {ROWS}\n"
OPENCV = f"%YAML:1.0\n---\ncamera_matrix: !!opencv-matrix\n   rows: 3\n   cols: 3\n   dt: d\n   data: {ROWS}\n"


def as_lines(matrix, between=" "):
    return "\n".join(between.join(f"{value:.10g}" for value in row) for row in np.atleast_2d(matrix))


def wide(rows):
    matrix = np.eye(4)
    matrix[:3, :3] = CAMERA
    return matrix[:rows]


FORMS = {
    "3×3": ("a.txt", as_lines(CAMERA), None),
    "3×4": ("a.txt", as_lines(wide(3)), None),
    "4×4": ("a.txt", as_lines(wide(4)), None),
    "commas and brackets": ("a.txt", f"K = # of the sheet\n{CAMERA.tolist()}".removeprefix("K = "), None),
    "semicolons": ("a.txt", "[" + as_lines(CAMERA, ", ").replace("\n", "; ") + "]", None),
    "comments": ("a.txt", f"# fx 0 cx\n{as_lines(CAMERA)}  // pixels\n% end", None),
    "four": ("a.txt", f"{FX} {FY} {CX} {CY}\n", None),
    "four and size": ("a.txt", f"{FX}, {FY}, {CX}, {CY}, {WIDTH}, {HEIGHT}", (HEIGHT, WIDTH)),
    "size and four": ("a.txt", f"{WIDTH} {HEIGHT}\n{FX} {FY} {CX} {CY}", (HEIGHT, WIDTH)),
    "colmap": ("cameras.txt", f"# Camera list\n1 PINHOLE {WIDTH} {HEIGHT} {FX} {FY} {CX} {CY}\n", (HEIGHT, WIDTH)),
    "colmap simple": ("cameras.txt", f"1 SIMPLE_PINHOLE {WIDTH} {HEIGHT} {FX} {CX} {CY}\n", (HEIGHT, WIDTH)),
    "open3d": ("a.json", json.dumps({"width": WIDTH, "height": HEIGHT, "intrinsic_matrix": COLUMNS}), (HEIGHT, WIDTH)),
    "open3d nested": ("a.json", json.dumps({"intrinsic": {"intrinsic_matrix": COLUMNS}}), None),
    "open3d by rows": ("a.json", json.dumps({"intrinsic_matrix": CAMERA.tolist()}), None),
    "ros json": ("a.json", json.dumps({"K": ROWS, "width": WIDTH, "height": HEIGHT, "D": [0.0] * 5}), (HEIGHT, WIDTH)),
    "ros 2 json": ("a.json", json.dumps({"k": ROWS, "camera_info": 5}), None),
    "record3d": ("a.json", json.dumps({"K": COLUMNS, "w": WIDTH, "h": HEIGHT, "fps": 60}), (HEIGHT, WIDTH)),
    "realsense": ("a.json", json.dumps({"fx": FX, "fy": FY, "ppx": CX, "ppy": CY, "coeffs": [0, 0, 0, 0, 0]}), None),
    "keys": ("a.json", json.dumps({"camera": FOCAL | {"width": WIDTH, "height": HEIGHT}}), (HEIGHT, WIDTH)),
    "nerf": ("a.json", json.dumps({"fl_x": FX, "fl_y": FY, "cx": CX, "cy": CY, "w": 64, "h": 48}), (HEIGHT, WIDTH)),
    "json list": ("a.json", json.dumps({"intrinsics": [FX, FY, CX, CY]}), None),
    "ros yaml": ("a.yaml", ROS, (HEIGHT, WIDTH)),
    "opencv yaml": ("a.yml", OPENCV, None),
    "yaml in text": ("a.txt", "".join(f"{key}: {value}\n" for key, value in FOCAL.items()), None),
    "ini": ("a.txt", "".join(f"{key} = {value}\n" for key, value in FOCAL.items()), None),
    "json in text": ("a.txt", json.dumps(FOCAL), None),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_camera(tmp_path, form):
    name, content, size = FORMS[form]
    (tmp_path / name).write_text(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        camera = read_checked_camera(tmp_path / name)
    np.testing.assert_allclose(camera.matrix, CAMERA, rtol=1e-9)
    assert camera.size == size


@pytest.mark.parametrize("name", ["camera_info.yaml", "intrinsics.json", "cameras.txt", "K.txt"])
@pytest.mark.parametrize("make", [seven_scenes, open3d, plain])
def test_folders_find_them_under_usual_names(tmp_path, make, name):
    folder = make(tmp_path / "room")
    for old in ("camera.json", "camera-intrinsics.txt"):
        (folder / old).unlink(missing_ok=True)
    form = {"yaml": "ros yaml", "json": "realsense"}.get(name.rpartition(".")[2], "colmap" if "cam" in name else "3×3")
    (folder / name).write_text(FORMS[form][1])
    np.testing.assert_allclose(open_frames(folder)[0].intrinsics, CAMERA)


@pytest.mark.parametrize("make", [seven_scenes, open3d, plain])
def test_intrinsics_of_another_size_are_named(tmp_path, make):
    folder = make(tmp_path / "room")
    for old in ("camera.json", "camera-intrinsics.txt"):
        (folder / old).unlink(missing_ok=True)
    (folder / "camera.json").write_text(json.dumps(FOCAL | {"width": 640, "height": 480}))
    with pytest.raises(FrameError, match=r"frame room/.*: the image is 64×48, but .*camera\.json .* images of 640×480"):
        open_frames(folder)[0]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", json.dumps({"K": ROWS, "D": [0.1, -0.2, 0, 0, 0]})),
        ("a.json", json.dumps(FOCAL | {"k1": 0.05})),
        ("a.yaml", ROS + "distortion_coefficients:\n  rows: 1\n  cols: 5\n  data: [0.1, 0, 0, 0, 0]\n"),
        ("cameras.txt", f"1 OPENCV {WIDTH} {HEIGHT} {FX} {FY} {CX} {CY} 0.1 0 0 0\n"),
    ],
)
def test_distortion_is_warned_of(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.warns(InputWarning, match=rf"{name}: the lens has distortion.*undistort"):
        np.testing.assert_allclose(read_intrinsics(tmp_path / name), CAMERA)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.json", "[" * 100_000, "not whole JSON"),
        ("a.json", '{"intrinsic_matrix": [1' + "0" * 5000 + ",0,0,0,0,0,0,0,0]}", "5001 digits"),
        ("a.json", '{"intrinsic_matrix": [1' + "0" * 400 + ",0,0,0,0,0,0,0,0]}", "JSON"),
        ("a.json", '{"intrinsic_matrix": [1e400,0,0,0,0,0,0,0,0]}', "range"),
        ("a.json", '{"K": ["a", 0, 0, 0, 0, 0, 0, 0, 1]}', "no number"),
        ("a.json", '{"fx": {}, "fy": 2, "cx": 1, "cy": 1}', "must be numbers"),
        ("a.json", '{"fx": 5, "fy": 5}', "fx, fy, cx, cy"),
        ("a.yaml", "K: &a [1]\nD: *a\n", "alias"),
        ("a.yaml", "fx: " + "9" * 5000, "YAML|numbers"),
        ("cameras.txt", "1 PINHOLE 64 48 1 1 1 1\n2 PINHOLE 64 48 2 2 2 2\n", "2 different cameras"),
        ("cameras.txt", "1 FISHEYE 64 48 1 1 1 1\n", "FISHEYE of 6 numbers is not known"),
        ("a.txt", "585 0 320\n0 585 240", "holds 6: it is cut short"),
        ("a.txt", "1 " * 3_000_000, "PPKT_ZOO_MAX_SMALL_TEXT"),
        ("a.txt", "\n" * 1_000_000 + "1", "holds 1"),
    ],
)
def test_what_is_no_camera_is_named(tmp_path, name, content, says):
    (tmp_path / name).write_text(content)
    with pytest.raises(FrameError, match=rf"{name}.*({says})"):
        read_intrinsics(tmp_path / name)


@pytest.mark.parametrize("rows", [3, 4])
@pytest.mark.parametrize("between", [" ", ", ", "\t"])
def test_poses_of_three_or_four_rows_with_commas_and_comments(tmp_path, rows, between):
    (tmp_path / "a.pose.txt").write_text("# camera to world\n" + as_lines(POSES[3][:rows], between) + "\n")
    np.testing.assert_allclose(read_pose(tmp_path / "a.pose.txt"), POSES[3], atol=1e-9)


def test_a_pose_that_is_absent_is_lost(tmp_path):
    with pytest.raises(LostFrameError, match=r"a\.pose\.txt: this pose is missing"):
        read_pose(tmp_path / "a.pose.txt")
