"""Batch norm of two processes equals that of one process with the joined batch, whatever each of them holds."""

import copy
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from ppkt_zoo.backbones import SRUNet
from ppkt_zoo.backbones.blocks import VoxelBatchNorm, synchronise_batch_norm
from ppkt_zoo.backbones.norm import SynchronisedBatchNorm
from ppkt_zoo.errors import TrainingError
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.input_spec import InputSpec
from tests.support.ranks import run_on_ranks

UNEQUAL, NONE = [slice(0, 5), slice(5, 40)], [slice(0, 0), slice(0, 40)]
DTYPES = {"double": torch.float64, "float": torch.float32}


def _norm(kind: str, dtype: torch.dtype) -> nn.Module:
    norm: nn.Module = {
        "voxels": lambda: VoxelBatchNorm(6),
        "plain": lambda: nn.BatchNorm1d(6, affine=False),
        "average": lambda: VoxelBatchNorm(6, momentum=None),
        "images": lambda: nn.BatchNorm2d(6, momentum=0.3),
        "untracked": lambda: nn.BatchNorm1d(6, track_running_stats=False),
    }[kind]().to(dtype)
    for number, parameter in enumerate(norm.parameters()):
        nn.init.normal_(parameter, generator=torch.Generator().manual_seed(number))
    return norm


KINDS = ("voxels", "plain", "average", "images", "untracked")


