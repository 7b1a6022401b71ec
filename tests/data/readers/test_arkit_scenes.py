"""ARKitScenes: stamps in names, world → camera poses, intrinsics of each frame, boxes, and broken folders."""

import json

import numpy as np
import pytest

from ppkt_zoo.data.readers.arkit_scenes import BOX_CLASSES, ARKitScenes
from ppkt_zoo.data.readers.open import open_frames
from ppkt_zoo.errors import FrameError
from tests.data.frame_folders import CAMERA, POSES, render
from tests.data.readers.timed_folders import ARKIT_ANNOTATION, ARKIT_START, ARKIT_STEP, arkit

SCAN = "41069021"


def frames_of(scan):
    return scan / f"{SCAN}_frames"


@pytest.mark.parametrize("layout", ["3dod", "raw", "frames"])
def test_reads_what_was_written(tmp_path, layout):
    scan = arkit(tmp_path / SCAN, inner="." if layout == "raw" else None)
    frames = open_frames(frames_of(scan) if layout == "frames" else scan)
    assert isinstance(frames, ARKitScenes)
    assert len(frames) == len(POSES)
    assert frames.unmatched == {"color": 0, "depth": 0, "pose": 0}
    for index, pose in enumerate(POSES):
        frame = frames[index]
        color, depth = render(pose)
        assert np.array_equal(frame.color, color)
        np.testing.assert_allclose(frame.depth, depth, atol=0.00051)
        np.testing.assert_allclose(frame.pose, pose, atol=1e-7)
        focal = CAMERA[0, 0] + index
        assert np.array_equal(frame.intrinsics, [[focal, 0, CAMERA[0, 2]], [0, focal, CAMERA[1, 2]], [0, 0, 1]])
        assert frame.name.endswith(f"/{SCAN}_{ARKIT_START + ARKIT_STEP * index:.3f}")
    assert len(frames.boxes().boxes) == 2


def test_boxes(tmp_path):
    found = ARKitScenes(arkit(tmp_path / SCAN)).boxes()
    wanted = [[0.5, 1.0, 0.45, 0.6, 0.5, 0.9, 0.4], [1.0, 2.0, 1.2, 1.1, 0.1, 0.5, 0.0]]
    np.testing.assert_allclose(found.boxes, wanted, atol=1e-12)
    assert [BOX_CLASSES[i] for i in found.label] == ["chair", "tv_monitor"]
    assert found.others == {"unicorn": 1}
    assert len(BOX_CLASSES) == 17


def test_poses_between_the_trajectorys(tmp_path):
    """Where no pose is of the frame's instant, the pose lies between those before and after."""
    scan = arkit(tmp_path / SCAN)
    path = frames_of(scan) / "lowres_wide.traj"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:4] + lines[5:]))
    frames = ARKitScenes(scan)
    assert len(frames) == len(POSES)
    # The room's cameras move and turn evenly about z, and the trajectory's stamps are 0.4 ms after the images'.
    np.testing.assert_allclose(frames[4].pose[:3, 3], POSES[4][:3, 3], atol=5e-4)
    np.testing.assert_allclose(frames[4].pose[:3, :3], POSES[4][:3, :3], atol=2.5e-3)
    np.testing.assert_allclose(frames[5].pose, POSES[5], atol=1e-7)


def test_what_does_not_pair_is_left_out_and_counted(tmp_path):
    scan = arkit(tmp_path / SCAN)
    sorted((frames_of(scan) / "lowres_wide").iterdir())[2].unlink()
    sorted((frames_of(scan) / "lowres_depth").iterdir())[6].unlink()
    path = frames_of(scan) / "lowres_wide.traj"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:10]))
    frames = ARKitScenes(scan)
    assert frames.unmatched == {"color": 1, "depth": 1, "pose": 2}
    for index, number in enumerate([0, 1, 3, 4, 5, 7, 8, 9]):
        np.testing.assert_allclose(frames[index].depth, render(POSES[number])[1], atol=0.00051)
        np.testing.assert_allclose(frames[index].pose, POSES[number], atol=1e-7)
        assert frames[index].intrinsics[0, 0] == CAMERA[0, 0] + number
    assert len(frames) == 8


def test_arguments(tmp_path):
    scan = arkit(tmp_path / SCAN)
    assert np.array_equal(ARKitScenes(scan, intrinsics=CAMERA)[3].intrinsics, CAMERA)
    assert np.array_equal(ARKitScenes(scan, up="world-z")[3].pose, ARKitScenes(scan)[3].pose)
    with pytest.raises(FrameError, match="up must be one of 'gravity', 'world-z'"):
        ARKitScenes(scan, up="camera-y")
    with pytest.raises(FrameError, match="depth_scale must be"):
        ARKitScenes(scan, depth_scale=-1)


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("lowres_wide.traj", "", "lowres_wide.traj: this trajectory holds no poses"),
        ("lowres_wide.traj", "6845.8 0 0 0 1 2", "lowres_wide.traj, line 1: expected a time stamp"),
        ("lowres_wide.traj", "6845.8 0 0 0 1 2 3\n6845.9 0 0 0 1 2 three", "line 2: expected a time stamp"),
        ("lowres_wide.traj", "1.5 0 0 0 1 2 3", "are these files of one scan"),
        ("lowres_wide/41069021_late.png", "", "41069021_late.png: expected a name with a time stamp"),
    ],
)
def test_damaged_scans(tmp_path, file, content, says):
    scan = arkit(tmp_path / SCAN)
    (frames_of(scan) / file).write_text(content)
    with pytest.raises(FrameError, match=says):
        ARKitScenes(scan)


