"""TUM RGB-D: pairing by time, poses between motion capture's, published intrinsics, and broken folders."""

import numpy as np
import pytest

from ppkt_zoo.data.readers.open import open_frames
from ppkt_zoo.data.readers.timestamps import associate, axis_angle_of, quaternion_rotation, rotation_of, timed_poses
from ppkt_zoo.data.readers.tum import PUBLISHED_INTRINSICS, TumRGBD
from ppkt_zoo.errors import FrameError
from tests.data.frame_folders import CAMERA, POSES, degrees_between, render
from tests.data.frame_folders import turned as some_motion
from tests.data.readers.timed_folders import TUM_START, TUM_STEP, to_axis_angle, to_quaternion, tum

NAME = "rgbd_dataset_freiburg1_xyz"


def drop_line(path, containing):
    lines = path.read_text().splitlines(keepends=True)
    kept = [line for line in lines if containing not in line]
    assert len(kept) == len(lines) - 1
    path.write_text("".join(kept))


def test_reads_what_was_written(tmp_path):
    frames = TumRGBD(tum(tmp_path / NAME), intrinsics=CAMERA, up="world-z")
    assert len(frames) == len(POSES)
    assert frames.unmatched == {"color": 0, "depth": 0, "pose": 0}
    for index, pose in enumerate(POSES):
        frame = frames[index]
        color, depth = render(pose)
        assert np.array_equal(frame.color, color)
        np.testing.assert_allclose(frame.depth, depth, atol=0.00011)
        np.testing.assert_allclose(frame.pose, pose, atol=5e-6)
        assert frame.name == f"{NAME}/{TUM_START + TUM_STEP * index:.6f}"


def test_up_by_gravity(tmp_path):
    motion = some_motion()
    frame = TumRGBD(tum(tmp_path / NAME, world=motion), intrinsics=CAMERA)[3]
    assert degrees_between(frame.pose[2, :3], POSES[3][2, :3]) < 1


@pytest.mark.parametrize(
    ("folder", "key"),
    [
        ("rgbd_dataset_freiburg1_desk", "freiburg1"),
        ("rgbd_dataset_freiburg2_desk", "freiburg2"),
        ("rgbd_dataset_freiburg3_long_office_household", "freiburg3"),
        ("fr2_xyz", "freiburg2"),
        ("freiburg3/sequence", "freiburg3"),
    ],
)
def test_published_intrinsics_by_the_folder(tmp_path, folder, key):
    fx, fy, cx, cy = PUBLISHED_INTRINSICS[key]
    frame = open_frames(tum(tmp_path / folder), up="world-z")[0]
    assert np.array_equal(frame.intrinsics, [[fx, 0, cx], [0, fy, cy], [0, 0, 1]])


def test_unknown_folder_needs_intrinsics(tmp_path):
    folder = tum(tmp_path / "afr1")
    with pytest.raises(FrameError, match=r"afr1: whether this is freiburg1.*intrinsics=\(fx"):
        open_frames(folder)
    assert np.array_equal(open_frames(folder, intrinsics=CAMERA)[0].intrinsics, CAMERA)


def test_open_frames_reads_depth_in_fifths_of_millimetres(tmp_path):
    frames = open_frames(tum(tmp_path / NAME), intrinsics=CAMERA, up="world-z")
    assert isinstance(frames, TumRGBD)
    np.testing.assert_allclose(frames[0].depth, render(POSES[0])[1], atol=0.00011)
    half = open_frames(tmp_path / NAME, intrinsics=CAMERA, up="world-z", depth_scale=10000)
    np.testing.assert_allclose(half[0].depth, render(POSES[0])[1] / 2, atol=0.00011)


def test_what_does_not_pair_is_left_out_and_counted(tmp_path):
    folder = tum(tmp_path / NAME)
    drop_line(folder / "depth.txt", f"{TUM_START + 2 * TUM_STEP + 0.011:.6f} ")
    drop_line(folder / "rgb.txt", f"{TUM_START + 5 * TUM_STEP:.6f} ")
    truth = folder / "groundtruth.txt"
    # Motion capture lost the camera around depth image 8.
    lines = truth.read_text().splitlines(keepends=True)
    truth.write_text("".join(lines[: 3 + 2 * 8] + lines[3 + 2 * 11 :]))
    frames = TumRGBD(folder, intrinsics=CAMERA, up="world-z")
    assert frames.unmatched == {"color": 1, "depth": 1, "pose": 3}
    assert len(frames) == len(POSES) - 5
    for index, number in enumerate([0, 1, 3, 4, 6, 7, 11]):
        np.testing.assert_allclose(frames[index].depth, render(POSES[number])[1], atol=0.00011)
        np.testing.assert_allclose(frames[index].pose, POSES[number], atol=5e-6)


