"""How a table of text is written: what its first lines say about columns, separators and decimal marks."""

import re
from collections import Counter
from dataclasses import dataclass

from ppkt_zoo.errors import InputError
from ppkt_zoo.files.text import one_line
from ppkt_zoo.points.files.color_names import Columns, find_columns, has_positions, is_unit
from ppkt_zoo.points.files.number_rows import Layout, first_lines, to_number

# So many rows are looked at, so many lines may stand before the first.
_LOOK = 50
_MOST_REMARKS = 1000
_REMARK_MARKS = ("#", "//", "%", "!")
_QUOTED = re.compile(r'"([^"]*)"')
_REMARK_BEHIND = re.compile(r"\s*(?:#|//).*")
_DECIMAL_COMMA = re.compile(r"[-+]?\d*(?:,\d+)?(?:[eE][-+]?\d+)?")
# Columns of rows without names: width → positions and colours.
_BARE = {3: Columns((0, 1, 2)), 6: Columns((0, 1, 2), (3, 4, 5))}
_BARE_BY_ENDING = {
    # x y z intensity, and x y z intensity r g b: Leica's and others'.
    ".pts": {4: Columns((0, 1, 2)), 7: Columns((0, 1, 2), (4, 5, 6))},
    # A normal, and an intensity, behind the position.
    ".xyzn": {6: Columns((0, 1, 2))},
    ".xyzi": {4: Columns((0, 1, 2))},
}


@dataclass(frozen=True)
class TextTable:
    """A table's beginning, understood.

    Attributes:
        layout: how its rows are written; it wants the positions, and behind them the colours.
        form: how the colours stand, as :class:`~ppkt_zoo.points.files.color_names.Columns` has it.
        start: the byte at which the rows begin.
        first_line: the number of the line there.
        announced: how many rows there should be, where the file says so.
        names: of the columns, where the file tells them.
    """

    layout: Layout
    form: str
    start: int
    first_line: int
    announced: int | None
    names: tuple[str, ...] | None = None


@dataclass
class _Head:
    names: list[str] | None = None
    in_remark: bool = False
    announced: int | None = None
    separator: str | None = None
    start: int = 0
    first_line: int = 1


def find_layout(content: bytes, where: str, ending: str) -> TextTable:
    """Read the first lines of a table.

    Args:
        content: its bytes, in UTF-8 or Latin-1.
        where: begins messages.
        ending: of the file's name, in small letters; it tells the columns of some rows without names.

    Raises:
        InputError: the columns cannot be told.
    """
    head, rows = _read_head(content, where)
    if not rows:
        raise InputError(f"{where}: 0 rows of numbers" + (f", {head.announced} announced" if head.announced else ""))
    separator, comma = (head.separator, ",") if head.separator else _separator(rows)
    fields = [row.replace(",", comma).split(separator) for row in rows]
    names = _fitting_names(head, fields, where)
    if names is None:
        width = Counter(map(_filled, fields)).most_common(1)[0][0]
        columns = _bare_columns(width, ending, where)
    else:
        width = len(names)
        found = find_columns(names, where)
        assert found is not None
        columns = found
    wanted = (*columns.xyz, *columns.colors)
    others = [field for row in fields for index, field in enumerate(row) if index not in wanted]
    words = any(to_number(field.strip()) is None for field in others)
    layout = Layout(width, wanted, separator, comma, remarks=True, words=words)
    told = None if names is None else tuple(names)
    return TextTable(layout, columns.form, head.start, head.first_line, head.announced, told)


def _read_head(content: bytes, where: str) -> tuple[_Head, list[str]]:
    """What stands before the first row of numbers, and the first rows, plainly spelled."""
    head, before = _Head(), 0
    rows: list[str] = []
    for text, number, end in first_lines(content, where):
        line = _text(text)
        remark = line.lstrip().startswith(_REMARK_MARKS)
        if rows or (not remark and _is_row(line, head)):
            alone = _alone(line)
            if not rows and alone is not None and head.announced is None and end < len(content):
                head.announced = alone
            else:
                rows += [] if remark else [_REMARK_BEHIND.sub("", _QUOTED.sub(_unquoted, line))]
                if len(rows) == _LOOK:
                    break
                continue
        elif not _take_names(line, remark, head):
            raise InputError(
                f"{where}, line {number}: neither a row of numbers nor the names x, y and z of columns, so the rows "
                f"are cut short or no numbers: {one_line(line, 80)!r}"
            )
        head.start, head.first_line, before = end, number + 1, before + 1
        if before > _MOST_REMARKS:
            raise InputError(f"{where}: no row of numbers among its first {before} lines")
    return head, rows


