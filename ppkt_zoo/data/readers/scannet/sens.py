"""ScanNet's ``.sens`` streams (Dai et al., CVPR 2017): a whole recording in one file, any frame read on its own."""

import os
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.data.gravity import Up
from ppkt_zoo.data.readers.cameras import Matrix
from ppkt_zoo.data.readers.images import check_depth_scale, decode_color, to_metres
from ppkt_zoo.data.readers.scannet.scan import Scan
from ppkt_zoo.data.readers.scannet.sens_format import RAW, ZLIB_USHORT, SensFile, read_header, read_index
from ppkt_zoo.data.subset import check_name
from ppkt_zoo.errors import FrameError
from ppkt_zoo.files.limits import memory_named
from ppkt_zoo.files.reading import open_regular

# No image takes more bytes compressed than twice what it takes as it is, and some.
_LONGEST, _SOME = 2, 1 << 20


class SensFrames(Scan):
    """The frames of one stream (``scene0000_00.sens``); opening it reads the frames' heads, no image.

    Args:
        up: as in :class:`Scan`.
        depth_scale: stored units in a metre; by default what the stream says.

    Raises:
        FrameError: no such file, another format, a file that is cut short, or no frame with a pose; images are
            checked when a frame is read.
    """

    def __init__(self, path: Path | str, up: Up = "world-z", depth_scale: float | None = None) -> None:
        self.path = Path(path)
        check_name(self.path)
        if depth_scale is not None:
            check_depth_scale(depth_scale)
        with open_regular(self.path, FrameError, "stream") as file, memory_named(str(self.path), FrameError):
            try:
                stream = SensFile(file, os.fstat(file.fileno()).st_size, self.path)
                self.header = read_header(stream)
                self._index = read_index(stream, self.header)
            except OSError as error:
                raise FrameError(f"{self.path}: this stream cannot be read ({error.strerror})") from error
        self._depth_scale = self.header.depth_scale if depth_scale is None else depth_scale
        poses = self._index.poses
        # ScanNet writes -inf, other recorders zeros, where tracking was lost.
        tracked = np.isfinite(poses).all(axis=(1, 2)) & poses[:, :3, :3].any(axis=(1, 2))
        super().__init__(
            name=self.path.stem,
            cameras=self.header.cameras,
            numbers=np.flatnonzero(tracked).tolist(),
            skipped=np.flatnonzero(~tracked).tolist(),
            up=up,
        )

    def _color(self, number: int) -> NDArray[np.uint8]:
        where = f"{self.path}, colour of frame {number}"
        height, width = self.header.color_size
        content = self._read(self._index.start[number], self._index.color_bytes[number], height * width * 3, where)
        if self.header.color_kind == RAW:
            return np.frombuffer(content, dtype=np.uint8).reshape(height, width, 3)
        return decode_color(content, where, (height, width))

    def _depth(self, number: int) -> NDArray[np.float32]:
        where = f"{self.path}, depth of frame {number}"
        start = self._index.start[number] + self._index.color_bytes[number]
        height, width = self.header.depth_size
        content = self._read(start, self._index.depth_bytes[number], height * width * 2, where)
        if self.header.depth_kind == ZLIB_USHORT:
            content = _inflate(content, height * width * 2, where)
        return to_metres(np.frombuffer(content, dtype="<u2").reshape(height, width), self._depth_scale)

    def _pose(self, number: int) -> Matrix:
        return self._index.poses[number]

    def _read(self, start: int, count: int, size: int, where: str) -> bytes:
        """The bytes of an image that takes ``size`` bytes where it is not compressed."""
        if count > _LONGEST * size + _SOME:
            raise FrameError(f"{where}: {count} bytes of compressed image for {size} of pixels: the stream is damaged")
        # Opened anew each time: workers of a loader, forked or not, share no position in the file.
        try:
            with open_regular(self.path, FrameError, "stream") as file, memory_named(where, FrameError):
                file.seek(int(start))
                content = file.read(int(count))
        except FrameError as error:
            raise FrameError(f"{where}: the stream cannot be read ({error})") from error
        except OSError as error:
            raise FrameError(f"{where}: the stream cannot be read ({error.strerror})") from error
        if len(content) < count:
            raise FrameError(f"{where}: the stream has become shorter since it was opened")
        return content


def _inflate(content: bytes, length: int, where: str) -> bytes:
    """Unpack what must become exactly so many bytes; one that would become more is not unpacked whole."""
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(content, length + 1)
    except zlib.error as error:
        raise FrameError(f"{where}: the compressed image is damaged ({error}): download the stream again") from error
    if len(unpacked) != length or not unpacker.eof:
        found = f"more than {length}" if len(unpacked) > length else str(len(unpacked))
        raise FrameError(
            f"{where}: the compressed image is cut short or of another size: {found} bytes where the header's size "
            f"needs {length}"
        )
    return unpacked
