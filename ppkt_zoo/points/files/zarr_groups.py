"""Clouds as ``.zarr`` groups: folders of arrays in chunks, to read parts of them, from object storage too."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ppkt_zoo.errors import InputError, PPKTZooError
from ppkt_zoo.files.optional import need
from ppkt_zoo.files.strict_json import read_json
from ppkt_zoo.files.writing import write_whole_folder

_KEY = "ppkt-zoo"
_ROWS = 1 << 16
#: What a group of Zarr's third format holds.
GROUP = "zarr.json"


def write_group(path: Path, arrays: Mapping[str, NDArray[Any]], note: str, error: type[PPKTZooError]) -> None:
    """Write an array (N,) or (N, C) of each name in chunks of 65 536 rows.

    Raises:
        MissingLibraryError: zarr is not installed.
        error: it cannot be written, or another kind of folder has the name.
    """
    zarr = need("zarr", "zarr", f"{path}: writing .zarr")

    def fill(folder: Path) -> None:
        group = zarr.create_group(str(folder), attributes={_KEY: note} if note else {})
        for name, value in arrays.items():
            chunks = (min(len(value), _ROWS), *value.shape[1:])
            array = group.create_array(name, shape=value.shape, dtype=value.dtype, chunks=chunks)
            for at in range(0, len(value), _ROWS):
                array[at : at + _ROWS] = value[at : at + _ROWS]

    write_whole_folder(path, fill, error, mark=GROUP)


def note_of(path: Path) -> str:
    """The note of a group; nothing where it has none.

    Raises:
        InputError: it is missing or damaged.
    """
    found = read_json(path / GROUP, InputError, "group")
    attributes = found.get("attributes") if isinstance(found, dict) else None
    note = attributes.get(_KEY, "") if isinstance(attributes, dict) else ""
    return note if isinstance(note, str) else ""
