"""What frames and scenes share: seeds of rooms by number, and files that are whole or not there."""

import os
import secrets
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ppkt_zoo.errors import FrameError


def room_seed(world: int, number: int) -> int:
    """The seed of room ``number`` of a world, for make_room."""
    return int(np.random.default_rng([world, number]).integers(2**31))


def write_arrays(path: Path, arrays: dict[str, np.ndarray], compressed: bool = False) -> None:
    """Write so that a reader, in this process or another, finds the whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # No other process or thread has this name; mkstemp would make a cache for its owner's eyes alone.
    temporary = path.parent / f"{path.stem}-{os.getpid()}-{secrets.token_hex(4)}.part"
    try:
        with open(temporary, "xb") as stream:
            (np.savez_compressed if compressed else np.savez)(stream, **arrays)  # type: ignore[arg-type]
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_arrays(path: Path, fields: Sequence[str], what: str) -> dict[str, np.ndarray]:
    """The arrays of a cached file by name.

    Raises:
        FrameError: the file is damaged; ``what`` names it.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {field: stored[field] for field in fields}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise FrameError(f"cached {what} {path} is damaged ({error}): delete it, it will be made again") from error
