"""The unit of a cloud is guessed where one fits alone, and never where several do."""

import numpy as np
import pytest

from ppkt_zoo.errors import InputError
from ppkt_zoo.points.units import CHOICES, METRES, check_unit, guess_unit, unit_name


def box(*size: float, at: tuple[float, float, float] = (0, 0, 0)) -> np.ndarray:
    """Points that fill a box, some of them far away as scanners have them."""
    points = np.random.default_rng(0).uniform(0, 1, (4000, 3)) * size + at
    points[:5] += 100 * np.array(size)
    return points


@pytest.mark.parametrize(
    ("size", "unit"),
    [
        ((5, 4, 2.5), "m"),
        ((20, 15, 2.7), "m"),
        ((0.6, 0.4, 0.3), "m"),
        ((5000, 4000, 2500), "mm"),
        ((12000, 9000, 2600), "mm"),
    ],
)
def test_a_room_and_a_table_are_guessed(size: tuple[float, float, float], unit: str) -> None:
    guess = guess_unit(box(*size))
    assert guess.unit == unit
    assert guess.fitting == (unit,)
    assert "fits no other unit" in guess.why


@pytest.mark.parametrize(
    ("size", "fitting"),
    [
        ((500, 400, 250), ("mm", "cm")),  # a chair in millimetres, a room in centimetres
        ((16, 13, 8), ("m", "ft")),  # a hall in metres, a room in feet
        ((50, 30, 30), ("cm", "m")),  # a box in centimetres, a building in metres
        ((0.02, 0.02, 0.02), ()),
        ((9e6, 9e6, 9e6), ()),
    ],
)
def test_where_several_units_fit_or_none_nothing_is_guessed(
    size: tuple[float, float, float], fitting: tuple[str, ...]
) -> None:
    guess = guess_unit(box(*size))
    assert guess.unit is None
    assert guess.fitting == fitting
    for unit in fitting:
        assert f"in {unit_name(unit)} it measures" in guess.why


def test_map_coordinates_are_metres() -> None:
    guess = guess_unit(box(800, 800, 60, at=(5e5, 5e6, 100)))
    assert guess.unit == "m"
    assert "map projection" in guess.why


def test_rows_without_a_position_are_passed_over() -> None:
    xyz = box(5, 4, 2.5)
    xyz[::3] = np.nan
    assert guess_unit(xyz).unit == "m"
    assert guess_unit(xyz[:1]).unit is None


def test_units_are_known_by_their_names() -> None:
    assert CHOICES == ("mm", "cm", "m", "ft", "auto")
    assert METRES["ft"] == 0.3048
    assert check_unit("ft") == "ft"
    with pytest.raises(InputError, match="mm, cm, m, ft, auto"):
        check_unit("yard")
