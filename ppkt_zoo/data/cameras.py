"""Reading intrinsics and poses from the small text files that stand beside frames."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.errors import FrameError

Matrix = NDArray[np.float64]


def pinhole(fx: float, fy: float, cx: float, cy: float) -> Matrix:
    """The (3, 3) matrix of a pinhole camera, pixels, with integers at pixel centres."""
    return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


def as_intrinsics(value: Any) -> Matrix:
    """Check an ``intrinsics`` argument: a (3, 3) matrix, or (fx, fy, cx, cy)."""
    try:
        matrix = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise FrameError(f"intrinsics must be numbers: {error}") from error
    if matrix.shape == (4,):
        matrix = pinhole(*(float(number) for number in matrix))
    return check_intrinsics(matrix, "the argument intrinsics")


def read_matrix(path: Path, size: int, what: str) -> Matrix:
    """A (size, size) matrix from a text file; NaN is let through, the frame refuses it.

    Raises:
        FrameError: the file is missing, cut short, or holds other numbers than such a matrix.
    """
    numbers = read_numbers(path, what)
    if len(numbers) != size * size:
        raise FrameError(
            f"{path}: this {what} should hold a {size}×{size} matrix ({size * size} numbers) but holds {len(numbers)}: "
            "it is cut short or something else"
        )
    return numbers.reshape(size, size)


def read_numbers(path: Path, what: str) -> Matrix:
    """All numbers (N,) of a text file; NaN is let through.

    Raises:
        FrameError: the file is missing, or holds something that is no number.
    """
    return _numbers(read_text(path, what).split(), f"{path}: this {what}")


def read_intrinsics(path: Path) -> Matrix:
    """Intrinsics from a text file with the 3×3 matrix, or from Open3D's ``camera.json``.

    Raises:
        FrameError: the file is missing, cut short, or holds no such matrix.
    """
    if path.suffix != ".json":
        return check_intrinsics(read_matrix(path, 3, "intrinsics file"), str(path))
    try:
        stored = json.loads(read_text(path, "intrinsics file"))
    except json.JSONDecodeError as error:
        raise FrameError(f"{path}: this intrinsics file is not whole JSON ({error})") from error
    # Open3D nests the same block under "intrinsic" when it writes extrinsics too.
    block = stored.get("intrinsic", stored) if isinstance(stored, dict) else None
    numbers = block.get("intrinsic_matrix") if isinstance(block, dict) else None
    if not isinstance(numbers, list) or len(numbers) != 9:
        raise FrameError(f'{path}: this intrinsics file has no "intrinsic_matrix" of 9 numbers, column by column')
    matrix = _numbers(numbers, f"{path}: this intrinsics file").reshape(3, 3).T
    return check_intrinsics(matrix, str(path))


def read_trajectory(path: Path) -> list[Matrix]:
    """Camera → world poses of a trajectory in the Redwood / Open3D format: five lines a frame.

    The first line of each holds three frame indices, the other four the 4×4 matrix.

    Raises:
        FrameError: the file is missing, cut short, or a line does not hold what it should.
    """
    lines = [line for line in read_text(path, "trajectory").splitlines() if line.strip()]
    poses = []
    for start in range(0, len(lines), 5):
        block = lines[start : start + 5]
        where = f"{path}: pose {start // 5} of this trajectory"
        if len(block) < 5:
            raise FrameError(f"{where} has {len(block)} of its 5 lines: the file is cut short")
        if len(block[0].split()) != 3:
            raise FrameError(f"{where} should begin with a line of 3 frame indices, got {block[0]!r}")
        rows = [_numbers(line.split(), where) for line in block[1:]]
        if any(len(row) != 4 for row in rows):
            raise FrameError(f"{where} should hold 4 rows of 4 numbers: the file is cut short or damaged")
        poses.append(np.stack(rows))
    return poses


def check_intrinsics(matrix: Matrix, where: str) -> Matrix:
    """The matrix, if it is one of a pinhole camera; ``where`` is what the error calls it.

    Raises:
        FrameError: it is not.
    """
    if matrix.shape != (3, 3):
        raise FrameError(f"{where} must be a (3, 3) matrix or (fx, fy, cx, cy), got shape {matrix.shape}")
    finite = np.isfinite(matrix).all()
    if not finite or matrix[0, 0] <= 0 or matrix[1, 1] <= 0 or not np.array_equal(matrix[2], [0, 0, 1]):
        raise FrameError(f"{where} is no pinhole matrix [fx 0 cx; 0 fy cy; 0 0 1] with positive focal lengths")
    return matrix


def read_text(path: Path, what: str) -> str:
    """The text of a file; ``what`` is what errors call it.

    Raises:
        FrameError: the file is missing, cannot be read, or is not text in UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FrameError(f"{path}: this {what} is missing") from None
    except UnicodeDecodeError as error:
        raise FrameError(f"{path}: this {what} is not a text file") from error
    except OSError as error:
        raise FrameError(f"{path}: this {what} cannot be read ({error.strerror})") from error


def _numbers(words: list[Any], where: str) -> Matrix:
    try:
        return np.array([float(word) for word in words], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise FrameError(f"{where} holds something that is no number ({error})") from error
