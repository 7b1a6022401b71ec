"""Open3D's and Redwood's trajectories: the ids before the poses tell which image each belongs to."""

import warnings

import numpy as np
import pytest

from ppkt_zoo.data.readers.open import open_frames
from ppkt_zoo.data.readers.trajectory import LoggedPose, poses_of_images, read_pose_log
from ppkt_zoo.errors import FrameError, InputWarning
from tests.data.frame_folders import POSES, open3d


def write_log(folder, ids, poses=None):
    rows = []
    for number, pose in zip(ids, [POSES[i] for i in ids] if poses is None else poses, strict=True):
        rows += [f"{number} {number} {number + 1}", *(" ".join(f"{x:.8f}" for x in row) for row in pose)]
    (folder / "trajectory.log").write_text("\n".join(rows) + "\n")


def keep_images(folder, numbers):
    for path in [*folder.glob("image/*"), *folder.glob("depth/*")]:
        if int(path.stem) not in numbers:
            path.unlink()


def numbers_and_poses(folder):
    frames = open_frames(folder, up="world-z")
    found = [(int(frames[index].name.split("/")[-1]), frames[index].pose) for index in range(len(frames))]
    return frames, found


@pytest.mark.parametrize(
    ("images", "logged", "left"),
    [
        ([i for i in range(12) if i != 11], [i for i in range(12) if i != 5], [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]),
        (range(0, 12, 2), range(12), range(0, 12, 2)),
        (range(1, 12, 2), range(12), range(1, 12, 2)),
        (range(3, 9), range(12), range(3, 9)),
        (range(12), [11, 3, 4, 7, 0, 1, 2], [0, 1, 2, 3, 4, 7, 11]),
        (range(12), range(8), range(8)),
        (range(12), range(4, 12), range(4, 12)),
        ([0, 2, 4, 6, 8, 10], [0, 4, 6, 10, 11], [0, 4, 6, 10]),
    ],
)
def test_ids_are_the_numbers_of_images(tmp_path, images, logged, left):
    """Tracking that was lost, images that were thinned or cut off, and poses in any order."""
    folder = open3d(tmp_path / "room")
    keep_images(folder, set(images))
    write_log(folder, list(logged))
    frames, found = numbers_and_poses(folder)
    assert [number for number, _ in found] == list(left)
    for number, pose in found:
        np.testing.assert_allclose(pose, POSES[number], atol=1e-7)
    lost = sorted(set(images) - set(left))
    assert frames.skipped == tuple(f"{i:05d}: no pose in trajectory.log (tracking was lost)" for i in lost)


def named(names, ids):
    poses = [LoggedPose(number, np.full((4, 4), float(number))) for number in ids]
    return {name: int(pose[0, 0]) for name, pose in poses_of_images(poses, names, "a.log").items()}


def test_redwood_counts_images_from_one_and_poses_from_zero():
    with pytest.warns(InputWarning, match="pose i is taken to be of image i \\+ 1"):
        assert named(["000001", "000002", "000003"], [0, 1, 2]) == {"000001": 0, "000002": 1, "000003": 2}
    with pytest.warns(InputWarning):
        assert named([f"{i:06d}" for i in range(1, 9)], [0, 1, 2, 3, 5]) == {f"{i + 1:06d}": i for i in (0, 1, 2, 3, 5)}


def test_ids_that_only_count_go_by_order_where_names_say_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert named(["a", "b", "c"], [2, 0, 1]) == {"a": 0, "b": 1, "c": 2}
        assert named(["1305.10", "1305.20"], [0, 1]) == {"1305.10": 0, "1305.20": 1}
        assert named(["frame_7", "frame_9"], [0, 1]) == {"frame_7": 0, "frame_9": 1}
        assert named(["frame_0", "frame_1", "frame_3"], [3, 0]) == {"frame_0": 0, "frame_3": 3}
    poses = [LoggedPose(0, np.full((4, 4), float(number))) for number in range(3)]
    assert poses_of_images(poses, ["5", "6", "7"], "a.log")["6"][0, 0] == 1


@pytest.mark.parametrize(
    ("names", "ids", "says"),
    [
        (["0", "1", "2"], [0, 1, 1], "the frame id 1 stands before two poses"),
        (["0", "1", "2", "3"], [0, 0, 1, 2], "the frame id 0 stands before two poses"),
        (["0", "1", "2"], [0, 0], "2 poses for 3 frames.* all its frame ids are 0"),
        (["a", "b", "c"], [0, 1], "2 poses for 3 frames.*bear no numbers"),
        (
            ["0", "1", "2"],
            [100, 101, 102],
            r"3 frame ids \(100 to 102\) are not the numbers of the 3 images \(0 to 2\)",
        ),
        (["0", "2", "4", "6"], [0, 1, 2, 3], "which pose belongs to which image is not sure.*number the images"),
        (["3", "4", "5", "6"], [0, 1, 2, 3], "count from 0 to 3, but the images are numbered 3 to 6"),
        (["0"], [], "0 poses for 1 frames"),
    ],
)
def test_ids_that_do_not_fit_are_named(names, ids, says):
    with pytest.raises(FrameError, match=rf"a\.log: .*{says}"):
        named(names, ids)


def test_how_people_write_a_trajectory(tmp_path):
    path = tmp_path / "a.log"
    rows = "[1, 0, 0, 2],\n[0, 1, 0, 3],\n[0, 0, 1, 4],\n[0, 0, 0, 1]\n"
    path.write_text(f"# poses\n7, 7, 8\n{rows}\n8 8 9\n" + "-nan(ind) 1.#QNAN nan NaN\n" * 4)
    one, lost = read_pose_log(path)
    assert (one.id, one.pose[:3, 3].tolist(), lost.id) == (7, [2, 3, 4], 8)
    assert np.isnan(lost.pose).all()
    assert np.array_equal(read_pose_log(path)[0].pose, one.pose)
    path.write_text(f"{'9' * 5000} 0 1\n{rows}")
    with pytest.raises(FrameError, match=r"pose 0 .*3 frame indices"):
        read_pose_log(path)
