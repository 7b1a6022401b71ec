"""The layout of a ``.sens`` stream (version 4, as in ScanNet's SensReader): its header, and where each frame lies.

uint32 version, uint64 length and text of the sensor's name, four 4×4 float32 matrices row by row (colour intrinsics
and extrinsics, depth intrinsics and extrinsics), int32 compression of colour and of depth, uint32 width and height of
colour and of depth, float32 stored units in a metre, uint64 number of frames; little-endian throughout.

A frame is its pose (4×4 float32), the times of colour and depth (uint64), the lengths of both images in bytes
(uint64) and the two images; behind the last frame stand the number of inertial readings and these, 128 bytes each.
"""

import struct
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.data.readers.cameras import Matrix
from ppkt_zoo.data.readers.images import check_depth_scale
from ppkt_zoo.data.readers.scannet.scan import TwoCameras
from ppkt_zoo.errors import FrameError
from ppkt_zoo.files.limits import MAX_PIXELS

VERSION = 4
RAW, PNG, JPEG = 0, 1, 2
RAW_USHORT, ZLIB_USHORT, OCCI_USHORT = 0, 1, 2
_COLOR_KINDS = (RAW, PNG, JPEG)
_DEPTH_KINDS = (RAW_USHORT, ZLIB_USHORT)
# Wider than any sensor; a damaged header must not make us allocate what it says.
_LARGEST = 1 << 15
_LONGEST_NAME = 1 << 16


@dataclass(frozen=True)
class SensHeader:
    """What the header says.

    Attributes:
        sensor: name of the sensor.
        cameras: colour and depth camera.
        color_kind: RAW, PNG or JPEG.
        depth_kind: RAW_USHORT or ZLIB_USHORT.
        color_size: (H, W) of the colour images.
        depth_size: (H, W) of the depth images.
        depth_scale: stored units in a metre.
        frames: number of frames.
    """

    sensor: str
    cameras: TwoCameras
    color_kind: int
    depth_kind: int
    color_size: tuple[int, int]
    depth_size: tuple[int, int]
    depth_scale: float
    frames: int


class SensFile:
    """A ``.sens`` file that is being read from its beginning, and never beyond its end."""

    def __init__(self, file: BinaryIO, size: int, path: Path) -> None:
        self._file, self.path = file, path
        self.left = size

    def bytes(self, count: int, what: str) -> bytes:
        """The next bytes; raises FrameError where fewer are left."""
        content = self._file.read(count) if count <= self.left else b""
        if len(content) < count:
            raise self.cut_short(f"{what} takes {count} bytes and {self.left} are left")
        self.left -= count
        return content

    def numbers(self, layout: str, what: str) -> tuple[Any, ...]:
        """The next numbers, of a layout in the words of :mod:`struct`."""
        layout = f"<{layout}"
        return struct.unpack(layout, self.bytes(struct.calcsize(layout), what))

    def skip(self, count: int, what: str) -> int:
        """Leave out the next bytes and give the place where they begin; raises FrameError where fewer are left."""
        if count > self.left:
            raise self.cut_short(f"{what} takes {count} bytes and {self.left} are left")
        start = self._file.tell()
        self._file.seek(count, 1)
        self.left -= count
        return start

    def cut_short(self, why: str) -> FrameError:
        """The error to raise where the file ends too early."""
        return FrameError(f"{self.path}: this stream is cut short or damaged ({why}): download it again")


