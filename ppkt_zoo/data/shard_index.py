"""The index of a set of shards: which frame lies where, so that nothing must be listed and every byte is checked.

It is ``shards.json`` beside the shards, one per set:

    {"format": 1, "name": …, "skipped": […], "shards": [{"file", "size", "sha256", "samples": [
        {"key", "name", "parts": {"color.jpg": [offset, size, crc32], "depth.png": …, "json": …}}]}]}
"""

import zlib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ppkt_zoo.errors import FrameError

INDEX_FILE = "shards.json"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SampleEntry(_Strict):
    """One frame: its key in the shard, its name, and (offset, size, crc32) of each of its files."""

    key: str
    name: str
    parts: dict[str, tuple[int, int, int]]


class ShardEntry(_Strict):
    """One tar file."""

    file: str = Field(pattern=r"^[^/\\]+$")
    size: int = Field(gt=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    samples: tuple[SampleEntry, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _parts_lie_inside(self) -> "ShardEntry":
        for sample in self.samples:
            for part, (offset, size, _) in sample.parts.items():
                if offset < 0 or size < 0 or offset + size > self.size:
                    raise ValueError(f"{sample.key}.{part} lies outside of {self.file}, which has {self.size} bytes")
        return self


class ShardIndex(_Strict):
    """All shards of a set, in the order of their frames."""

    format: Literal[1] = 1
    name: str = Field(description="name of the source that was packed")
    skipped: tuple[str, ...] = Field(default=(), description="a line for each frame that could not be read")
    shards: tuple[ShardEntry, ...] = Field(min_length=1)

    @property
    def frames(self) -> int:
        """How many there are."""
        return sum(len(shard.samples) for shard in self.shards)


def parse_index(content: bytes | str, where: str) -> ShardIndex:
    """An index from the text of its file.

    Raises:
        FrameError: it is cut short, of another format, or places a file outside of its shard.
    """
    try:
        return ShardIndex.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise FrameError(f"{where}: this index of shards is damaged ({field}: {first['msg']}): pack again") from error


def read_index(folder: Path) -> ShardIndex:
    """The index of a folder of shards.

    Raises:
        FrameError: it is missing or damaged.
    """
    path = folder / INDEX_FILE
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FrameError(f"{path}: this index of shards cannot be read ({error.strerror})") from error
    return parse_index(content, str(path))


def check_part(content: bytes, entry: tuple[int, int, int], where: str) -> bytes:
    """The bytes of one file of a frame, if they are those that were packed.

    Raises:
        FrameError: there are fewer, or other ones.
    """
    _, size, checksum = entry
    if len(content) != size:
        raise FrameError(f"{where}: this shard is cut short ({len(content)} of {size} bytes): copy it again")
    if zlib.crc32(content) != checksum:
        raise FrameError(f"{where}: the bytes in this shard have changed since they were packed: copy it again")
    return content
