"""The one opener of images: PNG and JPEG alone, their headers checked and stripped before any decoder sees them.

Names say nothing here; what the first bytes say counts. Pillow would try forty formats, and one of them starts
another program (EPS, Ghostscript). Of a PNG only the chunks that make its pixels go on, of a JPEG only the segments
that do: texts, profiles, animations and previews can unfold to gigabytes, and nobody looks at them.
"""

import io
import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from ppkt_zoo.errors import FrameError
from ppkt_zoo.files.limits import MAX_PIXELS, memory_named

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
# What other files begin with, to be named where one bears the name of an image.
_OTHERS = (
    (b"II*\0", "TIFF"), (b"MM\0*", "TIFF"), (b"II+\0", "TIFF"), (b"GIF8", "GIF"), (b"BM", "BMP"), (b"%!PS", "EPS"),
    (b"\xc5\xd0\xd3\xc6", "EPS"), (b"8BPS", "PSD"), (b"v/1\x01", "OpenEXR"), (b"%PDF", "PDF"), (b"P5", "PGM"),
    (b"P6", "PPM"), (b"Pf", "PFM"), (b"\0\0\0\x0cjP", "JPEG 2000"), (b"SIMPLE", "FITS"),
)  # fmt: skip
# The chunks of a PNG that decide its pixels.
_PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
# The segments of a JPEG without which its pixels would come out otherwise: JFIF and Adobe name the colour space.
_APP0, _APP1, _APP14, _APP15, _COMMENT = 0xE0, 0xE1, 0xEE, 0xEF, 0xFE
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_WITHOUT_LENGTH = (0x01, *range(0xD0, 0xD9))
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# A progressive JPEG is decoded once for each of its scans; cameras write ten.
_MOST_SCANS = 16
_ORIENTATION = 0x0112
_EXIF = b"Exif\0\0"
# EXIF's byte, short and long.
_WHOLE_NUMBERS = {1: "B", 3: "H", 4: "I"}
# What Pillow's decoders raise on damaged bytes.
_DAMAGE = (
    OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, TypeError, AttributeError, AssertionError,
    OverflowError, NotImplementedError, struct.error, zlib.error, Image.DecompressionBombError,
)  # fmt: skip

# EXIF's orientation → what turns the stored rows into the picture as it is shown.
_TURNS: dict[int, Callable[[NDArray], NDArray]] = {
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: image.swapaxes(0, 1)[:, ::-1],
    7: lambda image: image[::-1, ::-1].swapaxes(0, 1),
    8: lambda image: image.swapaxes(0, 1)[::-1],
}


def open_image(
    content: bytes, where: str, what: str = "image", size: tuple[int, int] | None = None
) -> tuple[Image.Image, int]:
    """The decoded image of a PNG or JPEG file, as stored, and the EXIF orientation that is to be applied to it.

    Args:
        where: what is read, as messages begin.
        what: how messages call the image.
        size: (H, W) that it must have as stored, where that is known before.

    Returns:
        Pillow's image, all of it decoded, and 1 to 8 (1 leaves it as it is; see :func:`upright`).

    Raises:
        FrameError: another format, more pixels than ``PPKT_ZOO_MAX_PIXELS``, an animation, damaged, or cut short.
    """
    reader: type[PngImageFile | JpegImageFile]
    if content.startswith(_PNG):
        reader, strip = PngImageFile, _strip_png
    elif content.startswith(_JPEG):
        reader, strip = JpegImageFile, _strip_jpeg
    else:
        raise FrameError(_not_an_image(content, where, what))
    (height, width), parts, exif = strip(content, where, what)
    MAX_PIXELS.check(width * height, f"{where}: this {what} of {width}×{height}", FrameError)
    if size is not None and (height, width) != size:
        raise FrameError(
            f"{where}: the image is {width}×{height}, but the header announces {size[1]}×{size[0]}: it is damaged"
        )
    with memory_named(where, FrameError):
        try:
            image = reader(io.BytesIO(b"".join(parts)))
            if image.size != (width, height):
                raise ValueError("its header contradicts itself")
            image.load()
        except _DAMAGE as error:
            raise _damaged(where, what, str(error) or type(error).__name__) from error
    return image, _orientation(exif)


def upright(image: NDArray, orientation: int) -> NDArray:
    """An image (H, W, …) as viewers show it, by EXIF's orientation 1 to 8; 5 to 8 swap height and width."""
    turn = _TURNS.get(orientation)
    return image if turn is None else np.ascontiguousarray(turn(image))


