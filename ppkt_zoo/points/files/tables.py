"""Clouds in tables of text."""

import codecs
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.errors import InputError
from ppkt_zoo.files.limits import memory_named
from ppkt_zoo.points.files.colors import by_form
from ppkt_zoo.points.files.number_rows import Target, fill_rows
from ppkt_zoo.points.files.text_layout import find_layout

#: Endings of tables of text.
TEXT_ENDINGS = (".txt", ".xyz", ".csv", ".asc", ".pts", ".xyzrgb", ".xyzn", ".xyzi", ".tsv", ".dat")
# The longer mark first: one begins with the other.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF8, "utf-8"),
)


def parse_text(content: bytes, where: str) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Rows of numbers parted by blanks, tabs, commas, semicolons or upright strokes, as programs and people write them.

    A first line of names (``x y z r g b`` in any case, with units, behind ``#`` or ``//`` too) says which column is
    what; without it, rows are x y z or x y z r g b (in ``.pts`` an intensity may stand between; in ``.xyzn`` a normal
    stands behind). A line before the rows with one whole number is the number of rows. Decimal commas, quotes, a
    separator behind each row, remarks behind ``#`` or ``//``, UTF-16 and byte-order marks are understood. An empty
    field, or a word such as nan or null, is NaN: rows without a position are dropped later, and counted.

    Raises:
        InputError: a row is no numbers or of another length, or the columns cannot be told.
    """
    with memory_named(where, InputError):
        content = _plain_bytes(content, where)
        if not content or content.isspace():
            raise InputError(f"{where}: the file is empty")
        table = find_layout(content, where, PurePath(where).suffix.lower())
        most = max(content.count(b"\n", table.start), content.count(b"\r", table.start)) + 1
        xyz = np.empty((most, 3))
        channels = len(table.layout.wanted) - 3
        colors = np.empty((most, channels), dtype=np.float32 if channels == 3 else np.float64)
        targets = [Target(xyz, "position"), Target(colors, "colour")][: 2 if channels else 1]
        rows = fill_rows(content, where, table.start, table.layout, targets, first_line=table.first_line)
        if table.announced is not None and table.announced != rows:
            raise InputError(f"{where}: {rows} rows of numbers, {table.announced} announced")
        xyz = xyz[:rows]
        if not channels:
            return xyz, None
        return xyz, by_form(colors[:rows], table.form, xyz, where)


def _plain_bytes(content: bytes, where: str) -> bytes:
    """The same text in UTF-8 or Latin-1, without a byte-order mark."""
    mark, encoding = next((pair for pair in _MARKS if content.startswith(pair[0])), (b"", ""))
    even, odd = (content[first:64:2].strip(b"\0") for first in (0, 1))
    if not mark and len(content) >= 4 and bool(even) != bool(odd):
        # UTF-16 without its mark: of the two bytes of a digit, one is zero.
        encoding = "utf-16-le" if even else "utf-16-be"
    if encoding.startswith(("utf-16", "utf-32")):
        try:
            content = content[len(mark) :].decode(encoding).encode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"{where}: this is not a text file ({error.reason})") from error
    elif mark:
        content = content[len(mark) :]
    if b"\0" in content:
        raise InputError(f"{where}: this is not a text file: it holds zero bytes")
    return content
