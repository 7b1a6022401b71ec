"""MATLAB files of format 5: the tables of one variable, read without running past what is there.

Only what is asked for is looked at, and no further down than asked: a damaged or hostile file can neither nest without
end nor claim more than it holds. (scipy's reader dies on some damaged files, and the process
with it.)
"""

import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.errors import FrameError
from ppkt_zoo.files.limits import MAX_BYTES

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXTS = {1: "latin-1", 2: "utf-8", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_CELL, _STRUCT, _OBJECT, _CHAR, _DOUBLE = 1, 2, 3, 4, 6
_LONGEST_NAME = 64


class _Part(NamedTuple):
    """One element: its type, its content, and where the next begins."""

    kind: int
    data: memoryview
    end: int


class MatDamage(ValueError):  # noqa: N818 — named for what it says of the file
    """The file is damaged, or holds something else than what is asked for."""


@dataclass(frozen=True)
class MatArray:
    """One array of a file, not yet taken apart.

    Attributes:
        kind: MATLAB's number of its class.
        shape: as MATLAB has it.
        data: what follows its head.
        order: ``<`` or ``>``, of its numbers' bytes.
    """

    kind: int
    shape: tuple[int, ...]
    data: memoryview
    order: str

    def rows(self, wanted: Sequence[str]) -> Iterator[list["MatArray"]]:
        """The wanted fields of each element of a table (a struct array), in their order; nothing where it is empty.

        Raises:
            MatDamage: it is no table, lacks a field, or is cut short.
        """
        count = math.prod(self.shape)
        if count == 0:
            return
        if self.kind not in (_STRUCT, _OBJECT):
            raise MatDamage("a table is something else")
        parts = _elements(self.data, self.order)
        if self.kind == _OBJECT:
            _take(parts)
        (length,) = _whole_numbers(_take(parts), self.order, 1)
        names = bytes(_take(parts).data)
        if not 0 < length <= _LONGEST_NAME or len(names) % length:
            raise MatDamage("a table's names of fields are damaged")
        ends = range(0, len(names) + 1, length)
        fields = [names[start:end].split(b"\0")[0].decode("latin-1") for start, end in pairwise(ends)]
        missing = [name for name in wanted if name not in fields]
        if missing:
            raise MatDamage(f"a table has no field {missing[0]}")
        places = [fields.index(name) for name in wanted]
        for _ in range(count):
            row = [_take(parts) for _ in fields]
            yield [_array(row[place], self.order) for place in places]

    def numbers(self) -> NDArray[np.float64]:
        """Its numbers one after another, column by column; raises MatDamage where it holds none, or is cut short."""
        kind, data, _ = _take(_elements(self.data, self.order))
        if kind not in _NUMBERS or self.kind in (_CELL, _STRUCT, _OBJECT, _CHAR):
            raise MatDamage("numbers are something else")
        dtype = np.dtype(self.order + _NUMBERS[kind])
        count = math.prod(self.shape)
        if count * dtype.itemsize != len(data):
            raise MatDamage(f"{len(data)} bytes where {count} numbers are announced")
        return np.frombuffer(data, dtype).astype(np.float64)

    def text(self) -> str:
        """Its letters, also of a cell that holds one text; raises MatDamage where it is none, or cut short."""
        if self.kind == _CELL and math.prod(self.shape) == 1:
            inner = _array(_take(_elements(self.data, self.order)), self.order)
            return inner.text() if inner.kind == _CHAR else _no_text()
        if self.kind != _CHAR:
            return _no_text()
        if math.prod(self.shape) == 0:
            return ""
        kind, data, _ = _take(_elements(self.data, self.order))
        if kind not in _TEXTS:
            return _no_text()
        ending = ("-le" if self.order == "<" else "-be") if _TEXTS[kind].startswith(("utf-16", "utf-32")) else ""
        try:
            return bytes(data).decode(_TEXTS[kind] + ending)
        except UnicodeDecodeError:
            return _no_text()


def find_variable(content: bytes, name: str, where: str) -> MatArray:
    """A variable of a file.

    Args:
        where: what the message of the limit says to unpack to too much.

    Raises:
        MatDamage: the file is damaged, of another format, or has no such variable.
        FrameError: it unpacks to more than the limit.
    """
    if content.startswith(b"MATLAB 7.3"):
        raise MatDamage("it is a MATLAB file of format 7.3, not 5")
    order = ">" if content[_HEADER - 2 : _HEADER] == b"MI" else "<"
    room = MAX_BYTES.value()
    for part in _elements(memoryview(content)[_HEADER:], order):
        if part.kind == _COMPRESSED:
            unpacker = zlib.decompressobj()
            try:
                unpacked = unpacker.decompress(part.data, room + 1)
            except zlib.error as error:
                raise MatDamage(f"it cannot be unpacked: {error}") from None
            MAX_BYTES.check(MAX_BYTES.value() - room + len(unpacked), f"{where} unpacks to", FrameError)
            room -= len(unpacked)
            if not unpacker.eof:
                raise MatDamage("it is cut short")
            part = _take(_elements(memoryview(unpacked), order))
        if part.kind == _MATRIX and len(part.data) and _head(part.data, order)[2] == name:
            return _array(part, order)
    raise MatDamage(f"there is no {name} in it")


def _elements(data: memoryview, order: str) -> Iterator[_Part]:
    """One element after another; each stands in whole eights of bytes, packed ones excepted."""
    whole: Literal["little", "big"] = "little" if order == "<" else "big"
    at = 0
    while at + 8 <= len(data):
        kind, size = (int.from_bytes(data[at + part : at + part + 4], whole) for part in (0, 4))
        if kind >> 16:  # a small one: both in four bytes, and its content in the next four
            kind, size, start, step = kind & 0xFFFF, kind >> 16, at + 4, 8
            if size > 4:
                raise MatDamage("a small element is too large")
        else:
            start, step = at + 8, 8 + (size if kind == _COMPRESSED else -(-size // 8) * 8)
        if start + size > len(data):
            raise MatDamage("it is cut short")
        at += step
        yield _Part(kind, data[start : start + size], at)


def _take(parts: Iterator[_Part]) -> _Part:
    found = next(parts, None)
    if found is None:
        raise MatDamage("it is cut short")
    return found


def _whole_numbers(part: _Part, order: str, most: int) -> list[int]:
    kind, data, _ = part
    if kind not in (5, 6) or not 0 < len(data) <= 4 * most or len(data) % 4:
        raise MatDamage("the head of an array is damaged")
    return [int(number) for number in np.frombuffer(data, order + _NUMBERS[kind])]


def _head(data: memoryview, order: str) -> tuple[int, tuple[int, ...], str, int]:
    """Class, shape and name of an array, and where its content begins."""
    parts = _elements(data, order)
    kind = _whole_numbers(_take(parts), order, 2)[0] & 0xFF
    shape = tuple(_whole_numbers(_take(parts), order, 8))
    if min(shape) < 0:
        raise MatDamage("the head of an array is damaged")
    name = _take(parts)
    return kind, shape, bytes(name.data).decode("latin-1"), name.end


def _array(part: _Part, order: str) -> MatArray:
    if part.kind != _MATRIX:
        raise MatDamage("an array is something else")
    if not len(part.data):
        return MatArray(_DOUBLE, (0, 0), part.data, order)
    kind, shape, _, begin = _head(part.data, order)
    return MatArray(kind, shape, part.data[begin:], order)


def _no_text() -> str:
    raise MatDamage("a text is something else")