def test_associate():
    assert associate([0.0, 1.0, 2.0], [0.02, 0.99, 2.021], 0.02) == [(0, 0), (1, 1)]
    # 1.01 is nearer to 1.015, so 1.0 has to do with 0.99 or nothing.
    assert associate([1.0, 1.01], [1.015], 0.02) == [(1, 0)]
    assert associate([1.0, 1.01], [1.015, 0.99], 0.02) == [(0, 1), (1, 0)]
    assert associate([2.0, 1.0], [1.0, 2.0], 0.02) == [(1, 0), (0, 1)]
    assert associate([], [1.0], 0.02) == []


def test_associate_uses_each_once_and_leaves_no_pair_that_could_be():
    rng = np.random.default_rng(0)
    one, two = rng.uniform(0, 3, 200), rng.uniform(0, 3, 150)
    pairs = associate(one, two, 0.02)
    first, second = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    assert len(set(first)) == len(first) > 80
    assert len(set(second)) == len(second)
    assert (np.abs(one[first] - two[second]) <= 0.02).all()
    left_one, left_two = set(range(200)) - set(first), set(range(150)) - set(second)
    assert all(abs(one[i] - two[j]) > 0.02 for i in left_one for j in left_two)
    assert (np.diff(one[first]) >= 0).all()


