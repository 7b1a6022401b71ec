"""NYU Depth v2: a file written as MATLAB 7.3 does, its axes, its border, its names, and damage."""

import sys

import numpy as np
import pytest

from ppkt_zoo.data.readers.nyuv2 import FILE, NAMED_CLASSES, PUBLISHED_INTRINSICS, NYUv2
from ppkt_zoo.data.readers.open import open_frames
from ppkt_zoo.errors import FrameError
from tests.data.frame_folders import POSES, degrees_between, render

h5py = pytest.importorskip("h5py")
NAMES = ["book", "wall", "floor", "night stand", "air vent"]
LENS = np.array([[518.857901, 0, 325.582449], [0, 519.469611, 253.736166], [0, 0, 1]])


def labels(number: int) -> tuple[np.ndarray, np.ndarray]:
    label, instance = np.full((480, 640), 2, np.uint16), np.ones((480, 640), np.uint8)
    label[100:200, 100:200], instance[100:200, 100:200] = 3, 1
    label[100:200, 200:300], instance[100:200, 200:300] = 3, 2
    label[300:310, 300:320] = instance[300:310, 300:320] = 0
    label[400:, 500:] = 5
    return np.roll(label, number, axis=1), np.roll(instance, number, axis=1)


def write(path, frames: int = 2, leave_out: tuple[str, ...] = (), size=(480, 640)):
    """images (N, 3, W, H), the rest (N, W, H), names a column of references to UTF-16 codes."""
    views = [render(POSES[number], LENS, (480, 640)) for number in range(frames)]
    rows, columns = size
    arrays = {
        "images": np.stack([color[:rows, :columns].transpose(2, 1, 0) for color, _ in views]),
        "depths": np.stack([depth[:rows, :columns].T for _, depth in views]).astype(np.float32),
        "labels": np.stack([labels(number)[0][:rows, :columns].T for number in range(frames)]),
        "instances": np.stack([labels(number)[1][:rows, :columns].T for number in range(frames)]),
    }
    arrays["rawDepths"] = arrays["depths"].copy()
    arrays["rawDepths"][:, 300:310, 200:210] = 0
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in arrays.items():
            if name not in leave_out:
                file.create_dataset(name, data=values, chunks=(1, *values.shape[1:]))
        if "names" not in leave_out:
            cells = [
                file.create_dataset(f"#refs#/{number}", data=np.array([[ord(letter)] for letter in name], np.uint16))
                for number, name in enumerate(NAMES)
            ]
            names = file.create_dataset("names", (1, len(cells)), dtype=h5py.ref_dtype)
            for number, cell in enumerate(cells):
                names[0, number] = cell.ref
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(512, b" "))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("nyu")
    write(place / FILE)
    return place


def test_reads_what_was_written(folder):
    frames = open_frames(folder)
    assert isinstance(frames, NYUv2)
    assert len(frames) == 2
    inner = np.zeros((480, 640), bool)
    inner[44:471, 40:601] = True
    for index in range(2):
        frame = frames[index]
        color, depth = render(POSES[index], LENS, (480, 640))
        assert np.array_equal(frame.color, color)
        assert np.array_equal(frame.depth, np.where(inner, depth, 0).astype(np.float32))
        assert np.array_equal(frame.intrinsics, LENS)
        assert tuple(LENS[[0, 1, 0, 1], [0, 1, 2, 2]]) == PUBLISHED_INTRINSICS
        label, _ = labels(index)
        assert np.array_equal(frame.label, np.where(inner, label.astype(int) - 1, -1))
        assert frame.name == f"nyu_depth_v2_labeled/{index:04d}"
        assert degrees_between(frame.pose[:3, :3].T[:, 2], POSES[index][2, :3]) < 1
    assert np.array_equal(frames[-1].color, frames[1].color)
    with pytest.raises(IndexError):
        frames[2]


