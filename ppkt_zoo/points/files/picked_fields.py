"""Positions and colours out of rows with named fields, as binary files and numpy's structured arrays have them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.points.files.color_names import Columns
from ppkt_zoo.points.files.colors import from_harmonics, unpacked

__all__ = ["pick_fields"]


def pick_fields(
    rows: NDArray[Any], names: Sequence[str], columns: Columns, where: str, text: bool = False
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Positions (N, 3) and colours (N, 3) or None out of rows with named fields.

    Args:
        rows: a structured array (N,).
        names: of the fields, as ``columns`` counts them.
        columns: which fields hold what.
        where: begins the message.
        text: whether the numbers were written as text.

    Raises:
        InputError: packed colours are none.
    """
    xyz = np.stack([rows[names[place]] for place in columns.xyz], axis=1)
    if not columns.colors:
        return xyz, None
    colors = np.stack([rows[names[place]] for place in columns.colors], axis=1)
    if columns.form == "packed":
        if colors.dtype.kind == "f" and (text or colors.dtype.itemsize > 4):
            # A hole may have no colour.
            colors[~np.isfinite(xyz).all(axis=1)] = 0
        return xyz, unpacked(colors[:, 0], where, text)
    return xyz, from_harmonics(colors) if columns.form == "harmonics" else colors
