"""The learning rate is a pure function of the step."""

import math
from itertools import pairwise

import pytest
from torch import nn

from ppkt_zoo.engine.optim import build_optimizer, learning_rate
from ppkt_zoo.files.validation import OptimiserSection

SECTION = OptimiserSection(name="adamw", lr=0.1, weight_decay=0.01, warmup=0.1)


def test_warm_up_is_linear_and_ends_at_lr() -> None:
    rates = [learning_rate(SECTION, step, 100) for step in range(100)]
    assert rates[:10] == pytest.approx([0.01 * (step + 1) for step in range(10)])
    assert max(rates) == pytest.approx(0.1)


def test_cosine_falls_to_zero() -> None:
    rates = [learning_rate(SECTION, step, 100) for step in range(101)]
    assert all(later <= earlier for earlier, later in pairwise(rates[10:]))
    assert rates[55] == pytest.approx(0.05)
    assert rates[100] == pytest.approx(0, abs=1e-12)


def test_only_matrices_decay() -> None:
    optimizer = build_optimizer(SECTION, nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)))
    decayed, plain = optimizer.param_groups
    assert [p.ndim for p in decayed["params"]] == [2]
    assert decayed["weight_decay"] == 0.01
    assert len(plain["params"]) == 3
    assert plain["weight_decay"] == 0.0


def test_schedules() -> None:
    def rates(**changes: object) -> list[float]:
        section = OptimiserSection(name="sgd", lr=0.5, warmup=0, **changes)  # type: ignore[arg-type]
        return [learning_rate(section, step, 100) for step in (0, 50, 99)]

    assert rates(schedule="polynomial") == pytest.approx([0.5, 0.5 * 0.5**0.9, 0.5 * 0.01**0.9])
    assert rates(schedule="exponential", gamma=0.9, gamma_steps=20) == pytest.approx([0.5, 0.5 * 0.9**2, 0.5 * 0.9**4])
    assert rates(schedule="constant") == [0.5] * 3
    assert rates() == pytest.approx([0.5, 0.25, 0.5 * 0.5 * (1 + math.cos(math.pi * 0.99))])
