"""Stanford ``.ply`` files, by way of plyfile; the header is checked against the data before plyfile sees it."""

import io
import warnings
from typing import Any

import numpy as np
import plyfile
from numpy.typing import NDArray

from ppkt_zoo.errors import InputError

_COLOR_NAMES = (("red", "green", "blue"), ("r", "g", "b"), ("diffuse_red", "diffuse_green", "diffuse_blue"))
_TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}


def parse_ply(content: bytes, where: str) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Positions (N, 3) as stored and colours (N, 3) or None, of the element ``vertex``.

    Raises:
        InputError: the header is incomplete or contradicts the data, or there are no positions.
    """
    _check_header(content, where)
    vertex = _binary_rows(content, faces=False)
    vertex = _plyfile_rows(content, where) if vertex is None else vertex
    names = vertex.dtype.names or ()
    if not all(name in names and vertex.dtype[name].kind in "fiu" for name in "xyz"):
        raise InputError(f"{where}: vertex has no numbers x, y, z but {', '.join(names)}")
    xyz = np.stack([vertex[name] for name in "xyz"], axis=1)
    for channels in _COLOR_NAMES:
        if all(name in names for name in channels):
            return xyz, np.stack([vertex[name] for name in channels], axis=1)
    return xyz, None


def parse_vertices(content: bytes, where: str) -> NDArray[Any]:
    """All properties of the element ``vertex``: a structured array (N,) with a field for each.

    The faces of a binary file are passed over: nobody asks for them here, and their lists take seconds.

    Raises:
        InputError: the header is incomplete or contradicts the data.
    """
    _check_header(content, where)
    vertex = _binary_rows(content, faces=True)
    return _plyfile_rows(content, where) if vertex is None else vertex


def ply_bytes(columns: dict[str, NDArray[Any]]) -> bytes:
    """A binary little-endian file with one property a column, all (N,) of types that ``.ply`` knows."""
    first = next(iter(columns.values()))
    table = np.empty(len(first), dtype=[(name, values.dtype) for name, values in columns.items()])
    for name, values in columns.items():
        table[name] = values
    stream = io.BytesIO()
    plyfile.PlyData([plyfile.PlyElement.describe(table, "vertex")], byte_order="<").write(stream)
    return stream.getvalue()


def _plyfile_rows(content: bytes, where: str) -> NDArray[Any]:
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
    vertex: NDArray[Any] = file["vertex"].data
    return vertex


def _binary_rows(content: bytes, faces: bool) -> NDArray[Any] | None:
    """The rows of ``vertex`` at once, some hundred times faster than plyfile, which takes them one by one.

    None, and plyfile's turn, for text, for a vertex with lists or behind another element, for data beyond the header's
    count, and for a further element unless ``faces`` says that what stands there does not matter.
    """
    header, _, after = content.partition(b"end_header")
    body = after.removeprefix(b"\r").removeprefix(b"\n")
    lines = [line.split() for line in header.decode("ascii", errors="replace").splitlines()]
    elements = [index for index, words in enumerate(lines) if words[:1] == ["element"]]
    order = {"binary_little_endian": "<", "binary_big_endian": ">"}.get(lines[1][1] if len(lines[1]) > 1 else "")
    if order is None or lines[elements[0]][1] != "vertex" or (len(elements) > 1 and not faces):
        return None
    last = elements[1] if len(elements) > 1 else len(lines)
    properties = [words for words in lines[elements[0] : last] if words[:1] == ["property"]]
    if any(len(words) != 3 or words[1] not in _TYPES for words in properties):
        return None
    try:
        row = np.dtype([(name, order + _TYPES[kind]) for _, kind, name in properties])
    except ValueError:
        # Two properties of one name.
        return None
    count = int(lines[elements[0]][2])
    exact = len(elements) > 1 or len(body) == count * row.itemsize
    return np.frombuffer(body, row, count) if row.itemsize and exact else None


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
            if not kinds or any(kind not in _TYPES for kind in kinds):
                raise InputError(f"{where}: the header line {line.strip()!r} names no type of .ply")
            needed += count * (2 if ascii_rows else np.dtype(_TYPES[kinds[0]]).itemsize)
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
