"""Colours as files hold them, to uint8, and out of rows with named fields; one rule for all file formats."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.errors import InputError
from ppkt_zoo.points.files.color_names import Columns

# Y of degree 0: what a Gaussian splat multiplies its f_dc with.
_HARMONIC = 0.28209479177387814
# What rounding in float32, or a mean of many, may add to the end of a range.
_SLACK = 1e-4
# Broken floats up to here are no colours in 0..255: nobody's cloud is so dark throughout, but much lies a bit over 1.
_DARKEST = 8.0
_ROWS = 1 << 18


def as_uint8(colors: NDArray[Any], where: str) -> NDArray[np.uint8]:
    """Colours (N, 3) of a file to uint8; of (N, 4) the last column is alpha and is left out.

    Whole numbers lie in 0..255; uint16 with anything above 255 is taken for the full 16-bit range, as LAS
    defines it. Floats lie in [0, 1], or in 0..255 (the means of voxels are broken numbers; they are rounded).

    Raises:
        InputError: the numbers fit none of these; the message begins with ``where``.
    """
    if colors.dtype.kind not in "fiu":
        raise InputError(f"{where}: colours must be numbers, got {colors.dtype}")
    colors = colors[:, :3]
    if colors.dtype == np.uint8:
        return np.ascontiguousarray(colors)
    low, high = colors.min(), colors.max()
    if colors.dtype.kind == "f":
        return _rounded(colors, 255.0 if _is_unit_range(colors, float(low), float(high), where) else 1.0)
    if high > 255 and colors.dtype.kind == "u" and colors.dtype.itemsize == 2:
        return _rounded(colors, 1 / 257.0)
    if low < 0 or high > 255:
        wide = ", or store them as uint16 where they are of 16 bits" if low >= 0 and high <= 65535 else ""
        raise InputError(
            f"{where}: colours must lie in 0..255, found {low} to {high}: scale them to that range first{wide}"
        )
    return np.ascontiguousarray(colors, dtype=np.uint8)


def unpacked(packed: NDArray[Any], where: str, text: bool = False) -> NDArray[np.uint8]:
    """Colours uint8 (N, 3) from one column of 0xRRGGBB (the highest byte, alpha, is left out), as PCL packs them.

    Args:
        packed: (N,) of 4-byte whole numbers; of longer ones, or of floats that are whole, in 32 bits; or of float32
            that hold the bits of such a number, as PCL writes them.
        where: begins the message.
        text: whether the numbers were written as text, where the bits of an opaque colour are lost as ``nan``.

    Raises:
        InputError: the numbers are none of these, or are NaN and therefore lost.
    """
    if packed.dtype.kind == "f":
        whole = np.array_equal(packed, np.rint(packed)) and (packed.min() < 0 or packed.max() >= 1)
        if packed.dtype.itemsize == 4 and not text and not whole:
            return bytes_of(packed)
        if not np.isfinite(packed).all():
            raise InputError(
                f"{where}: some colours were written as nan (opaque colours as ascii floats) and are lost: "
                "write the file as binary, or rgb with TYPE U"
            )
        if whole and packed.min() >= -(2.0**31) and packed.max() < 2.0**32:
            packed = packed.astype(np.int64)
        elif np.abs(packed).max() <= np.finfo(np.float32).max:
            packed = packed.astype(np.float32).view(np.uint32)
        else:
            raise InputError(f"{where}: packed colours must be 32 bits, found {packed.min():.4g} to {packed.max():.4g}")
    if packed.dtype.kind not in "iu":
        raise InputError(f"{where}: packed colours must be numbers, got {packed.dtype}")
    if packed.dtype.itemsize < 4:
        raise InputError(f"{where}: packed colour must have SIZE 4, got {packed.dtype.itemsize}")
    if packed.dtype.itemsize > 4:
        if packed.min() < -(2**31) or packed.max() >= 2**32:
            raise InputError(f"{where}: packed colours must be 32 bits, found {packed.min()} to {packed.max()}")
        packed = packed.astype(np.int64).astype(np.uint32)
    return bytes_of(packed)


def bytes_of(packed: NDArray[Any]) -> NDArray[np.uint8]:
    """Colours uint8 (N, 3) from the bits of 4-byte numbers, 0xRRGGBB."""
    bits = np.ascontiguousarray(packed, dtype=packed.dtype.newbyteorder("<"))
    return np.ascontiguousarray(bits.view(np.uint8).reshape(-1, 4)[:, 2::-1])


def from_harmonics(values: NDArray[Any]) -> NDArray[np.float32]:
    """Colours in [0, 1] of a Gaussian splat's ``f_dc`` (N, 3), cut to that range as every viewer does."""
    colors = values.astype(np.float32)
    colors *= np.float32(_HARMONIC)
    colors += np.float32(0.5)
    return np.clip(colors, 0.0, 1.0, out=colors)


def _is_unit_range(colors: NDArray[Any], low: float, high: float, where: str) -> bool:
    # NaN fails these comparisons too.
    if low >= -_SLACK and high <= 1 + _SLACK:
        return True
    if low >= -255 * _SLACK and high <= 255 * (1 + _SLACK) and (high > _DARKEST or _is_whole(colors)):
        return False
    if np.isnan(low):
        raise InputError(f"{where}: colours hold NaN where their points have positions: drop these points first")
    fault = "are these columns normals?" if low < 0 else "scale them to one of these ranges first"
    raise InputError(
        f"{where}: colours given as floats must lie in [0, 1] or in 0..255, found {low:.4g} to {high:.4g}; {fault}"
    )


def _is_whole(colors: NDArray[Any]) -> bool:
    parts = (colors[at : at + _ROWS] for at in range(0, len(colors), _ROWS))
    return all(np.array_equal(part, np.rint(part)) for part in parts)


def _rounded(colors: NDArray[Any], factor: float) -> NDArray[np.uint8]:
    """Scaled, rounded and cut to 0..255, a part after the other: the floats of a whole cloud are many bytes."""
    found = np.empty(colors.shape, dtype=np.uint8)
    for at in range(0, len(colors), _ROWS):
        part = colors[at : at + _ROWS].astype(np.float64) * factor
        found[at : at + _ROWS] = np.clip(np.rint(part), 0, 255)
    return found


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
    return xyz, by_form(colors, columns.form, xyz, where, text)


def by_form(colors: NDArray[Any], form: str, xyz: NDArray[Any], where: str, text: bool = False) -> NDArray[Any]:
    """Colours (N, 3) of the columns that hold them, (N, 1) or (N, 3), in the form of ``Columns``; errors as above."""
    if form == "packed":
        if colors.dtype.kind == "f" and (text or colors.dtype.itemsize > 4):
            # A hole may have no colour.
            colors[~np.isfinite(xyz).all(axis=1)] = 0
        return unpacked(colors[:, 0], where, text)
    return from_harmonics(colors) if form == "harmonics" else colors
