"""How clouds are written in each format, whole or not at all, with a note inside of where they come from.

Every format has a place for such a note that readers of the format pass over: the comment of an ``.npz`` archive, a
``comment`` of a ``.ply``, the metadata of a ``.parquet`` table, the attributes of a ``.zarr`` group.
"""

import functools
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.errors import InputError, PPKTZooError
from ppkt_zoo.files.optional import need
from ppkt_zoo.files.reading import open_regular
from ppkt_zoo.files.strict_json import parse_json
from ppkt_zoo.files.writing import write_npz, write_whole
from ppkt_zoo.points.files import parquet_tables, zarr_groups
from ppkt_zoo.points.files.ply import write_ply

Arrays = Mapping[str, NDArray[Any]]
Note = Mapping[str, Any]

_NAME = "ppkt-zoo"
#: The most that any of the formats has room for.
_LONGEST_NOTE = 60_000
_PLY_END = b"end_header\n"
# Some readers of .ply take lines of at most 1024 letters.
_PLY_LINE = 200
_LONGEST_PLY_HEADER = 1 << 20


def write_arrays(path: Path, arrays: Arrays, note: Note, error: type[PPKTZooError] = InputError) -> None:
    """Write arrays with a row for each point, in the format that the ending names.

    Args:
        path: ends in one of :data:`WRITTEN_ENDINGS`.
        arrays: ``xyz`` first, ``rgb`` if there is one, then others, (N,) or (N, C).
        note: JSON values to find again by :func:`read_note`; nothing is noted where it is empty.
        error: what is raised where the file cannot be written.

    Raises:
        error: a full disk, a missing right.
        InputError: an array does not fit the format, or the note is too long.
        MissingLibraryError: the format needs a library that is not installed.
    """
    text = json.dumps(note, allow_nan=False, separators=(",", ":")) if note else ""
    if len(text) > _LONGEST_NOTE:
        raise InputError(f"{path}: a note of {len(text)} letters does not fit into the file")
    _FORMATS[path.suffix.lower()][0](path, arrays, text, error)


def check_library(ending: str) -> None:
    """Ask, before any work, for what a format needs.

    Raises:
        MissingLibraryError: it is not installed.
    """
    for one, library in ((".parquet", "pyarrow"), (".zarr", "zarr")):
        if ending == one:
            need(library, one.removeprefix("."), f"writing {one}")


def read_note(path: Path) -> dict[str, Any] | None:
    """What :func:`write_arrays` noted in a file; None where it is a whole file without such a note.

    Raises:
        InputError: it is missing, cut short, or no file of its format.
        MissingLibraryError: the format needs a library that is not installed.
    """
    text = _FORMATS[path.suffix.lower()][1](path)
    if not text:
        return None
    try:
        found = parse_json(text, f"{path}", InputError)
    except InputError:
        raise InputError(f"{path}: this file is cut short or damaged: what it notes of itself is not whole") from None
    return found if isinstance(found, dict) else None


def _write_npz(path: Path, arrays: Arrays, note: str, error: type[PPKTZooError]) -> None:
    write_whole(path, functools.partial(write_npz, arrays=arrays, note=note.encode()), error)


def _npz_note(path: Path) -> str:
    with open_regular(path, InputError) as stream:
        try:
            # Its directory stands at the end: an archive that was cut short has none.
            with zipfile.ZipFile(stream) as archive:
                return archive.comment.decode("utf-8", "replace")
        except (zipfile.BadZipFile, OSError, ValueError, LookupError, NotImplementedError) as failure:
            raise InputError(f"{path}: this .npz file is cut short or damaged ({failure})") from failure


def _write_ply(path: Path, arrays: Arrays, note: str, error: type[PPKTZooError]) -> None:
    columns = _ply_columns(arrays)
    rows = len(next(iter(columns.values())))
    body = rows * sum(values.dtype.itemsize for values in columns.values())
    parts = [note[at : at + _PLY_LINE] for at in range(0, len(note), _PLY_LINE)]
    comments = [f"{_NAME} {body}", *(f"{_NAME}: {part}" for part in parts)] if note else []

    def write(stream: BinaryIO) -> None:
        write_ply(stream, columns, comments)

    write_whole(path, write, error)


def _ply_note(path: Path) -> str:
    with open_regular(path, InputError) as stream:
        header = stream.read(_LONGEST_PLY_HEADER)
        size = stream.seek(0, 2)
    end = header.find(_PLY_END) + len(_PLY_END)
    if not header.startswith(b"ply") or end < len(_PLY_END):
        raise InputError(f"{path}: this .ply file is cut short or damaged: its header has no end")
    body = _behind(header[:end], f"comment {_NAME} ")
    if not body:
        return ""
    if not body[0].isdecimal() or size != end + int(body[0]):
        raise InputError(f"{path}: this .ply file is cut short or damaged: it is not as long as its header says")
    return "".join(_behind(header[:end], f"comment {_NAME}: "))


def _behind(header: bytes, begin: str) -> list[str]:
    lines = header.decode("ascii", "replace").split("\n")
    return [line.removeprefix(begin) for line in lines if line.startswith(begin)]


def _ply_columns(arrays: Arrays) -> dict[str, NDArray[Any]]:
    columns: dict[str, NDArray[Any]] = {}
    for name, value in arrays.items():
        fixed = {"xyz": ("x", "y", "z"), "rgb": ("red", "green", "blue")}.get(name)
        table = value[:, None] if value.ndim == 1 else value
        for index in range(table.shape[1]):
            column = fixed[index] if fixed else name if value.ndim == 1 else f"{name}_{index}"
            if column in columns:
                raise InputError(f"{name}: .ply has {column} already: give another name")
            columns[column] = _ply_type(name, table[:, index])
    return columns


def _ply_type(name: str, values: NDArray[Any]) -> NDArray[Any]:
    """The nearest type that .ply knows: it has neither 64-bit whole numbers, half floats nor truth values."""
    if values.dtype.kind == "b":
        return values.astype(np.uint8)
    if values.dtype.kind == "f":
        return values.astype(np.float64 if values.dtype.itemsize >= 8 else np.float32, copy=False)
    if values.dtype.itemsize < 8:
        return values
    limits = np.iinfo(np.int32)
    if values.min() < limits.min or values.max() > limits.max:
        raise InputError(f"{name} does not fit the 32-bit whole numbers of .ply: write .npz")
    return values.astype(np.int32)


_FORMATS: dict[str, tuple[Callable[[Path, Arrays, str, type[PPKTZooError]], None], Callable[[Path], str]]] = {
    ".npz": (_write_npz, _npz_note),
    ".ply": (_write_ply, _ply_note),
    ".parquet": (parquet_tables.write_table, parquet_tables.note_of),
    ".zarr": (zarr_groups.write_group, zarr_groups.note_of),
}
#: Endings of the files that clouds are written into; ``.zarr`` is a folder.
WRITTEN_ENDINGS = tuple(_FORMATS)
