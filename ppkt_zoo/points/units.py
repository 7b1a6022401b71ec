"""Units of length, and which of them a cloud is in: what its extent says, and where it does not say enough."""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.errors import InputError

Unit = Literal["mm", "cm", "m", "ft"]

#: A unit → its length in metres.
METRES: dict[str, float] = {"mm": 0.001, "cm": 0.01, "m": 1.0, "ft": 0.3048}
#: What may be asked for.
CHOICES = (*METRES, "auto")

_NAMES = {"mm": "millimetres", "cm": "centimetres", "m": "metres", "ft": "feet"}
_ROWS = 200_000
# The middle of the points along each axis: a few far outliers say nothing of the unit.
_MIDDLE = (0.5, 99.5)
# Metres. What a scan measures along its longest side, and as many times its height at most.
_SMALLEST, _LARGEST = 0.1, 300.0
_SMALLEST_OBJECT = 0.05
_HIGHEST_ROOM, _HIGHEST_BUILDING, _FLATTEST = 10.0, 100.0, 0.1
# Only a room's height speaks for feet: all else may as well be metres.
_ROOM_HEIGHTS = (1.8, 4.5)
# Eastings and northings of map projections, in metres, where the cloud itself is far smaller.
_MAP = 50_000.0
_MAP_SHARE = 0.2


class UnitGuess(NamedTuple):
    """Which unit a cloud is in.

    Attributes:
        unit: the one that fits, or None where several do, or none.
        why: what speaks for it, or what speaks for each, in one line that begins small and ends without a mark.
        fitting: every unit that fits.
    """

    unit: Unit | None
    why: str
    fitting: tuple[Unit, ...]


def guess_unit(xyz: NDArray[np.floating]) -> UnitGuess:
    """Guess the unit of a cloud from its extent and its height; a scan of anything from a shelf to a building.

    A unit fits where the longest side would be 0.1 to 300 m (in metres: from 0.05 m) and no higher than a hall (in
    metres: than a building). Feet fit where the height would be that of a room, else they cannot be told from metres.
    Coordinates of a map projection are metres. One unit must fit alone; where several do, nothing is guessed.

    Args:
        xyz: float (N, 3), z up, in any unit; rows that are not finite are passed over.
    """
    rows = np.asarray(xyz[:: max(1, len(xyz) // _ROWS)], dtype=np.float64)
    rows = rows[np.isfinite(rows).all(axis=1)]
    if len(rows) == 0:
        return UnitGuess(None, "no point has a position", ())
    low, middle, high = np.percentile(rows, (_MIDDLE[0], 50, _MIDDLE[1]), axis=0)
    size = high - low
    longest, height = float(size.max()), float(size[2])
    away = float(np.abs(middle[:2]).max())
    if away > _MAP and longest < _MAP_SHARE * away and longest > 1:
        return UnitGuess("m", f"coordinates of {away:,.0f} are those of a map projection, in metres", ("m",))
    fitting: tuple[Unit, ...] = tuple(unit for unit in ("mm", "cm", "m", "ft") if _fits(unit, longest, height))
    told = {unit: _size_in(unit, size) for unit in METRES}
    if not fitting:
        return UnitGuess(None, f"in none of {', '.join(METRES)} is {_plain(size)} the size of a scan", ())
    if len(fitting) > 1:
        each = ", ".join(f"in {_NAMES[unit]} it measures {told[unit]}" for unit in fitting)
        return UnitGuess(None, f"{_plain(size)} fits {' and '.join(fitting)}: {each}", fitting)
    if fitting == ("m",):
        return UnitGuess("m", f"{_plain(size)} fits no other unit (feet cannot be told from metres here)", fitting)
    return UnitGuess(fitting[0], f"{_plain(size)} is {told[fitting[0]]} then, and fits no other unit", fitting)


def unit_name(unit: str) -> str:
    """In words, such as "millimetres"."""
    return _NAMES[unit]


def check_unit(unit: str) -> str:
    """The unit itself.

    Raises:
        InputError: it is none of ``CHOICES``.
    """
    if unit not in CHOICES:
        raise InputError(f"--unit {unit!r} is no unit that is known: use one of {', '.join(CHOICES)}")
    return unit


def _fits(unit: str, longest: float, height: float) -> bool:
    wide, tall = longest * METRES[unit], height * METRES[unit]
    if unit == "ft":
        return wide <= _LARGEST and _ROOM_HEIGHTS[0] <= tall <= _ROOM_HEIGHTS[1]
    if unit == "m":
        return _SMALLEST_OBJECT <= wide <= _LARGEST and tall <= _HIGHEST_BUILDING
    return _SMALLEST <= wide <= _LARGEST and _FLATTEST <= tall <= _HIGHEST_ROOM


def _size_in(unit: str, size: NDArray[np.floating]) -> str:
    return f"{_plain(size * METRES[unit])} m"


def _plain(size: NDArray[np.floating]) -> str:
    return " × ".join(f"{edge:.3g}" if edge < 1000 else f"{edge:.0f}" for edge in size)
