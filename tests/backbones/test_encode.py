"""encode(): arrays in, arrays out, the same whatever the order; tiles; bad input."""

from collections.abc import Callable
from typing import Any, get_overloads, get_type_hints

import numpy as np
import pytest
import torch
from torch import Tensor

from ppkt_zoo.backbones import Backbone, SRUNet
from ppkt_zoo.errors import EngineError, InputError, UnknownNameError
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.sparse import get_engine

MakeCloud = Callable[..., PointCloud]
MakeNetwork = Callable[..., SRUNet]


def test_numpy_in_numpy_out_torch_in_torch_out(make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    network, cloud = make_network(), make_cloud()
    assert cloud.rgb is not None
    arrays = network.encode(cloud.xyz.numpy(), cloud.rgb.numpy())
    tensors = network.encode(cloud.xyz, cloud.rgb)
    assert isinstance(arrays, np.ndarray)
    assert arrays.dtype == np.float32
    assert isinstance(tensors, torch.Tensor)
    assert arrays.shape == (1500, 10)
    assert np.array_equal(arrays, tensors.numpy())
    assert not tensors.requires_grad
    floats = network.encode(cloud.xyz.numpy(), cloud.rgb.numpy() / 255.0)
    assert np.array_equal(floats, arrays)
    assert np.array_equal(network.encode(cloud.xyz.double().numpy() + 1000, cloud.rgb.numpy()).shape, arrays.shape)


def test_levels(make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    network, cloud = make_network(), make_cloud()
    every = network.encode(cloud.xyz, cloud.rgb, levels="all")
    assert list(every) == list(network.level_channels)
    some = network.encode(cloud.xyz, cloud.rgb, levels=["stride8", "last"])
    assert list(some) == ["stride8", "stride1"]
    assert torch.equal(some["stride8"], every["stride8"])
    assert torch.equal(network.encode(cloud.xyz, cloud.rgb, levels="stride2"), every["stride2"])
    assert torch.equal(network.encode(cloud.xyz, cloud.rgb), every["stride1"])
    with pytest.raises(InputError, match="did you mean 'stride8'"):
        network.encode(cloud.xyz, cloud.rgb, levels="strid8")
    with pytest.raises(InputError, match="coarse to fine: stride16"):
        network.encode(cloud.xyz, cloud.rgb, levels=["fine"])
    with pytest.raises(InputError, match="empty list"):
        network.encode(cloud.xyz, cloud.rgb, levels=[])


def test_the_order_of_points_never_matters(make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    network, cloud = make_network(stem_kernel=5), make_cloud()
    assert cloud.rgb is not None
    order = torch.randperm(1500, generator=torch.Generator().manual_seed(1))
    for level in network.level_channels:
        first = network.encode(cloud.xyz, cloud.rgb, levels=level)
        assert torch.equal(network.encode(cloud.xyz[order], cloud.rgb[order], levels=level), first[order])


def test_duplicated_points_and_one_point(make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    network, cloud = make_network(), make_cloud()
    assert cloud.rgb is not None
    once = network.encode(cloud.xyz, cloud.rgb)
    twice = network.encode(cloud.xyz.repeat(2, 1), cloud.rgb.repeat(2, 1))
    assert torch.equal(twice, once.repeat(2, 1))
    single = network.encode(cloud.xyz[:1], cloud.rgb[:1], levels="all")
    assert all(feature.shape[0] == 1 and bool(torch.isfinite(feature).all()) for feature in single.values())


def test_clouds_of_a_batch_do_not_see_each_other(make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    network = make_network().eval()
    clouds = [make_cloud(900, 1), make_cloud(1, 2), make_cloud(1500, 3, size=2.0)]
    with torch.no_grad():
        together = network(CloudBatch.collate(clouds))
        for level in network.level_channels:
            alone = torch.cat([network(CloudBatch.collate([cloud]))[level] for cloud in clouds])
            torch.testing.assert_close(together[level], alone, rtol=1e-4, atol=1e-5)


def test_inference_shortcuts_change_nothing_but_rounding(make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    network = make_network(blocks=2).eval()
    batch = CloudBatch.collate([make_cloud()])
    with torch.no_grad():
        fused = network(batch)
    plain = network(batch)
    for level in network.level_channels:
        torch.testing.assert_close(fused[level], plain[level], rtol=1e-4, atol=1e-5)


def test_mode_and_gradients_are_restored(make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    network, cloud = make_network().train(), make_cloud()
    network.stem.eval()
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    network.encode(cloud.xyz, cloud.rgb)
    assert network.training
    assert not network.stem.training
    assert network.up[0].training
    assert torch.is_grad_enabled()
    assert all(torch.equal(buffer, before[name]) for name, buffer in network.named_buffers())
    with pytest.raises(InputError):
        network.encode(cloud.xyz)
    assert network.training


def test_tiles_give_the_same_where_the_margin_covers_the_view(make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    # With one block a level the network sees at most 108 cells far; the margin is 128.
    network, cloud = make_network(voxel_size=0.01), make_cloud(4000, size=5.0)
    whole = network.encode(cloud.xyz, cloud.rgb, levels=["stride1", "stride16"])
    tiled = network.encode(cloud.xyz, cloud.rgb, levels=["stride1", "stride16"], tile=1.3)
    for level, feature in whole.items():
        torch.testing.assert_close(tiled[level], feature, rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match="tile"):
        network.encode(cloud.xyz, cloud.rgb, tile=0.0)


def test_bad_input_names_the_argument(make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    network, cloud = make_network(), make_cloud()
    with pytest.raises(InputError, match="empty"):
        network.encode(np.zeros((0, 3), dtype=np.float32))
    with pytest.raises(InputError, match="needs colour"):
        network.encode(cloud.xyz)
    broken = cloud.xyz.clone()
    broken[3] = float("nan")
    with pytest.raises(InputError, match="row 3"):
        network.encode(broken, cloud.rgb)


def test_engines_are_chosen_by_name(make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    network, cloud = make_network(stem_kernel=5), make_cloud()
    expected = network.encode(cloud.xyz, cloud.rgb)
    auto = get_engine("auto").name
    assert torch.equal(network.set_engine(auto).encode(cloud.xyz, cloud.rgb), expected)
    torch.testing.assert_close(network.set_engine("torch").encode(cloud.xyz, cloud.rgb), expected, rtol=1e-4, atol=1e-4)
    with pytest.raises(UnknownNameError, match="did you mean 'torch'"):
        network.set_engine("troch")
    try:
        network.set_engine("spconv")
    except EngineError as error:
        pytest.skip(str(error))
    torch.testing.assert_close(network.encode(cloud.xyz, cloud.rgb), expected, rtol=1e-4, atol=1e-4)


def test_what_encode_gives_is_told_to_type_checkers() -> None:
    array = np.ndarray[tuple[Any, ...], np.dtype[np.float32]]
    told = [get_type_hints(one)["return"] for one in get_overloads(Backbone.encode)]
    assert told == [dict[str, Tensor], dict[str, Tensor], Tensor, dict[str, array], dict[str, array], array]
