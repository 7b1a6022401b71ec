"""PointCloud and CloudBatch at the entrance: what they take, what they refuse, what they warn of."""

import warnings

import numpy as np
import pytest
import torch

from ppkt_zoo.errors import InputError, ScaleWarning
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.files.cloud_files import read_cloud

XYZ = np.random.default_rng(0).uniform(0, 3, (10, 3)).astype(np.float32)
RGB = np.random.default_rng(1).integers(0, 256, (10, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def _no_warning_unless_asked_for():
    with warnings.catch_warnings():
        warnings.simplefilter("error", ScaleWarning)
        yield


def test_takes_arrays_and_tensors():
    for xyz, rgb in [(XYZ, RGB), (torch.from_numpy(XYZ), torch.from_numpy(RGB))]:
        cloud = PointCloud.from_arrays(xyz, rgb)
        assert np.array_equal(cloud.xyz.numpy(), XYZ)
        assert np.array_equal(cloud.rgb.numpy(), RGB)
        assert len(cloud) == 10
    assert PointCloud.from_arrays(XYZ).rgb is None


def test_one_point_is_a_cloud():
    assert len(PointCloud.from_arrays(XYZ[:1], RGB[:1])) == 1


def test_strided_arrays_keep_their_rows():
    cloud = PointCloud.from_arrays(XYZ[::-2], RGB[::-2])
    assert np.array_equal(cloud.xyz.numpy(), XYZ[::-2])
    assert cloud.xyz.is_contiguous()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_float_colours_become_bytes(dtype):
    cloud = PointCloud.from_arrays(XYZ, (RGB / 255.0).astype(dtype))
    assert np.array_equal(cloud.rgb.numpy(), RGB)


@pytest.mark.parametrize(
    ("xyz", "names"),
    [
        (XYZ[:0], "xyz is empty"),
        (XYZ[0], r"shape \(N, 3\), got \(3,\)"),
        (XYZ[:, :2], r"shape \(N, 3\), got \(10, 2\)"),
        (np.zeros((2, 4, 3), np.float32), r"shape \(N, 3\)"),
        (XYZ.astype(np.float16), "float32 or float64.*float16"),
        ((XYZ * 1000).astype(np.int32), "float32 or float64.*int32"),
        ((XYZ * 1000).astype(np.uint16), "float32 or float64"),
        (XYZ.astype(object), "numeric"),
        (XYZ.astype(str), "numeric"),
        (XYZ.astype(np.complex64), "numeric"),
        (XYZ.tolist(), "numpy array or a torch tensor, got list"),
        (None, "numpy array or a torch tensor, got NoneType"),
    ],
)
def test_refuses_xyz(xyz, names):
    with pytest.raises(InputError, match=names):
        PointCloud.from_arrays(xyz)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_refuses_rows_that_are_not_finite(bad):
    xyz = XYZ.copy()
    xyz[[4, 7], 1] = bad
    with pytest.raises(InputError, match=r"xyz has 2 rows with NaN or infinity \(the first is row 4\).*isfinite"):
        PointCloud.from_arrays(xyz)


@pytest.mark.parametrize(
    ("rgb", "names"),
    [
        (RGB[:9], "one row for each point"),
        (RGB[:, :2], "one row for each point"),
        (RGB.astype(np.int32), "uint8 in 0..255 or float"),
        (RGB.astype(np.uint16), "uint8 in 0..255 or float"),
        (RGB.astype(np.float32), "divide by 255"),
        (RGB / 255.0 - 0.5, r"must lie in \[0, 1\]"),
        (np.full((10, 3), np.nan), r"must lie in \[0, 1\]"),
        (RGB.tolist(), "rgb must be a numpy array"),
    ],
)
def test_refuses_rgb(rgb, names):
    with pytest.raises(InputError, match=names):
        PointCloud.from_arrays(XYZ, rgb)


def test_map_coordinates_keep_their_millimetres():
    """UTM as float64: centred before it becomes float32, where float32 itself would keep half metres."""
    corner = np.array([513_119.0, 5_403_189.0, 188.0])
    xyz = corner + np.random.default_rng(2).uniform(0, 200, (1000, 3))
    cloud = PointCloud.from_arrays(xyz)
    np.testing.assert_allclose(cloud.xyz.double().numpy(), xyz - xyz.min(axis=0), atol=1e-4)
    with pytest.warns(ScaleWarning, match=r"0\.5 m apart.*float64"):
        PointCloud.from_arrays(xyz.astype(np.float32))


@pytest.mark.parametrize(
    ("factor", "says"), [(2000.0, "millimetres"), (200.0, "whole city"), (1000.0, "whole city, or other units")]
)
def test_a_scale_that_looks_wrong_is_warned_of(factor, says):
    xyz = np.array([[0, 0, 0], [3, 2, 1]], dtype=np.float32) * np.float32(factor)
    with pytest.warns(ScaleWarning, match=says):
        PointCloud.from_arrays(xyz)


def test_the_warning_points_at_the_caller():
    with pytest.warns(ScaleWarning) as caught:
        PointCloud.from_arrays(np.array([[0, 0, 0], [5000, 4000, 2500]], dtype=np.float64))
    assert caught[0].filename == __file__


def test_a_real_landscape_in_map_coordinates(shared):
    file = read_cloud(shared / "clouds/terrain_utm.pcd")
    assert file.xyz.dtype == np.float32
    assert file.rgb is None
    with pytest.warns(ScaleWarning, match="574 m wide"):
        cloud = PointCloud.from_arrays(file.xyz.astype(np.float64))
    assert float(cloud.xyz.min()) == 0.0
    shift = file.xyz.astype(np.float64) - cloud.xyz.double().numpy()
    assert np.ptp(shift, axis=0).max() < 1e-3


def test_collate_keeps_every_cloud_in_its_place():
    clouds = [PointCloud.from_arrays(XYZ[:4], RGB[:4]), PointCloud.from_arrays(XYZ[4:5], RGB[4:5])]
    batch = CloudBatch.collate(clouds)
    assert batch.sizes == (4, 1)
    assert batch.cloud.tolist() == [0, 0, 0, 0, 1]
    assert np.array_equal(batch.xyz.numpy(), XYZ[:5])
    assert np.array_equal(batch.rgb.numpy(), RGB[:5])


def test_collate_refuses_nothing():
    with pytest.raises(InputError, match="at least one cloud"):
        CloudBatch.collate([])


def test_clouds_with_and_without_colour_share_a_batch():
    batch = CloudBatch.collate([PointCloud.from_arrays(XYZ), PointCloud.from_arrays(XYZ[:2], RGB[:2])])
    assert batch.uncolored == batch.to("cpu").uncolored == (0,)
    assert np.array_equal(batch.rgb[len(XYZ) :].numpy(), RGB[:2])
    assert CloudBatch.collate([PointCloud.from_arrays(XYZ)] * 2).rgb is None
