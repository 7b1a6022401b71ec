"""Where each frame of a ``.sens`` stream lies, found by one pass over the frames' heads.

A frame is its pose (4×4 float32), the times of colour and depth (uint64), the lengths of both images in bytes
(uint64) and the two images; behind the last frame stand the number of inertial readings and these, 128 bytes each.
"""

import struct
from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.data.readers.cameras import Matrix
from ppkt_zoo.data.readers.scannet.sens_header import RAW, RAW_USHORT, SensFile, SensHeader
from ppkt_zoo.errors import FrameError

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
