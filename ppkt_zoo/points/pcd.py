"""Point Cloud Library's ``.pcd`` (version 0.7): ascii, binary, binary_compressed.

Source: https://pointclouds.org/documentation/tutorials/pcd_file_format.html. VIEWPOINT is not applied, as in
PCL's own reader.
"""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.errors import InputError
from ppkt_zoo.points.lzf import lzf_decompress

_CODES = {("F", 4), ("F", 8), *((kind, size) for kind in "IU" for size in (1, 2, 4, 8))}
_PADDING = "_"
_COLOR_NAMES = (("r", "g", "b"), ("red", "green", "blue"))


@dataclass(frozen=True)
class _Header:
    fields: tuple[str, ...]
    dtypes: tuple[np.dtype[Any], ...]
    counts: tuple[int, ...]
    packed_float: bool
    points: int
    data: str
    body: int

    def bytes_per_point(self, padding: bool) -> int:
        rows = zip(self.fields, self.dtypes, self.counts, strict=True)
        return sum(dtype.itemsize * count for name, dtype, count in rows if padding or name != _PADDING)


def parse_pcd(content: bytes, where: str) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Positions (N, 3) as stored and colours (N, 3) or None; rows of an organised cloud in their order.

    Raises:
        InputError: the header is incomplete or contradicts itself or the data.
    """
    header = _parse_header(content, where)
    body = content[header.body :]
    if header.data == "ascii":
        columns = _ascii(body, header, where)
    elif header.data == "binary":
        columns = _binary(body, header, where)
    else:
        columns = _compressed(body, header, where)
    missing = [name for name in "xyz" if name not in columns]
    if missing:
        raise InputError(f"{where}: no field {', '.join(missing)} among FIELDS {' '.join(header.fields)}")
    xyz = np.stack([columns[name] for name in "xyz"], axis=1)
    return xyz, _colors(columns, xyz, header, where)


def _parse_header(content: bytes, where: str) -> _Header:
    entries: dict[str, list[str]] = {}
    at = 0
    while "DATA" not in entries:
        end = content.find(b"\n", at)
        if end < 0:
            raise InputError(f"{where}: the header ends before its DATA line: cut short, or not a .pcd file")
        line = content[at:end].decode("ascii", errors="replace").strip()
        at = end + 1
        if line and not line.startswith("#"):
            word, *values = line.split()
            entries[word.upper()] = values
    for word in ("FIELDS", "SIZE", "TYPE"):
        if not entries.get(word):
            raise InputError(f"{where}: the header has no {word} line")
    fields, kinds = entries["FIELDS"], [kind.upper() for kind in entries["TYPE"]]
    sizes = _integers(entries["SIZE"], "SIZE", where)
    counts = _integers(entries.get("COUNT", ["1"] * len(fields)), "COUNT", where)
    if not len(fields) == len(sizes) == len(kinds) == len(counts):
        raise InputError(f"{where}: FIELDS, SIZE, TYPE and COUNT have different numbers of entries")
    wrong = next((pair for pair in zip(kinds, sizes, strict=True) if pair not in _CODES), None)
    if wrong is not None or min(counts) < 1:
        raise InputError(f"{where}: no such field: TYPE {kinds}, SIZE {sizes}, COUNT {counts}")
    names = [name for name in fields if name != _PADDING]
    if len(names) != len(set(names)):
        raise InputError(f"{where}: FIELDS names a field twice: {' '.join(fields)}")
    data = entries["DATA"][0].lower() if entries["DATA"] else ""
    if data not in ("ascii", "binary", "binary_compressed"):
        raise InputError(f"{where}: DATA must be ascii, binary or binary_compressed, got {data!r}")
    dtypes = tuple(np.dtype(f"<{kind.lower()}{size}") for kind, size in zip(kinds, sizes, strict=True))
    packed_float = any(n in ("rgb", "rgba") and kind == "F" for n, kind in zip(fields, kinds, strict=True))
    return _Header(tuple(fields), dtypes, tuple(counts), packed_float, _number_of_points(entries, where), data, at)


def _number_of_points(entries: dict[str, list[str]], where: str) -> int:
    width, height, points = (
        _integers(entries[word][:1], word, where)[0] if entries.get(word) else None
        for word in ("WIDTH", "HEIGHT", "POINTS")
    )
    area = None if width is None else width * (1 if height is None else height)
    if area is None and points is None:
        raise InputError(f"{where}: the header has neither WIDTH nor POINTS")
    if area is not None and points is not None and area != points:
        raise InputError(f"{where}: WIDTH {width} × HEIGHT {height} is {area}, but POINTS is {points}")
    number = points if points is not None else area
    assert number is not None
    if number < 1:
        raise InputError(f"{where}: the header announces {number} points: a cloud needs at least one")
    return number


def _ascii(body: bytes, header: _Header, where: str) -> dict[str, NDArray[Any]]:
    try:
        lines = [line for line in body.decode("ascii").splitlines() if line.strip()]
        if len(lines) != header.points:
            raise InputError(f"{where}: {len(lines)} rows where the header announces {header.points} points")
        table = np.loadtxt(lines, dtype=np.float64, comments=None, ndmin=2)
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{where}: the rows are cut short or no numbers ({error})") from error
    if table.shape[1] != sum(header.counts):
        raise InputError(f"{where}: rows have {table.shape[1]} numbers where the header announces {sum(header.counts)}")
    starts = np.cumsum((0, *header.counts))
    columns = {}
    for name, dtype, start in zip(header.fields, header.dtypes, starts, strict=False):
        values = table[:, start]
        # Positions may be NaN, whole numbers may not: a cast would make some number of it.
        if dtype.kind in "iu" and not (np.isfinite(values).all() and _fits(values, dtype)):
            raise InputError(f"{where}: field {name} holds numbers that do not fit its TYPE {dtype.kind.upper()}")
        columns[name] = values.astype(dtype)
    return columns


def _binary(body: bytes, header: _Header, where: str) -> dict[str, NDArray[Any]]:
    row = np.dtype(
        [
            (f"{index}", dtype, (count,))
            for index, (dtype, count) in enumerate(zip(header.dtypes, header.counts, strict=True))
        ]
    )
    _check_size(body, header.points * row.itemsize, where)
    table = np.frombuffer(body, dtype=row, count=header.points)
    return {name: table[f"{index}"][:, 0] for index, name in enumerate(header.fields)}


def _compressed(body: bytes, header: _Header, where: str) -> dict[str, NDArray[Any]]:
    if len(body) < 8:
        raise InputError(f"{where}: cut short before the sizes of its compressed data")
    packed, unpacked = struct.unpack_from("<II", body)
    _check_size(body, 8 + packed, where)
    # PCL leaves padding fields out when it compresses.
    padding = unpacked == header.points * header.bytes_per_point(padding=True)
    if not padding and unpacked != header.points * header.bytes_per_point(padding=False):
        expected = header.points * header.bytes_per_point(padding=True)
        raise InputError(f"{where}: compressed data announces {unpacked} bytes, but its points need {expected}")
    content = lzf_decompress(body[8 : 8 + packed], unpacked, where)
    columns, at = {}, 0
    # Field after field, each with all points.
    for name, dtype, count in zip(header.fields, header.dtypes, header.counts, strict=True):
        if name == _PADDING and not padding:
            continue
        values = np.frombuffer(content, dtype=dtype, count=header.points * count, offset=at)
        columns[name] = values.reshape(header.points, count)[:, 0]
        at += values.nbytes
    return columns


def _check_size(body: bytes, needed: int, where: str) -> None:
    cut, longer = len(body) < needed, bool(body[needed:].strip(b"\0\r\n "))
    if cut or longer:
        fault = "the file is cut short" if cut else "the header is wrong"
        raise InputError(f"{where}: {len(body)} bytes of data where the header announces {needed}: {fault}")


def _colors(columns: dict[str, NDArray[Any]], xyz: NDArray[Any], header: _Header, where: str) -> NDArray[Any] | None:
    packed = columns.get("rgb", columns.get("rgba"))
    if packed is not None:
        if packed.dtype.itemsize != 4:
            raise InputError(f"{where}: packed colour must have SIZE 4, got {packed.dtype.itemsize}")
        if header.data == "ascii" and header.packed_float and (np.isnan(packed) & np.isfinite(xyz).all(axis=1)).any():
            raise InputError(
                f"{where}: some colours were written as nan (opaque colours as ascii floats) and are lost: "
                "write the file as binary, or rgb with TYPE U"
            )
        bits = np.ascontiguousarray(packed).view("<u4")
        return np.stack([bits >> 16 & 255, bits >> 8 & 255, bits & 255], axis=1).astype(np.uint8)
    for names in _COLOR_NAMES:
        if all(name in columns for name in names):
            return np.stack([columns[name] for name in names], axis=1)
    return None


def _fits(values: NDArray[Any], dtype: np.dtype[Any]) -> bool:
    limits = np.iinfo(dtype)
    return bool(np.array_equal(values, np.rint(values)) and values.min() >= limits.min and values.max() <= limits.max)


def _integers(words: list[str], name: str, where: str) -> list[int]:
    try:
        return [int(word) for word in words]
    except ValueError:
        raise InputError(f"{where}: {name} should hold whole numbers, got {' '.join(words)!r}") from None
