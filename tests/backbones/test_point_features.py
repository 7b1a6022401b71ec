"""PointFeatures: a dict that is filled when it is read, and what DDP, FSDP, Accelerate and hooks make of it."""

import copy
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from accelerate.utils import convert_outputs_to_fp32, send_to_device
from torch import Tensor
from torch.distributed.utils import _apply_to_tensors
from torch.nn.parallel import DistributedDataParallel
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from ppkt_zoo.backbones import Backbone, PointFeatures, SRUNet, pointnet2
from ppkt_zoo.backbones.pointnet2 import SeedFeatures
from ppkt_zoo.backbones.voxel_features import VoxelFeatures
from ppkt_zoo.errors import InputError
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.input_spec import InputSpec
from tests.support.ranks import run_on_ranks

MakeCloud = Callable[..., PointCloud]
MakeNetwork = Callable[..., SRUNet]
ROWS = torch.tensor([0, 3, 3, 1])


class Gathered(PointFeatures):
    """Counts how often each level is gathered."""

    def __init__(self, levels: Any = (), row_of_point: Any = None) -> None:
        super().__init__(levels, row_of_point)
        self.counts: dict[str, int] = {}

    def _gather(self, level: str, rows: Tensor | None) -> Tensor:
        self.counts[level] = self.counts.get(level, 0) + 1
        return super()._gather(level, rows)


def two_levels(kind: type[PointFeatures] = PointFeatures) -> PointFeatures:
    """Four points: one row at the coarse level, two at the fine one."""
    levels = {
        "coarse": torch.tensor([[1.0, 2.0]], requires_grad=True),
        "fine": torch.tensor([[3.0], [4.0]], requires_grad=True),
    }
    rows = {"coarse": torch.tensor([0, 0, 0, 0]), "fine": torch.tensor([0, 1, 1, 0])}
    return kind(levels, rows.__getitem__)


def test_it_is_a_dict_of_features_per_point() -> None:
    found = two_levels()
    assert isinstance(found, dict)
    assert list(found) == list(found.keys()) == ["coarse", "fine"]
    assert len(found) == 2
    assert "fine" in found
    assert found["fine"][:, 0].tolist() == [3, 4, 4, 3]
    assert {level: list(feats.shape) for level, feats in found.items()} == {"coarse": [4, 2], "fine": [4, 1]}
    assert [list(feats.shape) for feats in found.values()] == [[4, 2], [4, 1]]
    assert found.get("fine") is found["fine"]
    assert found.get("fin") is None
    with pytest.raises(InputError, match="did you mean 'fine'"):
        found["fin"]
    with pytest.raises(InputError, match="no level"):
        found.at("fin", ROWS)
    assert repr(found) == "PointFeatures(coarse, fine)"


@pytest.mark.parametrize(
    "plain",
    [
        lambda found: dict(found),
        lambda found: {**found},
        lambda found: {} | found,
        lambda found: found | {},
        lambda found: found.copy(),
        lambda found: copy.copy(found),
        lambda found: {level: found.pop(level) for level in list(found)},
        lambda found: dict(reversed([found.popitem(), found.popitem()])),
        lambda found: {level: found.setdefault(level) for level in found},
        lambda found: found.levels,
    ],
)
def test_nobody_sees_a_level_that_is_not_gathered(plain: Callable[[PointFeatures], Mapping[str, Tensor]]) -> None:
    seen = plain(two_levels())
    assert list(seen) == ["coarse", "fine"]
    assert seen["coarse"].tolist() == [[1, 2]] * 4
    assert seen["fine"][:, 0].tolist() == [3, 4, 4, 3]


def test_it_takes_new_levels_and_forgets_old_ones() -> None:
    found = two_levels()
    found["fine"] = torch.zeros(4, 3)
    found["own"] = torch.ones(4, 1)
    del found["coarse"]
    assert {level: feats.shape[1] for level, feats in found.items()} == {"fine": 3, "own": 1}
    assert found.at("fine", ROWS).shape == (4, 3)
    assert found == {"fine": found["fine"], "own": found["own"]}


