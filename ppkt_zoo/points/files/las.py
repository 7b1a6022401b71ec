"""LAS and LAZ (ASPRS); laspy, which comes with the extra ``ppkt-zoo[las]``, knows their records.

The header, versions 1.0 to 1.4, is held against the file before anything is read or allocated. Source: ASPRS, LAS
Specification 1.4 - R15 (https://www.asprs.org/). The LASzip record: Isenburg, LASzip (2013).
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.errors import InputError
from ppkt_zoo.files.limits import MAX_BYTES, memory_named
from ppkt_zoo.files.optional import need
from ppkt_zoo.points.files.color_names import find_colors, warn_of_lost_colors
from ppkt_zoo.points.files.laz import laz_records

_SHORTEST = 227
_VLR_HEADER = 54
_EVLR_HEADER = 60
_MOST_VLRS = 10_000
_LASZIP = (b"laszip encoded", 22204)
_EXTRA_BYTES = (b"LASF_Spec", 4)
_EXTRA_SIZE = 192
_EXTRA_TYPES = {1: "u1", 2: "i1", 3: "<u2", 4: "<i2", 5: "<u4", 6: "<i4", 7: "<u8", 8: "<i8", 9: "<f4", 10: "<f8"}
_ROWS = 1 << 18


@dataclass(frozen=True)
class LasHeader:
    """What a file announces.

    Attributes:
        format: of the points, 0 to 10.
        record: bytes of a point's record.
        points: how many there are, at least 1.
        offset: the byte at which they begin.
        scales, offsets: coordinate = stored number × scale + offset.
        laszip: the record that the decompressor needs, or None where nothing is compressed.
        extra: names and numpy's types of the fields behind those of the format.
    """

    format: int
    record: int
    points: int
    offset: int
    scales: tuple[float, float, float]
    offsets: tuple[float, float, float]
    laszip: bytes | None
    extra: tuple[tuple[str, str], ...]


def parse_header(content: bytes, where: str) -> LasHeader:
    """Read the header and the records behind it.

    Raises:
        InputError: this is no LAS file, or its header contradicts itself or the file.
    """
    if content[:4] != b"LASF":
        raise InputError(f"{where}: not a LAS file: it does not begin with 'LASF'")
    if len(content) < _SHORTEST:
        raise _damaged(where, f"{len(content)} bytes are less than a header")
    version = content[24], content[25]
    size, offset, vlrs, kind, record, points = struct.unpack_from("<HIIBHI", content, 94)
    scales, offsets = struct.unpack_from("<3d", content, 131), struct.unpack_from("<3d", content, 155)
    if version[0] != 1 or version[1] > 4:
        raise _damaged(where, f"there is no LAS version {version[0]}.{version[1]}")
    if size < (375 if version[1] == 4 else _SHORTEST) or not size <= offset <= len(content):
        raise _damaged(where, f"a header of {size} bytes and points from byte {offset} of {len(content)}")
    if version[1] == 4:
        first, extended, many = struct.unpack_from("<QIQ", content, 235)
        points = many or points
        if extended and first + extended * _EVLR_HEADER > len(content):
            raise _damaged(where, f"{extended} records announced behind the points, which the file has no room for")
    if points < 1:
        raise InputError(f"{where}: the header announces no points: a cloud needs at least one")
    # The largest stored number must give a number.
    reach = [abs(scale) * 2.0**31 + abs(shift) for scale, shift in zip(scales, offsets, strict=True)]
    if 0.0 in scales or not all(math.isfinite(number) for number in reach):
        raise _damaged(where, f"the scales {scales} and offsets {offsets} give no coordinates")
    laszip, extra = _described(content, size, vlrs, offset, where)
    compressed = bool(kind & 0x80)
    if compressed and (laszip is None or not _fits(laszip, record)):
        raise _damaged(where, "its points are compressed, but the record that tells how is missing or wrong")
    if not compressed and offset + points * record > len(content):
        found = (len(content) - offset) // record if record else 0
        raise _damaged(where, f"room for {found} points where the header announces {points}")
    return LasHeader(kind & 0x3F, record, points, offset, scales, offsets, laszip if compressed else None, extra)


def _described(
    content: bytes, at: int, count: int, end: int, where: str
) -> tuple[bytes | None, tuple[tuple[str, str], ...]]:
    """LASzip's record, and the fields that are described in one of the records between header and points."""
    if count > _MOST_VLRS or at + count * _VLR_HEADER > end:
        raise _damaged(where, f"{count} records announced before the points, which the file has no room for")
    laszip: bytes | None = None
    extra: tuple[tuple[str, str], ...] = ()
    for _ in range(count):
        if at + _VLR_HEADER > end:
            raise _damaged(where, "the records before the points overlap the points")
        user, number, length = struct.unpack_from("<16sHH", content, at + 2)
        at += _VLR_HEADER
        if at + length > end:
            raise _damaged(where, "the records before the points overlap the points")
        name = (user.partition(b"\0")[0], number)
        if name == _LASZIP:
            laszip = content[at : at + length]
        elif name == _EXTRA_BYTES:
            extra = _extra_fields(content[at : at + length])
        at += length
    return laszip, extra


