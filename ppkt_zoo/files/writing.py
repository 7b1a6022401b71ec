"""`write_whole`: the one way in which a file of ours appears, under its name only when it is complete; and folders."""

import contextlib
import glob
import io
import json
import os
import shutil
import uuid
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ppkt_zoo.errors import PPKTZooError

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image


def write_whole(
    path: Path, content: bytes | str | Callable[[BinaryIO], None], error: type[PPKTZooError], sync: bool = True
) -> None:
    """Write a file that appears under its name only when it is complete and on the disk.

    Args:
        path: its folder is made where it is missing.
        content: bytes, text that is written in UTF-8, or what writes into the file that it is given, so that what is
            large need not be in memory twice.
        error: what is raised where it cannot be written; what stood under the name stays.
        sync: wait until it is on the disk; leave out for what can be made again.

    Raises:
        error: a full disk, a missing right, a name that the system cannot take.
    """
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "xb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content.encode("utf-8") if isinstance(content, str) else content)
            file.flush()
            if sync:
                os.fsync(file.fileno())
        os.replace(part, path)
    except (OSError, ValueError) as failure:
        raise error(
            f"{path}: this file cannot be written ({_reason(failure)}): make room on the disk, or check its folder"
        ) from failure
    finally:
        with contextlib.suppress(OSError, ValueError):
            part.unlink(missing_ok=True)


def write_whole_folder(path: Path, fill: Callable[[Path], None], error: type[PPKTZooError], mark: str) -> None:
    """Write a folder that appears under its name only when it is complete.

    Args:
        path: the folders above it are made where they are missing.
        fill: writes into the empty folder that it is given.
        error: what is raised where it cannot be written; what stood under the name stays.
        mark: a file that a folder of this kind holds: any other folder under the name is not replaced.

    Raises:
        error: a full disk, a missing right, or something else has the name.
    """
    if os.path.lexists(path) and not (path / mark).is_file():
        raise error(f"{path}: something else stands there, without {mark}, and is not replaced: give another path")
    part, old = (path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part") for _ in range(2))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.mkdir()
        fill(part)
        if path.exists():
            os.replace(path, old)
        try:
            os.replace(part, path)
        except OSError:
            if old.exists():
                os.replace(old, path)
            raise
    except (OSError, ValueError) as failure:
        raise error(
            f"{path}: this folder cannot be written ({_reason(failure)}): make room on the disk, or check its folder"
        ) from failure
    finally:
        for passing in (part, old):
            shutil.rmtree(passing, ignore_errors=True)


def sweep_parts(path: Path) -> None:
    """Take away what writers of a file or folder left that were killed; only where no other can be at work on it."""
    for part in path.parent.glob(f".{glob.escape(path.name)}.{'[0-9a-f]' * 8}.part"):
        if part.is_dir() and not part.is_symlink():
            shutil.rmtree(part, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)


def write_json(path: Path, value: Any, error: type[PPKTZooError], indent: int | None = 1, sync: bool = True) -> None:
    """Write a JSON value whole, see :func:`write_whole`.

    Raises:
        error: it cannot be written, or holds something that JSON has no form for (NaN included).
    """
    try:
        text = json.dumps(value, indent=indent, allow_nan=False, ensure_ascii=False) + "\n"
    except (TypeError, ValueError) as failure:
        raise error(f"{path}: this cannot be written as JSON ({failure})") from failure
    write_whole(path, text, error, sync)


def npz_bytes(arrays: "Mapping[str, np.ndarray]", compressed: bool = False) -> bytes:
    """Arrays by their names as the bytes of an ``.npz`` archive."""
    stream = io.BytesIO()
    write_npz(stream, arrays, compressed)
    return stream.getvalue()


def write_npz(
    stream: BinaryIO, arrays: "Mapping[str, np.ndarray]", compressed: bool = False, note: bytes = b""
) -> None:
    """Write arrays by their names as an ``.npz`` archive, some megabytes at a time.

    Args:
        note: at most 65 535 bytes, kept as the archive's comment, which ``numpy.load`` passes over.
    """
    import numpy as np  # here, so that manifests are written without it

    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as archive:
        archive.comment = note
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


def _reason(failure: OSError | ValueError) -> str:
    return failure.strerror if isinstance(failure, OSError) and failure.strerror else str(failure)


def png_bytes(picture: "Image.Image", **options: Any) -> bytes:
    """A picture as the bytes of a PNG file; options as those of Pillow's writer."""
    stream = io.BytesIO()
    picture.save(stream, "PNG", **options)
    return stream.getvalue()