def _take_names(line: str, remark: bool, head: _Head) -> bool:
    """Whether a line before the rows is understood: names of columns, their units, a remark, a spreadsheet's mark."""
    if line.lower().startswith("sep=") and len(line) <= 5:
        head.separator = line[4:] if len(line) == 5 else "\t"
        return True
    names = _split_names(line.lstrip("#/%! \t") if remark else line)
    if has_positions(names) and (head.names is None or (head.in_remark and not remark)):
        head.names, head.in_remark = names, remark
        return True
    if head.names is not None and len(names) <= len(head.names) and all(is_unit(name) for name in names):
        units = [re.sub(r"[^\w°/-]", "", unit) for unit in names] + [""] * len(head.names)
        told = [f"{name} [{unit}]" for name, unit in zip(head.names, units, strict=False)]
        # Names that have units already keep them.
        head.names = told if has_positions(told) else head.names
        return True
    return remark


def _split_names(line: str) -> list[str]:
    mark = next((mark for mark in (";", "\t", ",", "|") if mark in line), None)
    if mark is None:
        # Blanks part the names, and stand before their units.
        return re.sub(r"\s+([\[({])", r"\1", line).split()
    names = [name.strip() for name in line.split(mark)]
    while names and not names[-1]:
        names.pop()
    return names


def _fitting_names(head: _Head, fields: list[list[str]], where: str) -> list[str] | None:
    names = head.names
    if names is None or any(_filled(row) <= len(names) <= len(row) for row in fields):
        return names
    # "# seen from x, y and z" is no line of names.
    if head.in_remark:
        return None
    width = Counter(map(_filled, fields)).most_common(1)[0][0]
    hint = ": do commas stand for decimal points and between columns both?" if width == 2 * len(names) else ""
    raise InputError(f"{where}: {len(names)} column names for rows of {width} numbers{hint}")


def _bare_columns(width: int, ending: str, where: str) -> Columns:
    columns = {**_BARE, **_BARE_BY_ENDING.get(ending, {})}.get(width)
    if columns is not None:
        return columns
    if width < 3:
        raise InputError(f"{where}: this is not a text file of points: its rows have {width} of at least 3 numbers")
    raise InputError(
        f"{where}: rows must be x y z or x y z r g b, got {width} numbers: name the columns in a first line "
        "(x y z intensity red green blue)"
    )


def _separator(rows: list[str]) -> tuple[str | None, str]:
    """What parts the fields, None for blanks; and what a comma in a field stands for."""
    for mark in (";", "|"):
        if any(mark in row for row in rows):
            return mark, "."
    commas = any("," in row for row in rows)
    if commas and all(_DECIMAL_COMMA.fullmatch(word) for row in rows for word in row.split()):
        several = all(len(row.split()) > 1 for row in rows)
        return ("\t" if _is_tabbed(rows) else None, ".") if several else (",", ",")
    if commas:
        # "1,2,3 255 0 17": commas and blanks both part.
        mixed = any(len(field.split()) > 1 for row in rows for field in row.split(",") if _is_numbers(field))
        return (None, " ") if mixed else (",", ",")
    return ("\t" if _is_tabbed(rows) else None), ","


def _is_tabbed(rows: list[str]) -> bool:
    """Whether single tabs part the fields, so that two in a row mean a hole."""
    fields = [row.split("\t") for row in rows]
    width = len(fields[0])
    if width < 3 or any(len(row) != width for row in fields):
        return False
    return all(any(row[index].strip() for row in fields) for index in range(width)) and not any(
        len(field.split()) > 1 and _is_numbers(field) for row in fields for field in row
    )


def _is_row(line: str, head: _Head) -> bool:
    words = [word for word in re.split(r'[;,|\s"]+', line) if word]
    if head.names is not None:
        # The first column may be a word.
        return not words or any(to_number(word) is not None and word != "-" for word in words)
    return not words or to_number(words[0]) is not None


def _is_numbers(field: str) -> bool:
    return all(to_number(word) is not None for word in field.split())


def _filled(row: list[str]) -> int:
    """The number of fields, those at the end left out that are empty."""
    filled = len(row)
    while filled and not row[filled - 1].strip():
        filled -= 1
    return filled


def _alone(line: str) -> int | None:
    word = line.strip('",;\t ')
    return int(word) if word.isascii() and word.isdecimal() and len(word) <= 15 else None


def _unquoted(found: re.Match[str]) -> str:
    return found[1].replace(",", ".").replace(";", "_").replace("\t", " ")


def _text(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")