def read_header(stream: SensFile) -> SensHeader:
    """The header, with the stream left at the first frame.

    Raises:
        FrameError: the file is no stream of this version, is cut short, or says what cannot be.
    """
    path = stream.path
    (version,) = stream.numbers("I", "the version")
    if version != VERSION:
        raise FrameError(f"{path}: not a .sens stream of version {VERSION}: it begins with version {version}")
    (length,) = stream.numbers("Q", "the length of the sensor's name")
    if length > _LONGEST_NAME:
        raise stream.cut_short(f"the sensor's name takes {length} bytes and {stream.left} are left")
    sensor = stream.bytes(length, "the sensor's name").decode("utf-8", errors="replace")
    matrices = np.array(stream.numbers("64f", "the cameras"), dtype=np.float64).reshape(4, 4, 4)
    color_kind, depth_kind = stream.numbers("2i", "the compression")
    if color_kind not in _COLOR_KINDS:
        raise FrameError(f"{path}: colour is compressed in a way that is not known (type {color_kind})")
    if depth_kind not in _DEPTH_KINDS:
        known = " (Occipital's own)" if depth_kind == OCCI_USHORT else ""
        raise FrameError(
            f"{path}: depth is compressed as type {depth_kind}{known}, which cannot be read: "
            f"write the stream again with type {ZLIB_USHORT} (zlib)"
        )
    color_width, color_height, depth_width, depth_height = stream.numbers("4I", "the image sizes")
    for width, height, what in ((color_width, color_height, "colour"), (depth_width, depth_height, "depth")):
        if not (0 < width <= _LARGEST and 0 < height <= _LARGEST):
            raise FrameError(f"{path}: the header is damaged: it says that {what} images are {width}×{height}")
        MAX_PIXELS.check(width * height, f"{path}: {what} images of {width}×{height}", FrameError)
    (depth_scale,) = stream.numbers("f", "the depth scale")
    try:
        check_depth_scale(depth_scale)
    except FrameError as error:
        raise FrameError(f"{path}: the header is damaged: {error}") from error
    (frames,) = stream.numbers("Q", "the number of frames")
    return SensHeader(
        sensor=sensor,
        cameras=TwoCameras(matrices[0, :3, :3], matrices[2, :3, :3], matrices[1], matrices[3], str(path)),
        color_kind=color_kind,
        depth_kind=depth_kind,
        color_size=(color_height, color_width),
        depth_size=(depth_height, depth_width),
        depth_scale=depth_scale,
        frames=frames,
    )


_HEAD_BYTES = 96
_INERTIAL_BYTES = 128
_POSE_BYTES = 64


@dataclass(frozen=True)
class SensIndex:
    """What is known of the F frames of a stream before any image is decoded.

    Attributes:
        poses: float64 (F, 4, 4), as stored; not finite where tracking was lost.
        start: int64 (F,), where the colour image begins in the file; depth follows it.
        color_bytes: int64 (F,), length of the colour image.
        depth_bytes: int64 (F,), length of the depth image.
    """

    poses: Matrix
    start: NDArray[np.int64]
    color_bytes: NDArray[np.int64]
    depth_bytes: NDArray[np.int64]


def read_index(stream: SensFile, header: SensHeader) -> SensIndex:
    """Go over all frames of a stream that stands at its first.

    Raises:
        FrameError: the file ends before its last frame, or a frame has another size than the header says.
    """
    if header.frames * _HEAD_BYTES > stream.left:
        raise stream.cut_short(f"the header announces {header.frames} frames and {stream.left} bytes are left")
    # Both grow with what is read, never with what the header announces: of a file with holes that costs nothing.
    poses, places = bytearray(), array("q")
    for number in range(header.frames):
        head = stream.bytes(_HEAD_BYTES, f"the head of frame {number}")
        if not any(head):
            # Holes of a file go on for terabytes.
            raise stream.cut_short(f"there is nothing where frame {number} should begin")
        poses += head[:_POSE_BYTES]
        color_bytes, depth_bytes = struct.unpack_from("<2Q", head, _POSE_BYTES + 16)
        start = stream.skip(color_bytes, f"colour of frame {number}")
        stream.skip(depth_bytes, f"depth of frame {number}")
        places.extend((start, color_bytes, depth_bytes))
        _check_raw(stream, header, number, color_bytes, depth_bytes)
    _check_rest(stream)
    stored = np.frombuffer(bytes(poses), dtype="<f4").astype(np.float64)
    return SensIndex(stored.reshape(-1, 4, 4), *np.array(places, dtype=np.int64).reshape(-1, 3).T)


def _check_raw(stream: SensFile, header: SensHeader, number: int, color_bytes: int, depth_bytes: int) -> None:
    """An image that is not compressed has the length that its size says."""
    images = []
    if header.color_kind == RAW:
        images.append(("colour", color_bytes, 3, header.color_size))
    if header.depth_kind == RAW_USHORT:
        images.append(("depth", depth_bytes, 2, header.depth_size))
    for what, found, each, (height, width) in images:
        if found != height * width * each:
            raise FrameError(
                f"{stream.path}: {what} of frame {number} has {found} bytes, but an image of {width}×{height} has "
                f"{height * width * each}: the stream is damaged"
            )


def _check_rest(stream: SensFile) -> None:
    """The inertial readings are not used, but a download that ends among them is not whole."""
    if stream.left == 0:
        return
    (readings,) = stream.numbers("Q", "the number of inertial readings")
    stream.skip(readings * _INERTIAL_BYTES, f"the block of {readings} inertial readings")
