"""PointNet++: sizes, levels, seeds, gradients, and the same answer whatever the order of the points."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from ppkt_zoo.backbones import PointNet2, pointnet2
from ppkt_zoo.errors import InputError, TrainingError
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.input_spec import InputSpec

MakeCloud = Callable[..., PointCloud]
LEVELS = {"sa4": 256, "fp1": 256, "fp2": 256, "points": 256}


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def network() -> PointNet2:
    """Few centres, batch norms that look trained."""
    torch.manual_seed(0)
    network = pointnet2(
        input_spec=InputSpec(voxel_size=0.04),
        centers=(200, 100, 50, 25),
        radii=(0.1, 0.2, 0.4, 0.6),
        neighbours=(16, 8, 8, 8),
    )
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d):
            nn.init.uniform_(module.weight, 0.7, 1.3)
            nn.init.normal_(module.bias, 0.0, 0.2)
            nn.init.normal_(module.running_mean, 0.0, 0.2)
            nn.init.uniform_(module.running_var, 0.7, 1.3)
    return network.eval()


def encode(network: PointNet2, cloud: PointCloud) -> dict[str, Tensor]:
    features: dict[str, Tensor] = network.encode(cloud.xyz, cloud.rgb, levels="all")
    return features


def test_the_published_network() -> None:
    network = pointnet2(input_spec=InputSpec(voxel_size=0.04))
    assert network.level_channels == LEVELS
    shapes = [tuple(layer.weight.shape) for layer in network.modules() if isinstance(layer, nn.Linear)]
    assert shapes == [
        *[(64, 6), (64, 64), (128, 64)],
        *[(128, 131), (128, 128), (256, 128)],
        *[(128, 259), (128, 128), (256, 128)] * 2,
        *[(256, 512), (256, 256)] * 2,
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"centers": (4, 3, 2)}, "four positive numbers"),
        ({"radii": (0.1, 0.2, 0.0, 1)}, "four positive numbers"),
        ({"centers": (100, 200, 50, 25)}, "must fall"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, tuple[float, ...]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        pointnet2(input_spec=InputSpec(voxel_size=0.04), **arguments)  # type: ignore[arg-type]


def test_the_order_of_points_never_matters(network: PointNet2, make_cloud: MakeCloud) -> None:
    cloud = make_cloud()
    order = torch.randperm(1500, generator=torch.Generator().manual_seed(1))
    first, second = encode(network, cloud), encode(network, PointCloud(cloud.xyz[order], cloud.rgb[order]))
    for level in LEVELS:
        assert first[level].shape == (1500, 256)
        assert torch.equal(second[level], first[level][order]), level
    assert float(first["points"].std(dim=0).mean()) > 0.01


def test_duplicated_points_and_tiny_clouds(network: PointNet2, make_cloud: MakeCloud) -> None:
    cloud = make_cloud()
    once, twice = encode(network, cloud), encode(network, PointCloud(cloud.xyz.repeat(2, 1), cloud.rgb.repeat(2, 1)))
    for level in LEVELS:
        assert torch.equal(twice[level], once[level].repeat(2, 1)), level
    for points in (1, 2, 5):
        few = encode(network, PointCloud(cloud.xyz[:points], cloud.rgb[:points]))
        assert all(one.shape == (points, 256) and bool(one.isfinite().all()) for one in few.values())


def test_clouds_of_a_batch_do_not_see_each_other(network: PointNet2, make_cloud: MakeCloud) -> None:
    clouds = [make_cloud(900, 1), make_cloud(1, 2), make_cloud(1500, 3, size=2.0)]
    with torch.no_grad():
        together = network(CloudBatch.collate(clouds))
        for level in LEVELS:
            alone = torch.cat([network(CloudBatch.collate([cloud]))[level] for cloud in clouds])
            torch.testing.assert_close(together[level], alone, rtol=1e-4, atol=1e-5)


def test_some_rows_are_those_of_all(network: PointNet2, make_cloud: MakeCloud) -> None:
    rows = torch.tensor([5, 2300, 5, 999, 1700])
    with torch.no_grad():
        features = network(CloudBatch.collate([make_cloud(1000, 1), make_cloud(1500, 2)]))
        assert list(features) == list(LEVELS)
        for level in LEVELS:
            assert torch.equal(features.at(level, rows), features[level][rows]), level
    with pytest.raises(InputError, match=r"no level 'stride1'.*sa4, fp1, fp2, points"):
        features.at("stride1")


def test_moving_the_cloud_changes_nothing(network: PointNet2, make_cloud: MakeCloud) -> None:
    cloud = make_cloud()
    # A shift by a power of two is exact in float32 where the coordinates are multiples of 2^-16.
    xyz = (cloud.xyz * 65536).round() / 65536
    first, second = (network.encode(xyz + shift, cloud.rgb) for shift in (0.0, 8.0))
    assert torch.equal(first, second)


def test_seeds(network: PointNet2, make_cloud: MakeCloud) -> None:
    clouds = [make_cloud(900, 1), make_cloud(3, 2), make_cloud(1500, 3)]
    batch = CloudBatch.collate(clouds)
    with torch.no_grad():
        seeds, features = network.seeds(batch), network(batch)
    assert seeds.sizes[0] == seeds.sizes[2] == 100
    assert seeds.sizes[1] <= 3
    assert seeds.features.shape == (sum(seeds.sizes), 256)
    # The point that is named for a seed lies in its voxel and in its cloud.
    assert float((batch.xyz[seeds.rows] - seeds.xyz).abs().max()) <= 0.04
    assert batch.cloud[seeds.rows].bincount().tolist() == list(seeds.sizes)
    assert seeds.rows.unique().numel() == len(seeds.rows)
    assert torch.equal(features.at("fp2", seeds.rows), seeds.features)


@pytest.mark.parametrize("autocast", [False, True])
def test_every_parameter_learns(network: PointNet2, make_cloud: MakeCloud, autocast: bool) -> None:
    batch = CloudBatch.collate([make_cloud(800, 1), make_cloud(700, 2)])
    fresh = pointnet2(input_spec=network.input_spec, centers=(200, 100, 50, 25), neighbours=(8, 8, 8, 8)).train()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        out = fresh(batch).at("points", torch.arange(0, 1500, 3))
    assert out.dtype == torch.float32
    (out * torch.linspace(-1, 1, 256)).square().sum().backward()
    for name, parameter in fresh.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().max()) > 0, name
        assert bool(parameter.grad.isfinite().all()), name


def test_half_precision_is_near_full(network: PointNet2, make_cloud: MakeCloud) -> None:
    batch = CloudBatch.collate([make_cloud(seed=seed) for seed in range(2)])
    with torch.no_grad():
        expected = network(batch)["points"]
        with torch.autocast("cpu", torch.bfloat16):
            half = network(batch)["points"]
    assert float((half - expected).norm() / expected.norm()) < 0.03


def test_one_centre_in_training_is_a_clear_error(network: PointNet2, make_cloud: MakeCloud) -> None:
    fresh = pointnet2(input_spec=network.input_spec).train()
    with pytest.raises(TrainingError, match="at least two"):
        fresh(CloudBatch.collate([make_cloud(1)]))


def test_a_weight_that_wants_colour_says_so(network: PointNet2, make_cloud: MakeCloud) -> None:
    with pytest.raises(InputError, match="needs colour"):
        network.encode(make_cloud().xyz)
