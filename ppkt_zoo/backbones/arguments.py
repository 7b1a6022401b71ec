"""What users ask of encode, checked: levels, tile, and the read-out."""

import math
import numbers
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from ppkt_zoo.backbones.features import unknown_level
from ppkt_zoo.errors import InputError
from ppkt_zoo.files.text import one_line
from ppkt_zoo.points.readout_spec import (
    EXTRAS,
    MOST_VIEWS,
    PURPOSES,
    SAMPLINGS,
    Extra,
    Purpose,
    ReadOut,
    Sampling,
)

if TYPE_CHECKING:
    from ppkt_zoo.backbones.base import Backbone

#: Edge of a column in metres, "auto", or None.
Tile = float | Literal["auto"] | None


class Options(TypedDict, total=False):
    """Arguments of encode that say how a point's features are read, see there."""

    sampling: Sampling
    extras: Sequence[Extra]
    views: int
    readout: Purpose | ReadOut | None


#: Of ``levels``: all levels, standardised, side by side in one array.
CONCAT = "concat"
_MEND_OF_STATISTICS = (
    "compute them with backbone.readout = ppkt_zoo.backbones.readout.Readout.of(backbone, clouds), or store them with "
    "the weight by ppkt_zoo.zoo.add_readout.add_readout(folder, clouds, …)"
)


