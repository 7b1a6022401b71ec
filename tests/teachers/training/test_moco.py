"""MoCo's parts against numbers computed by hand."""

import math

import pytest
import torch
import torch.nn.functional as F

from ppkt_zoo.teachers.training.encoder import by_group
from ppkt_zoo.teachers.training.moco import MoCo, contrast_logits, follow
from ppkt_zoo.teachers.training.recipe import ContrastSection
from tests.teachers.training.tiny_teacher import random_batch

SECTION = ContrastSection(dim=16, queue=8, momentum=0.9, temperature=0.2)


@pytest.fixture
def model() -> MoCo:
    torch.manual_seed(0)
    return MoCo("resnet18", SECTION, norm_group=2)


def test_following_is_exact() -> None:
    slow, fast = torch.tensor([1.0, -2.0]), torch.tensor([3.0, 8.0])
    follow([slow], [fast], 0.75)
    assert slow.tolist() == [1.5, 0.5]
    assert fast.tolist() == [3.0, 8.0]


def test_a_step_moves_the_key_encoder_by_momentum_alone(model: MoCo) -> None:
    with torch.no_grad():
        for parameter in (*model.resnet.parameters(), *model.head.parameters()):
            parameter.add_(0.01)
    slow = [p.clone() for p in (*model.key_resnet.parameters(), *model.key_head.parameters())]
    fast = [p.clone() for p in (*model.resnet.parameters(), *model.head.parameters())]
    loss, _ = model(random_batch())
    loss.backward()
    now = (*model.key_resnet.parameters(), *model.key_head.parameters())
    for before, theirs, after in zip(slow, fast, now, strict=True):
        assert torch.allclose(after, 0.9 * before + 0.1 * theirs, atol=1e-7)
        assert after.grad is None
    assert all(p.grad is not None for p in (*model.resnet.parameters(), *model.head.parameters()))


def test_the_queue_rolls(model: MoCo) -> None:
    first = model.queue.clone()
    for number in range(3):
        model.enqueue(torch.full((4, 16), float(number)))
        if number == 0:
            assert model.queue[4:].equal(first[4:])
    assert model.queue[:, 0].tolist() == [2.0] * 4 + [1.0] * 4
    assert int(model.oldest) == 4


def test_the_loss_equals_a_hand_computation() -> None:
    query, key = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.6, 0.8]])
    queue = torch.tensor([[0.0, 1.0], [-1.0, 0.0], [0.8, 0.6]])
    logits = contrast_logits(query, key, queue, 0.5)
    expected = [1.2, 0.0, -2.0, 1.6]
    assert logits[0].tolist() == pytest.approx(expected, abs=1e-6)
    loss = F.cross_entropy(logits, torch.zeros(1, dtype=torch.int64))
    assert float(loss) == pytest.approx(math.log(sum(math.exp(x) for x in expected)) - 1.2, abs=1e-6)


def test_a_whole_step_equals_a_plain_computation(model: MoCo) -> None:
    batch = random_batch()
    queue = model.queue.clone()
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])

    def images(crops: torch.Tensor) -> torch.Tensor:
        return (crops / 255 - mean.view(3, 1, 1)) / std.view(3, 1, 1)

    def embedded(crops: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
        rows = torch.zeros(4, 16)
        for part in (order[:2], order[2:]):
            rows[part] = F.normalize(model.head(model.resnet(images(crops[part]))), dim=1)
        return rows

    def loss_with(order: torch.Tensor) -> tuple[float, float, torch.Tensor]:
        assert batch.key is not None
        with torch.no_grad():
            queries, keys = embedded(batch.query, torch.arange(4)), embedded(batch.key, order)
            logits = torch.cat([(queries * keys).sum(1, keepdim=True), queries @ queue.T], 1) / 0.2
        return float(-F.log_softmax(logits, dim=1)[:, 0].mean()), float((logits.argmax(1) == 0).float().mean()), keys

    expected, top1, keys = loss_with(batch.order)
    unshuffled, _, _ = loss_with(torch.arange(4))
    loss, figures = model(batch)
    # Two values a channel: batch norm makes much of rounding, yet far less than of other company.
    assert float(loss.detach()) == pytest.approx(expected, abs=2e-3)
    assert abs(unshuffled - expected) > 1e-2
    assert float(figures["top1"]) == pytest.approx(top1)
    assert torch.allclose(model.queue[:4], keys, atol=1e-2)
    assert model.queue[4:].equal(queue[4:])


def test_spread_shows_a_collapse(model: MoCo) -> None:
    with torch.no_grad():
        model.head[2].weight.mul_(1e-4)
        model.head[2].bias.fill_(1.0)
    _, collapsed = model(random_batch())
    assert float(collapsed["embedding_std"]) < 1e-3
    with torch.no_grad():
        model.head[2].weight.mul_(1e8)
    _, spread = model(random_batch())
    assert float(spread["embedding_std"]) > 0.05


def test_groups_have_statistics_of_their_own() -> None:
    norm = torch.nn.BatchNorm2d(1, affine=False, momentum=None)
    images = torch.tensor([0.0, 2.0, 10.0, 12.0]).view(4, 1, 1, 1)
    assert by_group(norm, images, 2).flatten().tolist() == pytest.approx([-1, 1, -1, 1], abs=1e-4)
    assert by_group(norm.eval(), images, 2).flatten().tolist() != pytest.approx([-1, 1, -1, 1], abs=0.1)
