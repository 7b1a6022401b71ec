"""Stanford ``.ply`` files: read here, as many programs write them; written by plyfile."""

import io
import warnings
from collections.abc import Sequence
from itertools import islice
from typing import Any, BinaryIO, Literal

import numpy as np
import plyfile
from numpy.typing import NDArray

from ppkt_zoo.errors import InputError, MeshWarning
from ppkt_zoo.files.limits import memory_named
from ppkt_zoo.files.text import one_line
from ppkt_zoo.points.files.color_names import find_columns, warn_of_lost_colors
from ppkt_zoo.points.files.colors import pick_fields
from ppkt_zoo.points.files.number_rows import Layout, Target, count_rows, fill_rows, first_lines, to_number
from ppkt_zoo.points.files.ply_header import Element, Header, parse_header

# So many rows of unequal lists are passed over one by one before it is tried again whether all are alike.
_MIXED = 2000
_ROWS_WRITTEN = 1 << 16
_FACES = ("face", "faces", "tristrips", "polygon")


def vertex_rows(content: bytes, header: Header, where: str, wanted: Sequence[str] | None, rest: bool) -> NDArray[Any]:
    """Properties of ``vertex``: a structured array (N,) with a field for each; a list is an array in its field.

    Args:
        where: begins messages.
        wanted: names of properties; all where None.
        rest: whether what stands behind the vertices must be whole, too.

    Raises:
        InputError: the data are cut short, more than announced, or no numbers.
    """
    place = header.vertex()
    if not header.order:
        return _ascii_rows(content, header, place, where, wanted)
    at = header.body
    for element in header.elements[:place]:
        at = _skip(content, at, element, header.order, where)
    rows, at = _binary_rows(content, at, header.elements[place], header.order, where)
    behind = header.elements[place + 1 :]
    if rest or not behind:
        for element in behind:
            at = _skip(content, at, element, header.order, where)
        if content[at : at + (1 << 16)].strip() or len(content) - at > (1 << 16):
            raise InputError(f"{where}: there is more data than the header announces: the header is wrong")
    return rows if wanted is None else rows[list(wanted)]


def _binary_rows(content: bytes, at: int, element: Element, order: str, where: str) -> tuple[NDArray[Any], int]:
    if not element.has_lists():
        row = np.dtype([(one.name, order + one.type) for one in element.properties])
        end = at + element.count * row.itemsize
        if end > len(content):
            raise _cut_short(where, element)
        return np.frombuffer(content, row, element.count, at), end
    rows = np.empty(
        element.count, dtype=[(one.name, object if one.length else order + one.type) for one in element.properties]
    )
    for index in range(element.count):
        for one in element.properties:
            if one.length is None:
                values, at = _values(content, at, 1, order + one.type, where, element)
                rows[one.name][index] = values[0]
            else:
                length, at = _values(content, at, 1, order + one.length, where, element)
                rows[one.name][index], at = _values(content, at, int(length[0]), order + one.type, where, element)
    return rows, at


def _values(content: bytes, at: int, count: int, code: str, where: str, element: Element) -> tuple[NDArray[Any], int]:
    end = at + count * np.dtype(code).itemsize
    if count < 0 or end > len(content):
        raise _cut_short(where, element)
    return np.frombuffer(content, code, count, at) if count else np.empty(0, code), end


def _skip(content: bytes, at: int, element: Element, order: str, where: str) -> int:
    """Where the data behind an element begin."""
    if not element.has_lists():
        end = at + element.count * element.least_bytes()
        if end > len(content):
            raise _cut_short(where, element)
        return end
    done = 0
    while done < element.count:
        done, at = _skip_alike(content, at, element, order, where, done)
        done, at = _skip_one_by_one(content, at, element, order, where, done)
    return at


