"""Readers of strangers' bytes raise our own errors and nothing else; `tools/fuzz.py` asks them far more often."""

import random

import pytest
from fuzzing import TARGETS, check, mutated
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MANY = 300


@pytest.mark.parametrize("name", TARGETS)
def test_good_inputs_are_read(name: str) -> None:
    assert all(check(name, data) for data in TARGETS[name].seeds())


@pytest.mark.parametrize("name", TARGETS)
def test_changed_inputs_give_our_errors_alone(name: str) -> None:
    target, seeds, choice = TARGETS[name], TARGETS[name].seeds(), random.Random(f"{name} 0")
    taken = sum(check(name, mutated(target, seeds, choice)) for _ in range(MANY))
    assert taken < MANY, "most of them are damaged"


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_give_our_errors_alone(name: str) -> None:
    seeds = TARGETS[name].seeds()

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    @given(st.binary(max_size=200), st.sampled_from(seeds), st.floats(0, 1))
    def read(data: bytes, seed: bytes, part: float) -> None:
        check(name, data)
        check(name, seed[: int(part * len(seed))] + data)

    read()