def test_instances_are_numbered_through_the_classes(folder):
    frame = NYUv2(folder / FILE, up="none")[0]
    assert frame.pose is None
    # (wall, 1), (floor, 1), (floor, 2), (air vent, 1) in the order of the file's class numbers.
    seen = {(int(a), int(b)) for a, b in zip(frame.label.ravel(), frame.instance.ravel(), strict=True)}
    assert seen == {(-1, 0), (1, 1), (2, 2), (2, 3), (4, 4)}
    assert frame.instance[150, 150] == 2
    assert frame.instance[150, 250] == 3
    assert frame.instance[305, 310] == 0


def test_names_and_what_can_be_told_of_the_forty_classes(folder):
    frames = NYUv2(folder)
    assert frames.classes == tuple(NAMES)
    assert [NAMED_CLASSES[i] if i >= 0 else None for i in frames.to_named] == [
        None, "wall", "floor", "night stand", None
    ]  # fmt: skip
    assert len(set(NAMED_CLASSES)) == 37


def test_raw_depth_has_its_holes(folder):
    filled, raw = NYUv2(folder, up="none")[0].depth, NYUv2(folder, up="none", depth="raw")[0].depth
    assert (raw[200:210, 300:310] == 0).all()
    assert (filled[200:210, 300:310] > 0).all()
    changed = np.argwhere(raw != filled)
    assert changed.min(axis=0).tolist() == [200, 300]
    assert changed.max(axis=0).tolist() == [209, 309]
    np.testing.assert_allclose(NYUv2(folder, up="none", depth_scale=2)[0].depth, filled / 2)
    with pytest.raises(FrameError, match='depth must be "filled" or "raw"'):
        NYUv2(folder, depth="painted")


def test_cropped_files_have_no_border(tmp_path):
    frame = NYUv2(write(tmp_path / "cropped.mat", frames=1, size=(427, 561)), up="none")[0]
    assert frame.depth.shape == (427, 561)
    assert (frame.depth > 0).all()


@pytest.mark.parametrize("field", ["images", "depths", "labels", "instances", "names"])
def test_missing_fields_are_named(tmp_path, field):
    write(tmp_path / FILE, frames=1, leave_out=(field,))
    with pytest.raises(FrameError, match=rf"{FILE}: {field} missing"):
        NYUv2(tmp_path)


def test_damaged_files(tmp_path):
    with pytest.raises(FrameError, match=rf"{FILE}: this file is missing"):
        NYUv2(tmp_path)
    path = write(tmp_path / FILE, frames=1)
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(FrameError, match=rf"{FILE}: this HDF5 file is incomplete or damaged"):
        NYUv2(tmp_path)
    path.write_bytes(b"MATLAB 5.0 MAT-file")
    with pytest.raises(FrameError, match="this HDF5 file is incomplete or damaged"):
        NYUv2(path)
    with h5py.File(write(path, frames=1), "r+") as file:
        del file["labels"]
        file["labels"] = np.zeros((1, 480, 640), np.uint16)
    with pytest.raises(FrameError, match=r"labels has shape \(1, 480, 640\), which does not fit images"):
        NYUv2(path)
    with h5py.File(write(path, frames=1), "r+") as file:
        del file["names"]
        file["names"] = np.zeros((1, 3))
    with pytest.raises(FrameError, match="names is no list of class names"):
        NYUv2(path)


def test_damaged_values_of_one_frame(tmp_path):
    path = write(tmp_path / FILE, frames=2)
    with h5py.File(path, "r+") as file:
        file["depths"][0, 100] = np.nan
        file["depths"][0, 101] = np.inf
        file["depths"][1] = 0
    frames = NYUv2(path, up="none")
    assert (frames[0].depth[50:400, 100:102] == 0).all()
    with pytest.raises(FrameError, match=r"frame nyu_depth_v2_labeled/0001: depth is all holes"):
        frames[1]


def test_without_h5py(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(FrameError, match=r'needs h5py, which is not installed: pip install "ppkt-zoo\[datasets\]"'):
        NYUv2(folder)
