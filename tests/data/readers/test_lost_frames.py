"""One lost pose, one hole, one damaged image, macOS's twins: left out, counted and told, in every reader."""

import os
import shutil
import warnings

import numpy as np
import pytest
from PIL import Image

from ppkt_zoo.data.fuse import fuse, poses_join
from ppkt_zoo.data.readers.open import open_frames
from ppkt_zoo.data.statistics import frame_statistics, tell_left_out
from ppkt_zoo.data.subset import natural_key
from ppkt_zoo.errors import FrameError, InputWarning, LostFrameError, ScaleWarning
from tests.data import scannet_files
from tests.data.frame_folders import CAMERA, HEIGHT, POSES, WIDTH, open3d, plain, seven_scenes
from tests.data.readers.timed_folders import arkit, tum

TWIN = bytes.fromhex("0005160700020000") + b"Mac OS X        " + b"\0" * 300


def holes(folder):
    Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint16)).save(folder / "frame-000003.depth.png")


def pose(text):
    return lambda folder: (folder / "frame-000003.pose.txt").write_text(text)


FAULTS = {
    "nan": (pose("nan " * 16), LostFrameError),
    "msvc": (pose("-1.#IND " * 16), LostFrameError),
    "zeros": (pose("0 0 0 0\n" * 3 + "0 0 0 1\n"), LostFrameError),
    "absent": (lambda folder: (folder / "frame-000003.pose.txt").unlink(), LostFrameError),
    "holes": (holes, LostFrameError),
    "damaged": (lambda folder: (folder / "frame-000003.color.png").write_bytes(b"\x89PNG\r\n\x1a\n"), FrameError),
    "empty": (lambda folder: (folder / "frame-000003.depth.png").write_bytes(b""), FrameError),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("up", ["gravity", "world-z"])
def test_one_bad_frame_is_left_out_and_the_others_stand_where_they_stood(tmp_path, fault, up):
    whole = open_frames(seven_scenes(tmp_path / "whole"), up=up)
    change, kind = FAULTS[fault]
    folder = seven_scenes(tmp_path / "room")
    change(folder)
    frames = open_frames(folder, up=up)
    with pytest.raises(kind, match="frame-000003"):
        frames[3]
    cloud = fuse(frames)
    assert len(cloud.skipped) == 1
    assert "frame-000003" in cloud.skipped[0]
    # Without one of its views, gravity is found some hundredths of a degree elsewhere.
    np.testing.assert_allclose(frames[0].pose, whole[0].pose, atol=0.02)
    assert poses_join(frames)
    assert len(frame_statistics(frames).damaged) == 1


def test_lost_frames_at_the_ends_do_not_hide_that_poses_join(tmp_path):
    folder = seven_scenes(tmp_path / "room")
    for number in (0, 1, 11):
        (folder / f"frame-{number:06d}.pose.txt").write_text("nan " * 16)
    frames = open_frames(folder, up="camera-y")
    assert poses_join(frames)
    assert len(fuse(frames).skipped) == 3


def test_gravity_is_found_where_all_frames_that_are_looked_at_first_are_lost(tmp_path):
    poses = [POSES[number % 12] for number in range(40)]
    folder = seven_scenes(tmp_path / "room", poses=poses)
    for number in {int(index) for index in np.linspace(0, 39, 16)}:
        (folder / f"frame-{number:06d}.pose.txt").write_text("nan " * 16)
    frames = open_frames(folder)
    np.testing.assert_allclose(frames[1].pose[2, :3], poses[1][2, :3], atol=0.02)


def test_more_than_half_is_refused_with_the_first_reason(tmp_path):
    folder = seven_scenes(tmp_path / "room")
    for number in range(7):
        (folder / f"frame-{number:06d}.pose.txt").write_text("nan " * 16)
    with pytest.raises(FrameError, match=r"room: only 5 of 12 frames can be used.*frame-000000.*tracking was lost"):
        fuse(open_frames(folder, up="world-z"))
    for number in range(12):
        (folder / f"frame-{number:06d}.pose.txt").write_text("nan " * 16)
    with pytest.raises(FrameError, match=r"none of 12 frames can be used"):
        fuse(open_frames(folder, up="world-z"))


def test_what_is_told():
    assert tell_left_out([], 8) == ""
    assert tell_left_out(["a: lost", "b: lost"], 8) == "2 of 8 frames left out: a: lost; and 1 more"


def with_twins(folder):
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        (path.parent / f"._{path.name}").write_bytes(TWIN)
        (path.parent / ".DS_Store").write_bytes(TWIN)
    shutil.copytree(folder, folder / "__MACOSX" / folder.name)
    return folder


def stream(folder):
    folder.mkdir()
    (folder / f"{folder.name}.sens").write_bytes(scannet_files.sens(POSES[:3]))
    return folder


MAKERS = [
    ("room", seven_scenes, 12),
    ("room", open3d, 12),
    ("own", plain, 3),
    ("rgbd_dataset_freiburg1_xyz", tum, 12),
    ("41069021", arkit, 12),
    ("scene0000_00", stream, 3),
]


@pytest.mark.parametrize(("name", "make", "count"), MAKERS)
def test_twins_of_macos_are_no_frames(tmp_path, name, make, count):
    frames = open_frames(with_twins(make(tmp_path / name)))
    assert len(frames) == count
    assert all(frames[index].name for index in range(count))


def test_images_without_a_pose_are_told_once_when_the_folder_is_opened(tmp_path):
    folder = open3d(tmp_path / "room")
    lines = (folder / "trajectory.log").read_text().splitlines()
    (folder / "trajectory.log").write_text("\n".join(lines[:15] + lines[20:]))
    with pytest.warns(InputWarning, match=r"room: 1 of 12 frames left out: 00003: no pose in trajectory\.log"):
        frames = open_frames(folder)
    assert len(frames) == 11


@pytest.mark.parametrize(("factor", "says"), [(4, "beyond"), (5, "beyond"), (10, "beyond"), (0.1, "under")])
def test_other_units_of_depth_are_warned_of_and_mended(tmp_path, factor, says):
    folder = open3d(tmp_path / "room")
    for path in (folder / "depth").iterdir():
        Image.fromarray((np.array(Image.open(path)) * factor).astype(np.uint16)).save(path)
    with pytest.warns(ScaleWarning, match=rf"room: half of the depth is {says} .*depth_scale=.*--depth-scale"):
        open_frames(folder, up="world-z")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frames = open_frames(folder, up="world-z", depth_scale=1000 * factor)
    np.testing.assert_allclose(frames[0].depth, open_frames(open3d(tmp_path / "b"))[0].depth, atol=0.02)


@pytest.mark.parametrize(("name", "make", "count"), MAKERS)
def test_every_reader_takes_the_unit_of_depth(tmp_path, name, make, count):
    folder = make(tmp_path / name)
    once = open_frames(folder)[0].depth
    scale = 5000.0 if make is tum else 1000.0
    twice = open_frames(folder, depth_scale=scale / 2)[0].depth
    # ScanNet's depth is registered to colour by its metres, which moves borders.
    assert abs(np.median(twice[twice > 0]) / np.median(once[once > 0]) - 2) < 0.1
    for wrong in (0, -1, float("nan"), "5000", True):
        with pytest.raises(FrameError, match="depth_scale must be a positive number"):
            open_frames(folder, depth_scale=wrong)


def test_names_that_are_no_utf8_are_refused(tmp_path):
    folder = plain(tmp_path / "own")
    os.rename(bytes(folder / "test1.color.jpg"), bytes(folder) + b"/te\xffst.color.jpg")
    with pytest.raises(FrameError, match=r"te\\udcffst\.color\.jpg: this name is not in UTF-8: rename it"):
        open_frames(folder)
    os.mkdir(bytes(tmp_path) + b"/\xff")
    with pytest.raises(FrameError, match="not in UTF-8"):
        open_frames(os.fsdecode(bytes(tmp_path) + b"/\xff"))


@pytest.mark.parametrize("path", ["", "a\0b", "a" * 5000, "~nosuchuser/x"])
def test_paths_that_cannot_be_are_refused(path):
    with pytest.raises(FrameError, match="path of frames"):
        open_frames(path)


def test_digits_of_other_scripts_sort_without_a_traceback():
    assert sorted(["²", "1", "a²3"], key=natural_key)[0] in ("²", "1", "a²3")


def test_a_pose_written_column_by_column_is_refused(tmp_path):
    folder = seven_scenes(tmp_path / "room")
    np.savetxt(folder / "frame-000003.pose.txt", POSES[3].T)
    with pytest.raises(FrameError, match="its last row 0 0 0 1"):
        open_frames(folder, up="world-z", intrinsics=CAMERA)[3]
