"""ScanNet's frames as images, in both layouts: every value, lost tracking, and what is missing."""

import io

import numpy as np
import pytest
from PIL import Image

from ppkt_zoo.data.readers.registration import register_depth, scale_camera
from ppkt_zoo.data.readers.scannet.frames import ExportedFrames
from ppkt_zoo.errors import FrameError
from tests.data.frame_folders import POSES
from tests.data.scannet_files import (
    COLOR_CAMERA,
    DEPTH_CAMERA,
    DEPTH_SIZE,
    LOST,
    exported,
    images,
    jpeg,
    matrix,
)


@pytest.mark.parametrize("published_frames", [False, True])
def test_every_value(tmp_path, published_frames):
    frames = ExportedFrames(exported(tmp_path / "scene0001_00", POSES[:3], published_frames))
    assert (len(frames), frames.skipped) == (3, ())
    for index in range(3):
        color, depth = images(index)
        decoded = np.array(Image.open(io.BytesIO(jpeg(color))))
        scaled, camera = scale_camera(decoded, COLOR_CAMERA[:3, :3], DEPTH_SIZE)
        measured = np.where(depth == 65535, 0, depth / 1000).astype(np.float32)
        frame = frames[index]
        assert np.array_equal(frame.color, scaled)
        assert np.array_equal(frame.intrinsics, camera)
        assert np.array_equal(frame.depth, register_depth(measured, DEPTH_CAMERA[:3, :3], camera, DEPTH_SIZE))
        np.testing.assert_allclose(frame.pose, POSES[index], atol=1e-6)
        assert frame.name == f"scene0001_00/{index * 100 if published_frames else index}"


def test_frames_are_in_the_order_of_their_numbers(tmp_path):
    frames = ExportedFrames(exported(tmp_path / "scan", POSES[:11]))
    assert [frame.name for frame in (frames[2], frames[10])] == ["scan/2", "scan/10"]


def test_another_scale(tmp_path):
    folder = exported(tmp_path / "scan", POSES[:1])
    near = ExportedFrames(folder, depth_scale=4000.0)[0]
    np.testing.assert_allclose(near.depth, ExportedFrames(folder)[0].depth / 4, rtol=1e-6)
    with pytest.raises(FrameError, match="depth_scale must be a positive number"):
        ExportedFrames(folder, depth_scale=0)


def test_frames_of_lost_tracking_are_left_out_and_counted(tmp_path):
    folder = exported(tmp_path / "scan", [POSES[0], LOST, POSES[2], LOST * np.nan])
    frames = ExportedFrames(folder)
    assert frames.skipped == (1, 3)
    assert [frames[index].name for index in range(len(frames))] == ["scan/0", "scan/2"]
    for number in (0, 2):
        matrix(folder / f"pose/{number}.txt", LOST)
    with pytest.raises(FrameError, match="all of its 4 frames have lost tracking"):
        ExportedFrames(folder)


def test_extrinsics_are_used_where_they_are(tmp_path):
    folder = exported(tmp_path / "scan", POSES[:1])
    plain = ExportedFrames(folder)[0]
    back = np.eye(4)
    back[2, 3] = 0.5
    matrix(folder / "intrinsic/extrinsic_depth.txt", back)
    moved = ExportedFrames(folder)[0]
    # Every depth is one that was measured, half a metre on.
    seen = moved.depth[moved.depth > 0].astype(np.float64)
    measured = np.unique(images(0)[1]) / 1000
    assert np.abs(seen[:, None] - 0.5 - measured).min(axis=1).max() < 1e-6
    np.testing.assert_allclose(moved.pose, plain.pose)
    without = exported(tmp_path / "other", POSES[:1], extrinsics=False)
    assert np.array_equal(ExportedFrames(without)[0].depth, plain.depth)


@pytest.mark.parametrize(
    ("name", "what"),
    [("color/1.jpg", "colour image"), ("depth/1.png", "depth image"), ("pose/1.txt", "pose")],
)
def test_a_missing_part_is_named_when_its_frame_is_read(tmp_path, name, what):
    folder = exported(tmp_path / "scan", POSES[:3])
    (folder / name).unlink()
    frames = ExportedFrames(folder)
    assert len(frames) == 3
    with pytest.raises(FrameError, match=f"{name}: this {what} is missing"):
        frames[1]
    assert frames[2].name == "scan/2"


@pytest.mark.parametrize("name", ["intrinsic/intrinsic_color.txt", "intrinsic/intrinsic_depth.txt"])
def test_missing_intrinsics_are_named(tmp_path, name):
    folder = exported(tmp_path / "scan", POSES[:1])
    (folder / name).unlink()
    with pytest.raises(FrameError, match=f"{name}: this intrinsics file is missing"):
        ExportedFrames(folder)


@pytest.mark.parametrize("part", ["color", "depth", "pose"])
def test_a_missing_folder_is_named(tmp_path, part):
    folder = exported(tmp_path / "scan", POSES[:1])
    (folder / part).rename(folder / "elsewhere")
    with pytest.raises(FrameError, match=f"{part}: this folder is missing"):
        ExportedFrames(folder)


def test_broken_files(tmp_path):
    folder = exported(tmp_path / "scan", POSES[:3])
    (folder / "pose/1.txt").write_text("1 0 0 0\n0 1 0")
    content = (folder / "depth/2.png").read_bytes()
    (folder / "depth/2.png").write_bytes(content[: len(content) // 2])
    frames = ExportedFrames(folder)
    with pytest.raises(FrameError, match=r"pose/1.txt: this pose should hold a 4×4 matrix"):
        frames[1]
    with pytest.raises(FrameError, match=r"depth/2.png: this depth image is cut short"):
        frames[2]
    (folder / "intrinsic/intrinsic_color.txt").write_text("1 0 0\n0 1 0\n0 0 1\n")
    with pytest.raises(FrameError, match=r"intrinsic_color.txt: this intrinsics file should hold a 4×4 matrix"):
        ExportedFrames(folder)
    matrix(folder / "intrinsic/intrinsic_color.txt", -COLOR_CAMERA)
    with pytest.raises(FrameError, match="the colour camera is no pinhole matrix"):
        ExportedFrames(folder)


def test_images_that_were_made_smaller_without_their_intrinsics(tmp_path):
    folder = exported(tmp_path / "scan", POSES[:1])
    Image.open(folder / "color/0.jpg").resize((64, 48)).save(folder / "color/0.jpg")
    with pytest.raises(FrameError, match=r"scan/0: this colour image is 64×48, but .*scale the intrinsics as well"):
        ExportedFrames(folder)[0]


def test_an_empty_folder(tmp_path):
    for part in ("color", "depth", "pose"):
        (tmp_path / part).mkdir()
    with pytest.raises(FrameError, match=r"no frames here: expected color/0.jpg, depth/0.png, pose/0.txt"):
        ExportedFrames(tmp_path)
