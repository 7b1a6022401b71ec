"""Intervals over seeds, against textbook values of Student's t."""

import pytest

from ppkt_zoo.errors import InputError
from ppkt_zoo.evaluation.statistics import mean_interval, paired_difference


def test_five_values_by_hand() -> None:
    # Mean 3, s = sqrt(2.5); t(4 degrees of freedom, 97.5 %) = 2.776.
    found = mean_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    half = 2.776445 * 2.5**0.5 / 5**0.5
    assert found.mean == pytest.approx(3.0)
    assert found.low == pytest.approx(3.0 - half, abs=1e-5)
    assert found.high == pytest.approx(3.0 + half, abs=1e-5)
    assert found.n == 5
    assert str(found) == "3.000 [1.037, 4.963]"
    assert f"{found:+.1f}" == "+3.0 [+1.0, +5.0]"


def test_two_values_use_one_degree_of_freedom() -> None:
    found = mean_interval([0.0, 2.0], level=0.9)
    assert found.high - found.mean == pytest.approx(6.313752, abs=1e-4)  # t(1, 95 %), s / √n = 1.


def test_pairing_takes_out_what_the_seeds_share() -> None:
    control = [0.10, 0.50, 0.90, 0.30, 0.70]
    better = [value + 0.05 for value in control]
    difference = paired_difference(better, control)
    assert difference.mean == pytest.approx(0.05)
    assert difference.low > 0
    assert paired_difference(control, better).low <= 0
    assert difference.high - difference.low < 1e-9 < mean_interval(control).high - mean_interval(control).low


def test_bad_values_are_named() -> None:
    with pytest.raises(InputError, match="at least 2 values"):
        mean_interval([0.5])
    with pytest.raises(InputError, match="finite"):
        mean_interval([0.5, float("nan")])
    with pytest.raises(InputError, match="level"):
        mean_interval([0.5, 0.6], level=95)
    with pytest.raises(InputError, match="pairs"):
        paired_difference([0.5, 0.6], [0.5])
