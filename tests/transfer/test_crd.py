"""CRD's loss against numbers computed one at a time in float64."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ppkt_zoo.errors import InputError
from ppkt_zoo.transfer.baselines import crd_loss


def _units(rows: int, seed: int) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(rows, 5, generator=draw, dtype=torch.float64), dim=1)


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_the_critic_by_hand(temperature: float) -> None:
    student, teacher = _units(6, 1), _units(6, 2)
    e = [
        [math.exp(sum(a * b for a, b in zip(s, t, strict=True)) / temperature) for t in teacher.tolist()]
        for s in student.tolist()
    ]
    z = sum(map(sum, e)) / 36
    critic = [[one / (one + 5 * z) for one in row] for row in e]
    total = sum(math.log(critic[i][j]) if i == j else math.log(1 - critic[i][j]) for i in range(6) for j in range(6))
    assert float(crd_loss(student, teacher, temperature)) == pytest.approx(-total / 6, rel=1e-10)


def test_right_pairs_cost_least_and_embeddings_that_say_nothing_what_chance_costs() -> None:
    units = _units(8, 1)
    alike = float(crd_loss(units, units, 0.07))
    assert alike < float(crd_loss(units, units.roll(1, 0), 0.07))
    nothing = torch.ones(8, 5, dtype=torch.float64) / 5**0.5
    assert float(crd_loss(nothing, nothing, 0.07)) == pytest.approx(math.log(8) + 7 * math.log(8 / 7), rel=1e-9)
    assert alike < float(crd_loss(nothing, nothing, 0.07))


def test_both_sides_learn_and_the_constant_does_not() -> None:
    student, teacher = _units(5, 1).requires_grad_(), _units(5, 2).requires_grad_()
    crd_loss(student, teacher, 0.5).backward()
    assert student.grad is not None
    assert teacher.grad is not None
    with torch.no_grad():
        level = torch.logsumexp((student @ teacher.T).flatten() / 0.5, dim=0) - math.log(25)
    again = student.detach().clone().requires_grad_()
    scores = again @ teacher.detach().T / 0.5 - level - math.log(4)
    F.binary_cross_entropy_with_logits(scores, torch.eye(5, dtype=torch.float64), reduction="sum").div(5).backward()
    torch.testing.assert_close(student.grad, again.grad)


def test_a_small_temperature_overflows_nowhere_and_half_precision_is_computed_in_float32() -> None:
    student, teacher = _units(16, 1).float(), _units(16, 2).float()
    assert math.isfinite(float(crd_loss(student, teacher, 1e-3)))
    half = (student.bfloat16(), teacher.bfloat16())
    with torch.autocast("cpu", torch.bfloat16):
        found = crd_loss(*half, 0.07)
    assert found.dtype == torch.float32
    assert float(found) == pytest.approx(float(crd_loss(half[0].double(), half[1].double(), 0.07)), rel=1e-5)


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(InputError, match=r"both be \(N, D\)"):
        crd_loss(torch.ones(3, 4), torch.ones(4, 4), 0.1)
    with pytest.raises(InputError, match="at least two"):
        crd_loss(torch.ones(1, 4), torch.ones(1, 4), 0.1)
    with pytest.raises(InputError, match="temperature"):
        crd_loss(torch.ones(3, 4), torch.ones(3, 4), 0.0)
