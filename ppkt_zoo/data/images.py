"""Reading colour, depth and id images of frames; a damaged file is a FrameError that names it."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ppkt_zoo.errors import FrameError

# What Pillow's decoders raise on damaged bytes.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)
# Beside 0, 7-Scenes and other Kinect recordings write this for "no depth here".
_HOLE = 65535
# No depth camera's image has its median nearer than this, nor one indoors farther: it is in other units then.
_NEAREST, _FARTHEST = 0.05, 100.0
# Every so many pixels are looked at for that.
_PROBE = 4
_COLOR_SUFFIXES = (".jpg", ".jpeg", ".png")


def read_color(path: Path) -> NDArray[np.uint8]:
    """An 8-bit image as uint8 (H, W, 3), RGB; grey is repeated, alpha is dropped.

    Raises:
        FrameError: the file is missing, cut short, damaged, or has more than 8 bits a channel.
    """
    return decode_color(_read(path, "colour image"), str(path))


def decode_color(content: bytes, where: str) -> NDArray[np.uint8]:
    """The bytes of an image file (JPEG, PNG, …) as :func:`read_color` reads them; ``where`` names them in errors.

    Raises:
        FrameError: the image is cut short, damaged, or has more than 8 bits a channel.
    """
    image = _decode(content, where, "colour image")
    if image.mode not in ("RGB", "RGBA", "L", "LA", "P", "CMYK", "YCbCr"):
        raise FrameError(f"{where}: colour must be an 8-bit image, this one has Pillow mode {image.mode}")
    return np.array(image if image.mode == "RGB" else image.convert("RGB"), dtype=np.uint8)


def read_depth(path: Path, depth_scale: float = 1000.0) -> NDArray[np.float32]:
    """A 16-bit depth image as float32 (H, W) metres, 0 where there is no depth (stored 0 or 65535).

    Args:
        path: a one-channel 16-bit PNG.
        depth_scale: stored units in a metre (1000 for millimetres, 5000 for TUM).

    Raises:
        FrameError: the file is missing, cut short, damaged or not 16-bit, or by its depths it is stored in other
            units than ``depth_scale`` says.
    """
    check_depth_scale(depth_scale)
    depth = to_metres(read_stored(path), depth_scale)
    _check_units(depth, depth_scale, path)
    return depth


def read_stored(path: Path) -> NDArray[Any]:
    """The whole numbers (H, W) of a depth image, as stored.

    Raises:
        FrameError: the file is missing, cut short, damaged or not 16-bit.
    """
    return decode_stored(_read(path, "depth image"), str(path))


def decode_stored(content: bytes, where: str) -> NDArray[Any]:
    """The bytes of a depth image as :func:`read_stored` reads them; ``where`` names them in errors.

    Raises:
        FrameError: the image is cut short, damaged or not 16-bit.
    """
    image = _decode(content, where, "depth image")
    if image.mode == "F":
        raise FrameError(
            f"{where}: this depth image holds floating-point numbers (metres, most likely): multiply them by 1000 and "
            "save depth as uint16 millimetres"
        )
    if not image.mode.startswith("I"):
        raise FrameError(
            f"{where}: depth must be a one-channel 16-bit PNG, this one has Pillow mode {image.mode}: "
            "save depth as uint16 millimetres"
        )
    return np.asarray(image)


def to_metres(stored: NDArray[Any], depth_scale: float) -> NDArray[np.float32]:
    """Stored whole numbers (H, W) as float32 (H, W) metres, 0 where there is no depth (stored 0 or 65535)."""
    depth = (stored / np.float32(depth_scale)).astype(np.float32, copy=False)
    # A stored zero is zero metres already.
    depth[stored == _HOLE] = 0.0
    return depth


def check_depth_scale(depth_scale: float) -> None:
    """Check a ``depth_scale`` argument.

    Raises:
        FrameError: it is not a positive number.
    """
    if not np.isfinite(depth_scale) or depth_scale <= 0:
        raise FrameError(f"depth_scale must be a positive number (stored units in a metre), got {depth_scale}")


def read_ids(path: Path) -> NDArray[np.int32]:
    """An image of ids (8- or 16-bit grey, or a palette) as int32 (H, W).

    Raises:
        FrameError: the file is missing, cut short, damaged or has several channels.
    """
    return decode_ids(_read(path, "id image"), str(path))


def decode_ids(content: bytes, where: str) -> NDArray[np.int32]:
    """The bytes of an image of ids as :func:`read_ids` reads them; ``where`` names them in errors.

    Raises:
        FrameError: the image is cut short, damaged or has several channels.
    """
    image = _decode(content, where, "id image")
    if image.mode not in ("L", "P", "1") and not image.mode.startswith("I"):
        raise FrameError(f"{where}: ids must be a one-channel image, this one has Pillow mode {image.mode}")
    return np.array(image).astype(np.int32)


def find_color(folder: Path, stem: str) -> Path:
    """The colour file ``stem.jpg``, ``.jpeg`` or ``.png`` of a folder; where none exists, the first, to be named."""
    candidates = [folder / f"{stem}{suffix}" for suffix in _COLOR_SUFFIXES]
    return next((path for path in candidates if path.is_file()), candidates[0])


def _check_units(depth: NDArray[np.float32], depth_scale: float, path: Path) -> None:
    measured = depth[::_PROBE, ::_PROBE]
    measured = measured[measured > 0]
    if not len(measured):
        return
    middle = float(np.median(measured))
    units = (
        f"half of its depths are under {middle * depth_scale:g} stored units, {middle:g} m at {depth_scale:g} a metre"
    )
    if middle < _NEAREST:
        raise FrameError(
            f"{path}: this depth image looks as if it were stored in metres ({units}): give the depth_scale it has, "
            "or save depth as uint16 millimetres"
        )
    if middle > _FARTHEST:
        raise FrameError(
            f"{path}: this depth image looks as if it were stored in finer units ({units}): give the depth_scale it "
            "has, such as 1000 for millimetres"
        )


def _read(path: Path, what: str) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FrameError(f"{path}: this {what} is missing") from None
    except OSError as error:
        raise FrameError(f"{path}: this {what} cannot be read ({error.strerror})") from error
    if not content:
        raise FrameError(f"{path}: this {what} is an empty file: copy it again")
    return content


def _decode(content: bytes, where: str, what: str) -> Any:
    try:
        image = Image.open(io.BytesIO(content))
        image.load()
    except _DAMAGE as error:
        raise FrameError(f"{where}: this {what} is cut short or damaged ({error}): copy it again") from error
    return image
