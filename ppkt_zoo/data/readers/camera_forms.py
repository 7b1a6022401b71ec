"""Intrinsics in every form that is in use, told by what stands in the file and not by its name.

Text: the 3×3 matrix, a 3×4 or 4×4 one, ``fx fy cx cy``, ``fx fy cx cy width height`` (or the size first, as
ARKitScenes), with commas, brackets and comments; COLMAP's ``cameras.txt``. JSON and YAML: Open3D (its matrix goes
column by column), ROS's and OpenCV's camera files (``K``, ``camera_matrix``), RealSense (``ppx``), Record3D,
``fl_x`` of NeRF tools, one of them under ``intrinsic``, ``intrinsics``, ``camera`` or the like.
"""

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.data.readers.number_text import SMALL_TEXT, numbers_of, read_text, words_of
from ppkt_zoo.errors import FrameError, InputWarning
from ppkt_zoo.files.strict_json import parse_json
from ppkt_zoo.files.strict_yaml import parse_yaml

Matrix = NDArray[np.float64]

# Keys of JSON and YAML, all in small letters.
_INNER = ("intrinsic", "intrinsics", "camera", "camera_info", "camera_intrinsics", "color", "rgb", "depth")
_MATRIX = ("intrinsic_matrix", "camera_matrix", "k", "matrix", "intrinsic", "intrinsics")
_FOCAL = (("fx", "fy"), ("fl_x", "fl_y"), ("focal_length_x", "focal_length_y"), ("f", "f"))
_CENTRE = (("cx", "cy"), ("ppx", "ppy"), ("principal_point_x", "principal_point_y"))
_SIZE = (("width", "height"), ("w", "h"), ("image_width", "image_height"))
_DISTORTION = ("d", "coeffs", "distortion", "distortion_coefficients", "dist_coeffs", "distortion_coeffs")
_DISTORTION_NUMBERS = ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")
# COLMAP's models: where fx, fy, cx, cy stand among the parameters; what follows them is distortion.
_COLMAP = {
    "SIMPLE_PINHOLE": (0, 0, 1, 2), "PINHOLE": (0, 1, 2, 3), "SIMPLE_RADIAL": (0, 0, 1, 2), "RADIAL": (0, 0, 1, 2),
    "OPENCV": (0, 1, 2, 3), "FULL_OPENCV": (0, 1, 2, 3),
}  # fmt: skip
_COLMAP_LINE = re.compile(
    r"^[ \t]{0,99}\d{1,9}[ \t]{1,9}[A-Z][A-Z0-9_]{1,30}[ \t]{1,9}\d{1,9}[ \t]{1,9}\d{1,9}\s", re.MULTILINE
)
_KEY_LINE = re.compile(r"^[ \t]{0,99}[\"']?[A-Za-z]\w{0,99}[\"']?[ \t]{0,9}[:=]", re.MULTILINE)
_LAST_ROW = (0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Camera:
    """What a file says of a camera.

    Attributes:
        matrix: float64 (3, 3), not yet checked to be a pinhole camera's.
        size: (H, W) of its images, or None where the file does not say.
        where: the file.
    """

    matrix: Matrix
    size: tuple[int, int] | None
    where: str

    def check_size(self, shape: tuple[int, ...], name: str) -> None:
        """Raise FrameError unless an image (H, W, …) has the size that the file states."""
        if self.size is not None and tuple(shape[:2]) != self.size:
            raise FrameError(
                f"frame {name}: the image is {shape[1]}×{shape[0]}, but {self.where} has the intrinsics of images of "
                f"{self.size[1]}×{self.size[0]}: give those of this size, or images of that one"
            )


def pinhole(fx: float, fy: float, cx: float, cy: float) -> Matrix:
    """The (3, 3) matrix of a pinhole camera, pixels, with integers at pixel centres."""
    return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


def read_camera(path: Path) -> Camera:
    """The camera of a file in any form of this module; one that has distortion is warned of, and it is left out.

    Raises:
        FrameError: the file is missing, cut short, or holds nothing of that kind.
    """
    what = "intrinsics file"
    text, where = read_text(path, what, SMALL_TEXT), f"{path}: this {what}"
    if path.suffix.lower() == ".json" or text.lstrip()[:1] == "{":
        return _of_mapping(parse_json(text, where, FrameError), str(path))
    if _COLMAP_LINE.search(text):
        return _of_colmap(text, str(path))
    if path.suffix.lower() in (".yaml", ".yml") or _KEY_LINE.search(text):
        return _of_mapping(_yaml(text, where), str(path))
    return _of_numbers(numbers_of(words_of(text), where), str(path))


def _of_numbers(numbers: Matrix, where: str) -> Camera:
    count = len(numbers)
    if count == 9:
        return Camera(numbers.reshape(3, 3), None, where)
    if count in (12, 16):
        return Camera(numbers.reshape(-1, 4)[:3, :3], None, where)
    if count == 4:
        return Camera(pinhole(*numbers), None, where)
    if count == 6:
        for focal, size in ((numbers[:4], numbers[4:]), (numbers[2:], numbers[:2])):
            if _fits(focal, size):
                return Camera(pinhole(*focal), (int(size[1]), int(size[0])), where)
    raise FrameError(
        f"{where}: this intrinsics file should hold a 3×3 matrix (9 numbers), fx fy cx cy, or fx fy cx cy width height "
        f"but holds {count}: it is cut short or something else"
    )


def _fits(focal: Matrix, size: Matrix) -> bool:
    """Whether fx, fy, cx, cy are of an image of this width and height."""
    whole = np.isfinite(size).all() and (size == np.round(size)).all() and (size >= 1).all() and (size < 1e6).all()
    return bool(whole and (focal[:2] > 0).all() and (focal[2:] > 0).all() and (focal[2:] < size).all())


def _of_mapping(stored: Any, where: str) -> Camera:
    block = _block(stored)
    if block is None:
        raise FrameError(
            f'{where}: this intrinsics file has no "intrinsic_matrix" of 9 numbers, no "K", and no fx, fy, cx, cy'
        )
    matrix = _matrix(block, where)
    sizes = [pair for names in _SIZE if (pair := _numbers(block, names, where)) is not None]
    size = None
    if sizes and np.isfinite(sizes[0]).all() and (np.array(sizes[0]) >= 1).all() and max(sizes[0]) < 1e6:
        size = (round(sizes[0][1]), round(sizes[0][0]))
    given = [block[key] for key in _DISTORTION if key in block]
    given += [block[key] for key in _DISTORTION_NUMBERS if isinstance(block.get(key), int | float)]
    _warn_of_distortion(given, where)
    return Camera(matrix, size, where)


def _block(stored: Any) -> dict[str, Any] | None:
    """The mapping that holds a camera, with its keys in small letters: the outer one, or one of those in it."""
    if not isinstance(stored, Mapping):
        return None
    block = {str(key).lower(): value for key, value in stored.items()}
    if any((key in block and not isinstance(block[key], Mapping)) or _has_data(block.get(key)) for key in _MATRIX):
        return block
    if any(names[0] in block for names in _FOCAL):
        return block
    inner = (_block(block[key]) for key in _INNER if key in block)
    # Open3D writes the size beside the camera where it nests it.
    return next((block | found for found in inner if found is not None), None)


def _matrix(block: Mapping[str, Any], where: str) -> Matrix:
    for key in _MATRIX:
        value = block.get(key)
        value = value.get("data") if isinstance(value, Mapping) else value
        if isinstance(value, list):
            return _of_list(value, where)
    focal = next((pair for names in _FOCAL if (pair := _numbers(block, names, where)) is not None), None)
    centre = next((pair for names in _CENTRE if (pair := _numbers(block, names, where)) is not None), None)
    if focal is None or centre is None:
        raise FrameError(
            f'{where}: this intrinsics file has no "intrinsic_matrix" of 9 numbers, no "K", and not all of '
            "fx, fy, cx, cy"
        )
    return pinhole(*focal, *centre)


def _of_list(value: list[Any], where: str) -> Matrix:
    """Of nine numbers in a row, Open3D's go column by column and ROS's row by row: the zeros tell which."""
    flat = [number for row in value for number in (row if isinstance(row, list) else [row])]
    if not all(_is_number(number) for number in flat):
        raise FrameError(f"{where}: this intrinsics file holds something that is no number")
    numbers = np.array(flat, dtype=np.float64)
    if len(numbers) == 4:
        return pinhole(*numbers)
    if len(numbers) in (12, 16):
        return numbers.reshape(-1, 4)[:3, :3]
    if len(numbers) != 9:
        raise FrameError(
            f'{where}: this intrinsics file should hold an "intrinsic_matrix" of 9 numbers, it holds {len(numbers)}'
        )
    rows = numbers.reshape(3, 3)
    return rows if tuple(rows[2]) == _LAST_ROW else rows.T


def _numbers(block: Mapping[str, Any], names: tuple[str, str], where: str) -> tuple[float, float] | None:
    if not all(name in block for name in names):
        return None
    values = tuple(block[name] for name in names)
    if not all(_is_number(value) for value in values):
        raise FrameError(f"{where}: {' and '.join(names)} of this intrinsics file must be numbers")
    return float(values[0]), float(values[1])


def _yaml(text: str, where: str) -> Any:
    # OpenCV's own: a directive that no parser of YAML takes, and a tag for its matrices.
    text = re.sub(r"^%YAML.*$", "", text, flags=re.MULTILINE).replace("!!opencv-matrix", "")
    if ":" not in text:
        text = text.replace("=", ": ")
    text = re.sub(r"^([ \t]{0,99}\w{1,99})[ \t]{0,9}=[ \t]*", r"\1: ", text, flags=re.MULTILINE)
    try:
        return parse_yaml(text)
    except ValueError as error:
        raise FrameError(f"{where} holds neither numbers nor whole YAML ({error})") from None


def _of_colmap(text: str, where: str) -> Camera:
    found: list[Camera] = []
    for line in text.splitlines():
        words = words_of(line)
        if len(words) < 4:
            continue
        model, places = words[1], _COLMAP.get(words[1])
        values = numbers_of(words[2:], f"{where}: this intrinsics file")
        if places is None or len(values) < 2 + max(places) + 1:
            raise FrameError(f"{where}: a camera {model} of {len(values)} numbers is not known: undistort to PINHOLE")
        _warn_of_distortion(values[3 + max(places) :].tolist(), where)
        size = values[:2]
        if not np.isfinite(size).all() or (size < 1).any() or (size > 1e6).any():
            raise FrameError(f"{where}: a camera of {words[2][:20]}×{words[3][:20]} pixels cannot be")
        found.append(Camera(pinhole(*values[2:][list(places)]), (int(size[1]), int(size[0])), where))
    if any(one.size != found[0].size or not np.array_equal(one.matrix, found[0].matrix) for one in found):
        raise FrameError(f"{where}: {len(found)} different cameras: leave the one in the file that took these images")
    return found[0]


def _warn_of_distortion(given: list[Any], where: str) -> None:
    values = [value.get("data") if isinstance(value, Mapping) else value for value in given]
    flat = [number for value in values for number in (value if isinstance(value, list) else [value])]
    if any(isinstance(number, int | float) and abs(number) > 1e-9 for number in flat):
        warnings.warn(
            InputWarning(
                f"{where}: the lens has distortion, which is not removed here: undistort the images first, or points "
                "at their borders lie some centimetres off"
            ),
            stacklevel=2,
        )


def _is_number(value: Any) -> bool:
    """Whether it is one, and no whole number of hundreds of digits, as YAML takes them."""
    return isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63)


def _has_data(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("data"), list)
