"""Which columns of a file are positions and which are colours: one table of names, whatever the format."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from ppkt_zoo.errors import InputError, InputWarning, UnitWarning
from ppkt_zoo.files.text import one_line

_XYZ = (
    ("x", "y", "z"),
    ("px", "py", "pz"),
    ("easting", "northing", "elevation"),
    ("easting", "northing", "height"),
    ("easting", "northing", "altitude"),
    ("easting", "northing", "z"),
)
_LONGEST_NAME = 200
_AXES = {name for group in _XYZ for name in group}
# In the order of trust: where a file has several, the first is taken.
_SEPARATE = (
    ("red", "green", "blue"),
    ("r", "g", "b"),
    # CloudCompare's floats in [0, 1].
    ("rf", "gf", "bf"),
    ("rgb_0", "rgb_1", "rgb_2"),
    ("rgb_r", "rgb_g", "rgb_b"),
    ("color_0", "color_1", "color_2"),
    ("colour_0", "colour_1", "colour_2"),
    ("colors_0", "colors_1", "colors_2"),
)
# Degree 0 of the spherical harmonics of Gaussian splats.
_HARMONICS = ("f_dc_0", "f_dc_1", "f_dc_2")
_PACKED = ("rgb", "rgba")
#: Names of whole arrays, in ``.npz``; taken without regard to case and prefix.
POSITION_KEYS = ("xyz", "points", "point", "pos", "position", "positions", "coord", "coords", "coordinates", "vertices")
COLOR_KEYS = ("rgb", "rgba", "color", "colors", "colour", "colours")
_PREFIX = re.compile(r"^(?:(?:scalar|diffuse|vertex|point|coord|coordinate|pos|position|color|colour|col)_)+(?=[^\d_])")
_SUFFIX = re.compile(r"_(?:coord|coordinate|pos|position)$")
_UNIT = re.compile(r"\s*[\[(<{]\s*([^\])>}]*?)\s*[\])>}]\s*$")
_METRES = ("", "m", "meter", "meters", "metre", "metres")
_LENGTHS = re.compile(
    r"(?:[µμ]m|[mcdk]m|ft|us-?ft|feet|foot|in|inch|inches|°|deg|degrees?|(?:milli|centi|kilo)met(?:re|er)s?)"
)
# Those that `--unit` knows.
_UNITS = {
    **dict.fromkeys(("mm", "millimeter", "millimeters", "millimetre", "millimetres"), "mm"),
    **dict.fromkeys(("cm", "centimeter", "centimeters", "centimetre", "centimetres"), "cm"),
    **dict.fromkeys(("ft", "feet", "foot"), "ft"),
}
_LOOKS_LIKE_COLOR = re.compile(r"(?:^|[^a-z])(?:rgba?|colou?rs?|red|green|blue|[rgb]f|f_dc_\d)(?:$|[^a-z])")


@dataclass(frozen=True)
class Columns:
    """Which columns hold what, as numbers of columns.

    Attributes:
        xyz: of the positions.
        colors: three of separate colours, one of packed colour, or none.
        form: how the colours stand: ``separate`` (any convention of numbers), ``packed`` (0xRRGGBB, as PCL does),
            ``harmonics`` (degree 0 of a Gaussian splat).
    """

    xyz: tuple[int, int, int]
    colors: tuple[int, ...] = ()
    form: str = "separate"


def plain_name(name: str) -> str:
    """A column's name as the table has it: no quotes, units, prefixes or capitals."""
    # The expressions below take long for a name that is none.
    found = name[:_LONGEST_NAME].strip().strip("\"'`").strip()
    found = re.sub(r"[\s\-.:/]+", "_", _UNIT.sub("", found).casefold()).strip("_")
    found = _PREFIX.sub("", found)
    found = _SUFFIX.sub("", found) or found
    head, _, tail = found.partition("_")
    return head if head in _AXES and (tail in _METRES or _LENGTHS.fullmatch(tail)) else found


