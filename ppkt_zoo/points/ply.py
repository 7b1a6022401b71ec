"""Stanford ``.ply`` files, by way of plyfile; the header is checked against the data before plyfile sees it."""

import io
import warnings
from typing import Any

import numpy as np
import plyfile
from numpy.typing import NDArray

from ppkt_zoo.errors import InputError

_COLOR_NAMES = (("red", "green", "blue"), ("r", "g", "b"), ("diffuse_red", "diffuse_green", "diffuse_blue"))
_SIZES = {
    **dict.fromkeys(("char", "uchar", "int8", "uint8"), 1),
    **dict.fromkeys(("short", "ushort", "int16", "uint16"), 2),
    **dict.fromkeys(("int", "uint", "float", "int32", "uint32", "float32"), 4),
    **dict.fromkeys(("double", "float64"), 8),
}


def parse_ply(content: bytes, where: str) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Positions (N, 3) as stored and colours (N, 3) or None, of the element ``vertex``.

    Raises:
        InputError: the header is incomplete or contradicts the data, or there are no positions.
    """
    _check_header(content, where)
    stream = io.BytesIO(content)
    try:
        with warnings.catch_warnings():
            # numpy's remark on an empty row, which plyfile then refuses.
            warnings.simplefilter("ignore", UserWarning)
            file = plyfile.PlyData.read(stream)
    except (plyfile.PlyParseError, ValueError, KeyError, IndexError, TypeError, OverflowError, EOFError) as error:
        raise InputError(f"{where}: this .ply file is cut short or damaged ({error})") from error
    # plyfile closes the stream of an ascii file; its rows were counted before.
    if not stream.closed and stream.read().strip():
        raise InputError(f"{where}: there is more data than the header announces: the header is wrong")
    vertex = file["vertex"].data
    names = vertex.dtype.names or ()
    if not all(name in names and vertex.dtype[name].kind in "fiu" for name in "xyz"):
        raise InputError(f"{where}: vertex has no numbers x, y, z but {', '.join(names)}")
    xyz = np.stack([vertex[name] for name in "xyz"], axis=1)
    for channels in _COLOR_NAMES:
        if all(name in names for name in channels):
            return xyz, np.stack([vertex[name] for name in channels], axis=1)
    return xyz, None


def ply_bytes(columns: dict[str, NDArray[Any]]) -> bytes:
    """A binary little-endian file with one property a column, all (N,) of types that ``.ply`` knows."""
    first = next(iter(columns.values()))
    table = np.empty(len(first), dtype=[(name, values.dtype) for name, values in columns.items()])
    for name, values in columns.items():
        table[name] = values
    stream = io.BytesIO()
    plyfile.PlyData([plyfile.PlyElement.describe(table, "vertex")], byte_order="<").write(stream)
    return stream.getvalue()


def _check_header(content: bytes, where: str) -> None:
    if content[:3] != b"ply":
        raise InputError(f"{where}: not a .ply file: it does not begin with 'ply'")
    end = content.find(b"end_header")
    if end < 0:
        raise InputError(f"{where}: the header ends before end_header: the file is cut short")
    after = content[end + len(b"end_header") :]
    body = len(after.removeprefix(b"\r").removeprefix(b"\n"))
    ascii_rows, needed, count, vertices, rows = False, 0, 0, 0, 0
    for line in content[:end].decode("ascii", errors="replace").splitlines():
        words = line.split()
        if words[:1] == ["format"]:
            ascii_rows = words[1:2] == ["ascii"]
        elif words[:1] == ["element"]:
            count = int(words[2]) if len(words) == 3 and words[2].isdecimal() else -1
            if count < 0:
                raise InputError(f"{where}: the header line {line.strip()!r} announces no number of rows")
            vertices += count if words[1] == "vertex" else 0
            rows += count
        elif words[:1] == ["property"]:
            # Of a list, its length is the least that a row holds; of ascii, a digit and a space.
            kinds = words[2:4] if words[1:2] == ["list"] else words[1:2]
            if not kinds or any(kind not in _SIZES for kind in kinds):
                raise InputError(f"{where}: the header line {line.strip()!r} names no type of .ply")
            needed += count * (2 if ascii_rows else _SIZES[kinds[0]])
    if vertices < 1:
        raise InputError(f"{where}: the header announces no element vertex with at least one row")
    if ascii_rows:
        found = sum(bool(line.strip()) for line in after.splitlines())
        if found != rows:
            fault = "the file is cut short" if found < rows else "there is more data than the header announces"
            raise InputError(f"{where}: {found} rows where the header announces {rows}: {fault}")
    # The last ascii number needs no space behind it.
    if body < needed - ascii_rows:
        raise InputError(
            f"{where}: {body} bytes of data where the header announces at least {needed}: the file is cut short, "
            "or the header is wrong"
        )