@dataclass(frozen=True)
class Reading:
    """What of a network is read, and how.

    Attributes:
        names: its levels.
        single: whether the answer is one array, not a dict.
        joined: whether all levels come side by side.
        sampling, extras, views: see :class:`~ppkt_zoo.points.readout_spec.ReadOut`.
    """

    names: tuple[str, ...]
    single: bool = False
    joined: bool = False
    sampling: Sampling = "nearest"
    extras: tuple[Extra, ...] = ()
    views: int = 1

    @property
    def is_plain(self) -> bool:
        """Whether the levels' own features are asked for, those of each point's voxel."""
        return not self.joined and self.sampling == "nearest" and not self.extras and self.views == 1

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of what is handed over."""
        return (CONCAT,) if self.joined else self.names


def checked_reading(
    network: "Backbone",
    levels: Any,
    sampling: Any = "nearest",
    extras: Any = (),
    views: Any = 1,
    readout: Any = None,
) -> Reading:
    """The arguments of :meth:`~ppkt_zoo.backbones.Backbone.encode` that say what is read.

    Raises:
        InputError: one of them does not fit the network, or another one.
    """
    known = tuple(network.level_channels)
    if readout is not None:
        nothing = isinstance(levels, str) and levels == "last" and isinstance(extras, Sequence) and not extras
        if not nothing or sampling != "nearest" or views != 1:
            raise InputError("readout says which levels, sampling, extras and views are taken: leave these out")
        chosen = named_readout(network, readout)
        levels, sampling, extras, views = chosen.levels, chosen.sampling, chosen.extras, chosen.views
    joined = isinstance(levels, str) and levels == CONCAT
    names = known if joined else tuple(level_names(known, levels))
    single = isinstance(levels, str) and levels != "all"
    if not isinstance(sampling, str) or sampling not in SAMPLINGS:
        raise InputError(f"sampling must be {' or '.join(SAMPLINGS)}, got {one_line(repr(sampling), 80)}")
    reading = Reading(names, single, joined, sampling, _extras(extras), _views(views))
    return _held_against(network, reading)


def _held_against(network: "Backbone", reading: Reading) -> Reading:
    kind = type(network).__name__
    if reading.extras and not reading.single:
        raise InputError(
            "extras are appended to one array of features: take levels='concat', 'last' or the name of one level"
        )
    if reading.sampling not in network.samplings:
        raise InputError(f"{kind} has no voxels to interpolate between: take sampling='nearest'")
    if reading.views > 1 and not network.turns:
        raise InputError(
            f"{kind} chooses other points in each turn of a cloud, so a mean over turns has no meaning: take views=1"
        )
    if reading.joined:
        if network.readout is None:
            raise InputError(
                "levels='concat' puts all levels on one scale, for which mean and spread of each channel are needed, "
                f"and this backbone comes without: {_MEND_OF_STATISTICS}"
            )
        network.readout.check(network.level_channels)
    return reading


def named_readout(network: "Backbone", readout: Any) -> ReadOut:
    """A read-out, given as it is or as the purpose for which a weight recommends one.

    Raises:
        InputError: neither, or this weight recommends none.
    """
    if isinstance(readout, ReadOut):
        return readout
    if not isinstance(readout, str) or readout not in PURPOSES:
        raise InputError(f"readout must be {', '.join(PURPOSES)} or a ReadOut, got {one_line(repr(readout), 80)}")
    recommended = {} if network.readout is None else network.readout.spec.recommended
    if readout not in recommended:
        raise InputError(
            f"this backbone records no read-out for {readout!r}: give levels, sampling, extras and views themselves"
        )
    return recommended[readout]


def _extras(extras: Any) -> tuple[Extra, ...]:
    if isinstance(extras, str) or not isinstance(extras, Iterable):
        raise InputError(f"extras is a list of {' and '.join(EXTRAS)}, got {one_line(repr(extras), 80)}")
    found = tuple(extras)
    for one in found:
        if not isinstance(one, str) or one not in EXTRAS:
            raise InputError(f"no extra {one_line(repr(one), 80)}: known are {' and '.join(EXTRAS)}")
    if len(set(found)) != len(found):
        raise InputError(f"extras names one twice: {', '.join(found)}")
    return found


def _views(views: Any) -> int:
    whole = not isinstance(views, bool) and isinstance(views, numbers.Integral)
    if not whole or not 1 <= views <= MOST_VIEWS:
        raise InputError(f"views is the number of turns about z, 1 to {MOST_VIEWS}, got {one_line(repr(views), 80)}")
    return int(views)


def level_names(known: Sequence[str], levels: Any) -> list[str]:
    """The names that ``levels`` asks for: "last", "all", a name or several.

    Raises:
        InputError: no such level.
    """
    if isinstance(levels, str) and levels == "all":
        return list(known)
    asked = [levels] if isinstance(levels, str) else levels
    if isinstance(asked, bytes) or not isinstance(asked, Iterable):
        raise InputError(
            f"levels is a level's name or a list of names, got {one_line(repr(levels), 80)}: {list(known)}"
        )
    names = [known[-1] if isinstance(level, str) and level == "last" else level for level in asked]
    if not names:
        raise InputError(f"levels is an empty list; known: {', '.join(known)}, 'last', 'all', 'concat'")
    for name in names:
        if not isinstance(name, str) or name not in known:
            raise InputError(unknown_level(name, list(known)))
    return names


def checked_tile(tile: Any) -> Tile:
    """The edge of a column, "auto" or None.

    Raises:
        InputError: it is something else.
    """
    if tile is None or (isinstance(tile, str) and tile == "auto"):
        return tile  # type: ignore[return-value]
    number = not isinstance(tile, bool) and isinstance(tile, numbers.Real)
    try:
        edge = float(tile) if number else math.nan
    except OverflowError:  # a whole number beyond all floats
        tile = edge = math.inf if tile > 0 else -math.inf
    if not edge > 0:
        raise InputError(
            "tile is the edge of a column in metres and must be a positive number, or 'auto', got "
            f"{one_line(repr(tile), 80)}"
        )
    return edge


def told_of_memory(xyz: Any, tile: Tile, tiles: bool) -> str:
    """What was asked, and what would take less memory, should there be too little."""
    count = len(xyz) if hasattr(xyz, "__len__") and getattr(xyz, "shape", None) != () else 0
    if not tiles:
        return f"encoding {count} points (fewer points need less)"
    if tile is None:
        return f"encoding {count} points at once (in columns, such as tile=5 metres, they need less)"
    if tile == "auto":
        return f"encoding {count} points in boxes"
    return f"encoding {count} points in columns of tile={tile:g} m (smaller columns need less)"
