"""Regression and global distillation against numbers computed one at a time in float64."""

import math

import pytest
import torch
from torch import Tensor

from ppkt_zoo.errors import InputError
from ppkt_zoo.transfer.losses import global_distillation, pixelwise_cosine, pixelwise_l2, pool_by_cloud


def _random(n: int, c: int, seed: int) -> Tensor:
    return torch.randn(n, c, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_l2_by_hand() -> None:
    have, want = _random(9, 5, 1), _random(9, 5, 2)
    by_hand = sum(
        (a - b) ** 2 for x, y in zip(have.tolist(), want.tolist(), strict=True) for a, b in zip(x, y, strict=True)
    )
    assert float(pixelwise_l2(have, want)) == pytest.approx(by_hand / 9, rel=1e-12)
    assert float(pixelwise_l2(have, have)) == 0


def test_cosine_by_hand() -> None:
    have, want = _random(9, 5, 1), _random(9, 5, 2)
    total = 0.0
    for x, y in zip(have.tolist(), want.tolist(), strict=True):
        total += 1 - sum(a * b for a, b in zip(x, y, strict=True)) / (math.hypot(*x) * math.hypot(*y))
    assert float(pixelwise_cosine(have, want)) == pytest.approx(total / 9, rel=1e-9)
    assert float(pixelwise_cosine(have, 7 * have)) == pytest.approx(0, abs=1e-12)
    assert float(pixelwise_cosine(have, -have)) == pytest.approx(2)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_kl_by_hand(temperature: float) -> None:
    student, teacher = _random(6, 5, 1), _random(6, 5, 2)

    def softmax(row: list[float]) -> list[float]:
        powers = [math.exp(value / temperature) for value in row]
        return [power / sum(powers) for power in powers]

    total = 0.0
    for s, t in zip(student.tolist(), teacher.tolist(), strict=True):
        total += sum(p * math.log(p / q) for p, q in zip(softmax(t), softmax(s), strict=True))
    want = temperature**2 * total / 6
    assert float(global_distillation(student, teacher, "kl", temperature)) == pytest.approx(want, rel=1e-10)
    assert float(global_distillation(teacher, teacher, "kl", temperature)) == pytest.approx(0, abs=1e-12)


def test_global_l2_is_that_of_the_pooled_vectors() -> None:
    features, teacher = _random(10, 4, 1), _random(3, 4, 2)
    cloud = torch.tensor([0, 0, 0, 0, 1, 2, 2, 2, 2, 2])
    pooled = pool_by_cloud(features, cloud, 3)
    torch.testing.assert_close(pooled, torch.stack([features[:4].mean(0), features[4], features[5:].mean(0)]))
    want = (pooled - teacher).square().sum() / 3
    torch.testing.assert_close(global_distillation(pooled, teacher), want)


@pytest.mark.parametrize("loss", [pixelwise_l2, pixelwise_cosine, global_distillation])
def test_only_predictions_learn(loss) -> None:
    have, want = _random(9, 5, 1).requires_grad_(), _random(9, 5, 2).requires_grad_()
    loss(have, want).backward()
    assert have.grad.abs().max() > 1e-3
    assert want.grad is None
    assert torch.autograd.gradcheck(lambda rows: loss(rows, want), (have,))


def test_half_precision_is_computed_in_float32() -> None:
    have, want = _random(64, 5, 1).bfloat16(), _random(64, 5, 2).bfloat16()
    for loss in (pixelwise_l2, pixelwise_cosine, global_distillation):
        exact = loss(have.double(), want.double())
        with torch.autocast("cpu", torch.bfloat16):
            found = loss(have, want)
        assert found.dtype == torch.float32
        assert float(found) == pytest.approx(float(exact), rel=1e-5)
    # Sums in bfloat16 would stop growing at 256.
    pooled = pool_by_cloud(torch.ones(4096, 1, dtype=torch.bfloat16), torch.zeros(4096, dtype=torch.int64), 1)
    assert float(pooled) == 1.0


def test_what_does_not_fit_is_named() -> None:
    for loss in (pixelwise_l2, pixelwise_cosine, global_distillation):
        with pytest.raises(InputError, match=r"both be \(N, C\)"):
            loss(torch.ones(3, 4), torch.ones(4, 4))
        with pytest.raises(InputError, match="empty"):
            loss(torch.ones(0, 4), torch.ones(0, 4))
    with pytest.raises(InputError, match=r'"l2" or "kl", got "?\'?mse'):
        global_distillation(torch.ones(3, 4), torch.ones(3, 4), "mse")
    with pytest.raises(InputError, match="temperature"):
        global_distillation(torch.ones(3, 4), torch.ones(3, 4), "kl", 0.0)
    with pytest.raises(InputError, match=r"each of 3 clouds needs a row.*\[2, 0, 1\]"):
        pool_by_cloud(torch.ones(3, 4), torch.tensor([0, 0, 2]), 3)
    with pytest.raises(InputError, match=r"cloud \(N,\)"):
        pool_by_cloud(torch.ones(3, 4), torch.tensor([0, 0]), 1)
