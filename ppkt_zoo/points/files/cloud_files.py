"""Clouds from files and into files."""

import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.errors import InputError, InputWarning
from ppkt_zoo.files.limits import memory_named
from ppkt_zoo.files.reading import read_file, usable_path
from ppkt_zoo.files.text import one_line
from ppkt_zoo.points.files.cloud_writers import WRITTEN_ENDINGS, write_arrays
from ppkt_zoo.points.files.colors import as_uint8
from ppkt_zoo.points.files.e57 import parse_e57
from ppkt_zoo.points.files.las import parse_las
from ppkt_zoo.points.files.numpy_files import parse_npy, parse_npz
from ppkt_zoo.points.files.pcd import parse_pcd
from ppkt_zoo.points.files.ply import parse_ply
from ppkt_zoo.points.files.tables import TEXT_ENDINGS, parse_text

_PARSERS: dict[str, Callable[[bytes, str], tuple[NDArray[Any], NDArray[Any] | None]]] = {
    ".ply": parse_ply,
    ".pcd": parse_pcd,
    ".npz": parse_npz,
    ".npy": parse_npy,
    ".las": parse_las,
    ".laz": parse_las,
    ".e57": parse_e57,
    **dict.fromkeys(TEXT_ENDINGS, parse_text),
}
#: Endings of the files that :func:`read_cloud` reads, in small letters.
CLOUD_ENDINGS = tuple(_PARSERS)
_MESHES = (".glb", ".gltf", ".obj", ".stl", ".off")
_PACKED = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip", ".7z", ".rar", ".tar", ".tgz")
# What np.savez takes for arguments of its own.
_TAKEN = ("file", "allow_pickle", "xyz", "rgb")
_ROWS = 1 << 20


class CloudArrays(NamedTuple):
    """What a file holds.

    Attributes:
        xyz: (N, 3), in the file's units: float32 or float64 as stored (float64 where stored otherwise).
        rgb: uint8 (N, 3), or None where the file has no colour.
        dropped: rows left out because their position is NaN or infinite (holes of organised clouds).
    """

    xyz: NDArray[Any]
    rgb: NDArray[np.uint8] | None
    dropped: int


def read_cloud(path: Path | str) -> CloudArrays:
    """Read a cloud; the ending of the name, in any case, says the format.

    Formats: ``.ply``, ``.pcd``, ``.npz`` (xyz, rgb or points, colors), ``.npy`` (N×3 or N×6), tables of text
    (``.txt``, ``.xyz``, ``.csv``, ``.asc``, ``.pts``, ``.xyzrgb``, …), ``.las``, ``.laz`` with the extra
    ``ppkt-zoo[las]``, and ``.e57`` with ``ppkt-zoo[e57]``. Positions and colours are found by their names, whatever
    the format and the case: red green blue, r g b, packed rgb or rgba, and f_dc of Gaussian splats; alpha is left
    out.

    Raises:
        InputError: no such file, an unknown ending, a file that is too large, is cut short or contradicts its
            header, colours that fit no convention, or no point with a finite position; the message names the file.

    Warns:
        InputWarning: a mesh of which only the vertices are read, columns that look like colours but are not
            understood, colours that are black throughout, or names that tell a unit other than metres.
    """
    file = usable_path(path, InputError)
    return parse_cloud(file, cloud_content(file))[0]


def cloud_content(file: Path) -> bytes:
    """The bytes of a file of which the ending says that it holds a cloud; errors as :func:`read_cloud`."""
    _parser(file)
    if file.is_dir():
        raise InputError(f"{file}: a folder cannot be read as a cloud: give one of its files")
    content = read_file(file, InputError, missing="no such file")
    if not content:
        raise InputError(f"{file}: the file is empty")
    return content


def parse_cloud(file: Path, content: bytes) -> tuple[CloudArrays, NDArray[np.bool_] | None]:
    """The cloud in a file's bytes, and which of the rows were kept, (rows,) or None for all; else as `read_cloud`."""
    with memory_named(str(file), InputError):
        xyz, colors = _parser(file)(content, str(file))
        del content
        kept, rows = _finite(xyz), len(xyz)
        number = rows if kept is None else int(kept.sum())
        if number == 0:
            raise InputError(f"{file}: no point with a finite position among {rows} rows")
        # A part of an array would keep the whole file in memory; whole arrays are taken as they are.
        dtype = xyz.dtype.newbyteorder("=") if xyz.dtype.kind == "f" and xyz.dtype.itemsize in (4, 8) else np.float64
        xyz = np.ascontiguousarray(xyz if kept is None else xyz[kept], dtype=dtype)
        rgb = None if colors is None else as_uint8(colors if kept is None else colors[kept], str(file))
    if rgb is not None and number > 1 and not rgb.any():
        warnings.warn(
            InputWarning(f"{file}: all colours are 0, a black cloud: were they never filled in?"), stacklevel=2
        )
    return CloudArrays(xyz, rgb, rows - number), kept