def test_a_level_is_gathered_once_and_the_rows_of_a_loss_alone_are_not_kept() -> None:
    found = two_levels(Gathered)
    assert isinstance(found, Gathered)
    assert found.at("fine", ROWS)[:, 0].tolist() == [3, 3, 3, 4]
    assert found.at("fine", ROWS)[:, 0].tolist() == [3, 3, 3, 4]
    assert found.counts == {"fine": 2}
    assert found["fine"] is found["fine"]
    assert found.at("fine") is found["fine"]
    assert found.counts == {"fine": 3}
    found["fine"].register_hook(lambda gradient: gradient * 2)
    found.at("fine", ROWS).sum().backward()
    assert found._levels["fine"].grad is not None
    assert found._levels["fine"].grad.tolist() == [[6.0], [2.0]]


def test_what_is_read_without_gradients_is_not_what_training_gets() -> None:
    found = two_levels()
    with torch.no_grad():
        assert not found["fine"].requires_grad
    with torch.inference_mode():
        assert found["fine"].shape == (4, 1)
    assert found["fine"].requires_grad
    found["fine"].sum().backward()


def test_it_travels_between_processes() -> None:
    again = pickle.loads(pickle.dumps(PointFeatures({"a": torch.ones(2, 1)}, lambda _: torch.tensor([1, 0]))))
    assert isinstance(again, PointFeatures)
    assert again["a"].tolist() == [[1.0], [1.0]]


def rebuilt(how: str, found: PointFeatures) -> PointFeatures:
    """What a wrapper gives in place of an output that it has walked through."""
    if how == "pytree":
        leaves, spec = tree_flatten(found)
        assert all(isinstance(leaf, Tensor) for leaf in leaves)
        return tree_unflatten(leaves, spec)
    if how == "accelerate":
        return send_to_device(found, torch.device("cpu"))
    assert how == "fsdp"
    return _apply_to_tensors(lambda tensor: tensor, found)


@pytest.mark.parametrize("how", ["pytree", "accelerate", "fsdp"])
@pytest.mark.parametrize("name", ["sr_unet", "pointnet2"])
def test_wrappers_walk_it_and_build_the_same_again(
    how: str, name: str, make_cloud: MakeCloud, make_network: MakeNetwork
) -> None:
    network = make_network() if name == "sr_unet" else small_pointnet2()
    batch = CloudBatch.collate([make_cloud(300, 0), make_cloud(200, 1)])
    expected, found = network(batch), rebuilt(how, network(batch))
    assert type(found) is type(expected) is (VoxelFeatures if name == "sr_unet" else SeedFeatures)
    rows = torch.tensor([499, 0, 0, 250])
    for level in network.level_channels:
        torch.testing.assert_close(found[level], expected[level])
        torch.testing.assert_close(found.at(level, rows), expected.at(level, rows))
    found.at(level, rows).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    halved = tree_map(lambda feats: feats[:7] / 2, found)
    torch.testing.assert_close(halved[level], expected[level][:7] / 2)


