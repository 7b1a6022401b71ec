"""Stanford ``.ply`` files: read here, as many programs write them; written by plyfile."""

import io
import warnings
from typing import Any

import numpy as np
import plyfile
from numpy.typing import NDArray

from ppkt_zoo.errors import InputError, InputWarning
from ppkt_zoo.files.limits import memory_named
from ppkt_zoo.files.text import one_line
from ppkt_zoo.points.files.color_names import find_columns, warn_of_lost_colors
from ppkt_zoo.points.files.colors import pick_fields
from ppkt_zoo.points.files.ply_header import parse_header
from ppkt_zoo.points.files.ply_rows import vertex_rows

__all__ = ["parse_ply", "parse_vertices", "ply_bytes"]

_FACES = ("face", "faces", "tristrips", "polygon")


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
                InputWarning(
                    f"{where}: this is a mesh of {faces} faces, only its {vertex.count} vertices are read as points: "
                    "where they stand further apart than the voxels, sample points on its surface first"
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
    first = next(iter(columns.values()))
    table = np.empty(len(first), dtype=[(name, values.dtype) for name, values in columns.items()])
    for name, values in columns.items():
        table[name] = values
    stream = io.BytesIO()
    plyfile.PlyData([plyfile.PlyElement.describe(table, "vertex")], byte_order="<").write(stream)
    return stream.getvalue()
