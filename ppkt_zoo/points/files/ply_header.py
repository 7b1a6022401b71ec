"""The header of a ``.ply`` file: what it announces, held against what is there before anything is allocated."""

from dataclasses import dataclass

import numpy as np

from ppkt_zoo.errors import InputError
from ppkt_zoo.files.text import one_line

_LONGEST_HEADER = 1 << 18
_MOST_PROPERTIES = 10_000
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
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
_FORMATS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}


@dataclass(frozen=True)
class Property:
    """One property.

    Attributes:
        name: as the file spells it.
        type: numpy's code of a value, without byte order.
        length: numpy's code of a list's length, or None where this is no list.
    """

    name: str
    type: str
    length: str | None = None


@dataclass(frozen=True)
class Element:
    """One element: a name, a number of rows, and what stands in each."""

    name: str
    count: int
    properties: tuple[Property, ...]

    def has_lists(self) -> bool:
        """Whether its rows differ in length."""
        return any(one.length is not None for one in self.properties)

    def least_bytes(self) -> int:
        """The least that a binary row takes: of a list, its length."""
        return sum(np.dtype(one.length or one.type).itemsize for one in self.properties)


@dataclass(frozen=True)
class Header:
    """What a file announces.

    Attributes:
        order: ``<`` or ``>``, or nothing for ascii.
        elements: in their order.
        body: the byte at which the data begin.
        lines: how many lines the header has.
    """

    order: str
    elements: tuple[Element, ...]
    body: int
    lines: int

    def vertex(self) -> int:
        """The place of ``vertex`` among the elements."""
        return next(place for place, element in enumerate(self.elements) if element.name == "vertex")


def parse_header(content: bytes, where: str) -> Header:
    """Read the header; words in capitals, blanks, remarks and byte-order marks of other programs are understood.

    Raises:
        InputError: it is incomplete, not a header, or announces more than there is.
    """
    begin = len(_BYTE_ORDER_MARK) if content.startswith(_BYTE_ORDER_MARK) else 0
    if content[begin : begin + 3].lower() != b"ply":
        raise InputError(f"{where}: not a .ply file: it does not begin with 'ply'")
    lines, body = _header_lines(content, begin, where)
    if not lines or lines[0].lower() != "ply":
        raise InputError(f"{where}: not a .ply file: its first line is not 'ply'")
    order: str | None = None
    elements: list[tuple[str, int, list[Property]]] = []
    for line in lines[1:]:
        words = line.split()
        word = words[0].lower() if words else ""
        if word == "format":
            order = _FORMATS.get(words[1].lower()) if len(words) > 1 else None
            if order is None:
                raise InputError(f"{where}: this .ply file is damaged: {_shown(line)} is no format of .ply")
        elif word == "element":
            elements.append((*_element(words, line, where), []))
        elif word == "property":
            one = _property(words, line, where)
            if not elements or len(elements[-1][2]) >= _MOST_PROPERTIES:
                raise InputError(f"{where}: this .ply file is damaged: {_shown(line)} belongs to no element")
            if any(one.name == other.name for other in elements[-1][2]):
                raise InputError(f"{where}: this .ply file is damaged: two properties are named {_shown(one.name)}")
            elements[-1][2].append(one)
        elif word not in ("comment", "obj_info", ""):
            raise InputError(f"{where}: this .ply file is damaged: its header has the line {_shown(line)}")
    if order is None:
        raise InputError(f"{where}: this .ply file is damaged: its header names no format")
    if not order:
        body += len(_BYTE_ORDER_MARK) if content.startswith(_BYTE_ORDER_MARK, body) else 0
    found = tuple(Element(name, count, tuple(properties)) for name, count, properties in elements)
    header = Header(order, found, body, len(lines))
    _check(header, len(content) - body, where)
    return header


def _header_lines(content: bytes, begin: int, where: str) -> tuple[list[str], int]:
    """The header's lines but the last, and where the data begin."""
    head = content[begin : begin + _LONGEST_HEADER]
    mark = b"\n" if b"\n" in head.partition(b"end_header")[0] else b"\r"
    lines: list[str] = []
    at = 0
    while (end := head.find(mark, at)) >= 0 or at < len(head):
        end = len(head) if end < 0 else end
        line = head[at:end].strip()
        if line.lower() == b"end_header":
            return lines, begin + min(end + 1, len(head))
        lines.append(line.decode("utf-8", errors="replace"))
        at = end + 1
    raise InputError(f"{where}: the header ends before end_header: the file is cut short")


def _element(words: list[str], line: str, where: str) -> tuple[str, int]:
    if len(words) != 3 or not (words[2].isascii() and words[2].isdecimal() and len(words[2]) <= 18):
        raise InputError(f"{where}: the header line {_shown(line)} announces no number of rows")
    name = words[1].lower()
    return ("vertex" if name in ("vertex", "vertices", "point", "points") else words[1]), int(words[2])


def _property(words: list[str], line: str, where: str) -> Property:
    is_list = words[1:2] == ["list"]
    kinds = [_TYPES.get(word.lower()) for word in words[2 if is_list else 1 : -1]]
    if len(kinds) != (2 if is_list else 1) or None in kinds or (is_list and str(kinds[0]).startswith("f")):
        raise InputError(f"{where}: the header line {_shown(line)} names no type of .ply")
    return Property(words[-1], str(kinds[-1]), str(kinds[0]) if is_list else None)


def _check(header: Header, size: int, where: str) -> None:
    vertices = [element for element in header.elements if element.name == "vertex"]
    if not vertices or vertices[0].count < 1:
        raise InputError(f"{where}: the header announces no element vertex with at least one row")
    if len(vertices) > 1:
        raise InputError(f"{where}: this .ply file is damaged: the header announces the element vertex twice")
    needed = 0
    for element in header.elements:
        if element.count and not element.properties:
            raise InputError(
                f"{where}: the header announces {element.count} rows of {_shown(element.name)} without properties: "
                "the file is damaged"
            )
        # Of ascii, a number takes a digit and a blank.
        row = element.least_bytes() if header.order else 2 * len(element.properties)
        needed += element.count * row
    # The last ascii number needs no blank behind it.
    if size < needed - (not header.order):
        raise InputError(
            f"{where}: {size} bytes of data where the header announces at least {needed}: the file is cut short, "
            "or the header is wrong"
        )


def _shown(text: str) -> str:
    return repr(one_line(text.strip(), 100))