def _strip_png(content: bytes, where: str, what: str) -> tuple[tuple[int, int], list[memoryview | bytes], bytes]:
    """Height and width, the pieces of a file with the chunks of the pixels alone, and the EXIF block."""
    view, at, exif, size = memoryview(content), len(_PNG), b"", (0, 0)
    parts: list[memoryview | bytes] = [_PNG]
    while True:
        if at + 12 > len(content):
            raise _damaged(where, what, "its last chunk is missing")
        length, kind = struct.unpack_from(">I4s", content, at)
        end = at + 12 + length
        if end > len(content):
            raise _damaged(where, what, f"a chunk of {length} bytes ends behind the file")
        if (kind == b"IHDR") != (len(parts) == 1) or (kind == b"IHDR" and length != 13):
            raise _damaged(where, what, "it does not begin with its header")
        if kind in _PIXEL_CHUNKS:
            if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
                raise _damaged(where, what, f"the checksum of a chunk {kind.decode()} is wrong")
            parts.append(view[at:end])
        if kind == b"IHDR":
            width, height = struct.unpack_from(">II", content, at + 8)
            size = height, width
        elif kind == b"eXIf":
            exif = bytes(view[at + 8 : end - 4])
        elif kind == b"acTL" and length >= 4 and int.from_bytes(view[at + 8 : at + 12], "big") > 1:
            raise FrameError(f"{where}: this {what} is an animation (APNG): save the one image that is meant")
        elif kind == b"IEND":
            return size, parts, exif
        at = end


def _strip_jpeg(content: bytes, where: str, what: str) -> tuple[tuple[int, int], list[memoryview | bytes], bytes]:
    """As for a PNG."""
    view, exif, size = memoryview(content), b"", (0, 0)
    parts: list[memoryview | bytes] = [b"\xff\xd8"]
    for marker, begin, end in _segments(content, where, what):
        if marker == _START_OF_SCAN:
            parts.append(view[begin:])
            scans = content.count(b"\xff\xda", begin)
            if scans > _MOST_SCANS:
                # Such files cost a decoder minutes; what they say in hundreds of scans, ten say too.
                MAX_PIXELS.check(
                    size[0] * size[1] * scans // _MOST_SCANS, f"{where}: this {what} of {scans} scans", FrameError
                )
            return size, parts, exif
        if marker in _FRAMES and end - begin >= 9:
            size = struct.unpack_from(">HH", content, begin + 5)
        if marker == _APP1 and not exif and content.startswith(_EXIF, begin + 4):
            exif = bytes(view[begin + 4 + len(_EXIF) : end])
        if not (_APP0 < marker <= _APP15 or marker == _COMMENT) or marker == _APP14:
            parts.append(view[begin:end])
    raise _damaged(where, what, "it ends before its pixels")


def _segments(content: bytes, where: str, what: str) -> Iterator[tuple[int, int, int]]:
    """Marker, begin and end of each segment up to the first scan."""
    at = 2
    while at + 4 <= len(content):
        if content[at] != 0xFF:
            raise _damaged(where, what, "no marker where one should be")
        marker = content[at + 1]
        if marker == 0xFF:
            # Bytes of filling may stand before a marker.
            at += 1
            continue
        if marker == _END_OF_IMAGE:
            return
        if marker in _WITHOUT_LENGTH:
            at += 2
            continue
        end = at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        if end < at + 4 or end > len(content):
            raise _damaged(where, what, "a segment ends behind the file")
        yield marker, at, end
        at = end


def _orientation(exif: bytes) -> int:
    """EXIF's orientation, 1 where there is none or none that is known; of the block nothing else is read."""
    exif = exif.removeprefix(_EXIF)
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None or len(exif) < 8:
        return 1
    (start,) = struct.unpack_from(f"{order}I", exif, 4)
    if start + 2 > len(exif):
        return 1
    (count,) = struct.unpack_from(f"{order}H", exif, start)
    for at in range(start + 2, min(start + 2 + 12 * count, len(exif) - 11), 12):
        tag, kind, number = struct.unpack_from(f"{order}HHI", exif, at)
        if tag == _ORIENTATION and number == 1 and kind in _WHOLE_NUMBERS:
            (value,) = struct.unpack_from(order + _WHOLE_NUMBERS[kind], exif, at + 8)
            return value if 1 <= value <= 8 else 1
    return 1


def _not_an_image(content: bytes, where: str, what: str) -> str:
    found = next((name for magic, name in _OTHERS if content.startswith(magic)), None)
    if content[8:12] == b"WEBP":
        found = "WebP"
    elif content[4:8] == b"ftyp":
        found = "HEIC or AVIF"
    if found is None:
        return f"{where}: this {what} is cut short or damaged (it is neither PNG nor JPEG): copy it again"
    if found == "TIFF" and what == "depth image":
        return (
            f"{where}: this {what} is a TIFF file, which is not opened, and such files often hold floating-point "
            "numbers (metres, most likely; multiply them by 1000): save depth as uint16 millimetres in a PNG"
        )
    return f"{where}: this {what} is {found}, whatever its name says, and only PNG and JPEG are opened: save it as PNG"


def _damaged(where: str, what: str, reason: str) -> FrameError:
    return FrameError(f"{where}: this {what} is cut short or damaged ({reason}): copy it again")
