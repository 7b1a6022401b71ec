"""E57 (ASTM E2807): scans joined by their poses; pye57 reads them in a process of its own, as LAZ is unpacked.

The header is held against the file before. The library is compiled, and a damaged file can end it with the whole
process; there it can neither take ours with it nor run on without end.
"""

import contextlib
import importlib.util
import json
import os
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.errors import InputError
from ppkt_zoo.files.limits import MAX_BYTES, memory_named
from ppkt_zoo.files.optional import need
from ppkt_zoo.files.text import one_line

_SIGNATURE = b"ASTM-E57"
_HEADER = struct.Struct("<8sIIQQQQ")
_PAGE = 1024
# Beyond the file itself: the library, and the rows that it hands over at a time.
_MEMORY = 2 << 30
_SECONDS = 60
_SLOWEST_POINTS_A_SECOND = 50_000
_ROW = 3 * 8
# A point takes no bit of the file where every one of them is the same.
_POINTS_A_BYTE = 64
_LIBRARIES = ("numpy", "pye57", "pyquaternion")


class _Scan(NamedTuple):
    points: int
    has_color: bool


def parse_e57(content: bytes, where: str) -> tuple[NDArray[np.float64], NDArray[np.uint8] | None]:
    """Positions (N, 3) in metres, z up, of all scans, and their colours (N, 3), or None where no scan has any.

    Every scan is placed by its pose. Points that the file marks as invalid are NaN. Colours are brought to 0..255 by
    the limits that the scan states; points of scans without colour are grey where others have some.

    Args:
        where: the path of the file, which the other process opens.

    Raises:
        InputError: pye57 is not installed; the file is cut short or damaged, holds no points, or claims too many.
    """
    need("pye57", "e57", f"{where}: reading E57", InputError)
    _check_header(content, where)
    most = min(MAX_BYTES.value() // _ROW, len(content) * _POINTS_A_BYTE)
    with memory_named(where, InputError), _child(where, len(content), most) as stream:
        scans = _scans(stream, where)
        total = sum(scan.points for scan in scans)
        if not total:
            raise InputError(f"{where}: it holds no points: a cloud needs at least one")
        MAX_BYTES.check(total * _ROW, f"{where}: its {total} points", InputError)
        colored = any(scan.has_color for scan in scans)
        xyz = np.empty((total, 3))
        rgb = np.full((total, 3), 128, np.uint8) if colored else None
        at = 0
        for scan in scans:
            left = scan.points
            while left:
                count = _number(stream, where)
                if not 0 < count <= left:
                    raise _damaged(where, f"{left} points are missing")
                xyz[at : at + count] = np.frombuffer(_exactly(stream, count * _ROW, where)).reshape(-1, 3)
                if scan.has_color and rgb is not None:
                    rgb[at : at + count] = np.frombuffer(_exactly(stream, count * 3, where), np.uint8).reshape(-1, 3)
                at, left = at + count, left - count
    return xyz, rgb


def count_scans(content: bytes) -> int:
    """How many scans a file's description names; for a few words on it."""
    start, size = _HEADER.unpack_from(content)[4:6]
    first = start // _PAGE * _PAGE
    # A checksum of four bytes stands at the end of each page.
    text = b"".join(content[at : at + _PAGE - 4] for at in range(first, min(len(content), start + 2 * size), _PAGE))
    return text[start - first : start - first + size].count(b"<points type=") or 1


def _check_header(content: bytes, where: str) -> None:
    if content[:8] != _SIGNATURE:
        raise InputError(f"{where}: not an E57 file: it does not begin with {_SIGNATURE.decode()!r}")
    if len(content) < _HEADER.size:
        raise _damaged(where, f"{len(content)} bytes are less than its header")
    _, major, _, length, start, size, page = _HEADER.unpack_from(content)
    if major != 1:
        raise InputError(f"{where}: E57 version {major} is not read: only version 1 is published")
    if page != _PAGE or length > len(content) or not 0 < size <= length or not 0 < start < length:
        raise _damaged(where, f"{len(content)} bytes, where its header announces {length} in pages of {page}")


def _scans(stream: BinaryIO, where: str) -> list[_Scan]:
    size = _number(stream, where)
    if not 0 < size < 1 << 24:
        raise _damaged(where, "its scans cannot be listed")
    return [_Scan(int(points), bool(color)) for points, color in json.loads(_exactly(stream, size, where))]


def _number(stream: BinaryIO, where: str) -> int:
    return int(struct.unpack("<q", _exactly(stream, 8, where))[0])


def _exactly(stream: BinaryIO, size: int, where: str) -> bytes:
    found = stream.read(size)
    if len(found) < size:
        raise _damaged(where, "its data end too early")
    return found


def _damaged(where: str, reason: str) -> InputError:
    return InputError(f"{where}: this E57 file is cut short or damaged: {reason}")


@contextlib.contextmanager
def _child(where: str, size: int, most: int) -> Iterator[BinaryIO]:
    """What the other process writes; where it fails, its reason takes the place of ours."""
    seconds = _SECONDS + most // _SLOWEST_POINTS_A_SECOND
    numbers = (str(most), str(size + _MEMORY), str(seconds))
    child = Path(__file__).with_name("e57_child.py")
    folders = json.dumps(sorted({_folder_of(name) for name in _LIBRARIES}))
    command = [sys.executable, "-I", "-S", str(child), folders, str(Path(where).absolute()), *numbers]
    with tempfile.TemporaryFile() as told:
        try:
            process: subprocess.Popen[bytes] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=told,
                # Threads of a library that nobody uses here take address space.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )
        except (OSError, ValueError) as error:
            raise InputError(f"{where}: no process could be started to read this E57 file ({error})") from error
        clock = threading.Timer(seconds, process.kill)
        clock.daemon = True
        clock.start()
        stream: Any = process.stdout
        try:
            yield stream
        except InputError as error:
            process.kill()
            process.wait()
            told.seek(0)
            lines = told.read(2000).decode("utf-8", errors="replace").strip().splitlines()
            if not lines:
                raise
            raise _damaged(where, one_line(lines[-1], 200)) from error
        finally:
            clock.cancel()
            process.kill()
            process.wait()
            stream.close()


def _folder_of(module: str) -> str:
    found = importlib.util.find_spec(module)
    assert found is not None
    assert found.origin is not None
    place = Path(found.origin)
    return str(place.parent.parent if place.name == "__init__.py" else place.parent)