def _skip_alike(content: bytes, at: int, element: Element, order: str, where: str, done: int) -> tuple[int, int]:
    """Pass over the next row and over all rows behind it whose lists have its lengths: as a rule, all triangles."""
    fields, end = {}, at
    for index, one in enumerate(element.properties):
        count = 1
        if one.length is not None:
            length, after = _values(content, end, 1, order + one.length, where, element)
            fields[f"{index}"] = (length.dtype, end - at)
            count, end = int(length[0]), after
        _, end = _values(content, end, count, order + one.type, where, element)
    size = end - at
    codes, offsets = zip(*fields.values(), strict=True)
    kind = np.dtype({"names": list(fields), "formats": codes, "offsets": offsets, "itemsize": size})
    first = np.frombuffer(content, kind, 1, at)
    most, alike, step = min(element.count - done, (len(content) - at) // size), 1, 64
    while alike < most:
        rows = np.frombuffer(content, kind, min(step, most - alike), at + alike * size)
        same = np.logical_and.reduce([rows[name] == first[name] for name in fields])
        run = len(rows) if same.all() else int(np.argmin(same))
        alike += run
        if run < len(rows):
            break
        step *= 8
    return done + alike, at + alike * size


def _skip_one_by_one(content: bytes, at: int, element: Element, order: str, where: str, done: int) -> tuple[int, int]:
    """Pass over some rows that differ in their lengths."""
    byteorder: Literal["little", "big"] = "big" if order == ">" else "little"
    plan = [
        (one.length is not None, np.dtype(one.length or one.type).itemsize, np.dtype(one.type).itemsize)
        for one in element.properties
    ]
    stop = min(element.count, done + _MIXED)
    while done < stop:
        for is_list, head, size in plan:
            if is_list:
                at += int.from_bytes(content[at : at + head], byteorder) * size
            at += head
        if at > len(content):
            raise _cut_short(where, element)
        done += 1
    return done, at


def _ascii_rows(content: bytes, header: Header, place: int, where: str, wanted: Sequence[str] | None) -> NDArray[Any]:
    announced = sum(element.count for element in header.elements)
    found = count_rows(content, where, header.body)
    if found != announced:
        fault = "the file is cut short" if found < announced else "there is more data than the header announces"
        raise InputError(f"{where}: {found} rows where the header announces {announced}: {fault}")
    element = header.elements[place]
    skip = sum(before.count for before in header.elements[:place])
    if element.has_lists():
        return _ascii_lists(content, header, element, where, skip)
    names = [one.name for one in element.properties]
    chosen = names if wanted is None else [name for name in names if name in wanted]
    rows = np.empty(element.count, dtype=[(one.name, one.type) for one in element.properties if one.name in chosen])
    layout = _ascii_layout(content, header, where, len(names), tuple(names.index(name) for name in chosen), skip)
    targets = [Target(rows[name], f"property {one_line(name, 60)}") for name in chosen]
    fill_rows(content, where, header.body, layout, targets, skip, header.lines + 2)
    return rows


def _ascii_layout(content: bytes, header: Header, where: str, width: int, wanted: tuple[int, ...], skip: int) -> Layout:
    """Blanks between numbers, as the format has it; or what programs write where commas are decimal, or separate."""
    text = next((text for text, _, _ in islice(first_lines(content, where, header.body), skip, None)), b"")
    if b"," not in text or len(text.split(b",")) == width:
        return Layout(width, wanted, "," if b"," in text else None)
    return Layout(width, wanted, comma=".")


def _ascii_lists(content: bytes, header: Header, element: Element, where: str, skip: int) -> NDArray[Any]:
    rows = np.empty(element.count, dtype=[(one.name, object if one.length else one.type) for one in element.properties])
    found = islice(first_lines(content, where, header.body), skip, skip + element.count)
    for index, (text, number, _) in enumerate(found):
        words, at, place = text.decode("latin-1").split(), 0, f"{where}, line {number + header.lines + 1}"
        for one in element.properties:
            if one.length is None:
                rows[one.name][index] = _number(words, at, one.type, place)
                at += 1
                continue
            length = int(_number(words, at, one.length, place))
            if not 0 <= length < len(words) - at:
                raise InputError(f"{place}: a list of {length} numbers is cut short")
            values = [_number(words, at + 1 + offset, one.type, place) for offset in range(length)]
            rows[one.name][index] = np.array(values, dtype=one.type)
            at += 1 + length
        if at != len(words):
            raise InputError(f"{place}: this row has more numbers than the header announces")
    return rows


def _number(words: list[str], at: int, code: str, place: str) -> float:
    value = to_number(words[at]) if at < len(words) else None
    if value is None:
        raise InputError(f"{place}: the row is cut short or no numbers")
    dtype = np.dtype(code)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if not (limits.min <= value <= limits.max and value.is_integer()):
            raise InputError(f"{place}: {value:.6g} does not fit its type, whole numbers of {8 * dtype.itemsize} bits")
    return value


def _cut_short(where: str, element: Element) -> InputError:
    return InputError(
        f"{where}: the data end within the element {one_line(element.name, 60)!r}: the file is cut short, or the "
        "header is wrong"
    )


def parse_ply(content: bytes, where: str) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Positions (N, 3) as stored and colours (N, 3) or None, of the element ``vertex``.

    Raises:
        InputError: the header is incomplete or contradicts the data, or there are no positions.

    Warns:
        InputWarning: the file is a mesh, of which only the vertices are read; or columns look like colours.
    """
    with memory_named(where, InputError):
        header = parse_header(content, where)
        vertex = header.elements[header.vertex()]
        names = [one.name for one in vertex.properties if one.length is None]
        columns = find_columns(names, where)
        if columns is None:
            listed = ", ".join(one_line(one.name, 60) for one in vertex.properties[:20])
            raise InputError(f"{where}: vertex has no numbers x, y, z but {listed}")
        if not columns.colors:
            warn_of_lost_colors([one.name for one in vertex.properties if one.length is not None], where)
        wanted = [names[place] for place in (*columns.xyz, *columns.colors)]
        rows = vertex_rows(content, header, where, wanted, rest=True)
        cloud = pick_fields(rows, names, columns, where, text=not header.order)
        faces = sum(element.count for element in header.elements if element.name.lower() in _FACES)
        if faces:
            warnings.warn(
                MeshWarning(
                    f"{where}: this is a mesh of {faces} faces, only its {vertex.count} vertices are read as points: "
                    "where they stand further apart than the voxels, sample its surface (--mesh surface, or "
                    "ppkt_zoo.load_cloud(..., mesh='surface')); --mesh vertices confirms the vertices"
                ),
                stacklevel=2,
            )
        return cloud


def parse_vertices(content: bytes, where: str) -> NDArray[Any]:
    """All properties of the element ``vertex``: a structured array (N,) with a field for each.

    The faces of a binary file are passed over: nobody asks for them here.

    Raises:
        InputError: the header is incomplete or contradicts the data.
    """
    with memory_named(where, InputError):
        header = parse_header(content, where)
        return vertex_rows(content, header, where, None, rest=False)


def ply_bytes(columns: dict[str, NDArray[Any]]) -> bytes:
    """A binary little-endian file with one property a column, all (N,) of types that ``.ply`` knows."""
    stream = io.BytesIO()
    write_ply(stream, columns)
    return stream.getvalue()


def write_ply(stream: BinaryIO, columns: dict[str, NDArray[Any]], comments: Sequence[str] = ()) -> None:
    """Write a table of vertices some rows at a time: a large one is never in memory a second time.

    Args:
        columns: name → (N,).
        comments: lines in ASCII for the header.
    """
    kinds = np.dtype([(name, values.dtype.newbyteorder("<")) for name, values in columns.items()])
    rows = len(next(iter(columns.values())))
    # Of as many rows, all of them the same one, for the header alone.
    form = plyfile.PlyElement.describe(np.broadcast_to(np.zeros(1, kinds), rows), "vertex")
    stream.write(plyfile.PlyData([form], byte_order="<", comments=list(comments)).header.encode("ascii") + b"\n")
    for at in range(0, rows, _ROWS_WRITTEN):
        table = np.empty(min(_ROWS_WRITTEN, rows - at), kinds)
        for name, values in columns.items():
            table[name] = values[at : at + _ROWS_WRITTEN]
        stream.write(table.tobytes())
