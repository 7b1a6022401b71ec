"""A source of frames that notes how long its frames take to read, and to render where they have to be."""

import time
from dataclasses import dataclass

import numpy as np

from ppkt_zoo.data.frames import FrameSource, RGBDFrame
from ppkt_zoo.rooms import RoomsFrames

__all__ = ["TimedSource"]


@dataclass
class Tally:
    """How often something was done, and the seconds it took."""

    count: int = 0
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        """Once more."""
        self.count += 1
        self.seconds += seconds

    @property
    def mean(self) -> float:
        """Seconds each; 0 where it was never done."""
        return self.seconds / self.count if self.count else 0.0


class TimedSource:
    """The same frames as ``source`` has.

    Attributes:
        read: of frames that are there already.
        rendered: of rooms' frames that are not; they are in the cache afterwards.
    """

    def __init__(self, source: FrameSource) -> None:
        self._source = source
        self.read, self.rendered = Tally(), Tally()

    @property
    def name(self) -> str:
        """The source's name."""
        return self._source.name

    @property
    def source(self) -> FrameSource:
        """The source itself."""
        return self._source

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> RGBDFrame:
        if isinstance(self._source, RoomsFrames) and self._source.cached_file(index) is None:
            began = time.perf_counter()
            self._source[index]
            self.rendered.add(time.perf_counter() - began)
        began = time.perf_counter()
        frame = self._source[index]
        self.read.add(time.perf_counter() - began)
        return frame

    def rendering(self) -> tuple[int, float, int] | None:
        """Frames that were not rendered yet, seconds and bytes that each will take; None for frames of cameras."""
        if not isinstance(self._source, RoomsFrames):
            return None
        files = [self._source.cached_file(index) for index in range(len(self))]
        if None in files and not self.rendered.count:
            self[files.index(None)]  # how long one takes is not known otherwise
            return self.rendering()
        sizes = [file.stat().st_size for file in files if file is not None]
        return files.count(None), self.rendered.mean, round(float(np.mean(sizes))) if sizes else 0
