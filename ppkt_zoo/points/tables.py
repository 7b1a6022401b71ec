"""Clouds in numpy's files and in tables of text."""

import io
import lzma
import re
import struct
import tokenize
import zipfile
import zlib
from typing import Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from ppkt_zoo.errors import InputError

Columns = tuple[NDArray[Any], NDArray[Any] | None]

_XYZ_KEYS = ("xyz", "points")
_RGB_KEYS = ("rgb", "colors")
# NotImplementedError (an unknown compression) is a RuntimeError.
_ZIP_DAMAGE: tuple[type[Exception], ...] = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error)
_ZIP_DAMAGE += (EOFError, OSError, LookupError, ValueError, RuntimeError)
_COLOR_NAMES = (("r", "g", "b"), ("red", "green", "blue"))


def parse_npz(content: bytes, where: str) -> Columns:
    """``xyz`` (or ``points``) and ``rgb`` (or ``colors``), each (N, 3).

    Raises:
        InputError: the archive is damaged, or holds no such arrays.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            wanted = [name for name in names if name in (*_XYZ_KEYS, *_RGB_KEYS)]
            members = {name: archive.read(f"{name}.npy") for name in wanted}
    except _ZIP_DAMAGE as error:
        raise InputError(f"{where}: this .npz file is cut short or damaged ({error})") from error
    arrays = {name: _array(member, f"{where}, {name}") for name, member in members.items()}
    xyz = next((arrays[key] for key in _XYZ_KEYS if key in arrays), None)
    if xyz is None:
        raise InputError(f"{where}: no array xyz or points, only {', '.join(names) or 'nothing'}")
    if xyz.ndim != 2 or xyz.shape[1] != 3:
        raise InputError(f"{where}: xyz must have shape (N, 3), got {xyz.shape}")
    rgb = next((arrays[key] for key in _RGB_KEYS if key in arrays), None)
    # np.savez turns None into an object array, which never gets this far; an empty one means no colour.
    if rgb is not None and rgb.size == 0:
        rgb = None
    if rgb is not None and rgb.shape != xyz.shape:
        raise InputError(f"{where}: rgb must have one row for each point, shape {xyz.shape}, got {rgb.shape}")
    return xyz, rgb


def parse_npy(content: bytes, where: str) -> Columns:
    """An array (N, 3) of positions, or (N, 6) of positions and colours.

    Raises:
        InputError: the file is damaged, or has another shape.
    """
    return _split(_array(content, where), where)


def parse_text(content: bytes, where: str) -> Columns:
    """Rows of numbers parted by spaces, tabs, commas or semicolons.

    A first line of names (``x y z r g b``, also ``red green blue``, behind ``#`` or ``//`` too) says which column
    is what; without it, rows are x y z or x y z r g b. A first line with one whole number is the number of rows.

    Raises:
        InputError: a row is no numbers or of another length, or the columns cannot be told.
    """
    try:
        lines = [line.strip() for line in content.decode("utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: this is not a text file ({error.reason})") from error
    if not lines:
        raise InputError(f"{where}: the file is empty")
    names: list[str] = []
    announced = None
    first = re.split(r"[,;\s]+", lines[0].lstrip("#/ ").lower().rstrip(",;"))
    if {"x", "y", "z"} <= set(first):
        names, lines = first, lines[1:]
    elif len(first) == 1 and first[0].isdecimal() and len(lines) > 1:
        announced, lines = int(first[0]), lines[1:]
    rows = [line for line in lines if not line.startswith(("#", "//"))]
    if not rows or (announced is not None and announced != len(rows)):
        raise InputError(f"{where}: {len(rows)} rows of numbers" + (f", {announced} announced" if announced else ""))
    separator = next((mark for mark in ",;" if mark in rows[0]), None)
    try:
        table = np.loadtxt(rows, dtype=np.float64, delimiter=separator, comments=None, ndmin=2)
    except ValueError as error:
        raise InputError(f"{where}: a row is cut short or no numbers ({error})") from error
    if not names:
        return _split(table, where)
    if table.shape[1] != len(names):
        raise InputError(f"{where}: {len(names)} column names for rows of {table.shape[1]} numbers")
    color = next((c for c in _COLOR_NAMES if all(name in names for name in c)), None)
    picked = [table[:, [names.index(name) for name in group]] for group in (("x", "y", "z"), color) if group]
    return picked[0], picked[1] if color else None


def _split(table: NDArray[Any], where: str) -> Columns:
    if table.ndim != 2 or table.shape[1] not in (3, 6):
        raise InputError(
            f"{where}: rows must be x y z or x y z r g b, got shape {table.shape}: "
            "name the columns in a first line (text), or write .npz with xyz and rgb"
        )
    return table[:, :3], table[:, 3:] if table.shape[1] == 6 else None


def _array(content: bytes, where: str) -> NDArray[Any]:
    """One array in numpy's format, its shape checked against the bytes that are there."""
    stream = io.BytesIO(content)
    try:
        version = npy_format.read_magic(stream)
        read = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
        shape, fortran, dtype = read(stream)
    except (ValueError, EOFError, SyntaxError, TypeError, tokenize.TokenError, RecursionError) as error:
        raise InputError(f"{where}: this array is cut short or damaged ({error})") from error
    if dtype.kind not in "fiu":
        raise InputError(f"{where}: this array must hold numbers, got {dtype}")
    needed, found = int(np.prod(shape, dtype=object)) * dtype.itemsize, len(content) - stream.tell()
    if needed != found:
        raise InputError(f"{where}: {found} bytes of data where the header announces {needed} for shape {shape}")
    return np.frombuffer(content, dtype, offset=stream.tell()).reshape(shape, order="F" if fortran else "C")
