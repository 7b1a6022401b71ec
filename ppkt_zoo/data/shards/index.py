"""The index of a set of shards: which frame lies where, so that nothing must be listed and every byte is checked.

It is ``shards.json`` beside the shards, one per set:

    {"format": 1, "name": …, "skipped": […], "shards": [{"file", "size", "sha256", "samples": [
        {"key", "name", "parts": {"color.jpg": [offset, size, crc32], "depth.png": …, "json": …}}]}]}
"""

import zlib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, FailFast, Field, ValidationError, model_validator

from ppkt_zoo.errors import FrameError
from ppkt_zoo.files.limits import MAX_TEXT, Limit, memory_named
from ppkt_zoo.files.reading import read_file
from ppkt_zoo.files.strict_json import parse_json
from ppkt_zoo.files.text import one_line
from ppkt_zoo.files.validation import StrictModel

INDEX_FILE = "shards.json"
#: Stands beside the shards until the index does.
JOURNAL = "unfinished-pack.jsonl"
#: Of one file of a frame in a shard.
MAX_PART = Limit("PPKT_ZOO_MAX_PART", 512 * 2**20)

# An index comes from strangers: nothing in it can be a path, an option or a part of a command.
_FILE = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,199}\.tar$"
_Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,199}$")]
_PartName = Annotated[str, Field(pattern=r"^[a-z0-9]{1,40}(\.[a-z0-9]{1,40})?$")]
# Of one object; none of an index has more.
_MOST_NAMES = 16
_Name = Annotated[str, Field(max_length=1000)]
_Count = Annotated[int, Field(ge=0, lt=2**63)]
_Checksum = Annotated[int, Field(ge=0, lt=2**32)]

_MISSING = "this {what} cannot be read, it is missing: copy it beside its shards, or pack again"
_UNFINISHED = "this {what} cannot be read, packing was not finished: give the same command again, which goes on"


class _Strict(StrictModel):
    # Strict: no number from a text or from true.
    model_config = ConfigDict(strict=True)


class SampleEntry(_Strict):
    """One frame: its key in the shard, its name, and (offset, size, crc32) of each of its files."""

    key: _Key
    name: _Name
    parts: dict[_PartName, tuple[_Count, _Count, _Checksum]] = Field(min_length=1, max_length=_MOST_NAMES)


class ShardEntry(_Strict):
    """One tar file."""

    file: str = Field(pattern=_FILE)
    size: int = Field(gt=0, lt=2**63)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    samples: Annotated[tuple[SampleEntry, ...], FailFast()] = Field(min_length=1)

    @model_validator(mode="after")
    def _parts_lie_inside(self) -> "ShardEntry":
        for sample in self.samples:
            for part, (offset, size, _) in sample.parts.items():
                if offset + size > self.size:
                    raise ValueError(f"{sample.key}.{part} lies outside of {self.file}, which has {self.size} bytes")
        return self


class ShardIndex(_Strict):
    """All shards of a set, in the order of their frames."""

    format: Literal[1] = 1
    name: _Name = Field(description="name of the source that was packed")
    skipped: Annotated[tuple[str, ...], FailFast()] = Field(
        default=(), description="a line for each frame that could not be read"
    )
    shards: Annotated[tuple[ShardEntry, ...], FailFast()] = Field(min_length=1)

    @model_validator(mode="after")
    def _shards_differ(self) -> "ShardIndex":
        names = {shard.file.casefold() for shard in self.shards}
        if len(names) < len(self.shards):
            raise ValueError("two shards have the same file")
        return self

    @property
    def frames(self) -> int:
        """How many there are."""
        return sum(len(shard.samples) for shard in self.shards)


def parse_index(content: bytes | str, where: str) -> ShardIndex:
    """An index from the text of its file.

    Raises:
        FrameError: it is cut short, of another format or too long, names something twice, places a file
            outside of its shard, or gives a shard a name that is no plain file's.
    """
    MAX_TEXT.check(len(content), f"{where}: this index of shards", FrameError)
    text = content.removeprefix(b"\xef\xbb\xbf") if isinstance(content, bytes) else content.removeprefix("\ufeff")
    try:
        with memory_named(where, FrameError):
            parse_json(
                text, f"{where}: this index of shards is damaged, pack again", FrameError, most_names=_MOST_NAMES
            )
            return ShardIndex.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        field = one_line(".".join(str(part) for part in first["loc"]), 200)
        raise FrameError(f"{where}: this index of shards is damaged ({field}: {first['msg']}): pack again") from error


def read_index(folder: Path) -> ShardIndex:
    """The index of a folder of shards.

    Raises:
        FrameError: it is missing or damaged.
    """
    path = folder / INDEX_FILE
    missing = _UNFINISHED if (folder / JOURNAL).exists() else _MISSING
    return parse_index(read_file(path, FrameError, "index of shards", missing, MAX_TEXT), str(path))


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
