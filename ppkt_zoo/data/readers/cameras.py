"""Reading intrinsics and poses from the small text files that stand beside frames."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.data.readers.camera_forms import Camera, Matrix, pinhole, read_camera
from ppkt_zoo.data.readers.number_text import SMALL_TEXT, numbers_of, read_text, words_of
from ppkt_zoo.errors import FrameError, LostFrameError

Intrinsics = Sequence[float] | Sequence[Sequence[float]] | NDArray[Any]
"""What readers take for intrinsics: a (3, 3) matrix, or (fx, fy, cx, cy)."""

#: Names under which a folder's intrinsics are looked for, the first that is there counts.
CAMERA_FILES = (
    "camera-intrinsics.txt", "camera_intrinsics.txt", "intrinsics.txt", "intrinsic.txt", "K.txt", "camera.txt",
    "cameras.txt", "camera.json", "camera_primesense.json", "intrinsic.json", "intrinsics.json",
    "camera_intrinsics.json", "camera-intrinsics.json", "camera_info.json", "camera.yaml", "camera.yml",
    "camera_info.yaml", "camera_info.yml", "intrinsics.yaml", "intrinsics.yml",
)  # fmt: skip


def as_intrinsics(value: Intrinsics) -> Matrix:
    """Check an ``intrinsics`` argument: a (3, 3) matrix, or (fx, fy, cx, cy)."""
    try:
        matrix = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise FrameError(f"intrinsics must be numbers: {error}") from error
    if matrix.shape == (4,):
        matrix = pinhole(*(float(number) for number in matrix))
    return check_intrinsics(matrix, "the argument intrinsics")


def given_camera(value: Intrinsics) -> Camera:
    """An ``intrinsics`` argument as a camera of images of any size."""
    return Camera(as_intrinsics(value), None, "the argument intrinsics")


def read_checked_camera(path: Path) -> Camera:
    """The camera of a file in any form of :mod:`ppkt_zoo.data.readers.camera_forms`.

    Raises:
        FrameError: the file is missing, cut short, or holds no pinhole camera.
    """
    camera = read_camera(path)
    check_intrinsics(camera.matrix, str(path))
    return camera


def read_intrinsics(path: Path) -> Matrix:
    """The (3, 3) intrinsics of a file, as :func:`read_checked_camera`."""
    return read_checked_camera(path).matrix


def find_camera(folder: Path, first: tuple[str, ...] = ()) -> Path | None:
    """The file of intrinsics in a folder, None where there is none; names of ``first`` go before the others."""
    return next((folder / name for name in (*first, *CAMERA_FILES) if (folder / name).is_file()), None)


def camera_of(*folders: Path, hint: str = "") -> Camera:
    """The camera of the first of these folders that holds a file of intrinsics.

    Raises:
        FrameError: none of them does (``hint`` ends the message), or the file holds no pinhole camera.
    """
    found = next(filter(None, map(find_camera, folders)), None)
    if found is None:
        raise FrameError(
            f"{folders[0] / CAMERA_FILES[0]}: this intrinsics file is missing: write the 3×3 matrix there, or give "
            f"intrinsics=(fx, fy, cx, cy) (--intrinsics in commands){hint}"
        )
    return read_checked_camera(found)


def read_pose(path: Path) -> Matrix:
    """A camera → world pose (4, 4) from a text file with its 4×4 matrix or the first three rows of it.

    NaN, in any spelling, is let through: the frame tells that tracking was lost.

    Raises:
        LostFrameError: the file is missing.
        FrameError: it is cut short, or holds other numbers than a pose.
    """
    if not path.exists():
        raise LostFrameError(f"{path}: this pose is missing")
    numbers = read_numbers(path, "pose")
    if len(numbers) == 12:
        return np.vstack([numbers.reshape(3, 4), [0.0, 0.0, 0.0, 1.0]])
    return _square(numbers, path, 4, "pose")


def read_matrix(path: Path, size: int, what: str) -> Matrix:
    """A (size, size) matrix from a text file; NaN is let through, the frame refuses it.

    Raises:
        FrameError: the file is missing, cut short, or holds other numbers than such a matrix.
    """
    return _square(read_numbers(path, what), path, size, what)


def read_numbers(path: Path, what: str) -> Matrix:
    """All numbers (N,) of a text file; NaN is let through, and commas, brackets and comments are passed over.

    Raises:
        FrameError: the file is missing, or holds something that is no number.
    """
    return numbers_of(words_of(read_text(path, what, SMALL_TEXT)), f"{path}: this {what}")


def _square(numbers: Matrix, path: Path, size: int, what: str) -> Matrix:
    if len(numbers) != size * size:
        raise FrameError(
            f"{path}: this {what} should hold a {size}×{size} matrix ({size * size} numbers) but holds {len(numbers)}: "
            "it is cut short or something else"
        )
    return numbers.reshape(size, size)


def check_intrinsics(matrix: Matrix, where: str) -> Matrix:
    """The matrix; raises FrameError, which calls it ``where``, unless it is one of a pinhole camera."""
    if matrix.shape != (3, 3):
        raise FrameError(f"{where} must be a (3, 3) matrix or (fx, fy, cx, cy), got shape {matrix.shape}")
    finite = np.isfinite(matrix).all()
    if not finite or matrix[0, 0] <= 0 or matrix[1, 1] <= 0 or not np.array_equal(matrix[2], [0, 0, 1]):
        raise FrameError(f"{where} is no pinhole matrix [fx 0 cx; 0 fy cy; 0 0 1] with positive focal lengths")
    return matrix