def has_positions(names: Sequence[str]) -> bool:
    """Whether the positions are among the names of columns."""
    return _find_positions(names, [plain_name(name) for name in names]) is not None


def is_unit(word: str) -> bool:
    """Whether a word is a unit of length, or nothing; as in a second line of names."""
    unit = word.strip().strip("\"'`()[]{}<> ").casefold()
    return unit in (*_METRES, "-") or _LENGTHS.fullmatch(unit) is not None


def find_columns(names: Sequence[str], where: str) -> Columns | None:
    """Positions and colours among the names of a file's columns, whatever their case; None without positions.

    Alpha and intensity are never taken for a colour.

    Raises:
        InputError: a position's name stands there twice.

    Warns:
        InputWarning: some columns look like colours and cannot be understood, or the names tell a unit other
            than metres.
    """
    plain = [plain_name(name) for name in names]
    xyz = _find_positions(names, plain)
    if xyz is None:
        return None
    for place in xyz:
        if names.count(names[place]) > 1:
            raise InputError(f"{where}: the column {one_line(names[place], 60)} stands there twice")
    _warn_of_units([names[place] for place in xyz], where)
    colors, form = find_colors(names)
    if colors:
        return Columns(xyz, colors, form)
    warn_of_lost_colors([name for index, name in enumerate(names) if index not in xyz], where)
    return Columns(xyz)


def find_colors(names: Sequence[str]) -> tuple[tuple[int, ...], str]:
    """The columns of colours, and their form; none where there are none."""
    plain = [plain_name(name) for name in names]
    for group in _SEPARATE:
        if found := _places(group, names, plain):
            return found, "separate"
    for name in _PACKED:
        if found := _places((name,), names, plain):
            return found, "packed"
    return _places(_HARMONICS, names, plain), "harmonics"


def warn_of_lost_colors(names: Sequence[str], where: str) -> None:
    """Warn where names look like colours that were not understood."""
    plain = [re.sub(r"[\s\-.:/]+", "_", name[:_LONGEST_NAME].strip().strip("\"'`").casefold()) for name in names]
    lost = [name for name, short in zip(names, plain, strict=True) if _LOOKS_LIKE_COLOR.search(short)]
    letters = [name for name, short in zip(names, plain, strict=True) if short in ("r", "g", "b")]
    lost += letters if len(letters) > 1 else []
    if lost:
        warnings.warn(
            InputWarning(
                f"{where}: {', '.join(one_line(name, 60) for name in lost[:8])} look like colours but are not "
                "understood, the cloud is read without colour: name three columns red, green and blue"
            ),
            stacklevel=2,
        )


def _find_positions(names: Sequence[str], plain: list[str]) -> tuple[int, int, int] | None:
    for group in _XYZ:
        if found := _places(group, names, plain):
            first, second, third = found
            return first, second, third
    return None


def _places(group: tuple[str, ...], names: Sequence[str], plain: list[str]) -> tuple[int, ...]:
    """Where the names of a group stand; as they are spelled, before any other spelling."""
    exact = [names.index(name) if name in names else None for name in group]
    if None not in exact:
        return tuple(place for place in exact if place is not None)
    loose = [plain.index(name) if name in plain else None for name in group]
    return () if None in loose else tuple(place for place in loose if place is not None)


def _warn_of_units(names: list[str], where: str) -> None:
    names = [name[:_LONGEST_NAME] for name in names]
    units = {match[1].casefold() for name in names if (match := _UNIT.search(name.strip().strip("\"'`")))}
    units |= {name.strip().casefold().partition("_")[2] for name in names if "_" in name.strip()}
    strange = sorted(unit for unit in units if unit not in _METRES and _LENGTHS.fullmatch(unit))
    if strange:
        unit = _UNITS.get(strange[0]) if len(strange) == 1 else None
        mend = f"--unit {unit} (unit={unit!r}) turns them into metres" if unit else "bring them into metres first"
        found = f"{where}: by their names the positions are in {', '.join(strange)}"
        warnings.warn(UnitWarning(found, unit, mend), stacklevel=3)
