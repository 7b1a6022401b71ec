"""Rows of numbers out of text, a part after the other: what ascii clouds of every format have in common.

The bytes of a file stay bytes: as Python strings, a line each, they would take several times their size.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.errors import InputError
from ppkt_zoo.files.text import one_line

_PART = 1 << 21
# Of a table of points; thousands of columns fit.
_LONGEST_LINE = 1 << 17
# The time to read a number grows with the square of its digits; no double needs half as many.
_LONGEST_WORD = 800
_LONG_WORD = re.compile(rf"[^\s,;|]{{{_LONGEST_WORD}}}")
# Visual C's way to write what is no number.
_WINDOWS_NAN = re.compile(rb"[-+]?1\.#(?:IND|QNAN|SNAN|NAN)\d*", re.IGNORECASE)
_WINDOWS_INFINITY = re.compile(rb"1\.#INF\d*", re.IGNORECASE)
_QUOTED = re.compile(rb'"([^"\n]*)"')
_REMARK = re.compile(rb"[ \t]*(?:#|//)[^\n]*")
_FORTRAN = re.compile(r"[-+]?\d*\.?\d*[dD][-+]?\d+")
_MISSING = {"", "nan", "na", "n/a", "#n/a", "null", "none", "nil", "-", "--", "?", "nodata", "(null)"}
_MISSING |= {"-nan", "+nan", "nan(ind)", "-nan(ind)", "nan(snan)", "-nan(snan)"}
# U+2212, which word processors make of a minus, as its UTF-8 reads in Latin-1.
_LONG_MINUS = "\u2212".encode().decode("latin-1")


@dataclass(frozen=True)
class Layout:
    """How rows are written.

    Attributes:
        width: columns of a row.
        wanted: the columns that are asked for.
        separator: ``,`` or ``;`` or a tab; None for blanks of any kind.
        comma: what a comma stands for where it is no separator: ``.`` in numbers of many countries, or a blank.
        remarks: what stands behind ``#`` or ``//`` is a remark.
        words: some columns that nobody asks for hold words.
    """

    width: int
    wanted: tuple[int, ...]
    separator: str | None = None
    comma: str = ","
    remarks: bool = False
    words: bool = False


class Target(NamedTuple):
    """Where columns go: an array (N,), or (N, C) for C columns, and what messages call it."""

    array: NDArray[Any]
    name: str


class _Part(NamedTuple):
    all_lines: list[str]
    rows: list[str]
    first: int

    def number(self, row: int) -> int:
        filled = (index for index, line in enumerate(self.all_lines, self.first) if _is_filled(line))
        return next(number for place, number in enumerate(filled) if place == row)


def first_lines(content: bytes, where: str, start: int = 0) -> Iterator[tuple[bytes, int, int]]:
    """Lines that hold something: their text without blanks around it (tabs stay, they may part what is missing), their
    number from 1, where the next begins.

    Raises:
        InputError: a line is longer than any table's.
    """
    mark, number, at = _line_end(content, start), 0, start
    while at < len(content):
        end = content.find(mark, at, at + _LONGEST_LINE)
        if end < 0 and len(content) - at > _LONGEST_LINE:
            _refuse_long_line(where)
        end = len(content) if end < 0 else end
        number += 1
        text = content[at:end].strip(b" \r")
        if text and not text.isspace():
            yield text, number, min(end + 1, len(content))
        at = end + 1


def count_rows(content: bytes, where: str, start: int = 0) -> int:
    """How many lines from ``start`` on hold something."""
    return sum(len(part.rows) for part in _parts(content, where, start, Layout(1, ()), 1))


def fill_rows(
    content: bytes,
    where: str,
    start: int,
    layout: Layout,
    targets: Sequence[Target],
    skip: int = 0,
    first_line: int = 1,
) -> int:
    """Parse rows into arrays; gives how many there were, at most as many as the arrays have places for.

    Args:
        where: begins messages.
        start: where the rows begin.
        layout: how they are written.
        targets: take the wanted columns one after the other.
        skip: leave so many rows out.
        first_line: the number of the line at ``start``, for messages.

    Raises:
        InputError: a row has another number of columns, what should be a number is none, or one doesn't fit the
            type of its array.
    """
    room, done = len(targets[0].array), 0
    for part in _parts(content, where, start, layout, first_line):
        rows = part.rows[skip : skip + room - done]
        offset, skip = skip, max(0, skip - len(part.rows))
        if not rows:
            continue
        table = _fast(rows, layout)
        if table is None:
            table = _slow(part, rows, offset, layout, where)
        column = 0
        for array, name in targets:
            size = 1 if array.ndim == 1 else array.shape[1]
            values = table[:, column : column + size]
            if array.dtype.kind in "iu":
                _check_fit(values, array.dtype, name, where)
            # What is beyond float32 becomes infinite, a position that doesn't count.
            with np.errstate(over="ignore"):
                array[done : done + len(rows)] = values[:, 0] if array.ndim == 1 else values
            column += size
        done += len(rows)
        if done == room:
            break
    return done


def to_number(field: str) -> float | None:
    """The number that a field holds; NaN for one of the words for a missing number, None for anything else."""
    if field.lower() in _MISSING:
        return float("nan")
    if len(field) > _LONGEST_WORD:
        return None
    field = field.replace(_LONG_MINUS, "-")
    if _FORTRAN.fullmatch(field):
        field = field.lower().replace("d", "e")
    try:
        return None if "_" in field else float(field)
    except ValueError:
        return None


def _line_end(content: bytes, start: int) -> bytes:
    """A carriage return where it alone ends lines, as on old Macs."""
    head = content[start : start + (1 << 16)]
    return b"\r" if b"\r" in head and b"\n" not in head else b"\n"


def _parts(content: bytes, where: str, start: int, layout: Layout, first: int) -> Iterator[_Part]:
    """Lines, some megabytes at a time, their numbers in the plainest spelling."""
    mark, at = _line_end(content, start), start
    while at < len(content):
        end = len(content)
        if end - at > _PART:
            end = content.rfind(mark, at, at + _PART) + 1
            if end == 0:
                _refuse_long_line(where)
        part = content[at:end]
        at = end
        if mark == b"\r":
            part = part.replace(b"\r", b"\n")
        if b'"' in part:
            between = b"" if layout.separator is None else layout.separator.encode()
            part = _QUOTED.sub(lambda found: _unquoted(found[1], between), part)  # noqa: B023 (used at once)
        if b"1.#" in part:
            part = _WINDOWS_INFINITY.sub(b"inf", _WINDOWS_NAN.sub(b"nan", part))
        if layout.comma != ",":
            part = part.replace(b",", layout.comma.encode())
        if layout.remarks and (b"#" in part or b"//" in part):
            part = _REMARK.sub(b"", part)
        lines = part.decode("latin-1").split("\n")
        yield _Part(lines, [line for line in lines if _is_filled(line)], first)
        first += len(lines) - 1


def _is_filled(line: str) -> bool:
    return bool(line) and not line.isspace()


def _unquoted(text: bytes, separator: bytes) -> bytes:
    # In quotes, a comma is a decimal comma and no separator.
    text = text.replace(b",", b".")
    return text.replace(separator, b"_") if separator.strip() else text


def _fast(rows: list[str], layout: Layout) -> NDArray[np.float64] | None:
    """The wanted columns where all rows are as plain as can be, else None."""
    separator, usecols = layout.separator, None
    if any(len(row) >= _LONGEST_WORD and _LONG_WORD.search(row) for row in rows):
        return None
    if separator is None:
        if layout.words:
            return None
    else:
        # With usecols numpy lets rows of any length pass.
        marks = {row.count(separator) for row in rows}
        closed = marks == {layout.width} and all(row.rstrip(" \r").endswith(separator) for row in rows)
        if marks != {layout.width - 1} and not closed:
            return None
        usecols = layout.wanted
    try:
        table = np.loadtxt(rows, dtype=np.float64, comments=None, delimiter=separator, usecols=usecols, ndmin=2)
    except (ValueError, OverflowError):
        return None
    if usecols is not None:
        return table
    if table.shape != (len(rows), layout.width):
        return None
    everything = layout.wanted == tuple(range(layout.width))
    return table if everything else table[:, list(layout.wanted)]


def _slow(part: _Part, rows: list[str], offset: int, layout: Layout, where: str) -> NDArray[np.float64]:
    """Row by row: holes, other spellings of numbers; and the place of what is wrong."""
    table = np.empty((len(rows), len(layout.wanted)))
    for index, row in enumerate(rows):
        fields = row.split(layout.separator)
        while len(fields) > layout.width and not fields[-1].strip():
            fields.pop()
        if len(fields) != layout.width:
            raise InputError(
                f"{where}, line {part.number(offset + index)}: rows have {layout.width} numbers, this one has "
                f"{len(fields)}: it is cut short or no numbers: {one_line(row, 80)!r}"
            )
        for place, column in enumerate(layout.wanted):
            value = to_number(fields[column].strip())
            if value is None:
                raise InputError(
                    f"{where}, line {part.number(offset + index)}: {one_line(fields[column].strip(), 40)!r} is no "
                    "number: the rows are cut short or no numbers"
                )
            table[index, place] = value
    return table


def _check_fit(values: NDArray[np.float64], dtype: np.dtype[Any], name: str, where: str) -> None:
    """Positions may be NaN, whole numbers may not: a cast would make some number of it."""
    limits = np.iinfo(dtype)
    fits = (values == np.rint(values)) & (values >= limits.min) & (values <= limits.max)
    if not fits.all():
        raise InputError(
            f"{where}: {name} holds {values[~fits][0]:.6g}, which does not fit its type, whole numbers of "
            f"{8 * dtype.itemsize} bits: the header is wrong, or the numbers are"
        )


def _refuse_long_line(where: str) -> NoReturn:
    raise InputError(f"{where}: a line is longer than {_LONGEST_LINE} bytes: this is no table of points")
