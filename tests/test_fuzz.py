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


@pytest.mark.parametrize(
    ("name", "data"),
    [
        (
            "ply",
            b"ply\nformat binary_little_endian 1.0\nelement vertex 5\nproperty list uchar\nend_header\n" + bytes(99),
        ),
        ("recipe", b"weight: a.b\ncreated: 2020-99-99\n"),
        ("checkpoint", b"\x80\x02K\x01."),
    ],
)
def test_what_was_found_stays_found(name: str, data: bytes) -> None:
    assert not check(name, data)
