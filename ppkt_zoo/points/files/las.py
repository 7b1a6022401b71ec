"""LAS and LAZ (ASPRS); laspy, which comes with the extra ``ppkt-zoo[las]``, knows their records."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.errors import InputError
from ppkt_zoo.files.limits import MAX_BYTES, memory_named
from ppkt_zoo.files.optional import need
from ppkt_zoo.points.files.color_names import find_colors, warn_of_lost_colors
from ppkt_zoo.points.files.las_header import LasHeader, parse_header
from ppkt_zoo.points.files.laz import laz_records

__all__ = ["parse_las"]

_ROWS = 1 << 18


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
    return np.dtype(
        {
            "names": list(fields),
            "formats": [kind for kind, _ in fields.values()],
            "offsets": [offset for _, offset in fields.values()],
            "itemsize": header.record,
        }
    )


def _records(content: bytes, header: LasHeader, row: np.dtype[Any], where: str) -> Iterator[NDArray[Any]]:
    if header.laszip is None:
        for start in range(0, header.points, _ROWS):
            yield np.frombuffer(content, row, min(_ROWS, header.points - start), header.offset + start * header.record)
        return
    for rows in laz_records(content, header.laszip, header.offset, header.record, header.points, where):
        yield np.frombuffer(rows, row)
