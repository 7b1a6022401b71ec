"""ScanNet's frames from whatever was downloaded, by its reader and by open_frames."""

import json

import numpy as np
import pytest

from ppkt_zoo.data.readers.open import open_frames
from ppkt_zoo.data.readers.scannet.frames import ScanNetFrames
from ppkt_zoo.data.subset import Joined
from ppkt_zoo.errors import FrameError
from tests.data.frame_folders import POSES, degrees_between, turned
from tests.data.scannet_files import DEPTH_CAMERA, DEPTH_SIZE, LOST, annotated, exported, images, sens


def content(poses=POSES[:3]) -> bytes:
    return sens(poses, color_size=DEPTH_SIZE, color_camera=DEPTH_CAMERA, color_kind=0)


@pytest.mark.parametrize("opened", [ScanNetFrames, open_frames])
def test_a_stream_or_its_folder(tmp_path, opened):
    folder = tmp_path / "scene0007_00"
    folder.mkdir()
    (folder / "scene0007_00.sens").write_bytes(content([LOST, *POSES[1:3]]))
    for path in (folder / "scene0007_00.sens", str(folder / "scene0007_00.sens"), folder):
        frames = opened(path)
        assert isinstance(frames, ScanNetFrames)
        assert (frames.name, len(frames)) == ("scene0007_00", 2)
        assert frames.skipped == {"scene0007_00": (0,)}
        assert frames[1].name == "scene0007_00/2"
        assert np.array_equal(frames[1].color, images(2, DEPTH_SIZE)[0])


@pytest.mark.parametrize("published_frames", [False, True])
def test_a_folder_of_exported_frames(tmp_path, published_frames):
    """Its name need not be ScanNet's, and it is not taken for Open3D's, which has depth/ too."""
    frames = open_frames(exported(tmp_path / "office", POSES[:2], published_frames))
    assert isinstance(frames, ScanNetFrames)
    assert (len(frames), frames[0].name) == (2, "office/0")
    np.testing.assert_allclose(frames[1].pose, POSES[1], atol=1e-6)
    near = open_frames(tmp_path / "office", depth_scale=4000.0)
    np.testing.assert_allclose(near[1].depth, frames[1].depth / 4, rtol=1e-6)


@pytest.mark.parametrize("inside", ["scans", "."])
def test_many_scans_one_after_the_other(tmp_path, inside):
    for name, poses in (("scene0010_00", POSES[:2]), ("scene0002_01", [POSES[3], LOST, POSES[5]])):
        (tmp_path / inside / name).mkdir(parents=True)
        (tmp_path / inside / name / f"{name}.sens").write_bytes(content(poses))
    exported(tmp_path / inside / "scene0011_00", POSES[:1])
    frames = open_frames(tmp_path)
    names = ["scene0002_01/0", "scene0002_01/2", "scene0010_00/0", "scene0010_00/1", "scene0011_00/0"]
    assert [frames[index].name for index in range(len(frames))] == names
    assert frames.skipped == {"scene0002_01": (1,)}
    for outside in (-1, 5):
        with pytest.raises(IndexError, match=f"there is no frame {outside}"):
            frames[outside]


def test_an_incomplete_scan_is_named(tmp_path):
    folder = annotated(tmp_path)
    with pytest.raises(FrameError, match=r"scene0000_00/scene0000_00.sens: this stream is missing"):
        open_frames(folder)
    with pytest.raises(FrameError, match=r"scene0000_00/scene0000_00.sens: this stream is missing"):
        open_frames(tmp_path)
    with pytest.raises(FrameError, match=r"a.sens: this stream is missing"):
        open_frames(tmp_path / "a.sens")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FrameError, match="no scans of ScanNet here"):
        ScanNetFrames(tmp_path / "empty")
    with pytest.raises(FrameError, match="no such folder"):
        ScanNetFrames(tmp_path / "nowhere")
    for name in ("a.sens", "b.sens"):
        (tmp_path / "empty" / name).write_bytes(content())
    with pytest.raises(FrameError, match="empty: 2 streams in one folder"):
        open_frames(tmp_path / "empty")
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain/notes.json").write_text(json.dumps({}))
    with pytest.raises(FrameError, match=r"known format: .*ScanNet"):
        open_frames(tmp_path / "plain")


def test_a_missing_folder_of_an_exported_scan_is_named(tmp_path):
    folder = exported(tmp_path / "scan", POSES[:1])
    (folder / "depth").rename(folder / "elsewhere")
    with pytest.raises(FrameError, match=r"scan/depth: this folder is missing"):
        open_frames(folder)


def test_the_published_world_is_left_as_it_is_and_others_are_turned(tmp_path):
    motion = turned(turn=0.6)
    poses = [motion @ pose for pose in POSES[:3]]
    for name in ("scene0001_00.sens", "apt0.sens"):
        (tmp_path / name).write_bytes(content(poses))
    published = open_frames(tmp_path / "scene0001_00.sens")
    np.testing.assert_allclose(published[0].pose, poses[0], atol=1e-6)
    up = motion[:3, 2]
    turned_by_hand = open_frames(tmp_path / "scene0001_00.sens", up=up)
    between = turned_by_hand[0].pose @ np.linalg.inv(POSES[0])
    assert degrees_between(between[:3, 2], np.array([0, 0, 1.0])) < 1e-3
    other = open_frames(tmp_path / "apt0.sens", up="camera-y")
    assert degrees_between(other[0].pose[:3, 2], published[0].pose[:3, 2]) > 1
    # The depth of these images is no room's, but a plane: its normal becomes the up direction.
    by_normals = open_frames(tmp_path / "apt0.sens", up="gravity")
    assert degrees_between(by_normals[0].pose[:3, 2], published[0].pose[:3, 2]) > 1
    with pytest.raises(FrameError, match="up must be one of"):
        open_frames(tmp_path / "apt0.sens", up="none")


def test_intrinsics_cannot_be_given(tmp_path):
    (tmp_path / "a.sens").write_bytes(content())
    with pytest.raises(FrameError, match=r"a.sens: .* leave intrinsics out"):
        open_frames(tmp_path / "a.sens", intrinsics=(57, 57, 31.5, 23.5))


def test_joined_sources_keep_their_frames(tmp_path):
    (tmp_path / "a.sens").write_bytes(content(POSES[:2]))
    one, two = ScanNetFrames(tmp_path / "a.sens"), ScanNetFrames(exported(tmp_path / "b", POSES[:1]))
    both = Joined([one, two, one], "both")
    assert (both.name, len(both)) == ("both", 5)
    assert [both[index].name for index in range(5)] == ["a/0", "a/1", "b/0", "a/0", "a/1"]
