"""Files of frames that claim more than they hold, lie elsewhere, are no files, or say the same thing over and over."""

import os
import struct
import zlib

import numpy as np
import pytest

from ppkt_zoo.data.readers import s3dis
from ppkt_zoo.data.readers.nyuv2 import FILE, NYUv2
from ppkt_zoo.data.readers.open import open_frames
from ppkt_zoo.data.readers.s3dis import S3DIS
from ppkt_zoo.data.readers.scannet.annotation import read_label_map
from ppkt_zoo.data.readers.scannet.sens import SensFrames
from ppkt_zoo.data.readers.sun_boxes import META, boxes_from_json, boxes_from_meta
from ppkt_zoo.data.readers.timestamps import associate
from ppkt_zoo.errors import FrameError, LostFrameError
from tests.data import scannet_files
from tests.data.frame_folders import CAMERA, POSES
from tests.data.readers import s3dis_files
from tests.data.readers.timed_folders import arkit, tum


def test_a_stream_that_is_no_file_or_mostly_holes(tmp_path):
    os.mkfifo(tmp_path / "pipe.sens")
    with pytest.raises(FrameError, match=r"pipe\.sens: .*named pipe"):
        open_frames(tmp_path / "pipe.sens")
    whole = scannet_files.sens(POSES[:1], readings=None)
    head = bytearray(scannet_files.sens(POSES[:0], readings=None))
    head[-8:] = struct.pack("<Q", 2**30)
    path = tmp_path / "scene0000_00.sens"
    path.write_bytes(bytes(head) + whole[len(head) :])
    os.truncate(path, 200 << 30)
    with pytest.raises(FrameError, match="nothing where frame 1 should begin"):
        SensFrames(path)


def test_poses_of_zeros_in_a_stream_are_lost(tmp_path):
    path = tmp_path / "scene0000_00.sens"
    path.write_bytes(scannet_files.sens([POSES[0], np.zeros((4, 4)), POSES[2]]))
    frames = SensFrames(path)
    assert (len(frames), frames.skipped) == (2, (1,))


def test_a_stream_takes_another_unit_of_depth(tmp_path):
    path = tmp_path / "scene0000_00.sens"
    path.write_bytes(scannet_files.sens(POSES[:1]))
    stored, halved = (SensFrames(path, depth_scale=scale)._depth(0) for scale in (None, 2000.0))
    np.testing.assert_allclose(stored, 2 * halved)


@pytest.mark.parametrize("way", ["external link", "external storage", "text"])
def test_arrays_of_nyu_that_lie_elsewhere_are_refused(tmp_path, way):
    h5py = pytest.importorskip("h5py")
    (tmp_path / "secret.bin").write_bytes(bytes(10_000))
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["x"] = np.zeros((2, 3, 8, 6), np.uint8)
    with h5py.File(tmp_path / FILE, "w") as file:
        if way == "external link":
            file["images"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "x")
        elif way == "external storage":
            place = [(str(tmp_path / "secret.bin"), 0, 288)]
            file.create_dataset("images", (2, 3, 8, 6), "u1", external=place)
        else:
            file["images"] = np.zeros((2, 3, 8, 6), "S1000")
        for field in ("depths", "labels", "instances"):
            file[field] = np.zeros((2, 8, 6), np.float32)
        file["names"] = np.zeros((1, 1))
    with pytest.raises(FrameError, match=r"images (is no array of this file|holds no numbers)"):
        NYUv2(tmp_path)


def test_nyu_through_a_pipe_is_refused(tmp_path):
    pytest.importorskip("h5py")
    os.mkfifo(tmp_path / "a.mat")
    with pytest.raises(FrameError, match="named pipe"):
        open_frames(tmp_path / "a.mat")


def test_boxes_that_unpack_to_more_than_the_limit(tmp_path, monkeypatch):
    packed = zlib.compress(bytes(20 << 20))
    (tmp_path / META).write_bytes(bytes(128) + struct.pack("<2I", 15, len(packed)) + packed)
    monkeypatch.setenv("PPKT_ZOO_MAX_BYTES", "10M")
    with pytest.raises(FrameError, match=rf"{META}: what this file of boxes unpacks to .*PPKT_ZOO_MAX_BYTES"):
        boxes_from_meta(tmp_path / META)


