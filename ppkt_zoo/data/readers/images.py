"""Reading colour, depth and id images of frames; a damaged file is a FrameError that names it."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.data.frames import FrameSource
from ppkt_zoo.data.readers.image_file import open_image, upright
from ppkt_zoo.errors import FrameError, InputError
from ppkt_zoo.files.limits import memory_named
from ppkt_zoo.files.reading import read_file

# Beside 0, 7-Scenes and other Kinect recordings write this for "no depth here".
_HOLE = 65535
# No depth camera's image has its median nearer than this, nor one indoors farther: it is in other units then.
_NEAREST, _FARTHEST = 0.05, 100.0
# Every so many pixels are looked at for that.
_EVERY = 4
#: How a message asks for the unit of depth.
SAY_SCALE = "give the depth_scale it has (depth_scale= in Python, --depth-scale in commands)"
_COLOR_SUFFIXES = (".jpg", ".jpeg", ".png")
_LOOKED_AT = 5
# Metres that the median of depth lies between, of rooms and tables in front of depth cameras.
_NEAR_MIDDLE, _FAR_MIDDLE = 0.25, 6.0


def read_color(path: Path) -> NDArray[np.uint8]:
    """An 8-bit PNG or JPEG as uint8 (H, W, 3), RGB, turned as its EXIF says; grey is repeated, alpha is dropped.

    Raises:
        FrameError: the file is missing, cut short, damaged, another format, too large, or has more than 8 bits a
            channel.
    """
    return decode_color(_read(path, "colour image"), str(path))


def decode_color(content: bytes, where: str, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """The bytes of an image file (JPEG or PNG) as :func:`read_color` reads them; ``where`` names them in errors.

    Args:
        content, where: the bytes, and what errors call them.
        size: (H, W) that it must have, where that is known before.

    Raises:
        FrameError: the image is cut short, damaged, of another size, or has more than 8 bits a channel.
    """
    image, orientation = open_image(content, where, "colour image", size)
    if image.mode not in ("RGB", "RGBA", "L", "LA", "P", "CMYK", "YCbCr"):
        raise FrameError(f"{where}: colour must be an 8-bit image, this one has Pillow mode {image.mode}")
    with memory_named(where, FrameError):
        color = np.array(image if image.mode == "RGB" else image.convert("RGB"), dtype=np.uint8)
    return upright(color, orientation)


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
    image, orientation = open_image(content, where, "depth image")
    if not image.mode.startswith("I"):
        raise FrameError(
            f"{where}: depth must be a one-channel 16-bit PNG, this one has Pillow mode {image.mode}: "
            "save depth as uint16 millimetres"
        )
    return upright(np.asarray(image), orientation)


def to_metres(stored: NDArray[Any], depth_scale: float) -> NDArray[np.float32]:
    """Stored whole numbers (H, W) as float32 (H, W) metres, 0 where there is no depth (stored 0 or 65535)."""
    # A scale near 0 makes infinity, which the frame refuses.
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        depth = (stored / np.float32(depth_scale)).astype(np.float32, copy=False)
    # A stored zero is zero metres already.
    depth[stored == _HOLE] = 0.0
    return depth


def check_depth_scale(depth_scale: float) -> None:
    """Raise FrameError unless a ``depth_scale`` argument is a positive number."""
    number = isinstance(depth_scale, int | float | np.number) and not isinstance(depth_scale, bool | np.complexfloating)
    if not number or not 0 < depth_scale < np.finfo(np.float32).max:
        raise FrameError(f"depth_scale must be a positive number (stored units in a metre), got {depth_scale!r}")


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
    image, orientation = open_image(content, where, "id image")
    if image.mode not in ("L", "P", "1") and not image.mode.startswith("I"):
        raise FrameError(f"{where}: ids must be a one-channel image, this one has Pillow mode {image.mode}")
    return upright(np.array(image).astype(np.int32), orientation)


def find_color(folder: Path, stem: str) -> Path:
    """The colour file ``stem.jpg``, ``.jpeg`` or ``.png`` of a folder; where none exists, the first, to be named."""
    candidates = [folder / f"{stem}{suffix}" for suffix in _COLOR_SUFFIXES]
    return next((path for path in candidates if path.is_file()), candidates[0])


def _check_units(depth: NDArray[np.float32], depth_scale: float, path: Path) -> None:
    measured = depth[::_EVERY, ::_EVERY]
    measured = measured[measured > 0]
    if not len(measured):
        return
    middle = float(np.median(measured))
    units = (
        f"half of its depths are under {middle * depth_scale:g} stored units, {middle:g} m at {depth_scale:g} a metre"
    )
    if middle < _NEAREST:
        raise FrameError(
            f"{path}: this depth image looks as if it were stored in metres ({units}): {SAY_SCALE}, "
            "or save depth as uint16 millimetres"
        )
    if middle > _FARTHEST:
        raise FrameError(
            f"{path}: this depth image looks as if it were stored in finer units ({units}): {SAY_SCALE}, "
            "such as 1000 for millimetres"
        )


def _read(path: Path, what: str) -> bytes:
    content = read_file(path, FrameError, what)
    if not content:
        raise FrameError(f"{path}: this {what} is an empty file: copy it again")
    return content


def doubt_of_units(source: FrameSource) -> str | None:
    """What speaks against the units that a source's depth is read in; None where nothing does.

    One depth image alone may show a wall from near or a hall; over several, half of all depths of a room or a table
    lie between a hand's width and some metres, which cameras' other factors (4000, 5000, 10000) leave.

    Frames that cannot be read are passed over: whoever asks for them is told.
    """
    middles = []
    for index in np.unique(np.linspace(0, len(source) - 1, _LOOKED_AT).astype(int)):
        try:
            depth = source[int(index)].depth[::_EVERY, ::_EVERY]
        except InputError:
            continue
        if (depth > 0).any():
            middles.append(float(np.median(depth[depth > 0])))
    if not middles:
        return None
    middle = float(np.median(middles))
    if _NEAR_MIDDLE <= middle <= _FAR_MIDDLE:
        return None
    frames = "1 frame" if len(middles) == 1 else f"{len(middles)} frames"
    place = "under" if middle < _NEAR_MIDDLE else "beyond"
    return (
        f"{source.name}: half of the depth is {place} {middle:.3g} m (in the middle of {frames}), which rooms and "
        f"tables seldom are: if it is stored in other units than it is read in, {SAY_SCALE}: 1000 for millimetres, "
        "4000 for an L515, 5000 for TUM, 10000 for a D405 or SR300"
    )
