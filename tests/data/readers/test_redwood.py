"""Redwood's folders: object scans with time stamps and no trajectory, rooms that are downloaded part by part."""

import numpy as np
import pytest

from ppkt_zoo.data.readers.open import open_frames
from ppkt_zoo.data.readers.open3d_folder import Open3DFolder
from ppkt_zoo.errors import FrameError
from tests.data.frame_folders import CAMERA, POSES, degrees_between, open3d, render, save_color, save_depth


def object_scan(folder, color_times, depth_times):
    """rgb/NUMBER-MICROSECONDS.jpg and depth/NUMBER-MICROSECONDS.png, each numbered by itself from 1."""
    (folder / "rgb").mkdir(parents=True)
    (folder / "depth").mkdir()
    for kind, times in (("rgb", color_times), ("depth", depth_times)):
        for number, time in enumerate(times):
            color, depth = render(POSES[round(time / 33_367)])
            name = folder / kind / f"{number + 1:07d}-{time:012d}.png"
            save_color(name, color) if kind == "rgb" else save_depth(name, depth)
    return folder


def stamps(numbers, late=0):
    return [33_367 * number + late for number in numbers]


def test_object_scans_are_paired_by_time(tmp_path):
    """Each stream has dropped frames of its own, so equal numbers are not of one instant."""
    scan = object_scan(tmp_path / "00033", stamps([0, 1, 3, 4, 5, 6]), stamps([0, 1, 2, 3, 5, 6, 7], late=9_000))
    frames = open_frames(scan, intrinsics=CAMERA)
    assert isinstance(frames, Open3DFolder)
    assert frames.unmatched == {"color": 1, "depth": 2}
    assert [frames[index].name for index in range(len(frames))] == [f"00033/{number:07d}" for number in (1, 2, 3, 5, 6)]
    for index, number in enumerate([0, 1, 3, 5, 6]):
        frame = frames[index]
        color, depth = render(POSES[number])
        assert np.array_equal(frame.color, color)
        np.testing.assert_allclose(frame.depth, depth, atol=0.00051)
        # No trajectory: the frame stands upright about its own camera. Views 0 and 3 show too little floor for that.
        assert number in (0, 3) or degrees_between(frame.pose[:3, :3].T[:, 2], POSES[number][2, :3]) < 1.5
        assert np.array_equal(frame.pose[:3, 3], np.zeros(3))


def test_object_scans_up(tmp_path):
    scan = object_scan(tmp_path / "00033", stamps([0, 1]), stamps([0, 1]))
    assert Open3DFolder(scan, intrinsics=CAMERA, up="none")[0].pose is None
    with pytest.raises(FrameError, match="up must be one of 'gravity', 'camera-y', 'none'"):
        Open3DFolder(scan, up="world-z")
    with pytest.raises(FrameError, match="64×48, but the default intrinsics are for 640×480"):
        Open3DFolder(scan)[0]


def test_nothing_of_one_instant(tmp_path):
    scan = object_scan(tmp_path / "00033", stamps([0, 2]), stamps([5, 7]))
    with pytest.raises(FrameError, match="00033: no images in rgb/ nor in depth/ that go together"):
        open_frames(scan)


def test_a_trajectory_of_a_stamped_sequence_counts_depth_images(tmp_path):
    folder = object_scan(tmp_path / "room", stamps([0, 1, 3, 4]), stamps([0, 1, 2, 3, 4]))
    rows = []
    for number in range(5):
        rows += [f"{number} {number} {number + 1}"]
        rows += [" ".join(f"{value:.8f}" for value in row) for row in POSES[number]]
    (folder / "trajectory.log").write_text("\n".join(rows))
    frames = Open3DFolder(folder, intrinsics=CAMERA, up="world-z")
    assert frames.unmatched == {"color": 0, "depth": 1}
    for index, number in enumerate([0, 1, 3, 4]):
        np.testing.assert_allclose(frames[index].pose, POSES[number], atol=1e-7)
    (folder / "trajectory.log").write_text("\n".join(rows[:-5]))
    frames = Open3DFolder(folder, intrinsics=CAMERA, up="world-z")
    assert frames.skipped == ("0000004: no pose in trajectory.log (tracking was lost)",)
    np.testing.assert_allclose(frames[2].pose, POSES[3], atol=1e-7)
    (folder / "trajectory.log").write_text("\n".join(rows[:5]))
    with pytest.raises(FrameError, match="1 poses for 5 frames: 3 images have none"):
        Open3DFolder(folder)


@pytest.mark.parametrize("depth", ["depth-clean", "depth-simulated"])
def test_rooms_downloaded_part_by_part(tmp_path, depth):
    folder = open3d(tmp_path / "indoor")
    (folder / "image").rename(folder / "livingroom1-color")
    (folder / "depth").rename(folder / f"livingroom1-{depth}")
    (folder / "trajectory.log").rename(folder / "livingroom1-traj.txt")
    frames = open_frames(folder, up="world-z")
    assert isinstance(frames, Open3DFolder)
    assert len(frames) == len(POSES)
    np.testing.assert_allclose(frames[4].pose, POSES[4], atol=1e-7)
    np.testing.assert_allclose(frames[4].depth, render(POSES[4])[1], atol=0.00051)
    (folder / "livingroom2-color").mkdir()
    with pytest.raises(FrameError, match=r"several folders of colour images \(livingroom1-color, livingroom2-color\)"):
        open_frames(folder)
    (folder / "livingroom2-color").rmdir()
    (folder / "livingroom1-traj.txt").unlink()
    with pytest.raises(FrameError, match=r"trajectory\.log: this trajectory is missing"):
        open_frames(folder)


def test_clean_depth_before_simulated(tmp_path):
    folder = open3d(tmp_path / "indoor", color_folder="colors")
    (folder / "depth").rename(folder / "office1-depth-clean")
    (folder / "office1-depth-simulated").mkdir()
    (folder / "trajectory.log").rename(folder / "office.log")
    assert Open3DFolder(folder, up="world-z")[2].depth.any()
    (folder / "office2.log").write_text("")
    with pytest.raises(FrameError, match=r"several trajectories \(office.log, office2.log\)"):
        Open3DFolder(folder)


def test_other_names_of_trajectories(tmp_path):
    folder = open3d(tmp_path / "bedroom")
    (folder / "trajectory.log").rename(folder / "bedroom.log")
    np.testing.assert_allclose(open_frames(folder, up="world-z")[3].pose, POSES[3], atol=1e-7)
