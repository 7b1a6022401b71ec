"""Every form in which people hold arrays: the right cloud, or a message whose mend loses nothing."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ppkt_zoo.errors import InputError
from ppkt_zoo.points.cloud import CloudBatch, PointCloud

XYZ = np.random.default_rng(0).uniform(-2, 3, (20, 3)).astype(np.float32)
RGB = np.random.default_rng(1).integers(0, 256, (20, 3), dtype=np.uint8)


class Table:
    """As a DataFrame: no array, but it turns into one; with a column that is called ``units``."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.units = values, values[:, 0]

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.values if dtype is None else self.values.astype(dtype)


class Stubborn:
    """As an array on another device: it says that it turns into an array, and does not."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise TypeError("implicit conversion is not allowed")


class Quantity(np.ndarray):
    """An array with a unit."""

    unit = "km"


def read_only(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


def mapped(array: np.ndarray, folder: Path) -> np.ndarray:
    np.save(folder / "array.npy", array)
    return np.load(folder / "array.npy", mmap_mode="r")


@pytest.mark.parametrize("form", ["<f4", ">f4", "<f8", ">f8", "longdouble", "f", "masked", "matrix", "table", "view"])
def test_forms_that_are_the_same_points(form: str) -> None:
    values = XYZ.astype(np.float64) if form in ("<f8", ">f8", "longdouble") else XYZ
    given: Any = {
        "masked": lambda: np.ma.masked_invalid(values),
        "matrix": lambda: np.asmatrix(values),
        "table": lambda: Table(values),
        "f": lambda: np.asfortranarray(values),
        "view": lambda: np.repeat(values, 2, axis=0)[::-2][::-1],
    }.get(form, lambda: values.astype(form))()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cloud = PointCloud.from_arrays(given, RGB)
    expected = (values - values.min(axis=0)).astype(np.float32) if values.dtype == np.float64 else values
    assert cloud.xyz.dtype == torch.float32
    assert np.array_equal(cloud.xyz.numpy(), expected)


def test_files_that_are_mapped_and_arrays_that_are_not_writable(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for given in (read_only(XYZ), mapped(XYZ, tmp_path)):
            cloud = PointCloud.from_arrays(given, read_only(RGB))
            cloud.xyz.add_(1)
            assert np.array_equal(given, XYZ)
            assert np.array_equal(cloud.rgb, RGB)


@pytest.mark.parametrize("form", [">f4", "<f8", ">f8", "f2", "longdouble", "masked", "table", "strided"])
def test_colours_in_other_forms(form: str) -> None:
    values = (RGB / 255.0).astype(np.float32)
    given: Any = {
        "masked": lambda: np.ma.array(RGB, mask=False),
        "table": lambda: Table(RGB),
        "strided": lambda: np.repeat(RGB, 2, axis=1)[:, ::2],
    }.get(form, lambda: values.astype(form))()
    assert np.array_equal(PointCloud.from_arrays(XYZ, given).rgb, RGB)


def test_tensors_in_other_forms() -> None:
    points = torch.from_numpy(XYZ)
    for given in (points.clone().requires_grad_(), points.T.contiguous().T, points.repeat(1, 2)[:, :3]):
        cloud = PointCloud.from_arrays(given, torch.from_numpy(RGB))
        assert torch.equal(cloud.xyz, points)
        assert not cloud.xyz.requires_grad
    with torch.inference_mode():
        assert torch.equal(PointCloud.from_arrays(points * 1, RGB).xyz, points)
    assert torch.equal(PointCloud.from_arrays(points, (torch.from_numpy(RGB) / 255).half()).rgb, torch.from_numpy(RGB))


MASKED = np.ma.array(XYZ, mask=False)
MASKED[4, 1] = np.ma.masked
MASKED[7] = np.ma.masked


@pytest.mark.parametrize(
    ("xyz", "says"),
    [
        (MASKED, r"xyz has 2 masked rows \(the first is row 4\).*getmaskarray\(xyz\)"),
        (np.zeros(20, [("x", "f4"), ("y", "f4"), ("z", "f4")]), "structured one with the fields 'x', 'y', 'z'"),
        (XYZ.view(Quantity), "carries units"),
        (Stubborn(), "does not turn into a numpy array: implicit conversion"),
        (XYZ.astype("M8[s]"), "numeric"),
        (XYZ > 0, "float32 or float64 in metres, got bool"),
        (np.float32(3), r"shape \(N, 3\), got \(\)"),
        (np.array(None), "numeric"),
        (torch.from_numpy(XYZ).to_sparse(), r"sparse or nested tensor.*to_dense"),
        (torch.empty(5, 3, device="meta"), "meta device"),
        (torch.zeros(5, 3, dtype=torch.complex64), "real numbers, got complex64"),
        (torch.zeros(5, 3, dtype=torch.bfloat16), "got bfloat16.*double"),
        (torch.zeros(5, 3, dtype=torch.uint16), "got uint16"),
        (np.float64([[0, 0, 0], [1e300, 0, 0]]), "1e.300 m from the origin"),
        (np.longdouble([[0, 0, 0], [1, 0, 0]]) * np.longdouble("1e400"), "NaN or infinity"),
        (np.float32([[-3e38, 0, 0], [3e38, 0, 0]]), "from the origin"),
    ],
)
def test_what_is_no_cloud_is_told(xyz: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        PointCloud.from_arrays(xyz)


@pytest.mark.filterwarnings("ignore")
def test_a_quantised_tensor_is_told() -> None:
    quantised = torch.quantize_per_tensor(torch.from_numpy(XYZ), 0.1, 0, torch.qint8)
    with pytest.raises(InputError, match=r"quantised.*dequantize"):
        PointCloud.from_arrays(quantised)


@pytest.mark.parametrize(
    ("rgb", "says"),
    [
        (RGB.astype(np.uint16) * 257, r"got uint16, with values up to \d+: divide it by the largest.*65535"),
        (RGB.astype(">u2") * 257, "got uint16"),
        (torch.from_numpy(RGB).int() * 257, "got int32, with values up to"),
        (RGB.astype(np.uint64) << np.uint64(50), "got uint64, with values up to"),
        (RGB.astype(np.int64), r"got int64, with values up to 255: convert it with .astype\('uint8'\)"),
        (RGB.astype(np.int16) - 128, "got int16: values from -1.* are no colours"),
        (RGB > 0, "got bool"),
        (np.hstack([RGB, RGB[:, :1]]), r"got \(20, 4\): leave alpha out, rgb\[:, :3\]"),
        (RGB.astype(np.float64), "found .* divide by 255"),
        (RGB * 257.0, "65535"),
        (RGB / 127.5 - 1, r"undo the normalisation"),
        (np.where(RGB > 100, np.nan, 0.5), r"NaN or infinity in \d+ rows \(the first is row 0\)"),
        (np.ma.array(RGB, mask=RGB > 250), "masked rows.*the same rows of xyz"),
        (torch.empty(20, 3, dtype=torch.uint8, device="meta"), "rgb is on the meta device"),
    ],
)
def test_the_mend_for_colours_keeps_them(rgb: Any, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        PointCloud.from_arrays(XYZ, rgb)
    if "astype" in str(caught.value):
        assert np.array_equal(PointCloud.from_arrays(XYZ, rgb.astype("uint8")).rgb, RGB)


def test_dividing_by_the_largest_value_keeps_wide_colours() -> None:
    wide = RGB.astype(np.uint16) * 257
    assert np.array_equal(PointCloud.from_arrays(XYZ, wide / 65535).rgb, RGB)


def test_clouds_of_a_batch_lie_on_one_device() -> None:
    here, there = PointCloud(torch.zeros(1, 3)), PointCloud(torch.zeros(1, 3, device="meta"))
    with pytest.raises(InputError, match="cpu and meta: move them to one device"):
        CloudBatch.collate([here, there])
