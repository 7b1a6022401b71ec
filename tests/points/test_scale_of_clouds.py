"""Clouds too small to be in metres: kilometres, degrees, parts of a unit."""

import warnings

import numpy as np
import pytest
import torch

from ppkt_zoo.errors import ScaleWarning
from ppkt_zoo.points.arrays import extremes, warn_of_few_voxels
from ppkt_zoo.points.cloud import PointCloud

ROOM = np.random.default_rng(0).uniform(0, 1, (3000, 3)) * [5, 4, 2.5]
# A degree of latitude is 111 km.
DEGREES = np.array([1 / 75e3, 1 / 111e3, 1.0])


@pytest.mark.parametrize(
    ("xyz", "says"),
    [
        (ROOM / 1000, r"all 3000 points lie within 0\.005 m: are they kilometres"),
        ((ROOM / 1000).astype(np.float32), "kilometres"),
        (ROOM * 9e-6 + [8.5, 47.3, 0], "kilometres"),
        (ROOM * DEGREES + [8.5, 47.3, 400.0], r"within 6\.7e-05 m along x and y, and within 2\.5 m along z.*longitude"),
        (np.zeros((100, 3)), "kilometres"),
    ],
)
def test_a_cloud_that_is_too_small_is_warned_of(xyz, says):
    with pytest.warns(ScaleWarning, match=says) as caught:
        PointCloud.from_arrays(xyz)
    assert len(caught) == 1
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "xyz", [ROOM, ROOM * 3.28, ROOM * [1, 0.001, 1], ROOM / 20, ROOM[:10] / 1000, ROOM * [0.02, 0.02, 0.3]]
)
def test_clouds_that_may_be_in_metres_are_not(xyz):
    with warnings.catch_warnings():
        warnings.simplefilter("error", ScaleWarning)
        PointCloud.from_arrays(xyz)


def test_a_cloud_of_a_few_voxels_is_warned_of_once():
    small = torch.from_numpy(ROOM / 50).float()
    with pytest.warns(ScaleWarning, match=r"within 0\.1 m, and this weight's voxels are 0\.05 m"):
        warn_of_few_voxels(small, 0.05)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ScaleWarning)
        warn_of_few_voxels(small, 0.02)
        # From arrays it has been warned of already.
        warn_of_few_voxels(small / 10, 0.05)
        warn_of_few_voxels(small[:8], 0.05)


@pytest.mark.parametrize("count", [1, 63, 64, 1000])
def test_extremes_are_those_of_each_axis(count):
    xyz = torch.from_numpy(ROOM[:count])
    low, high = extremes(xyz)
    assert torch.equal(low, xyz.amin(dim=0))
    assert torch.equal(high, xyz.amax(dim=0))
