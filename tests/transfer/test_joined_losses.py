"""Losses of two processes equal those of one process with the joined batch, values and gradients."""

from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from ppkt_zoo.engine.distributed import all_gather_rows
from ppkt_zoo.errors import InputError
from ppkt_zoo.transfer.baselines import crd_loss
from ppkt_zoo.transfer.losses import (
    contrast_pairs,
    global_distillation,
    pixelwise_cosine,
    pixelwise_l2,
    pool_by_cloud,
)
from tests.support.ranks import run_on_ranks

PAIRS = 23
LOSSES = ("nce", "symmetric", "masked", "everything", "l2", "cosine", "global_l2", "global_kl", "crd")


def _inputs() -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(3)
    points, images = (torch.randn(PAIRS, 7, generator=draw, dtype=torch.float64) for _ in range(2))
    # A few classes, so that many negatives are false ones.
    classes = torch.randn(4, 5, generator=draw, dtype=torch.float64)
    return points, images, classes[torch.arange(PAIRS) % 4] + 0.05 * torch.randn(PAIRS, 5, generator=draw).double()


def _loss(name: str, points: Tensor, images: Tensor, teacher: Tensor, gather: bool) -> Tensor:
    unit_points, unit_images = F.normalize(points, dim=1), F.normalize(images, dim=1)
    switches: dict[str, Any] = {
        "nce": {},
        "symmetric": {"symmetric": True},
        "masked": {"teacher": teacher, "false_negative_similarity": 0.9},
        "everything": {"symmetric": True, "teacher": teacher, "false_negative_similarity": 0.9},
    }
    if name in switches:
        return contrast_pairs(unit_points, unit_images, 0.2, **switches[name], gather=gather).loss
    if name == "crd":
        return crd_loss(unit_points, unit_images, 0.2, gather=gather)
    if name == "l2":
        return pixelwise_l2(points, images, gather=gather)
    if name == "cosine":
        return pixelwise_cosine(points, images, gather=gather)
    kind = "kl" if name == "global_kl" else "l2"
    pooled = pool_by_cloud(points, torch.arange(len(points)), len(points))  # a cloud of one point each
    return global_distillation(pooled, images, kind, 0.5, gather=gather)


def _learn(rank: int, rows: list[slice], gather: bool) -> dict[str, list[Tensor]]:
    """Value and gradients of a model with two heads for each loss; with several processes, as DDP averages them."""
    torch.manual_seed(0)
    heads = nn.ModuleList([nn.Linear(7, 6), nn.Linear(7, 6)]).double()
    points, images, teacher = (all_rows[rows[rank]] for all_rows in _inputs())
    found = {}
    for name in LOSSES:
        heads.zero_grad()
        loss = _loss(name, heads[0](points), heads[1](images), teacher, gather)
        loss.backward()
        # The second head gets no gradient where its output is the target.
        numbers = [loss.detach(), *(torch.zeros_like(p) if p.grad is None else p.grad for p in heads.parameters())]
        if gather:
            for number in numbers:
                dist.all_reduce(number)
                number /= dist.get_world_size()
        found[name] = [number.clone() for number in numbers]
    return found


def _everything(rank: int, splits: list[list[slice]]) -> dict[str, Any]:
    learned = [_learn(rank, split, gather=True) for split in splits]
    joined = all_gather_rows(torch.full((3 * rank, 2), float(rank)))
    half = all_gather_rows(torch.full((1, 2), rank + 0.5, dtype=torch.bfloat16)).rows
    refused = []
    for losing in (
        lambda: contrast_pairs(torch.ones(1 - rank, 4), torch.ones(1 - rank, 4), 0.1, gather=True),
        lambda: pixelwise_l2(torch.ones(0, 4), torch.ones(0, 4), gather=True),
    ):
        with pytest.raises(InputError) as caught:
            losing()
        refused.append(str(caught.value))
    return {"learned": learned, "joined": joined.rows, "first": joined.first, "half": half, "refused": refused}


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    unequal = [slice(0, 15), slice(15, PAIRS)]
    one_has_none = [slice(0, 0), slice(0, PAIRS)]
    return run_on_ranks(_everything, tmp_path_factory.mktemp("ranks"), [unequal, one_has_none])


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("split", [0, 1], ids=["unequal", "one process has no rows"])
def test_two_processes_are_one(two_processes: list[dict[str, Any]], name: str, split: int) -> None:
    want = _learn(0, [slice(None)], gather=False)[name]
    assert want[1].abs().max() > 1e-3
    for rank in two_processes:
        for have, number in zip(rank["learned"][split][name], want, strict=True):
            torch.testing.assert_close(have, number, rtol=1e-10, atol=1e-12)


def test_gathered_differs_from_each_for_itself() -> None:
    """Else the test above would show nothing: more candidates make a harder task."""
    parts = [_learn(0, [rows], gather=False)["nce"][0] for rows in (slice(0, 15), slice(15, PAIRS))]
    whole = _learn(0, [slice(None)], gather=False)["nce"][0]
    assert float(sum(parts) / 2) < float(whole) - 0.1


def test_joined_rows_stand_in_the_order_of_ranks(two_processes: list[dict[str, Any]]) -> None:
    for rank, found in enumerate(two_processes):
        assert torch.equal(found["joined"], torch.ones(3, 2))
        assert found["first"] == 0
        assert torch.equal(found["half"], torch.tensor([[0.5, 0.5], [1.5, 1.5]], dtype=torch.bfloat16)), rank


def test_too_few_rows_on_all_processes_together(two_processes: list[dict[str, Any]]) -> None:
    for found in two_processes:
        assert "at least two pairs, all processes together have 1" in found["refused"][0]
        assert "no process has a row" in found["refused"][1]


def test_one_process_joins_only_itself() -> None:
    rows = torch.randn(4, 3, requires_grad=True)
    assert all_gather_rows(rows).rows is rows
    assert all_gather_rows(rows).first == 0
