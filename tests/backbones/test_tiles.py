"""Tiles chosen by the number of voxels: they hold every voxel once, stay small, and give the whole's features."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from ppkt_zoo.backbones import SRUNet
from ppkt_zoo.backbones.pointnet2 import pointnet2
from ppkt_zoo.backbones.tiles import cut_by_voxels, cut_columns, parts_of
from ppkt_zoo.errors import InputError
from ppkt_zoo.native import library
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.points.voxelize import Voxels, voxelize

MakeCloud = Callable[..., PointCloud]
MakeNetwork = Callable[..., SRUNet]


def scattered(points: int = 20_000, extent: tuple[float, float, float] = (40.0, 25.0, 6.0)) -> Voxels:
    draw = np.random.default_rng(0)
    xyz = torch.from_numpy((draw.random((points, 3)) ** 2 * extent).astype(np.float32))
    return voxelize(CloudBatch.collate([PointCloud(xyz)]), InputSpec(voxel_size=0.1, channels=("ones",)))


@pytest.mark.parametrize("most", [300, 3000, 10**9])
def test_boxes_hold_every_voxel_once_and_few_of_them(most: int) -> None:
    voxels = scattered()
    boxes = cut_by_voxels(voxels.coords, 8, most)
    place = voxels.coords[:, 1:].numpy()
    held = np.zeros(len(place), int)
    for box in boxes:
        held += ((place >= box.low) & (place < box.high)).all(axis=1)
        grown = box.grown(8)
        around = ((place >= grown.low) & (place < grown.high)).all(axis=1).sum()
        assert around <= most or min(np.subtract(box.high, box.low)) < 128, "it could have been cut further"
    assert (held == 1).all()
    assert (len(boxes) == 1) == (most == 10**9)


def test_dense_places_are_not_cut_without_end() -> None:
    grid = torch.cartesian_prod(*[torch.arange(70, dtype=torch.int32)] * 3)
    coords = torch.cat([torch.zeros(len(grid), 1, dtype=torch.int32), grid], dim=1)
    boxes = cut_by_voxels(coords, 128, 10)
    assert len(boxes) == 1


def test_parts_name_each_point_once_and_the_voxel_that_it_is_in() -> None:
    voxels = scattered()
    for boxes in (cut_by_voxels(voxels.coords, 16, 2000), cut_columns(voxels.coords, 70, 7.0)):
        assert len(boxes) > 3
        seen = torch.zeros(len(voxels.inverse), dtype=torch.int64)
        for rows, part in parts_of(voxels, boxes, 16):
            seen[rows] += 1
            assert torch.equal(part.coords[part.inverse], voxels.coords[voxels.inverse[rows]])
        assert bool((seen == 1).all())


def tiled(network: SRUNet, cloud: PointCloud, most: int, monkeypatch: pytest.MonkeyPatch, **how: Any) -> Any:
    runs = 0

    def count(*_: object) -> None:
        nonlocal runs
        runs += 1

    with monkeypatch.context() as patch:
        patch.setattr(SRUNet, "tile_voxels", most)
        handle = network.register_forward_hook(count)
        found = network.encode(cloud.xyz, cloud.rgb, tile="auto", **how)
        handle.remove()
    return found, runs


@pytest.mark.parametrize("engine", ["native", "torch"])
def test_the_same_features_as_the_whole(
    engine: str, make_cloud: MakeCloud, make_network: MakeNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine == "native" and library() is None:
        pytest.skip("no native library")
    # With one block a level the network sees at most 108 cells far; the margin is 128.
    network, cloud = make_network(voxel_size=0.01), make_cloud(6000, size=5.0)
    network.set_engine(engine)
    levels = ["stride1", "stride16"]
    whole = network.encode(cloud.xyz, cloud.rgb, levels=levels)
    found, runs = tiled(network, cloud, 4000, monkeypatch, levels=levels)
    assert runs > 1
    for level in levels:
        torch.testing.assert_close(found[level], whole[level], rtol=1e-5, atol=1e-6)


def test_sums_of_the_native_engine_do_not_depend_on_the_tiles(
    make_cloud: MakeCloud, make_network: MakeNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    if library() is None:
        pytest.skip("no native library")

    def row_by_row(feats: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return (feats[:, None, :] * weight).sum(dim=2) + bias

    network, cloud = make_network(voxel_size=0.01).set_engine("native"), make_cloud(6000, size=5.0)
    # PyTorch's product rounds the last rows of a matrix in another way than the others: how many rows there are shows.
    monkeypatch.setattr("ppkt_zoo.backbones.blocks.pointwise", row_by_row)
    whole = network.encode(cloud.xyz, cloud.rgb, levels="all")
    found, runs = tiled(network, cloud, 4000, monkeypatch, levels="all")
    assert runs > 1
    for level, feature in whole.items():
        assert torch.equal(found[level], feature)


def test_a_small_cloud_is_encoded_at_once(make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    network, cloud = make_network(), make_cloud()
    found = network.encode(cloud.xyz, cloud.rgb, levels="all", tile="auto")
    for level, feature in network.encode(cloud.xyz, cloud.rgb, levels="all").items():
        assert torch.equal(found[level], feature)


def test_numpy_arrays_and_hooks_that_give_plain_dicts(
    make_cloud: MakeCloud, make_network: MakeNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, cloud = make_network(voxel_size=0.01), make_cloud(3000, size=5.0)
    expected = network.encode(cloud.xyz, cloud.rgb, tile=2.0)
    network.register_forward_hook(lambda _, __, features: {name: 2 * one for name, one in features.items()})
    assert cloud.rgb is not None
    found = network.encode(cloud.xyz.numpy(), cloud.rgb.numpy(), tile=2.0)
    np.testing.assert_array_equal(found, 2 * expected.numpy())


def test_parts_are_handed_over_with_their_rows(make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    network, cloud = make_network(voxel_size=0.01), make_cloud(3000, size=5.0)
    expected = network.encode(cloud.xyz, cloud.rgb, tile=2.0)
    found = torch.zeros_like(expected)

    def take(rows: torch.Tensor | None, features: dict[str, torch.Tensor]) -> None:
        assert rows is not None
        found[rows] += features["stride1"]

    network.encode_parts(cloud.xyz, cloud.rgb, "last", 2.0, take)
    assert torch.equal(found, expected)


def test_a_network_without_tiles_takes_the_whole_at_auto_and_refuses_metres(make_cloud: MakeCloud) -> None:
    network, cloud = pointnet2(input_spec=InputSpec(voxel_size=0.1)), make_cloud(300)
    assert torch.equal(network.encode(cloud.xyz, cloud.rgb, tile="auto"), network.encode(cloud.xyz, cloud.rgb))
    with pytest.raises(InputError, match="cannot encode in tiles"):
        network.encode(cloud.xyz, cloud.rgb, tile=2.0)