def test_rotations_go_there_and_back():
    rng = np.random.default_rng(1)
    for angle in (0.0, 1e-9, 1e-4, 0.5, *rng.uniform(0.1, 3, 20), np.pi - 1e-7, np.pi):
        axis = rng.standard_normal(3)
        turn = axis / np.linalg.norm(axis) * angle
        rotation = rotation_of(turn)
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        np.testing.assert_allclose(rotation @ axis, axis, atol=1e-12)
        assert abs(np.trace(rotation) - 1 - 2 * np.cos(angle)) < 1e-12
        np.testing.assert_allclose(rotation_of(axis_angle_of(rotation)), rotation, atol=1e-7)
        # The short way round, whichever sign the eigenvector comes with.
        assert abs(np.linalg.norm(axis_angle_of(rotation)) - angle) < 1e-6
    quarter = rotation_of([0, 0, np.pi / 2])
    np.testing.assert_allclose(quarter @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    for pose in POSES:
        np.testing.assert_allclose(quaternion_rotation(to_quaternion(pose[:3, :3])), pose[:3, :3], atol=1e-12)
        np.testing.assert_allclose(rotation_of(to_axis_angle(pose[:3, :3])), pose[:3, :3], atol=1e-12)


def test_between_two_poses_the_camera_moves_evenly():
    one, two = np.eye(4), np.eye(4)
    two[:3, :3], two[:3, 3] = rotation_of([0, 0, 1.2]), (1.0, 2.0, 3.0)
    track = timed_poses([5.0, 4.0, 4.0], [two, one, two])
    np.testing.assert_allclose(track.at(4.25)[:3, 3], [0.25, 0.5, 0.75], atol=1e-12)
    np.testing.assert_allclose(track.at(4.25)[:3, :3], rotation_of([0, 0, 0.3]), atol=1e-9)
    assert np.array_equal(track.at(4.0), one)
    assert np.array_equal(track.at(5.0), two)
    assert track.covers(4.25, gap=1.0)
    assert not track.covers(4.25, gap=0.9)
    assert track.covers(5.0, gap=0.1)
    assert not track.covers(5.1, gap=9)
    assert not track.covers(3.9, gap=9)
    with pytest.raises(FrameError, match="no pose at 5"):
        track.at(5.1)


def test_a_nan_pose_is_refused_and_the_others_stay(tmp_path):
    folder = tum(tmp_path / NAME)
    lines = (folder / "groundtruth.txt").read_text().splitlines()
    lines[3] = lines[3].split()[0] + " nan" * 7
    (folder / "groundtruth.txt").write_text("\n".join(lines))
    frames = TumRGBD(folder, intrinsics=CAMERA)
    with pytest.raises(FrameError, match=r"pose has NaN or infinity \(tracking was lost\)"):
        frames[0]
    assert frames[1].pose is not None


@pytest.mark.parametrize(
    ("file", "change", "says"),
    [
        ("groundtruth.txt", lambda text: text[:-20], r"groundtruth\.txt, line 27: expected stamp tx ty tz"),
        ("groundtruth.txt", lambda text: "# empty\n", r"groundtruth\.txt: this trajectory holds no poses"),
        ("groundtruth.txt", lambda text: "1305031102.1 0 0 0 0 0 0 0.5", "not of unit length"),
        ("groundtruth.txt", lambda text: "1305031102.1 0 0 0 0 0 one 1", "line 1: expected stamp"),
        ("groundtruth.txt", lambda text: "nan 0 0 0 0 0 0 1", "line 1: expected stamp"),
        ("groundtruth.txt", lambda text: "12.5 0 0 0 0 0 0 1", "are these files of one sequence"),
        ("rgb.txt", lambda text: "", r"rgb\.txt: this list of images is empty"),
        ("rgb.txt", lambda text: text.replace(" rgb/", "_rgb/", 1), r"rgb\.txt, line 4: expected a time stamp"),
        ("depth.txt", lambda text: text + "12.5\n", r"depth\.txt, line 16: expected a time stamp"),
        ("depth.txt", lambda text: "inf depth/1.png", r"depth\.txt: .* no finite number"),
        ("depth.txt", lambda text: "12.5 depth/1.png", "no colour image of rgb.txt"),
    ],
)
def test_damaged_lists(tmp_path, file, change, says):
    folder = tum(tmp_path / NAME)
    (folder / file).write_text(change((folder / file).read_text()))
    with pytest.raises(FrameError, match=says):
        TumRGBD(folder)


@pytest.mark.parametrize("file", ["rgb.txt", "depth.txt", "groundtruth.txt"])
def test_missing_lists_are_named(tmp_path, file):
    folder = tum(tmp_path / NAME)
    (folder / file).unlink()
    with pytest.raises(FrameError, match=rf"{file}: this (list of images|trajectory) is missing"):
        TumRGBD(folder)


@pytest.mark.parametrize("part", ["rgb", "depth"])
def test_missing_and_cut_images_are_named(tmp_path, part):
    folder = tum(tmp_path / NAME)
    frames = TumRGBD(folder, intrinsics=CAMERA, up="world-z")
    first, second = sorted((folder / part).iterdir())[:2]
    first.unlink()
    second.write_bytes(second.read_bytes()[:100])
    for index, file, says in [(0, first, "is missing"), (1, second, "is cut short or damaged")]:
        with pytest.raises(FrameError, match=says) as caught:
            frames[index]
        assert str(file) in str(caught.value)


def test_refuses_arguments(tmp_path):
    folder = tum(tmp_path / NAME)
    with pytest.raises(FrameError, match="depth_scale must be a positive number"):
        TumRGBD(folder, depth_scale=0)
    with pytest.raises(FrameError, match="up must be one of"):
        TumRGBD(folder, up="down")
    with pytest.raises(FrameError, match="no pinhole matrix"):
        TumRGBD(folder, intrinsics=np.zeros((3, 3)))
    with pytest.raises(FrameError, match="no such folder"):
        TumRGBD(tmp_path / "gone")


@pytest.mark.parametrize("elsewhere", ["../secret.png", "/etc/secret.png", "rgb/../../secret.png"])
def test_a_list_names_no_image_outside_of_its_folder(tmp_path, elsewhere):
    folder = tum(tmp_path / "rgbd_dataset_freiburg1_xyz")
    text = (folder / "rgb.txt").read_text()
    first = next(word for word in text.split() if word.startswith("rgb/"))
    (folder / "rgb.txt").write_text(text.replace(first, elsewhere, 1))
    with pytest.raises(FrameError, match=r"rgb.txt, line \d+: .* is no file below"):
        TumRGBD(folder)