def stored_arrays(file: Path, content: bytes) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Positions (N, 3) and colours (N, 3) or None as a file stores them: rows without position, any kind of colour.

    Raises:
        InputError: the bytes are no such file.
    """
    if not content:
        raise InputError(f"{file}: the file is empty")
    with memory_named(str(file), InputError):
        return _parser(file)(content, str(file))


def _parser(file: Path) -> Callable[[bytes, str], tuple[NDArray[Any], NDArray[Any] | None]]:
    ending = file.suffix.lower()
    if ending in _PACKED:
        raise InputError(f"{file}: packed files ({ending}) are not read: unpack it first, and give what is inside")
    if ending in _MESHES:
        raise InputError(f"{file}: this is a mesh, no cloud: ppkt_zoo.load_cloud samples points on its surface")
    if ending not in _PARSERS:
        raise InputError(f"{file}: no reader for {file.suffix or 'a name without ending'}: use {', '.join(_PARSERS)}")
    return _PARSERS[ending]


def _finite(xyz: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Which rows have a position; None where all have."""
    kept = np.empty(len(xyz), dtype=bool)
    for at in range(0, len(xyz), _ROWS):
        kept[at : at + _ROWS] = np.isfinite(xyz[at : at + _ROWS]).all(axis=1)
    return None if len(kept) and kept.all() else kept


def write_cloud(
    path: Path | str, xyz: NDArray[Any], rgb: NDArray[np.uint8] | None = None, **extra: NDArray[Any]
) -> Path:
    """Write a cloud as ``.ply`` (binary), ``.npz``, ``.parquet`` or ``.zarr``, whole or not at all.

    Args:
        path: where to; its folder must exist.
        xyz: float32 or float64 (N, 3), kept as it is.
        rgb: uint8 (N, 3) or None.
        extra: further arrays with a row for each point, (N,) or (N, C), of any kind of number; kept as they are,
            half precision too (``features=features.astype("float16")`` takes half the place); in ``.ply``
            a property for each column, ``name`` or ``name_0``, ``name_1``, …, where half precision becomes float32,
            since the format has none; in ``.parquet`` (extra ``ppkt-zoo[parquet]``) a column each, of lists for
            (N, C); in ``.zarr`` (extra ``ppkt-zoo[zarr]``) an array each, in a folder.

    Raises:
        InputError: another ending, an array does not fit, or it cannot be written; the message names it.
        MissingLibraryError: the format needs a library that is not installed.
    """
    file = usable_path(path, InputError)
    if file.suffix.lower() not in WRITTEN_ENDINGS:
        raise InputError(f"{file}: clouds are written as .ply or .npz, .parquet or .zarr")
    arrays = checked_arrays(xyz, rgb, extra)
    if not file.parent.is_dir():
        raise InputError(f"{file}: this file cannot be written: there is no folder {file.parent}")
    write_arrays(file, arrays, {})
    return file


def checked_arrays(xyz: Any, rgb: Any, extra: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """The arrays of a file by their names; what they must be is told by :func:`write_cloud`.

    Raises:
        InputError: an array does not fit; the message names it.
    """
    if not isinstance(xyz, np.ndarray) or xyz.ndim != 2 or xyz.shape[1] != 3 or xyz.dtype.kind != "f" or not len(xyz):
        raise InputError("xyz must be a float array of shape (N, 3) with at least one row")
    arrays = {"xyz": xyz if xyz.dtype == np.float64 else xyz.astype(np.float32, copy=False)}
    if rgb is not None:
        if not isinstance(rgb, np.ndarray) or rgb.shape != xyz.shape or rgb.dtype != np.uint8:
            raise InputError(f"rgb must be a uint8 array of shape {xyz.shape}, or None")
        arrays["rgb"] = rgb
    for name, value in extra.items():
        if name in _TAKEN or not re.fullmatch(r"[\x21-\x7e]+", name) or "/" in name:
            raise InputError(f"{one_line(name, 60)!r} is no name for a further array: use letters, digits and _")
        fits = isinstance(value, np.ndarray) and value.ndim in (1, 2) and len(value) == len(xyz)
        if not fits or value.dtype.kind not in "fiub":
            raise InputError(f"{name} must be a numeric array with one row for each of the {len(xyz)} points")
        arrays[name] = value
    return arrays