@pytest.mark.parametrize(
    ("folder", "content", "says"),
    [
        ("lowres_wide_intrinsics", "64 48 52 52 31", "holds 5 numbers: it is cut short"),
        ("lowres_wide_intrinsics", "640 480 52 52 31 23", "for images of 640×480, this one is 64×48"),
        ("lowres_wide_intrinsics", "inf 48 52 52 31 23", "for images of inf×48, this one is 64×48"),
        ("lowres_wide_intrinsics", "64 nan 52 52 31 23", "for images of 64×nan, this one is 64×48"),
        ("lowres_wide_intrinsics", "64 48 0 0 31 23", "no pinhole matrix"),
        ("lowres_wide_intrinsics", "64 48 f f 31 23", "no number"),
        ("lowres_wide_intrinsics", None, r"pincam: this intrinsics file is missing"),
        ("lowres_depth", "\x89PNG", "this depth image is cut short or damaged"),
        ("lowres_wide", "", "this colour image is an empty file"),
    ],
)
def test_damaged_frames(tmp_path, folder, content, says):
    scan = arkit(tmp_path / SCAN)
    path = sorted((frames_of(scan) / folder).iterdir())[1]
    path.unlink() if content is None else path.write_text(content)
    frames = ARKitScenes(scan)
    with pytest.raises(FrameError, match=says) as caught:
        frames[1]
    assert f"{SCAN}_{ARKIT_START + ARKIT_STEP:.3f}"[:-1] in str(caught.value)
    assert frames[2].pose is not None


def test_a_nan_pose_is_refused(tmp_path):
    scan = arkit(tmp_path / SCAN)
    path = frames_of(scan) / "lowres_wide.traj"
    lines = path.read_text().splitlines()
    lines[1] = lines[1].split()[0] + " nan" * 6
    path.write_text("\n".join(lines))
    with pytest.raises(FrameError, match="pose has NaN or infinity"):
        ARKitScenes(scan)[1]
    np.testing.assert_allclose(ARKitScenes(scan)[2].pose, POSES[2], atol=1e-7)


@pytest.mark.parametrize("name", ["lowres_wide", "lowres_depth", "lowres_wide_intrinsics"])
def test_missing_and_empty_folders_are_named(tmp_path, name):
    scan = arkit(tmp_path / SCAN)
    for path in (frames_of(scan) / name).iterdir():
        path.unlink()
    with pytest.raises(FrameError, match=rf"{name}: no \.(png|pincam) files in this folder"):
        ARKitScenes(scan)
    (frames_of(scan) / name).rmdir()
    with pytest.raises(FrameError, match=rf"{name}: no such folder"):
        ARKitScenes(scan)


def test_missing_trajectory_is_named(tmp_path):
    scan = arkit(tmp_path / SCAN)
    (frames_of(scan) / "lowres_wide.traj").unlink()
    with pytest.raises(FrameError, match=r"lowres_wide\.traj: this trajectory is missing"):
        open_frames(scan)


def test_damaged_boxes(tmp_path):
    scan = arkit(tmp_path / SCAN)
    path = scan / f"{SCAN}_3dod_annotation.json"
    huge = json.loads(json.dumps(ARKIT_ANNOTATION))
    huge["data"][0]["segments"]["obbAligned"]["axesLengths"] = [60, 50, 90]
    broken = json.loads(json.dumps(ARKIT_ANNOTATION))
    broken["data"][0]["segments"]["obbAligned"]["centroid"] = [0, float("nan"), 0]
    for content, says in [
        ('{"data": [', "cut short or damaged"),
        ("{}", "cut short or damaged"),
        (json.dumps(broken), "a box is not finite"),
        (json.dumps(huge), "a box is 90 m long: this file is in other units"),
    ]:
        path.write_text(content)
        with pytest.raises(FrameError, match=rf"{path.name}: .*{says}"):
            ARKitScenes(scan).boxes()
    path.write_text('{"data": [], "skipped": true}')
    assert ARKitScenes(scan).boxes().boxes.shape == (0, 7)
    path.unlink()
    with pytest.raises(FrameError, match=rf"{path.name}: this file of boxes is missing"):
        ARKitScenes(scan).boxes()
