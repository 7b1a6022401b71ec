"""Clouds as ``.parquet`` tables, for pandas, polars, DuckDB, Spark and their like."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.errors import InputError, PPKTZooError
from ppkt_zoo.files.optional import need
from ppkt_zoo.files.reading import open_regular
from ppkt_zoo.files.writing import write_whole

_KEY = b"ppkt-zoo"
_ROWS = 1 << 16
_COLUMNS = {"xyz": ("x", "y", "z"), "rgb": ("red", "green", "blue")}


def write_table(path: Path, arrays: Mapping[str, NDArray[Any]], note: str, error: type[PPKTZooError]) -> None:
    """Write a row for each point: x, y, z, red, green, blue, and further arrays by their names.

    An array (N, C) is one column of lists of a fixed length C, of the array's own kind of number.

    Raises:
        InputError: two columns would have one name.
        MissingLibraryError: pyarrow is not installed.
        error: it cannot be written.
    """
    arrow = _arrow(path)
    parquet = need("pyarrow.parquet", "parquet", f"{path}: writing .parquet")
    columns = dict(_columns(arrays))
    fields = [arrow.field(name, _kind(arrow, value)) for name, value in columns.items()]
    schema = arrow.schema(fields, {_KEY: note.encode()} if note else None)
    rows = len(next(iter(columns.values())))

    def write(stream: BinaryIO) -> None:
        # Numbers of a measurement hardly ever come twice: a dictionary of them would only cost time.
        with parquet.ParquetWriter(stream, schema, compression="zstd", use_dictionary=False) as writer:
            for at in range(0, rows, _ROWS):
                part = [_array(arrow, value[at : at + _ROWS]) for value in columns.values()]
                writer.write_table(arrow.Table.from_arrays(part, schema=schema), row_group_size=_ROWS)

    write_whole(path, write, error)


def note_of(path: Path) -> str:
    """The note of a table; nothing where it has none.

    Raises:
        InputError: it is missing, cut short or damaged.
        MissingLibraryError: pyarrow is not installed.
    """
    _arrow(path)
    parquet = need("pyarrow.parquet", "parquet", f"{path}: reading .parquet")
    with open_regular(path, InputError) as stream:
        try:
            # The metadata stand at the end: a file that was cut short has none.
            found = parquet.read_metadata(stream).metadata or {}
        except (OSError, ValueError) as failure:  # ArrowInvalid is a ValueError
            raise InputError(f"{path}: this .parquet file is cut short or damaged ({failure})") from failure
    return bytes(found.get(_KEY, b"")).decode("utf-8", "replace")


def _arrow(path: Path) -> Any:
    return need("pyarrow", "parquet", f"{path}: a .parquet file")


def _columns(arrays: Mapping[str, NDArray[Any]]) -> Iterator[tuple[str, NDArray[Any]]]:
    taken: set[str] = set()
    for name, value in arrays.items():
        parts = _COLUMNS.get(name, (name,))
        for index, column in enumerate(parts):
            if column in taken:
                raise InputError(f"{name}: the table has a column {column} already: give another name")
            taken.add(column)
            yield column, value[:, index] if name in _COLUMNS else value


def _kind(arrow: Any, value: NDArray[Any]) -> Any:
    one = arrow.from_numpy_dtype(value.dtype)
    return one if value.ndim == 1 else arrow.list_(one, value.shape[1])


def _array(arrow: Any, value: NDArray[Any]) -> Any:
    flat = arrow.array(np.ascontiguousarray(value).reshape(-1))
    return flat if value.ndim == 1 else arrow.FixedSizeListArray.from_arrays(flat, value.shape[1])
