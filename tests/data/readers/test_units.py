"""Depth in other units than the reader was told: said, with the mend; and valid depth that must pass."""

import numpy as np
import pytest
from PIL import Image

from ppkt_zoo.data.readers.images import read_depth, read_stored
from ppkt_zoo.errors import FrameError


def save(path, values):
    Image.fromarray(np.asarray(values, dtype=np.uint16)).save(path)
    return path


@pytest.fixture
def room() -> np.ndarray:
    """Metres, 0.8 to 3.4, a fifth of it holes."""
    v, u = np.mgrid[:48, :64]
    depth = 0.8 + 0.03 * u + 0.015 * v
    depth[:, ::5] = 0
    return depth


def test_metres_where_millimetres_are_expected(tmp_path, room):
    path = save(tmp_path / "a.depth.png", np.rint(room))
    with pytest.raises(FrameError, match=r"a\.depth\.png: .*stored in metres \(.*2 stored units.*give the depth_scale"):
        read_depth(path)
    np.testing.assert_allclose(read_depth(path, 1), np.rint(room))


def test_millimetres_where_metres_are_expected(tmp_path, room):
    path = save(tmp_path / "a.depth.png", room * 1000)
    with pytest.raises(FrameError, match=r"a\.depth\.png: .*finer units .*such as 1000 for millimetres"):
        read_depth(path, 1)
    np.testing.assert_allclose(read_depth(path), room, atol=0.001)


def test_floats_are_named_as_such(tmp_path, room):
    path = tmp_path / "a.tiff"
    Image.fromarray(room.astype(np.float32)).save(path)
    with pytest.raises(
        FrameError, match=r"a\.tiff: .*floating-point numbers \(metres.*save depth as uint16 millimetres"
    ):
        read_depth(path)


@pytest.mark.parametrize("scale", [256, 1000, 4000, 5000])
@pytest.mark.parametrize("far", [0.2, 1.0, 9.0])
def test_what_depth_cameras_measure_passes(tmp_path, room, scale, far):
    values = np.minimum(np.rint(room / room.max() * far * scale), 65534)
    np.testing.assert_allclose(read_depth(save(tmp_path / "a.png", values), scale), values / scale, rtol=1e-6)


def test_a_few_near_pixels_and_holes_alone_pass(tmp_path, room):
    room[:20] = np.minimum(room[:20], 0.01)
    assert read_depth(save(tmp_path / "near.png", room * 1000)).min() == 0
    assert not read_depth(save(tmp_path / "holes.png", np.zeros((48, 64)))).any()
    assert not read_depth(save(tmp_path / "far.png", np.full((48, 64), 65535))).any()


def test_stored_numbers_are_not_judged(tmp_path):
    assert np.array_equal(read_stored(save(tmp_path / "a.png", [[1, 2, 65535]])), [[1, 2, 65535]])