def _rows(kind: str, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Values far from 0, different for each row, and the gradient that comes from above."""
    draw = torch.Generator().manual_seed(1)
    shape = (40, 6, 2, 3) if kind == "images" else (40, 6)
    x = 20 + torch.randn(shape, generator=draw) + torch.arange(40).reshape(-1, *[1] * (len(shape) - 1)) / 10
    return x.to(dtype), torch.randn(shape, generator=draw).to(dtype)


def _learn(kind: str, dtype: torch.dtype, rows: slice) -> dict[str, Tensor]:
    norm = _norm(kind, dtype)
    synchronise_batch_norm(norm)
    x, above = (all_rows[rows] for all_rows in _rows(kind, dtype))
    x = x.clone().requires_grad_()
    for _ in range(2):  # twice, so that the momentum counts
        x.grad = None
        norm.zero_grad()
        y = norm(x)
        y.backward(above)
    found = {"y": y.detach(), "x": x.grad}
    found |= {f"grad.{name}": parameter.grad for name, parameter in norm.named_parameters()}
    return found | {name: buffer for name, buffer in norm.named_buffers() if buffer is not None}


def _network(rank: int, checkpointing: bool, ranks: int) -> dict[str, Tensor]:
    """Gradients, as DDP averages them, and running statistics of a small network with two clouds."""
    torch.manual_seed(0)
    network = SRUNet(
        input_spec=InputSpec(voxel_size=0.1),
        planes=(4,) * 8,
        blocks=(1,) * 8,
        stem_channels=4,
        stem_kernel=3,
        checkpointing=checkpointing,
    ).double()
    draw = torch.Generator().manual_seed(2)
    clouds = []
    for points in (300, 700):
        rgb = torch.randint(0, 256, (points, 3), generator=draw, dtype=torch.uint8)
        clouds.append(PointCloud(torch.rand((points, 3), generator=draw), rgb))
    if ranks > 1:
        assert synchronise_batch_norm(network) > 20
        clouds = clouds[rank : rank + 1]
    # Voxels come in float32; the rest is computed in float64, so that rounding cannot hide a wrong formula.
    network.stem.register_forward_pre_hook(lambda _, given: (given[0].replace(given[0].feats.double()),))
    out = network(CloudBatch.collate(clouds))
    feats = out.at("stride1", torch.arange(sum(len(cloud.xyz) for cloud in clouds)))
    (feats.square().sum() * ranks / 1000).backward()
    found = {}
    for name, parameter in network.named_parameters():
        if ranks > 1:
            dist.all_reduce(parameter.grad)
        found[name] = parameter.grad / ranks
    return found | dict(network.named_buffers())


def _everything(rank: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind in KINDS:
        for dtype in DTYPES:
            for name, split in (("unequal", UNEQUAL), ("none", NONE)):
                found[f"{kind} {dtype} {name}"] = _learn(kind, DTYPES[dtype], split[rank])
    found["network"] = _network(rank, False, 2)
    found["checkpointed"] = _network(rank, True, 2)
    half, above = _rows("voxels", torch.bfloat16)
    norm = _norm("voxels", torch.float32)
    alone = copy.deepcopy(norm)(half[UNEQUAL[rank]].float())
    synchronise_batch_norm(norm)
    x = half[UNEQUAL[rank]].clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        y = norm(x)
    y.backward(above[UNEQUAL[rank]])
    found["half"] = {"y": y.detach(), "x": x.grad}
    found["alone"] = alone.detach()
    norm.eval()
    found["eval"] = norm(x.detach().float())
    with pytest.raises(TrainingError) as caught:
        norm.train()(torch.ones(rank, 6))
    found["refused"] = str(caught.value)
    return found


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return run_on_ranks(_everything, tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("split", ["unequal", "none"])
def test_two_processes_are_one(two_processes: list[dict[str, Any]], kind: str, dtype: str, split: str) -> None:
    want = _learn(kind, DTYPES[dtype], slice(None))
    first, second = (rank[f"{kind} {dtype} {split}"] for rank in two_processes)
    tolerance = {"rtol": 1e-9, "atol": 1e-9} if dtype == "double" else {"rtol": 1e-5, "atol": 1e-5}
    assert first.keys() == second.keys() == want.keys()
    for name in want:
        if name in ("y", "x"):
            torch.testing.assert_close(torch.cat((first[name], second[name])), want[name], **tolerance)
        elif name.startswith("grad."):  # each process's part; DDP adds them up
            torch.testing.assert_close(first[name] + second[name], want[name], **tolerance)
        else:
            torch.testing.assert_close(first[name], want[name], **tolerance)
            assert torch.equal(first[name], second[name])


def test_statistics_of_its_own_rows_would_be_others(two_processes: list[dict[str, Any]]) -> None:
    for rank in two_processes:
        assert (rank["alone"] - rank["half"]["y"].float()).abs().max() > 0.3


@pytest.mark.parametrize("how", ["network", "checkpointed"])
def test_a_network_of_two_processes_is_one(two_processes: list[dict[str, Any]], how: str) -> None:
    want = _network(0, how == "checkpointed", 1)
    for rank in two_processes:
        for name, value in want.items():
            torch.testing.assert_close(rank[how][name], value, rtol=1e-7, atol=1e-9, msg=lambda m, n=name: f"{n}: {m}")


def test_half_precision_under_autocast(two_processes: list[dict[str, Any]]) -> None:
    x, above = _rows("voxels", torch.bfloat16)
    exact = x.double().requires_grad_()
    y = _norm("voxels", torch.float64)(exact)
    y.backward(above.double())
    for name, want in (("y", y.detach()), ("x", exact.grad)):
        have = torch.cat([rank["half"][name] for rank in two_processes])
        assert have.dtype == torch.bfloat16
        torch.testing.assert_close(have.double(), want, rtol=1e-2, atol=1e-2)


def test_eval_mode_and_too_few_rows(two_processes: list[dict[str, Any]]) -> None:
    for rank in two_processes:
        assert "all processes together have 1 on a level" in rank["refused"]
    assert [len(rank["eval"]) for rank in two_processes] == [5, 35]  # nothing is exchanged, nothing waits


def test_switching_on_changes_no_names_and_nothing_in_one_process() -> None:
    network = nn.Sequential(nn.Linear(6, 6), VoxelBatchNorm(6), nn.BatchNorm1d(6), nn.ReLU())
    other = copy.deepcopy(network)
    assert synchronise_batch_norm(other) == 2
    assert other[1].sync
    assert not network[1].sync
    assert isinstance(other[2], SynchronisedBatchNorm)
    assert network.state_dict().keys() == other.state_dict().keys()
    x = torch.randn(9, 6)
    assert torch.equal(network(x), other(x))
    assert torch.equal(network.eval()(x), other.eval()(x))
    assert torch.equal(network[1].running_var, other[1].running_var)
