"""Arrays as a page holds them: byte planes, differences of neighbours where that is smaller, zlib, base64."""

import base64
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

_TYPES = {"|u1": "u8", "|i1": "i8", "<u2": "u16", "<u4": "u32"}
# A fifth more time than the fastest for a sixth less room.
_LEVEL = 6


@dataclass(frozen=True)
class Packed:
    """One array of a page.

    Attributes:
        about: what the page's script needs to unpack it.
        content: zlib stream.
    """

    about: dict[str, Any]
    content: bytes

    @property
    def text(self) -> str:
        """Base64, as it stands in the page."""
        return base64.b64encode(self.content).decode("ascii")

    @property
    def characters(self) -> int:
        """Of :attr:`text`."""
        return 4 * ((len(self.content) + 2) // 3)


def pack_array(values: np.ndarray) -> Packed:
    """Pack (N,) or (N, C) of uint8, int8, uint16 or uint32, column by column; of each the low bytes come first."""
    table = values[:, None] if values.ndim == 1 else values
    kind = table.dtype.newbyteorder("<")
    table = np.ascontiguousarray(table.T).astype(kind, copy=False)
    plain = _planes(table)
    # Wraps around, and so does the sum that undoes it.
    changes = table.copy()
    changes[:, 1:] = table[:, 1:] - table[:, :-1]
    streams = [zlib.compress(part, _LEVEL) for part in (plain, _planes(changes))]
    best = int(len(streams[1]) < len(streams[0]))
    about = {"type": _TYPES[kind.str], "rows": table.shape[1], "columns": table.shape[0], "changes": bool(best)}
    return Packed(about, streams[best])


def _planes(table: np.ndarray) -> bytes:
    """The lowest byte of each number of a row, then the next one, then those of the next row."""
    size = table.dtype.itemsize
    parts: np.ndarray = table.view(np.uint8).reshape(*table.shape, size).transpose(0, 2, 1)
    return np.ascontiguousarray(parts).tobytes()


def along_curve(cells: np.ndarray) -> np.ndarray:
    """The order int64 (N,) of points (N, 3), uint16, along Morton's curve: what lies together comes together."""
    key = np.zeros(len(cells), np.uint64)
    for axis in range(3):
        key |= _spread(cells[:, axis].astype(np.uint64)) << np.uint64(axis)
    return np.argsort(key, kind="stable")


def _spread(values: np.ndarray) -> np.ndarray:
    """16 bits with two zeros between neighbours."""
    for shift, mask in ((32, 0x1F00000000FFFF), (16, 0x1F0000FF0000FF), (8, 0x100F00F00F00F00F),
                        (4, 0x10C30C30C30C30C3), (2, 0x1249249249249249)):  # fmt: skip
        values = (values | values << np.uint64(shift)) & np.uint64(mask)
    return values
