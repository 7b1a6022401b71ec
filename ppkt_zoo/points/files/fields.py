"""What a file says of its points beside positions and colours: labels, instances, and whatever else stands there."""

import contextlib
import dataclasses
import io
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.errors import InputError
from ppkt_zoo.files.limits import MAX_BYTES, memory_named
from ppkt_zoo.files.optional import need
from ppkt_zoo.files.reading import usable_path
from ppkt_zoo.points.files import las, numpy_files, pcd
from ppkt_zoo.points.files.cloud_files import cloud_content, parse_cloud
from ppkt_zoo.points.files.number_rows import Target, fill_rows
from ppkt_zoo.points.files.ply import parse_vertices
from ppkt_zoo.points.files.ply_header import parse_header as parse_ply_header
from ppkt_zoo.points.files.tables import TEXT_ENDINGS, _plain_bytes
from ppkt_zoo.points.files.text_layout import find_layout

_Columns = dict[str, NDArray[Any]]
_NO_FIELD: tuple[type[Exception], ...] = (InputError, *numpy_files._ZIP_DAMAGE)
# Formats 0 to 5 of LAS keep three flags in the byte of the class.
_PACKED_CLASS, _CLASS, _CLASS_BITS = "raw_classification", "classification", 31


class PointFields(NamedTuple):
    """A cloud with all its fields, row by row.

    Attributes:
        where: the file, for messages.
        xyz, rgb, dropped: as :class:`ppkt_zoo.points.files.cloud_files.CloudArrays`.
        columns: name as it stands in the file → (N,) or (N, C), rows as those of ``xyz``: the rows that have no
            position are left out here too. Positions and colours may be among them.
    """

    where: str
    xyz: NDArray[Any]
    rgb: NDArray[np.uint8] | None
    dropped: int
    columns: _Columns


def read_fields(path: Path | str) -> PointFields:
    """Read a cloud with all its fields: ``.ply``, ``.npz``, ``.las``, ``.laz``, ``.pcd``, ``.txt``, ``.csv``.

    Text needs a first line that names its columns. Positions and colours are those that
    :func:`~ppkt_zoo.points.files.cloud_files.read_cloud` reads. Fields that hold no numbers are passed over.

    Raises:
        InputError: as ``read_cloud`` does; or the ending has no reader of fields, or the text names no columns.
    """
    file = usable_path(path, InputError)
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        raise InputError(f"{file}: no reader of labels for {file.suffix or 'this name'}: use {', '.join(_READERS)}")
    content = cloud_content(file)
    # First: it holds what headers claim against the file and the limits.
    cloud, kept = parse_cloud(file, content)
    rows = len(cloud.xyz) + cloud.dropped
    with memory_named(str(file), InputError):
        columns = {name: values for name, values in reader(content, str(file)).items() if len(values) == rows}
        if kept is not None:
            columns = {name: values[kept] for name, values in columns.items()}
    return PointFields(str(file), *cloud, columns)


def field_names(where: str, content: bytes) -> tuple[str, ...]:
    """The names of a file's fields, positions and colours among them, without reading a row; none where it has none.

    Args:
        where: the file.
        content: its bytes.

    Raises:
        InputError: its header is damaged.
    """
    ending = PurePath(where).suffix.lower()
    if ending == ".ply":
        header = parse_ply_header(content, where)
        return tuple(one.name for one in header.elements[header.vertex()].properties)
    if ending == ".pcd":
        return tuple(field.name for field in pcd.parse_header(content, where).fields if not field.padding)
    if ending == ".npz":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return tuple(numpy_files._members(archive, where))
    if ending in (".las", ".laz"):
        laspy = need("laspy", "las", f"{where}: reading LAS", InputError)
        kind = las.parse_header(content, where)
        return tuple(las._row_type(laspy.PointFormat(kind.format).dtype(), kind, where).names or ())
    if ending in TEXT_ENDINGS:
        plain = _plain_bytes(content, where)
        return tuple(find_layout(plain, where, ending).names or ())
    return ()


def _of_ply(content: bytes, where: str) -> _Columns:
    vertex = parse_vertices(content, where)
    # A property that is a list has no one value a point.
    return {name: vertex[name] for name in vertex.dtype.names or () if vertex.dtype[name].kind in "fiu"}


def _of_npz(content: bytes, where: str) -> _Columns:
    columns: _Columns = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = numpy_files._members(archive, where)
        MAX_BYTES.check(sum(one.file_size for one in members.values()), f"{where}: unpacked, its arrays", InputError)
        for name, info in members.items():
            try:
                values = numpy_files._unpack(archive, info, where, kinds="fiubU")
            except _NO_FIELD:
                continue  # objects, or damaged: the field will be missed where it was the label
            if values.ndim and not values.dtype.names:
                columns[name] = values[:, 0] if values.shape[1:] == (1,) else values
    return columns


def _of_pcd(content: bytes, where: str) -> _Columns:
    header = pcd.parse_header(content, where)
    read = {"ascii": pcd._ascii, "binary": pcd._binary}.get(header.data, pcd._compressed)
    found = read(content, header, where, [field.name for field in header.fields if not field.padding])
    return {name: values[:, 0] if values.shape[1] == 1 else values for name, values in found.items()}


def _of_las(content: bytes, where: str) -> _Columns:
    laspy = need("laspy", "las", f"{where}: reading LAS", InputError)
    header = las.parse_header(content, where)
    row = las._row_type(laspy.PointFormat(header.format).dtype(), header, where)
    names = [name for name in row.names or () if row[name].kind in "fiu" and name not in "XYZ"]
    columns: _Columns = {name: np.empty(header.points, row[name].newbyteorder("=")) for name in names}
    at = 0
    for part in las._records(content, header, row, where):
        for name in names:
            columns[name][at : at + len(part)] = part[name]
        at += len(part)
    if _PACKED_CLASS in columns:
        columns[_CLASS] = columns.pop(_PACKED_CLASS) & _CLASS_BITS
    return columns


def _of_text(content: bytes, where: str) -> _Columns:
    content = _plain_bytes(content, where)
    table = find_layout(content, where, PurePath(where).suffix.lower())
    if table.names is None:
        raise InputError(f"{where}: labels need a first line that names the columns, such as x y z r g b label")
    places = [place for place in range(len(table.names)) if place not in table.layout.wanted]
    most = max(content.count(b"\n", table.start), content.count(b"\r", table.start)) + 1

    def filled(wanted: list[int], words: bool) -> _Columns:
        values = np.empty((most, len(wanted)))
        layout = dataclasses.replace(table.layout, wanted=tuple(wanted), words=words)
        rows = fill_rows(content, where, table.start, layout, [Target(values, "field")], first_line=table.first_line)
        return {names[place]: values[:rows, column] for column, place in enumerate(wanted)}

    names = table.names
    if not places:
        return {}
    try:
        return filled(places, words=False)
    except InputError:
        columns: _Columns = {}
        for place in places:
            with contextlib.suppress(InputError):  # a column of words
                columns |= filled([place], words=True)
        return columns


_READERS: dict[str, Callable[[bytes, str], _Columns]] = {
    ".ply": _of_ply,
    ".npz": _of_npz,
    ".las": _of_las,
    ".laz": _of_las,
    ".pcd": _of_pcd,
    ".txt": _of_text,
    ".csv": _of_text,
}
#: Endings of files whose labels can be read.
FIELD_SUFFIXES = tuple(_READERS)
