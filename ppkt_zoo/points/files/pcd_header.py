"""The header of Point Cloud Library's ``.pcd``: what it announces, checked before anything is allocated."""

import re
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np

from ppkt_zoo.errors import InputError
from ppkt_zoo.files.text import one_line

_CODES = {("F", 4), ("F", 8), *((kind, size) for kind in "IU" for size in (1, 2, 4, 8))}
_PADDING = "_"
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
_LONGEST_HEADER = 1 << 16
_LONGEST_ROW = (1 << 31) - 1
_WORDS = ("VERSION", "FIELDS", "SIZE", "TYPE", "COUNT", "WIDTH", "HEIGHT", "VIEWPOINT", "POINTS", "DATA")


@dataclass(frozen=True)
class Field:
    """One field: ``count`` numbers of one type; padding holds none.

    Attributes:
        name: as the file spells it.
        dtype: of one number, little-endian; of padding, bytes.
        count: numbers in a row.
        padding: whether PCL leaves it out when it compresses or writes ascii.
    """

    name: str
    dtype: np.dtype[Any]
    count: int
    padding: bool

    @property
    def size(self) -> int:
        """Bytes in a row."""
        return self.dtype.itemsize * self.count


@dataclass(frozen=True)
class PcdHeader:
    """What a file announces.

    Attributes:
        fields: in their order.
        points: at least 1.
        data: ``ascii``, ``binary`` or ``binary_compressed``.
        body: the byte at which the data begin.
        lines: how many lines the header has.
    """

    fields: tuple[Field, ...]
    points: int
    data: str
    body: int
    lines: int

    def bytes_per_point(self, padding: bool) -> int:
        """Bytes of a point, with or without padding."""
        return sum(field.size for field in self.fields if padding or not field.padding)

    def offsets(self) -> list[int]:
        """The byte in a binary row at which each field begins."""
        return [0, *accumulate(field.size for field in self.fields)][:-1]


def parse_header(content: bytes, where: str) -> PcdHeader:
    """Read the header; raises InputError where it is incomplete or contradicts itself."""
    entries, body, lines = _entries(content, where)
    for word in ("FIELDS", "SIZE", "TYPE"):
        if not entries.get(word):
            raise InputError(f"{where}: the header has no {word} line")
    names, kinds = entries["FIELDS"], [kind.upper() for kind in entries["TYPE"]]
    sizes = _integers(entries["SIZE"], "SIZE", where)
    counts = _integers(entries.get("COUNT") or ["1"] * len(names), "COUNT", where)
    if not len(names) == len(sizes) == len(kinds) == len(counts):
        raise InputError(f"{where}: FIELDS, SIZE, TYPE and COUNT have different numbers of entries")
    fields = tuple(_field(*one, where) for one in zip(names, kinds, sizes, counts, strict=True))
    seen = [field.name for field in fields if not field.padding]
    if len(seen) != len(set(seen)):
        raise InputError(f"{where}: FIELDS names a field twice: {one_line(' '.join(names), 200)}")
    data = entries["DATA"][0].lower() if entries["DATA"] else ""
    if data not in ("ascii", "binary", "binary_compressed"):
        raise InputError(f"{where}: DATA must be ascii, binary or binary_compressed, got {one_line(data, 60)!r}")
    header = PcdHeader(fields, _number_of_points(entries, where), data, body, lines)
    row = header.bytes_per_point(padding=True)
    if row > _LONGEST_ROW:
        raise InputError(f"{where}: a point of {row} bytes by SIZE and COUNT: the header is wrong")
    return header


def _entries(content: bytes, where: str) -> tuple[dict[str, list[str]], int, int]:
    entries: dict[str, list[str]] = {}
    at, lines = 3 if content.startswith(b"\xef\xbb\xbf") else 0, 0
    while "DATA" not in entries:
        end = content.find(b"\n", at, at + _LONGEST_HEADER)
        if end < 0 or end > _LONGEST_HEADER:
            raise InputError(f"{where}: the header ends before its DATA line: cut short, or not a .pcd file")
        line = content[at:end].decode("ascii", errors="replace").strip()
        at, lines = end + 1, lines + 1
        if line and not line.startswith("#"):
            word, *values = line.split()
            # COLUMNS is what FIELDS was called before version 0.6.
            word = {"COLUMNS": "FIELDS"}.get(word.upper(), word.upper())
            if word in _WORDS:
                entries[word] = [value for value in values if value]
    return entries, at, lines


def _field(name: str, kind: str, size: int, count: int, where: str) -> Field:
    if name == _PADDING:
        if not (0 <= size <= _LONGEST_ROW and count >= 0):
            raise InputError(f"{where}: no such padding: SIZE {size}, COUNT {count}")
        return Field(name, np.dtype(f"V{size}"), count, True)
    if (kind, size) not in _CODES or count < 1:
        raise InputError(f"{where}: no such field: {one_line(name, 60)} of TYPE {kind}, SIZE {size}, COUNT {count}")
    return Field(name, np.dtype(f"<{kind.lower()}{size}"), count, False)


def _number_of_points(entries: dict[str, list[str]], where: str) -> int:
    width, height, points = (
        _integers(entries[word][:1], word, where)[0] if entries.get(word) else None
        for word in ("WIDTH", "HEIGHT", "POINTS")
    )
    area = None if width is None else width * (1 if height is None else height)
    if area is None and points is None:
        raise InputError(f"{where}: the header has neither WIDTH nor POINTS")
    if area is not None and points is not None and area != points:
        raise InputError(f"{where}: WIDTH {width} × HEIGHT {height} is {area}, but POINTS is {points}")
    number = points if points is not None else area
    assert number is not None
    if number < 1:
        raise InputError(f"{where}: the header announces {number} points: a cloud needs at least one")
    return number


def _integers(words: list[str], name: str, where: str) -> list[int]:
    found = [int(word) for word in words if _WHOLE.fullmatch(word)]
    if len(found) != len(words):
        raise InputError(f"{where}: {name} should hold whole numbers, got {one_line(' '.join(words), 80)!r}")
    return found
