"""Points to voxels: the grid, the colours, the order, the inverse."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from ppkt_zoo.errors import InputError
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.points.voxelize import voxelize

SPEC = InputSpec(voxel_size=0.1)


def cloud(points: int = 500, seed: int = 0, color: bool = True) -> PointCloud:
    draw = np.random.default_rng(seed)
    xyz = draw.uniform(-1.0, 1.0, (points, 3)).astype(np.float32)
    return PointCloud.from_arrays(xyz, draw.integers(0, 256, (points, 3), dtype=np.uint8) if color else None)


def test_cells_are_the_floor_over_each_clouds_smallest_corner() -> None:
    clouds = [cloud(300, 1), cloud(200, 2)]
    voxels = voxelize(CloudBatch.collate(clouds), SPEC)
    expected = []
    for number, one in enumerate(clouds):
        xyz = one.xyz.numpy().astype(np.float64)
        cell = np.floor((xyz - xyz.min(axis=0)) / 0.1).astype(np.int32)
        expected.append(np.column_stack([np.full(len(cell), number, dtype=np.int32), cell]))
    points = np.concatenate(expected)
    coords = voxels.coords.numpy()
    assert voxels.coords.dtype == torch.int32
    assert voxels.inverse.dtype == torch.int64
    assert np.array_equal(coords[voxels.inverse.numpy()], points)
    assert np.array_equal(coords, np.unique(points, axis=0))  # sorted by (cloud, x, y, z), none twice


def test_color_is_the_mean_in_the_spec_s_range_and_channel_order() -> None:
    spec = InputSpec(voxel_size=0.1, channels=("blue", "ones", "red"), color_range=(-1.0, 2.0))
    one = cloud(2000)
    voxels = voxelize(CloudBatch.collate([one]), spec)
    assert one.rgb is not None
    for voxel in (0, 7, len(voxels.coords) - 1):
        mean = one.rgb[voxels.inverse == voxel].double().mean(dim=0) / 255 * 3 - 1
        expected = torch.stack([mean[2], torch.ones((), dtype=torch.float64), mean[0]])
        torch.testing.assert_close(voxels.features[voxel].double(), expected, rtol=0, atol=1e-6)


def test_the_order_of_points_never_matters() -> None:
    one = cloud(3000)
    order = torch.randperm(3000, generator=torch.Generator().manual_seed(0))
    assert one.rgb is not None
    first = voxelize(CloudBatch.collate([one]), SPEC)
    second = voxelize(CloudBatch.collate([PointCloud(one.xyz[order], one.rgb[order])]), SPEC)
    assert torch.equal(first.coords, second.coords)
    assert torch.equal(first.features, second.features)
    assert torch.equal(first.inverse[order], second.inverse)


def test_one_point_and_duplicated_points() -> None:
    single = voxelize(CloudBatch.collate([cloud(1)]), SPEC)
    assert single.coords.tolist() == [[0, 0, 0, 0]]
    one = cloud(50)
    assert one.rgb is not None
    twice = PointCloud(torch.cat([one.xyz, one.xyz]), torch.cat([one.rgb, one.rgb]))
    first, second = voxelize(CloudBatch.collate([one]), SPEC), voxelize(CloudBatch.collate([twice]), SPEC)
    assert torch.equal(first.coords, second.coords)
    assert torch.equal(first.features, second.features)


def test_missing_color_is_an_error_that_names_the_mend_or_the_middle() -> None:
    bare = CloudBatch.collate([cloud(color=False)])
    with pytest.raises(InputError, match=r"red, green, blue.*rgb=\.\.\."):
        voxelize(bare, SPEC)
    grey = voxelize(bare, InputSpec(voxel_size=0.1, missing_color="grey"))
    assert torch.equal(grey.features, torch.zeros_like(grey.features))
    ones = voxelize(bare, InputSpec(voxel_size=0.1, channels=("ones",)))
    assert torch.equal(ones.features, torch.ones_like(ones.features))


@pytest.mark.parametrize("native", [True, False])
def test_clouds_without_colour_are_what_they_are_alone_whatever_is_in_their_batch(
    native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not native:
        monkeypatch.setattr("ppkt_zoo.points.voxelize.library", lambda: None)
    spec = InputSpec(voxel_size=0.1, channels=("has_color", "red", "ones", "blue"), missing_color="grey")
    bare, colored = cloud(300, 1, color=False), cloud(200, 2)
    both = voxelize(CloudBatch.collate([colored, bare, colored]), spec)
    for number, one in enumerate([colored, bare, colored]):
        alone = voxelize(CloudBatch.collate([one]), spec)
        assert torch.equal(both.features[both.coords[:, 0] == number], alone.features)
        assert set(alone.features[:, 0].tolist()) == {float(one.rgb is not None)}
    assert torch.equal(
        voxelize(CloudBatch.collate([bare]), spec).features.unique(dim=0), torch.tensor([[0.0, 0.0, 1.0, 0.0]])
    )
    with pytest.raises(InputError, match="cloud 1 of the batch has none"):
        voxelize(CloudBatch.collate([colored, bare]), SPEC)


def test_the_flag_of_colour_needs_a_weight_that_does_without() -> None:
    with pytest.raises(ValidationError, match="set missing_color to grey"):
        InputSpec(voxel_size=0.1, channels=("red", "has_color"))


def test_a_cloud_too_wide_for_the_grid_is_an_input_error() -> None:
    wide = CloudBatch.collate([PointCloud(torch.tensor([[0.0, 0.0, 0.0], [3e6, 0.0, 0.0]]))])
    with pytest.raises(InputError, match="voxels"):
        voxelize(wide, InputSpec(voxel_size=0.1, channels=("ones",)))
    cube = CloudBatch.collate([PointCloud(torch.tensor([[0.0, 0.0, 0.0], [1.6e5, 1.6e5, 1.6e5]]))] * 400)
    with pytest.raises(InputError, match="too many cells"):
        voxelize(cube, InputSpec(voxel_size=0.05, channels=("ones",)))


def test_a_grid_too_large_for_a_table_gives_the_same_voxels(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = CloudBatch.collate([cloud(700, 1), cloud(900, 2)])
    table = voxelize(batch, SPEC)
    monkeypatch.setattr("ppkt_zoo.points.voxelize._DENSE_CELLS", 1)
    monkeypatch.setattr("ppkt_zoo.points.voxelize._DENSE_CELLS_A_POINT", 0)
    sorted_keys = voxelize(batch, SPEC)
    for field in ("coords", "features", "inverse"):
        assert torch.equal(getattr(table, field), getattr(sorted_keys, field))
