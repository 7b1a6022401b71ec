"""Clouds in numpy's ``.npy`` and ``.npz``: every size is known and checked before anything is unpacked."""

import io
import lzma
import re
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from ppkt_zoo.errors import InputError
from ppkt_zoo.files.limits import MAX_BYTES, memory_named
from ppkt_zoo.files.text import one_line
from ppkt_zoo.points.files.color_names import (
    COLOR_KEYS,
    POSITION_KEYS,
    find_colors,
    find_columns,
    plain_name,
    warn_of_lost_colors,
)
from ppkt_zoo.points.files.colors import from_harmonics, pick_fields, unpacked

_Cloud = tuple[NDArray[Any], NDArray[Any] | None]

# NotImplementedError (an unknown compression) is a RuntimeError.
_ZIP_DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, LookupError, ValueError,
    RuntimeError, OverflowError,
)  # fmt: skip
# numpy evaluates a header as Python; deep nesting ends in one of these, and so do types that are none.
_HEADER_DAMAGE = (
    ValueError, EOFError, SyntaxError, TypeError, tokenize.TokenError, RecursionError, MemoryError, OverflowError,
    LookupError, AttributeError, RuntimeError, ArithmeticError,
)  # fmt: skip
_LONGEST_DIRECTORY = 1 << 20
_LONGEST_HEADER = 12_000
_PART = 1 << 24
_NUMBERS = "fiu"


def parse_npz(content: bytes, where: str) -> _Cloud:
    """``xyz`` (or points, positions, …) and ``rgb`` (or colors, colour, …): (N, 3) each, or columns (N,) by name.

    Raises:
        InputError: the archive is damaged or too large, or holds no such arrays.
    """
    return _cloud(_arrays(content, lambda names: _wanted(names, where), where), where)


def named_arrays(content: bytes, names: Sequence[str], where: str, kinds: str = _NUMBERS) -> dict[str, NDArray[Any]]:
    """Arrays of an ``.npz`` by name; each has the checksum that the archive keeps of it.

    Args:
        kinds: numpy's letters for the kinds of values that are read; numbers by default, ``"U"`` is text.

    Raises:
        InputError: the archive is damaged or too large, or lacks one of them.
    """

    def choose(found: list[str]) -> list[str]:
        missing = [name for name in names if name not in found]
        if missing:
            raise InputError(f"{where}: it has no {', '.join(missing)}")
        return list(names)

    return _arrays(content, choose, where, kinds)


def _arrays(
    content: bytes, choose: Callable[[list[str]], list[str]], where: str, kinds: str = _NUMBERS
) -> dict[str, NDArray[Any]]:
    """The arrays that ``choose`` picks from the names in the archive."""
    with memory_named(where, InputError):
        try:
            _check_directory(content, where)
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                members = _members(archive, where)
                wanted = choose(list(members))
                size = sum(members[name].file_size for name in wanted)
                MAX_BYTES.check(size, f"{where}: unpacked, its arrays", InputError)
                return {name: _unpack(archive, members[name], f"{where}, {name}", kinds) for name in wanted}
        except InputError:
            raise
        except _ZIP_DAMAGE as error:
            raise InputError(f"{where}: this .npz file is cut short or damaged ({one_line(error, 200)})") from error


def parse_npy(content: bytes, where: str) -> _Cloud:
    """An array (N, 3) of positions, or (N, 6) of positions and colours, or (N,) of rows with named fields.

    Raises:
        InputError: the file is damaged, or has another shape.
    """
    with memory_named(where, InputError):
        stream = io.BytesIO(content)
        shape, fortran, dtype = _read_header(stream, len(content), where)
        flat = np.frombuffer(content, dtype, offset=stream.tell()) if 0 not in shape else np.empty(0, dtype)
        return _split(flat.reshape(shape, order="F" if fortran else "C"), where)


def _members(archive: zipfile.ZipFile, where: str) -> dict[str, zipfile.ZipInfo]:
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if name in members:
            raise InputError(f"{where}: this .npz file holds {one_line(name, 60)} twice: it is damaged")
        members[name] = info
    return members


