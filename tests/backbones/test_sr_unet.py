"""SR-UNet: its sizes, levels, first values, training mode and gradient checkpointing."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from ppkt_zoo.backbones import SRUNet, sr_unet14, sr_unet14_small, sr_unet18, sr_unet34
from ppkt_zoo.backbones.blocks import VoxelBatchNorm
from ppkt_zoo.errors import InputError, TrainingError
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.sparse import SubmanifoldConv3d

SPEC = InputSpec(voxel_size=0.05)
MakeCloud = Callable[..., PointCloud]
MakeNetwork = Callable[..., SRUNet]


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("build", "millions", "out"),
    [(sr_unet34, 37.86, 96), (sr_unet18, 15.5, 96), (sr_unet14, 8.02, 96), (sr_unet14_small, 5.23, 64)],
)
def test_presets_have_the_published_sizes(build: Callable[..., SRUNet], millions: float, out: int) -> None:
    with torch.device("meta"):
        network = build(input_spec=SPEC)
    # METHOD.md's figures count Res16UNet with its last 1×1 layer (20 classes); a backbone ends before it.
    with_classes = parameters(network) + network.out_channels * 20 + 20
    assert with_classes / 1e6 == pytest.approx(millions, abs=0.006 if millions > 20 else 0.02)
    assert network.out_channels == out
    assert list(network.level_channels) == ["stride16", "stride8", "stride4", "stride2", "stride1"]
    assert list(network.level_channels.values())[-1] == out


def test_the_small_one_fits_12_megabytes_in_half_precision() -> None:
    with torch.device("meta"):
        network = sr_unet14_small(input_spec=SPEC)
    assert 2e6 < parameters(network) < 6e6


def test_arguments_shape_the_network() -> None:
    spec = InputSpec(voxel_size=0.05, channels=("ones",))
    network = sr_unet14_small(input_spec=spec, stem_kernel=5)
    assert network.stem.conv.weight.shape == (32, 5, 5, 5, 1)
    with pytest.raises(InputError, match="eight"):
        SRUNet(input_spec=SPEC, planes=(8,) * 7, blocks=(1,) * 8)


def test_convolutions_start_as_kaiming_fan_out() -> None:
    torch.manual_seed(0)
    layer = SubmanifoldConv3d(64, 128, 3)
    assert float(layer.weight.detach().std()) == pytest.approx((2 / (128 * 27)) ** 0.5, rel=0.01)
    assert abs(float(layer.weight.detach().mean())) < 1e-4


def test_levels_have_their_channels_and_all_points(make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    network = make_network()
    features = network(CloudBatch.collate([make_cloud(700, 1), make_cloud(400, 2)]))
    assert list(features) == list(network.level_channels)
    for name, channels in network.level_channels.items():
        assert features[name].shape == (1100, channels)
    rows = torch.tensor([5, 1000, 5])
    assert torch.equal(features.at("stride4", rows), features["stride4"][rows])
    with pytest.raises(InputError, match="did you mean 'stride4'"):
        features.at("stride44")


def test_one_voxel_in_training_is_a_clear_error(make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    network = make_network().train()
    with pytest.raises(TrainingError, match="at least two voxels"):
        network(CloudBatch.collate([make_cloud(1)]))


def gradients(network: SRUNet, batch: CloudBatch) -> dict[str, torch.Tensor]:
    network.train()
    features = network(batch)
    sum(features[name].square().mean() for name in features).backward()
    return {name: parameter.grad for name, parameter in network.named_parameters() if parameter.grad is not None}


@pytest.mark.parametrize("autocast", [False, True])
def test_checkpointing_changes_no_number(make_cloud: MakeCloud, make_network: MakeNetwork, autocast: bool) -> None:
    batch = CloudBatch.collate([make_cloud(seed=seed) for seed in range(2)])
    plain, saving = make_network(blocks=2), make_network(blocks=2, checkpointing=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        wanted = gradients(plain, batch)
        got = gradients(saving, batch)
    assert wanted.keys() == got.keys()
    assert len(wanted) == len(list(plain.parameters()))
    for name, gradient in wanted.items():
        torch.testing.assert_close(got[name], gradient, rtol=1e-5, atol=1e-7)
    # Running statistics and their count: the recomputation must not have moved them a second time.
    for (name, buffer), (_, other) in zip(plain.named_buffers(), saving.named_buffers(), strict=True):
        assert torch.equal(buffer, other), name
    counts = [m.num_batches_tracked for m in saving.modules() if isinstance(m, VoxelBatchNorm)]
    assert all(int(count) == 1 for count in counts)


def test_half_precision_training_is_near_full(make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    batch = CloudBatch.collate([make_cloud(seed=seed) for seed in range(2)])
    network = make_network().eval()
    with torch.no_grad():
        expected = network(batch)["stride1"]
        with torch.autocast("cpu", torch.bfloat16):
            half = network(batch)["stride1"]
    assert half.dtype == torch.float32
    assert float((half - expected).norm() / expected.norm()) < 0.03


def test_state_dict_opens_strictly_and_a_copy_gives_the_same(make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    first, second = make_network(), make_network()
    nn.init.zeros_(second.stem.conv.weight)
    second.load_state_dict(first.state_dict(), strict=True)
    cloud = make_cloud()
    assert torch.equal(first.encode(cloud.xyz, cloud.rgb), second.encode(cloud.xyz, cloud.rgb))


def test_grid_is_freed_without_the_garbage_collector(make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    import gc
    import weakref

    network, batch = make_network().train(), CloudBatch.collate([make_cloud()])
    gc.collect()
    gc.disable()
    try:
        features = network(batch)
        features["stride1"].mean().backward()
        alive = weakref.ref(features)
        rows = weakref.ref(features._levels["stride1"])
        del features
        assert alive() is None
        assert rows() is None
    finally:
        gc.enable()