def test_mixed_precision_wrappers_give_float32(make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    network, plain, cloud = make_network(), make_network(), make_cloud()
    # As Accelerate prepares a model: forward becomes an attribute of the instance.
    half = torch.autocast("cpu", torch.bfloat16)(type(network).forward)
    network.forward = convert_outputs_to_fp32(half).__get__(network)  # type: ignore[method-assign]
    network.train()
    found = network(CloudBatch.collate([cloud]))
    assert isinstance(found, PointFeatures)
    assert {feats.dtype for feats in found.values()} == {torch.float32}
    plain.load_state_dict(network.state_dict())
    with torch.autocast("cpu", torch.bfloat16):
        expected = plain.encode(cloud.xyz, cloud.rgb)
    assert torch.equal(network.encode(cloud.xyz, cloud.rgb), expected)
    assert network.training


def small_pointnet2() -> Backbone:
    """PointNet++ with few centres."""
    torch.manual_seed(0)
    return pointnet2(input_spec=InputSpec(voxel_size=0.05), centers=(64, 32, 16, 8), neighbours=(8, 8, 4, 4))


def _train_on_a_part(rank: int, name: str, level: str) -> dict[str, Any]:
    """Two steps by DDP with unused parameters; by how much gradients differ from the mean of both processes' own."""
    draw = torch.Generator().manual_seed(rank)
    xyz, rgb = torch.rand((400, 3), generator=draw), torch.randint(0, 256, (400, 3), generator=draw, dtype=torch.uint8)
    batch = CloudBatch.collate([PointCloud(xyz, rgb)])
    torch.manual_seed(0)
    planes = (8, 8, 8, 8, 8, 8, 8, 8)
    spec = InputSpec(voxel_size=0.05)
    network: Backbone = (
        SRUNet(input_spec=spec, planes=planes, blocks=(1,) * 8, stem_channels=8, stem_kernel=3)
        if name == "sr_unet"
        else small_pointnet2()
    )
    alone = copy.deepcopy(network)
    wrapped = DistributedDataParallel(network, find_unused_parameters=True)
    rows, worst, used = torch.arange(0, 400, 3), 0.0, 0
    for step in range(2):
        wrapped.zero_grad()
        alone.zero_grad()
        read = (lambda found: found[level]) if step else (lambda found: found.at(level, rows))
        read(wrapped(batch)).square().mean().backward()
        read(alone(batch)).square().mean().backward()
        for mine, own in zip(network.parameters(), alone.parameters(), strict=True):
            if own.grad is None:
                assert mine.grad is None or not mine.grad.any()
                continue
            dist.all_reduce(own.grad)
            used += 1
            assert mine.grad is not None
            worst = max(worst, float((mine.grad - own.grad / 2).abs().max() / (own.grad.abs().max() + 1e-12)))
    return {"worst": worst, "used": used}


@pytest.mark.parametrize(
    ("name", "level"), [("sr_unet", "stride1"), ("sr_unet", "stride16"), ("pointnet2", "points"), ("pointnet2", "sa4")]
)
def test_processes_train_a_part_of_the_levels(name: str, level: str, tmp_path: Path) -> None:
    for result in run_on_ranks(_train_on_a_part, tmp_path, name, level):
        assert result["used"] > 0
        assert result["worst"] < 1e-4


def _train_in_shards(rank: int) -> dict[str, Any]:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    draw = torch.Generator().manual_seed(rank)
    xyz, rgb = torch.rand((400, 3), generator=draw), torch.randint(0, 256, (400, 3), generator=draw, dtype=torch.uint8)
    batch = CloudBatch.collate([PointCloud(xyz, rgb)])
    torch.manual_seed(0)
    planes = (8, 8, 8, 8, 8, 8, 8, 8)
    network = SRUNet(input_spec=InputSpec(voxel_size=0.05), planes=planes, blocks=(1,) * 8, stem_channels=8)
    fully_shard(network, mesh=init_device_mesh("cpu", (2,)))
    found = network(batch)
    found.at("stride1", torch.arange(0, 400, 3)).square().mean().backward()
    return {
        "grads": sum(parameter.grad is not None for parameter in network.parameters()),
        "kind": type(found).__name__,
    }


def test_sharded_parameters_train(tmp_path: Path) -> None:
    from torch.distributed import fsdp

    if not hasattr(fsdp, "fully_shard"):
        pytest.skip("this torch has no fully_shard yet")
    for result in run_on_ranks(_train_in_shards, tmp_path):
        assert result["grads"] > 0
        assert result["kind"] == "VoxelFeatures"
