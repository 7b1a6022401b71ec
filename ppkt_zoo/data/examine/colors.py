"""What is odd about the colours of a cloud."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.data.examine.finding import Finding, fine, problem, remark
from ppkt_zoo.errors import InputError
from ppkt_zoo.points.files.colors import as_uint8

_ROWS = 1 << 18
# Colours are called grey where the channels differ by no more, and dark where hardly any is lighter.
_GREY, _DARK = 2, 40
_FEW_COLORS = 3
_NO_COLOR = (
    "weights with missing_color 'grey' (`ppkt-zoo show NAME`) take it as it is; others need colour. Where your scanner "
    "has a camera, export the cloud with its colours"
)


def examine_colors(stored: NDArray[Any] | None, where: str, takes_none: bool) -> tuple[Finding, ...]:
    """Look at colours as a file stores them, (N, 3 or more), or None where it has none.

    Args:
        where: the file, for messages.
        takes_none: whether the weight does without colour.
    """
    if stored is None:
        words = "the file has none; the weight takes clouds without colour" if takes_none else "the file has none"
        return (remark("colour", words, None if takes_none else _NO_COLOR),)
    try:
        rgb = as_uint8(stored, where)
    except InputError as error:
        return (problem("colour", str(error).removeprefix(f"{where}: ")),)
    found = [fine("colour", _kind(stored))]
    odd = _oddity(rgb[:: max(1, len(rgb) // _ROWS)])
    return (*found, *([odd] if odd is not None else []))


def _kind(stored: NDArray[Any]) -> str:
    low, high = stored[:, :3].min(), stored[:, :3].max()
    if stored.dtype == np.uint8:
        return f"8 bits, {low} to {high}"
    if stored.dtype.kind == "f":
        unit = high <= 1.001
        return f"floats in {'0 to 1' if unit else '0 to 255'} ({low:.3g} to {high:.3g}), read as such"
    if high > 255:
        return f"16 bits ({low} to {high}), brought to 0 to 255"
    return f"whole numbers of {8 * stored.dtype.itemsize} bits, {low} to {high}, read as 0 to 255"


def _oddity(rgb: NDArray[np.uint8]) -> Finding | None:
    if len(rgb) < 2:
        return None
    if (rgb == rgb[0]).all():
        red, green, blue = (int(one) for one in rgb[0])
        return remark(
            "colour",
            f"every point has the same colour ({red}, {green}, {blue}): it was never measured, and features will show "
            "shape alone",
            "export the cloud with its real colours, or without any where the weight takes that",
        )
    bright = float(np.percentile(rgb.max(axis=1), 99))
    if bright < _DARK:
        return remark(
            "colour",
            f"nearly everything is black (99 % of the points are darker than {bright:.0f} of 255): were colours in "
            "0 to 1 stored as whole numbers, or 16 bits cut to 8?",
            "export the colours anew; as they are, features show shape alone",
        )
    if len(np.unique(rgb[: 1 << 14], axis=0)) <= _FEW_COLORS:
        return remark(
            "colour",
            "there are only two or three colours: are they labels or a height map painted on the cloud?",
            "give the photographed colours; painted ones mislead a network that was trained on real ones",
        )
    wide = rgb.astype(np.int16)
    if (np.ptp(wide, axis=1) <= _GREY).mean() > 0.99:
        return remark(
            "colour",
            "red, green and blue are the same everywhere: this is intensity, or a grey image",
            "features suffer a little; take photographed colours where you have them",
        )
    return None