def _wanted(names: list[str], where: str) -> list[str]:
    """The arrays of a cloud: the positions first, and the colours where there are some."""
    plain = [plain_name(name) for name in names]
    xyz = next((names[plain.index(key)] for key in POSITION_KEYS if key in plain), None)
    rgb = next((names[plain.index(key)] for key in COLOR_KEYS if key in plain), None)
    if xyz is None:
        columns = find_columns(names, where)
        if columns is None:
            listed = ", ".join(one_line(name, 60) for name in names[:20])
            raise InputError(f"{where}: no array xyz or points, only {listed or 'nothing'}")
        found = [names[place] for place in (*columns.xyz, *columns.colors)]
        return found if columns.colors or rgb is None else [*found, rgb]
    if rgb is not None:
        return [xyz, rgb]
    colors, _ = find_colors(names)
    if colors:
        return [xyz, *(names[place] for place in colors)]
    warn_of_lost_colors([name for name in names if name != xyz], where)
    return [xyz]


def _cloud(arrays: dict[str, NDArray[Any]], where: str) -> _Cloud:
    found = list(arrays)
    one = plain_name(found[0]) in POSITION_KEYS
    if one:
        xyz, rest = arrays[found[0]], found[1:]
        if xyz.ndim == 2 and xyz.shape[1] == 6 and not rest:
            return _split(xyz, where)
        if xyz.dtype.names and not rest:
            return _split(xyz, where)
        if xyz.ndim != 2 or xyz.shape[1] != 3 or xyz.dtype.names:
            raise InputError(f"{where}: {one_line(found[0], 60)} must have shape (N, 3), got {xyz.shape}")
    else:
        xyz, rest = _joined([arrays[name] for name in found[:3]], found[:3], where), found[3:]
    if not rest:
        return xyz, None
    if len(rest) == 3:
        rgb = _joined([arrays[name] for name in rest], rest, where)
        rgb = from_harmonics(rgb) if plain_name(rest[0]).startswith("f_dc") else rgb
    else:
        rgb = arrays[rest[0]]
    # np.savez turns None into an object array, which never gets this far; an empty one means no colour.
    if rgb.size == 0:
        return xyz, None
    if rgb.dtype.names is not None:
        raise InputError(f"{where}: {one_line(rest[0], 60)} must be a plain array of colours, got {rgb.dtype}")
    if rgb.shape == (len(xyz),) or rgb.shape == (len(xyz), 1):
        packed = rgb.reshape(-1)
        if packed.dtype.kind == "f":
            packed = np.where(np.isfinite(xyz).all(axis=1), packed, 0)
        return xyz, unpacked(packed, where)
    if rgb.ndim != 2 or rgb.shape[0] != len(xyz) or rgb.shape[1] not in (3, 4):
        raise InputError(
            f"{where}: {one_line(rest[0], 60)} must have one row for each point, shape {xyz.shape}, got {rgb.shape}"
        )
    return xyz, rgb[:, :3]


def _joined(columns: list[NDArray[Any]], names: Sequence[str], where: str) -> NDArray[Any]:
    if any(column.ndim != 1 or column.shape != columns[0].shape or column.dtype.names for column in columns):
        shapes = ", ".join(str(column.shape) for column in columns)
        raise InputError(f"{where}: {', '.join(names)} must have one shape (N,), got {shapes}")
    return np.stack(columns, axis=1)


def _split(table: NDArray[Any], where: str) -> _Cloud:
    if table.dtype.names is not None:
        return _split_fields(table.reshape(-1), where)
    if table.ndim != 2 or table.shape[1] not in (3, 6):
        raise InputError(
            f"{where}: rows must be x y z or x y z r g b, got shape {table.shape}: write .npz with xyz and rgb"
        )
    return table[:, :3], table[:, 3:] if table.shape[1] == 6 else None


