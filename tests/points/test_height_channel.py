"""The channel height: metres above the floor of the whole cloud, the same by every engine, in any batch and tile."""

import numpy as np
import pytest
import torch

from ppkt_zoo import create_backbone
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.floor import floor_of
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.points.voxelize import voxelize

SPEC = InputSpec(voxel_size=0.1, channels=("height", "red"), missing_color="grey")


def room(points: int, seed: int, floor: float = 0.0, color: bool = True) -> PointCloud:
    """Points on a floor and up to 2 m above it."""
    draw = torch.Generator().manual_seed(seed)
    xyz = torch.rand(points, 3, generator=draw) * torch.tensor([3.0, 2.0, 2.0])
    xyz[: points // 2, 2] = 0.0
    xyz[:, 2] += floor
    return PointCloud(xyz, torch.randint(0, 256, (points, 3), dtype=torch.uint8, generator=draw) if color else None)


@pytest.fixture(params=[True, False], ids=["native", "torch"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the native library where there is one, and without."""
    if not request.param:
        monkeypatch.setattr("ppkt_zoo.points.voxelize.library", lambda: None)


@pytest.mark.usefixtures("engine")
def test_it_is_metres_above_the_floor_wherever_the_world_begins() -> None:
    for floor in (0.0, -7.0, 41.5):
        cloud = room(2000, 1, floor)
        found = voxelize(CloudBatch.collate([cloud]), SPEC)
        height = found.features[found.inverse, 0]
        torch.testing.assert_close(height, cloud.xyz[:, 2] - floor, atol=0.0501, rtol=0)  # half a voxel


@pytest.mark.usefixtures("engine")
def test_reflections_below_the_floor_do_not_move_it() -> None:
    cloud = room(2000, 1)
    below = torch.tensor([[1.0, 1.0, -3.0]] * 10)
    assert cloud.rgb is not None
    both = PointCloud(torch.cat([cloud.xyz, below]), torch.cat([cloud.rgb, cloud.rgb[:10]]))
    found = voxelize(CloudBatch.collate([both]), SPEC)
    torch.testing.assert_close(found.features[found.inverse[:2000], 0], cloud.xyz[:, 2], atol=0.0501, rtol=0)
    assert float(found.features[:, 0].min()) < -2.9


@pytest.mark.usefixtures("engine")
def test_clouds_of_a_batch_have_their_own_floors_with_colour_or_without() -> None:
    clouds = [room(500, 1), room(700, 2, floor=5.0, color=False), room(300, 3, floor=-2.0)]
    both = voxelize(CloudBatch.collate(clouds), SPEC)
    for number, one in enumerate(clouds):
        alone = voxelize(CloudBatch.collate([one]), SPEC)
        assert torch.equal(both.features[both.coords[:, 0] == number], alone.features)


def test_engines_agree_bit_for_bit_and_other_channels_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = CloudBatch.collate([room(900, 4), room(800, 5)])
    native, plain = voxelize(batch, SPEC), voxelize(batch, SPEC.model_copy(update={"channels": ("red",)}))
    monkeypatch.setattr("ppkt_zoo.points.voxelize.library", lambda: None)
    torch_engine = voxelize(batch, SPEC)
    assert torch.equal(native.features, torch_engine.features)
    assert torch.equal(native.features[:, 1:], plain.features)


def test_a_tile_measures_from_the_floor_of_the_whole_cloud() -> None:
    torch.manual_seed(0)
    spec = InputSpec(voxel_size=0.1, channels=("height",))
    network = create_backbone("sr_unet14_slim", input_spec=spec).eval()
    draw = np.random.default_rng(0)
    # A ramp: the floor of the one half is not that of the other.
    x = draw.uniform(0, 40, 20_000)
    xyz = np.column_stack([x, draw.uniform(0, 1.0, 20_000), 0.2 * x]).astype(np.float32)
    torch.testing.assert_close(
        torch.from_numpy(network.encode(xyz, tile=10.0)), torch.from_numpy(network.encode(xyz)), atol=1e-4, rtol=1e-3
    )
    assert float(floor_of(torch.from_numpy(xyz[:, 2]))) < 0.2
