"""What frames and scenes share: seeds of rooms by number, and cached files that are whole or made again."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ppkt_zoo.errors import FrameError, InputError, TrainingError
from ppkt_zoo.files.reading import read_file
from ppkt_zoo.files.writing import npz_bytes, write_whole
from ppkt_zoo.points.files.numpy_files import named_arrays


def room_seed(world: int, number: int) -> int:
    """The seed of room ``number`` of a world, for make_room."""
    return int(np.random.default_rng([world, number]).integers(2**31))


def write_arrays(path: Path, arrays: dict[str, np.ndarray], compressed: bool = False) -> None:
    """Write so that a reader, in this process or another, finds the whole file or none.

    Raises:
        TrainingError: it cannot be written. No FrameError: nothing is wrong with the frame, and none may be skipped
            because a disk is full.
    """
    write_whole(path, npz_bytes(arrays, compressed), TrainingError, sync=False)


def read_arrays(path: Path, fields: Sequence[str], what: str) -> dict[str, np.ndarray]:
    """The arrays of a cached file by name; the archive keeps a checksum of each, which is compared.

    Raises:
        FrameError: the file is damaged; ``what`` names it.
    """
    where = f"cached {what} {path}"
    try:
        return named_arrays(read_file(path, FrameError, f"cached {what}"), fields, where)
    except InputError as error:
        raise FrameError(f"{where} is damaged ({error}): delete it, it will be made again") from error


def say_made_again(path: Path, error: FrameError) -> None:
    """A word that a cached file is damaged and is made again."""
    warnings.warn(f"{path} is damaged, it is made again ({error})", RuntimeWarning, stacklevel=3)