def _split_fields(rows: NDArray[Any], where: str) -> _Cloud:
    fields = rows.dtype.names or ()
    names = [name for name in fields if rows.dtype[name].kind in "fiu" and not rows.dtype[name].shape]
    columns = find_columns(names, where)
    if columns is None:
        raise InputError(f"{where}: no numbers x, y, z but {', '.join(one_line(name, 60) for name in fields[:20])}")
    if not columns.colors:
        warn_of_lost_colors([name for name in fields if name not in names], where)
    return pick_fields(rows, names, columns, where)


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str, kinds: str = _NUMBERS) -> NDArray[Any]:
    """One array, its header held against the member's size before the rest is unpacked."""
    with archive.open(info) as stream:
        shape, fortran, dtype = _read_header(stream, info.file_size, where, kinds)
        flat = np.empty(int(np.prod(shape, dtype=object)), dtype)
        room, at = flat.view(np.uint8), 0
        while part := stream.read(_PART):
            if at + len(part) > len(room):
                raise InputError(f"{where}: this array holds more than its header announces: it is damaged")
            room[at : at + len(part)] = np.frombuffer(part, np.uint8)
            at += len(part)
        if at != len(room):
            raise InputError(f"{where}: this array is cut short: {at} bytes where {len(room)} are announced")
    return flat.reshape(shape, order="F" if fortran else "C")


def _read_header(
    stream: Any, size: int, where: str, known: str = _NUMBERS
) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and type of numbers; the shape is held against the bytes that are there."""
    try:
        start = stream.read(8)
        version = npy_format.read_magic(io.BytesIO(start))
        width = 2 if version == (1, 0) else 4
        length = stream.read(width)
        announced = int.from_bytes(length, "little")
        if announced > _LONGEST_HEADER:
            raise ValueError(f"its header has {announced} bytes")
        text = stream.read(announced)
        if len(text) < announced:
            raise EOFError("its header is cut short")
        if re.search(rb"[-+~(\[{]\s*[-+~(\[{]\s*[-+~(\[{]\s*[-+~(\[{]\s*[-+~(\[{]", text):
            raise ValueError("its header is nested")
        header: BinaryIO = io.BytesIO(length + text)
        read = npy_format.read_array_header_1_0 if width == 2 else npy_format.read_array_header_2_0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shape, fortran, dtype = read(header)
    except _HEADER_DAMAGE as error:
        raise InputError(f"{where}: this array is cut short or damaged ({one_line(error, 200)})") from error
    if len(shape) > 8 or any(type(count) is not int or not 0 <= count <= size for count in shape):
        raise InputError(f"{where}: this array is damaged: its header announces the shape {one_line(shape, 80)}")
    kinds = [dtype[name] for name in dtype.names] if dtype.names else [dtype]
    if not any(kind.kind in known for kind in kinds) or dtype.hasobject or dtype.itemsize < 1 or dtype.subdtype:
        raise InputError(f"{where}: this array must hold numbers, got {one_line(dtype, 80)}")
    needed, found = int(np.prod(shape, dtype=object)) * dtype.itemsize, size - 8 - width - announced
    if needed != found:
        raise InputError(f"{where}: {found} bytes of data where the header announces {needed} for shape {shape}")
    return shape, fortran, dtype


def _check_directory(content: bytes, where: str) -> None:
    """Refuse an archive with more members than any cloud has: Python's zipfile makes an object of each."""
    end = content.rfind(b"PK\5\6", max(0, len(content) - (1 << 16) - 22))
    if end < 0 or len(content) < end + 22:
        raise InputError(f"{where}: this .npz file is cut short or damaged (it has no end of a zip archive)")
    size = int.from_bytes(content[end + 12 : end + 16], "little")
    locator = content[max(0, end - 20) : end]
    if locator.startswith(b"PK\6\7"):
        place = int.from_bytes(locator[8:16], "little")
        size = max(size if size != 0xFFFFFFFF else 0, int.from_bytes(content[place + 40 : place + 48], "little"))
    if size > _LONGEST_DIRECTORY:
        raise InputError(f"{where}: this .npz file has a directory of {size} bytes: it is damaged, or no cloud's")
