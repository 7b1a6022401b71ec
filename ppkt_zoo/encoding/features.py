"""The arrays of a file of features, in 32 or 16 bits."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from ppkt_zoo.backbones.arguments import Tile
    from ppkt_zoo.backbones.base import Backbone

#: Of ``levels``: every one, each in an array of its own.
ALL_LEVELS = "all"
_LARGEST_HALF = float(np.finfo(np.float16).max)


def features_of(
    backbone: "Backbone",
    xyz: NDArray[Any],
    rgb: NDArray[np.uint8] | None,
    levels: str | Sequence[str],
    tile: "Tile",
    half: bool,
    how: Mapping[str, Any],
) -> dict[str, NDArray[Any]]:
    """``features`` (N, C) of all points; beside them ``features.LEVEL`` of each where several levels are asked for.

    Args:
        backbone: the network.
        xyz, rgb, levels, tile: as for :meth:`ppkt_zoo.backbones.Backbone.encode`.
        half: float16 in place of float32.
        how: its other keyword arguments.

    Raises:
        InputError: as ``encode`` does, or a feature is beyond 16-bit floats.
    """
    encoded: Mapping[str, NDArray[Any]]
    if half:
        encoded = _encode_half(backbone, xyz, rgb, levels, tile, how)
    else:
        encode: Any = backbone.encode  # of which only a caller with fixed levels knows the type
        given = encode(xyz, rgb, levels=levels, tile=tile, **how)
        encoded = given if isinstance(given, dict) else {"": given}
    found = {f"features.{level}": value for level, value in encoded.items()}
    several = levels == ALL_LEVELS or not isinstance(levels, str)
    return {"features": list(found.values())[-1]} | (found if several else {})


def _encode_half(
    backbone: "Backbone",
    xyz: NDArray[Any],
    rgb: NDArray[np.uint8] | None,
    levels: str | Sequence[str],
    tile: "Tile",
    how: Mapping[str, Any],
) -> dict[str, NDArray[np.float16]]:
    """As ``encode`` gives them, rounded part by part: they are never all in memory as 32-bit floats."""
    found: dict[str, NDArray[np.float16]] = {}

    def take(rows: "Tensor | None", features: "dict[str, Tensor]") -> None:
        for level, feature in features.items():
            values = feature.float().cpu().numpy()
            largest = float(np.abs(values).max(initial=0))
            if largest > _LARGEST_HALF:
                raise InputError(f"features reach {largest:.3g}, beyond what 16-bit floats hold: leave out --half")
            if level not in found:
                found[level] = np.empty((len(xyz), values.shape[1]), np.float16)
            found[level][slice(None) if rows is None else rows.cpu().numpy()] = values

    backbone.encode_parts(xyz, rgb, levels, tile, take, **how)
    return found