@pytest.mark.parametrize("content", ["[" * 10_000, '{"objects": [' + "9" * 5000 + "]}", '{"objects": 1e999}', "{}"])
def test_boxes_in_json_are_read_strictly(tmp_path, content):
    (tmp_path / "index.json").write_text(content)
    with pytest.raises(FrameError, match=r"index\.json: this file of boxes is cut short or damaged"):
        boxes_from_json(tmp_path / "index.json")


def test_points_are_read_piece_by_piece(tmp_path, monkeypatch):
    """Whatever the pieces: the same points, with damaged lines left out and the last line without an end."""
    folder = s3dis_files.room(tmp_path, "Area_1/office_1", {"wall_1.txt": 200})
    file = folder / "Annotations/wall_1.txt"
    lines = file.read_bytes().split(b"\r\n")
    file.write_bytes(b"\r\n".join([*lines[:50], b"1 2 3 4 5", b"1_0 2 3 4 5 6", *lines[50:200]]))
    whole = S3DIS(folder)[0]
    for size in (7, 100, 1001):
        monkeypatch.setattr(s3dis, "_PIECE", size)
        scene = S3DIS(folder)[0]
        assert (len(scene.xyz), scene.dropped) == (200, 2)
        assert np.array_equal(scene.xyz, whole.xyz)
        assert np.array_equal(scene.rgb, whole.rgb)
    file.write_bytes(b"1 " * 100_000)
    with pytest.raises(FrameError, match=r"wall_1\.txt: a line of over"):
        S3DIS(folder)[0]
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(FrameError, match="named pipe"):
        S3DIS(folder)[0]


def test_numbers_of_thousands_of_digits_in_points_are_damage(tmp_path):
    folder = s3dis_files.room(tmp_path, "Area_1/office_1", {"wall_1.txt": 5})
    with open(folder / "Annotations/wall_1.txt", "ab") as file:
        file.write(b"9" * 5000 + b" 0 0 1 2 3\n1e39 0 0 1 2 3\n0 0 0 " + b"9" * 5000 + b" 0 0\n")
    assert S3DIS(folder)[0].dropped == 3


def test_time_stamps_that_are_all_the_same_end_at_once():
    with pytest.raises(FrameError, match="tell no images apart"):
        associate(np.zeros(20_000), np.zeros(20_000), 0.02)


def test_trackers_words_for_lost_in_a_trajectory_of_tum(tmp_path):
    folder = tum(tmp_path / "rgbd_dataset_freiburg1_xyz")
    lines = (folder / "groundtruth.txt").read_text().splitlines()
    # Two poses stand around each image.
    for number, words in ((3, "0 0 0 0 0 0 0"), (7, "-1.#IND " * 7), (9, "0 0 0 1.#INF 0 0 0")):
        lines[number] = f"{lines[number].split()[0]} {words}"
    (folder / "groundtruth.txt").write_text("\n".join(lines))
    frames = open_frames(folder, intrinsics=CAMERA)
    for index in (0, 2, 3):
        with pytest.raises(LostFrameError, match="tracking was lost"):
            frames[index]
    assert frames[5].pose is not None


def test_two_images_of_one_instant_are_named(tmp_path):
    folder = arkit(tmp_path / "41069021")
    place = folder / "41069021_frames/lowres_wide"
    first = sorted(place.iterdir())[0]
    (place / f"other_{first.stem.rpartition('_')[2]}.png").write_bytes(first.read_bytes())
    with pytest.raises(FrameError, match="are of one instant: keep one"):
        open_frames(folder)


@pytest.mark.parametrize("row", ["chair\t" + "9" * 5000, "chair\t²", "a" * 200_000 + "\t5"])
def test_a_map_of_labels_that_is_damaged(tmp_path, row):
    (tmp_path / "a.tsv").write_text(f"raw_category\tnyu40id\n{row}\n")
    with pytest.raises(FrameError, match=r"a\.tsv"):
        read_label_map(tmp_path / "a.tsv")
