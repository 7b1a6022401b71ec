"""A folder of tar shards as a source of frames: random access, so a run resumes at the same frame.

The shards are plain ones that the ``webdataset`` library reads too; :mod:`ppkt_zoo.data.shards.writer` writes them and
:mod:`ppkt_zoo.data.shards.stream` reads them one after another from afar.
"""

import os
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path

from ppkt_zoo.data.fingerprint import fingerprint_of_parts
from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.data.gravity import Up
from ppkt_zoo.data.readers.cameras import Intrinsics
from ppkt_zoo.data.shards.index import INDEX_FILE, MAX_PART, SampleEntry, ShardEntry, check_part, read_index
from ppkt_zoo.data.shards.samples import decode_sample
from ppkt_zoo.data.subset import existing_folder
from ppkt_zoo.errors import FrameError
from ppkt_zoo.files.checksums import sha256_of_file
from ppkt_zoo.files.limits import memory_named
from ppkt_zoo.files.reading import open_regular


def is_shard_folder(folder: Path) -> bool:
    """Whether a folder has the index of shards, or shards that lost theirs."""
    return (folder / INDEX_FILE).exists() or any(folder.glob("shard-*.tar"))


class ShardFrames:
    """The frames of a folder of shards, as the source that was packed gave them.

    Args:
        folder: holds ``shards.json`` and the shards that it names.
        intrinsics, up, depth_scale: not for shards, which carry their own; here for
            :func:`ppkt_zoo.data.readers.open.open_frames`, and refused.

    Raises:
        FrameError: no such folder, a missing or damaged index, a shard that is missing or cut short; the bytes of a
            frame are checked when it is read.
    """

    def __init__(
        self,
        folder: Path | str,
        intrinsics: Intrinsics | None = None,
        up: Up = "gravity",
        depth_scale: float | None = None,
    ) -> None:
        self.folder = existing_folder(folder)
        turned = not isinstance(up, str) or up not in ("gravity", "world-z")
        if intrinsics is not None or depth_scale is not None or turned:
            raise FrameError(
                f"{self.folder}: shards carry intrinsics, depth_scale and z-up poses of their own: "
                "give them when packing"
            )
        index = read_index(self.folder)
        self.name = index.name
        self.skipped = index.skipped
        self.shards = index.shards
        for shard in self.shards:
            self._check_size(shard)
        self._ends = list(accumulate(len(shard.samples) for shard in self.shards))

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> RGBDFrame:
        if not -len(self) <= index < len(self):
            raise NoSuchFrame(f"{self.folder}: there is no frame {index}, they are 0 to {len(self) - 1}")
        place = index % len(self)
        number = bisect_right(self._ends, place)
        shard = self.shards[number]
        # Counted from the shard's end, which is where the next one begins.
        sample = shard.samples[place - self._ends[number]]
        return decode_sample(read_parts(self.folder / shard.file, sample), f"{self.folder / shard.file}: {sample.key}")

    def fingerprint(self) -> str:
        """Digits over the checksums of all shards, in the order of their frames."""
        return fingerprint_of_parts("shards", *((shard.sha256, len(shard.samples)) for shard in self.shards))

    def verify(self) -> None:
        """Read every shard whole; raises FrameError where one's sha256 is not that of the index."""
        for shard in self.shards:
            path = self.folder / shard.file
            check_sha256(sha256_of_file(path, FrameError, "shard"), shard, str(path))

    def _check_size(self, shard: ShardEntry) -> None:
        path = self.folder / shard.file
        with open_regular(path, FrameError, "shard", f"this {{what}} is missing: copy it beside {INDEX_FILE}") as file:
            check_size(os.fstat(file.fileno()).st_size, shard, str(path))


class NoSuchFrame(FrameError, IndexError):  # noqa: N818
    """An index beyond the last frame; an IndexError too, so that a loop over a source ends."""


def read_parts(path: Path, sample: SampleEntry) -> dict[str, bytes]:
    """The files of one frame; raises FrameError where the shard is missing, cut short or damaged."""
    parts = {}
    with open_regular(path, FrameError, "shard") as file, memory_named(str(path), FrameError):
        for part, entry in sample.parts.items():
            where = f"{path}: {sample.key}.{part}"
            MAX_PART.check(entry[1], f"{where}: this file", FrameError)
            try:
                file.seek(entry[0])
                content = file.read(entry[1])
            except OSError as error:
                raise FrameError(f"{path}: this shard cannot be read ({error.strerror})") from error
            parts[part] = check_part(content, entry, where)
    return parts


def check_size(found: int, shard: ShardEntry, where: str) -> None:
    """Raise FrameError unless a shard has as many bytes as its index says."""
    if found != shard.size:
        what = "cut short" if found < shard.size else "longer than it should be"
        raise FrameError(f"{where}: this shard is {what} ({found} of {shard.size} bytes): copy it again")


def check_sha256(found: str, shard: ShardEntry, where: str) -> None:
    """Raise FrameError unless a shard has the sha256 that its index says."""
    if found != shard.sha256:
        raise FrameError(
            f"{where}: this shard has sha256 {found[:12]}…, but {INDEX_FILE} says {shard.sha256[:12]}…: copy it again"
        )
