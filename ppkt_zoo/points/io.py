"""Clouds from files and into files."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.errors import InputError
from ppkt_zoo.points.colors import as_uint8
from ppkt_zoo.points.las import parse_las
from ppkt_zoo.points.pcd import parse_pcd
from ppkt_zoo.points.ply import parse_ply, ply_bytes
from ppkt_zoo.points.tables import parse_npy, parse_npz, parse_text

_PARSERS: dict[str, Callable[[bytes, str], tuple[NDArray[Any], NDArray[Any] | None]]] = {
    ".ply": parse_ply,
    ".pcd": parse_pcd,
    ".npz": parse_npz,
    ".npy": parse_npy,
    ".txt": parse_text,
    ".xyz": parse_text,
    ".csv": parse_text,
    ".las": parse_las,
    ".laz": parse_las,
}


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
    """Read a cloud; the ending of the name says the format.

    Formats: ``.ply``, ``.pcd``, ``.npz`` (xyz, rgb or points, colors), ``.npy`` (N×3 or N×6), ``.txt``, ``.xyz``,
    ``.csv``, and ``.las``, ``.laz`` with the extra ``ppkt-zoo[las]``.

    Raises:
        InputError: no such file, an unknown ending, a file that is cut short or contradicts its header, colours
            that fit no convention, or no point with a finite position; the message names the file.
    """
    file = Path(path)
    parser = _PARSERS.get(file.suffix.lower())
    if parser is None:
        raise InputError(f"{file}: no reader for {file.suffix or 'a name without ending'}: use {', '.join(_PARSERS)}")
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{file}: no such file") from None
    except OSError as error:
        raise InputError(f"{file}: this file cannot be read ({error.strerror})") from error
    if not content:
        raise InputError(f"{file}: the file is empty")
    xyz, colors = parser(content, str(file))
    if xyz.dtype not in (np.float32, np.float64):
        xyz = xyz.astype(np.float64)
    finite = np.isfinite(xyz).all(axis=1)
    kept = int(finite.sum())
    if kept == 0:
        raise InputError(f"{file}: no point with a finite position among {len(xyz)} rows")
    rgb = None if colors is None else as_uint8(colors[finite], str(file))
    return CloudArrays(np.ascontiguousarray(xyz[finite], dtype=xyz.dtype.newbyteorder("=")), rgb, len(xyz) - kept)


def write_cloud(
    path: Path | str, xyz: NDArray[Any], rgb: NDArray[np.uint8] | None = None, **extra: NDArray[Any]
) -> Path:
    """Write a cloud as ``.ply`` (binary) or ``.npz``, whole or not at all.

    Args:
        path: where to; its folder must exist.
        xyz: float32 or float64 (N, 3), kept as it is.
        rgb: uint8 (N, 3) or None.
        extra: further arrays with a row for each point, (N,) or (N, C); in ``.ply`` a property for each column,
            ``name`` or ``name_0``, ``name_1``, …

    Raises:
        InputError: another ending, or an array does not fit; the message names it.
    """
    file = Path(path)
    arrays = _checked(xyz, rgb, extra)
    if file.suffix.lower() == ".npz":
        stream = io.BytesIO()
        np.savez(stream, **arrays)  # type: ignore[arg-type]
        content = stream.getvalue()
    elif file.suffix.lower() == ".ply":
        content = ply_bytes(_ply_columns(arrays))
    else:
        raise InputError(f"{file}: clouds are written as .ply or .npz")
    _write_whole(file, content)
    return file


def _checked(xyz: Any, rgb: Any, extra: dict[str, Any]) -> dict[str, NDArray[Any]]:
    if not isinstance(xyz, np.ndarray) or xyz.ndim != 2 or xyz.shape[1] != 3 or xyz.dtype.kind != "f" or not len(xyz):
        raise InputError("xyz must be a float array of shape (N, 3) with at least one row")
    arrays = {"xyz": xyz if xyz.dtype == np.float64 else xyz.astype(np.float32)}
    if rgb is not None:
        if not isinstance(rgb, np.ndarray) or rgb.shape != xyz.shape or rgb.dtype != np.uint8:
            raise InputError(f"rgb must be a uint8 array of shape {xyz.shape}, or None")
        arrays["rgb"] = rgb
    for name, value in extra.items():
        fits = isinstance(value, np.ndarray) and value.ndim in (1, 2) and len(value) == len(xyz)
        if not fits or value.dtype.kind not in "fiub":
            raise InputError(f"{name} must be a numeric array with one row for each of the {len(xyz)} points")
        arrays[name] = value
    return arrays


def _ply_columns(arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
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
        return values.astype(np.float64 if values.dtype.itemsize >= 8 else np.float32)
    if values.dtype.itemsize < 8:
        return values
    limits = np.iinfo(np.int32)
    if values.min() < limits.min or values.max() > limits.max:
        raise InputError(f"{name} does not fit the 32-bit whole numbers of .ply: write .npz")
    return values.astype(np.int32)


def _write_whole(file: Path, content: bytes) -> None:
    unfinished = file.with_name(f".{file.name}.{os.getpid()}.unfinished")
    try:
        unfinished.write_bytes(content)
        os.replace(unfinished, file)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise InputError(f"{file}: this file cannot be written ({error.strerror})") from error
