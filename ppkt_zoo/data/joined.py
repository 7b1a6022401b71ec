"""Several sources of frames as one."""

from collections.abc import Sequence

import numpy as np

from ppkt_zoo.data.fingerprint import fingerprint_of, fingerprint_of_parts
from ppkt_zoo.data.frames import FrameSource, RGBDFrame


class Joined:
    """The frames of several sources, one source after the other; a source itself.

    Args:
        sources: the sources, at least one.
        name: what reports call them together.
    """

    def __init__(self, sources: Sequence[FrameSource], name: str) -> None:
        self._sources = tuple(sources)
        self._name = name
        self._ends = np.cumsum([len(source) for source in self._sources])

    @property
    def name(self) -> str:
        """What reports call these sources."""
        return self._name

    def __len__(self) -> int:
        return int(self._ends[-1])

    def fingerprint(self) -> str:
        """Digits that change when a frame does, see :func:`ppkt_zoo.data.fingerprint.fingerprint_of`."""
        return fingerprint_of_parts("joined", *(fingerprint_of(source) for source in self._sources))

    def __getitem__(self, index: int) -> RGBDFrame:
        if not 0 <= index < len(self):
            raise IndexError(f"{self.name} has frames 0 to {len(self) - 1}, there is no frame {index}")
        which = int(np.searchsorted(self._ends, index, side="right"))
        before = int(self._ends[which - 1]) if which else 0
        return self._sources[which][index - before]