def _extra_fields(record: bytes) -> tuple[tuple[str, str], ...]:
    fields = []
    for at in range(0, len(record) - _EXTRA_SIZE + 1, _EXTRA_SIZE):
        kind, options = record[at + 2], record[at + 3]
        code = _EXTRA_TYPES.get(kind, f"V{options}" if kind == 0 and options else None)
        if code is None:
            break
        name = record[at + 4 : at + 36].partition(b"\0")[0].decode("latin-1").strip()
        fields.append((name, code))
    return tuple(fields)


def _fits(laszip: bytes, record: int) -> bool:
    """Whether the items that the decompressor is told of make up a point's record."""
    if len(laszip) < 34:
        return False
    items = struct.unpack_from("<H", laszip, 32)[0]
    if not 0 < items <= 32 or len(laszip) < 34 + 6 * items:
        return False
    return sum(struct.unpack_from("<H", laszip, 34 + 6 * item + 2)[0] for item in range(items)) == record


def _damaged(where: str, fault: str) -> InputError:
    return InputError(f"{where}: this LAS file is cut short or damaged: {fault}")


def parse_las(content: bytes, where: str) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Positions float64 (N, 3), scale and offset applied, and colours (N, 3) as stored, or None.

    Colours that are 0 throughout were never filled in, whatever the format of the points has room for: None.

    Raises:
        InputError: laspy (or, for LAZ, its decompressor) is not installed, or the file is damaged or lies.

    Warns:
        InputWarning: extra dimensions look like colours and cannot be understood.
    """
    with memory_named(where, InputError):
        laspy = need("laspy", "las", f"{where}: reading LAS", InputError)
        header = parse_header(content, where)
        try:
            base = laspy.PointFormat(header.format).dtype()
        except laspy.errors.LaspyException:
            raise InputError(f"{where}: there is no LAS point format {header.format}: the file is damaged") from None
        row = _row_type(base, header, where)
        names = [name for name in row.names or () if row[name].kind in "fiu"]
        channels, _ = find_colors(names)
        if len(channels) != 3:
            warn_of_lost_colors(names, where)
            channels = ()
        MAX_BYTES.check(header.points * header.record, f"{where}: its points", InputError)
        xyz = np.empty((header.points, 3))
        kinds = {row[names[channel]] for channel in channels}
        kind = kinds.pop() if len(kinds) == 1 else np.dtype(np.float64)
        colors = np.empty((header.points, len(channels)), kind)
        at = 0
        for rows in _records(content, header, row, where):
            part = slice(at, at + len(rows))
            for axis, name in enumerate("XYZ"):
                xyz[part, axis] = rows[name]
                xyz[part, axis] *= header.scales[axis]
                xyz[part, axis] += header.offsets[axis]
            for place, channel in enumerate(channels):
                colors[part, place] = rows[names[channel]]
            at += len(rows)
        return xyz, colors if channels and colors.any() else None


def _row_type(base: np.dtype[Any], header: LasHeader, where: str) -> np.dtype[Any]:
    """A point's record: the fields of its format, the extra ones that the file describes, and what is left."""
    if header.record < base.itemsize:
        raise InputError(
            f"{where}: points of {header.record} bytes where their format {header.format} has {base.itemsize}: the "
            "file is damaged"
        )
    fields: dict[str, tuple[np.dtype[Any], int]] = {
        name: (place[0], place[1]) for name, place in (base.fields or {}).items()
    }
    at = base.itemsize
    for name, code in header.extra:
        size = np.dtype(code).itemsize
        if at + size > header.record:
            break
        if name and name not in fields:
            fields[name] = (np.dtype(code), at)
        at += size
    kinds, offsets = zip(*fields.values(), strict=True)
    return np.dtype({"names": list(fields), "formats": kinds, "offsets": offsets, "itemsize": header.record})


def _records(content: bytes, header: LasHeader, row: np.dtype[Any], where: str) -> Iterator[NDArray[Any]]:
    if header.laszip is None:
        for start in range(0, header.points, _ROWS):
            yield np.frombuffer(content, row, min(_ROWS, header.points - start), header.offset + start * header.record)
        return
    for rows in laz_records(content, header.laszip, header.offset, header.record, header.points, where):
        yield np.frombuffer(rows, row)
