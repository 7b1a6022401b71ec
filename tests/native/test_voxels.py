"""Voxels by the native library are, bit for bit, those that torch makes."""

import platform

import numpy as np
import pytest
import torch

from ppkt_zoo.errors import EngineError
from ppkt_zoo.native import Library, library, open_library
from ppkt_zoo.native.voxels import find_voxels, fits_tables
from ppkt_zoo.points import voxelize as module
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.points.voxelize import Voxels, voxelize

native = library()
pytestmark = pytest.mark.skipif(native is None, reason="no native library")


def cloud(points: int, seed: int, size: float = 3.0, color: bool = True) -> PointCloud:
    draw = np.random.default_rng(seed)
    xyz = torch.from_numpy(draw.uniform(-size, size, (points, 3)).astype(np.float32))
    return PointCloud(xyz, torch.from_numpy(draw.integers(0, 256, (points, 3), dtype=np.uint8)) if color else None)


def by_torch(batch: CloudBatch, spec: InputSpec, monkeypatch: pytest.MonkeyPatch) -> Voxels:
    with monkeypatch.context() as patch:
        patch.setattr(module, "library", lambda: None)
        return voxelize(batch, spec)


def check_same(batch: CloudBatch, spec: InputSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = by_torch(batch, spec, monkeypatch)
    threads = torch.get_num_threads()
    with monkeypatch.context() as patch:
        # What torch would do in the library's place must not be what is looked at.
        patch.setattr(module, "_number_cells", None)
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            try:
                found = voxelize(batch, spec)
            finally:
                torch.set_num_threads(threads)
            assert torch.equal(found.coords, expected.coords)
            assert torch.equal(found.inverse, expected.inverse)
            assert torch.equal(found.features, expected.features)


@pytest.mark.parametrize("voxel_size", [0.02, 0.05, 0.3, 1.0, 10.0])
def test_every_number_is_the_same_on_any_number_of_threads(voxel_size: float, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = InputSpec(voxel_size=voxel_size, channels=("blue", "ones", "red", "green"), color_range=(-1.3, 2.7))
    clouds = [cloud(70_000, 1), cloud(0, 2), cloud(1, 3), cloud(500, 4, size=0.2), cloud(40_001, 5, size=6.0)]
    check_same(CloudBatch.collate(clouds), spec, monkeypatch)


def test_points_on_the_borders_of_cells_fall_to_the_same_side(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = torch.arange(40) * 0.1
    xyz = torch.cartesian_prod(steps, steps, steps)
    for origin in (0.0, -17.3, 1234.5):
        batch = CloudBatch.collate([PointCloud(xyz + origin)])
        check_same(batch, InputSpec(voxel_size=0.1, missing_color="grey"), monkeypatch)


def test_a_cloud_without_color_and_one_whose_color_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = CloudBatch.collate([cloud(3000, 1, color=False)])
    check_same(bare, InputSpec(voxel_size=0.1, missing_color="grey", color_range=(0.0, 0.7)), monkeypatch)
    check_same(CloudBatch.collate([cloud(3000, 1)]), InputSpec(voxel_size=0.1, channels=("ones",)), monkeypatch)


def test_many_points_of_one_voxel_are_summed_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = torch.Generator().manual_seed(0)
    xyz = torch.rand(300_000, 3, generator=draw) * 0.01
    rgb = torch.full((300_000, 3), 255, dtype=torch.uint8)
    rgb[::3] = 254
    check_same(CloudBatch.collate([PointCloud(xyz, rgb)]), InputSpec(voxel_size=0.1), monkeypatch)


def test_where_the_library_gives_up_torch_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise EngineError("out of memory")

    batch, spec = CloudBatch.collate([cloud(2000, 1)]), InputSpec(voxel_size=0.1)
    expected = by_torch(batch, spec, monkeypatch)
    monkeypatch.setattr(module, "find_voxels", fails)
    assert torch.equal(voxelize(batch, spec).features, expected.features)


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="one instruction set only")
def test_every_instruction_set_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    batch, spec = CloudBatch.collate([cloud(30_000, 1)]), InputSpec(voxel_size=0.1, color_range=(-0.3, 1.1))
    expected = by_torch(batch, spec, monkeypatch)
    plain = open_library(level="x86_v1")
    monkeypatch.setattr(module, "library", lambda: plain)
    found = voxelize(batch, spec)
    assert torch.equal(found.features, expected.features)
    assert torch.equal(found.inverse, expected.inverse)


def test_huge_empty_grids_are_sorted() -> None:
    assert fits_tables(20_000_000, 10**10)
    assert fits_tables(10, 10**9)
    assert not fits_tables(400_000, 10**11)
    assert not fits_tables(1 << 31, 10**6)


def grid_of(library_: Library, xyz: torch.Tensor, lengths: tuple[int, int, int]) -> torch.Tensor:
    corners = torch.zeros((1, 3), dtype=torch.float64)
    return find_voxels(library_, xyz, None, [len(xyz)], corners, 0.1, lengths, [-1], [1.0], (0.0, 1.0))[0]


@pytest.mark.parametrize("value", [-0.01, 1.0, 1e30, float("nan"), float("inf")])
def test_points_outside_of_the_grid_are_an_error_and_touch_nothing(value: float) -> None:
    assert native is not None
    xyz = torch.rand(100, 3) * 0.99
    assert int(grid_of(native, xyz, (10, 10, 10)).max()) == 9
    xyz[77, 1] = value
    with pytest.raises(EngineError, match="row that is not there"):
        grid_of(native, xyz, (10, 10, 10))


def test_arguments_that_do_not_fit_are_refused() -> None:
    assert native is not None
    corners = torch.zeros((1, 3), dtype=torch.float64)
    with pytest.raises(ValueError, match="float32"):
        find_voxels(native, torch.rand(5, 3).double(), None, [5], corners, 0.1, [9, 9, 9], [-1], [1.0], (0.0, 1.0))
    with pytest.raises(ValueError, match="float32"):
        find_voxels(native, torch.rand(5, 3), None, [6], corners, 0.1, [9, 9, 9], [-1], [1.0], (0.0, 1.0))
    with pytest.raises(ValueError, match="uint8"):
        find_voxels(native, torch.rand(5, 3), torch.zeros(5, 3), [5], corners, 0.1, [9, 9, 9], [0], [1.0], (0.0, 1.0))
    with pytest.raises(ValueError, match="do not fit"):
        find_voxels(native, torch.rand(5, 3), None, [5], corners, 0.1, [9, 9], [-1], [1.0], (0.0, 1.0))


def test_a_color_channel_without_colors_is_an_error() -> None:
    assert native is not None
    corners = torch.zeros((1, 3), dtype=torch.float64)
    with pytest.raises(EngineError):
        find_voxels(native, torch.rand(5, 3), None, [5], corners, 0.1, [10, 10, 10], [0], [1.0], (0.0, 1.0))


def test_rows_of_views_are_read_where_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = cloud(4000, 1)
    assert whole.rgb is not None
    every = CloudBatch.collate([PointCloud(whole.xyz[::2], whole.rgb[::2])])
    plain = CloudBatch.collate([PointCloud(whole.xyz[::2].clone(), whole.rgb[::2].clone())])
    spec = InputSpec(voxel_size=0.1)
    assert torch.equal(voxelize(every, spec).features, by_torch(plain, spec, monkeypatch).features)
