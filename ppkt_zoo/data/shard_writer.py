"""Packing the frames of any source into plain tar shards with an index beside them."""

import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

from ppkt_zoo.data.frames import FrameSource
from ppkt_zoo.data.shard_index import INDEX_FILE, SampleEntry, ShardEntry, ShardIndex
from ppkt_zoo.data.shard_samples import encode_sample
from ppkt_zoo.errors import FrameError

# Bytes of the header that tar puts before each file.
_HEADER = 512
# Bytes: a worker that streams from afar holds one shard in memory.
SHARD_SIZE = 128_000_000


def pack_frames(
    source: FrameSource,
    out: Path,
    shard_size: int = SHARD_SIZE,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ShardIndex:
    """Write all frames of a source as ``shard-NNNNNN.tar`` and, when all are whole, ``shards.json``.

    A frame that cannot be read is left out, and the index says so.

    Args:
        source: the frames; poses are written as the source gives them, with z up.
        out: a new or empty folder.
        shard_size: bytes after which a new shard begins; a shard has one frame at least.
        progress: called with (done, total) after every frame.

    Raises:
        FrameError: the folder is not empty, ``shard_size`` is not positive, or no frame can be read.
    """
    if shard_size <= 0:
        raise FrameError(f"shard_size must be a positive number of bytes, got {shard_size}")
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        raise FrameError(f"{out}: shards are packed into a new folder, and this one is not empty: give another")
    shards: list[ShardEntry] = []
    skipped: list[str] = []
    writer: _Shard | None = None
    for index in range(len(source)):
        try:
            name, parts = encode_sample(source, index)
        except FrameError as error:
            skipped.append(str(error))
        else:
            writer = writer or _Shard(out / f"shard-{len(shards):06d}.tar")
            writer.add(f"{index:08d}", name, parts)
            if writer.size >= shard_size:
                shards.append(writer.close())
                writer = None
        progress(index + 1, len(source))
    if writer is not None:
        shards.append(writer.close())
    if not shards:
        raise FrameError(f"{source.name}: not one of its {len(source)} frames can be read, the first: {skipped[:1]}")
    index_of_all = ShardIndex(name=source.name, skipped=tuple(skipped), shards=tuple(shards))
    part = out / f"{INDEX_FILE}.part"
    part.write_text(index_of_all.model_dump_json(), encoding="utf-8")
    os.replace(part, out / INDEX_FILE)
    return index_of_all


class _Shard:
    """One tar file under way; it gets its name when it is whole. The same frames give the same bytes."""

    def __init__(self, path: Path) -> None:
        self._path, self._part = path, path.with_suffix(".part")
        self._tar = tarfile.open(self._part, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
        self._samples: list[SampleEntry] = []

    @property
    def size(self) -> int:
        """Bytes so far."""
        return int(self._tar.offset)

    def add(self, key: str, name: str, parts: dict[str, bytes]) -> None:
        entries = {}
        for part, content in parts.items():
            header = tarfile.TarInfo(f"{key}.{part}")
            header.size = len(content)
            entries[part] = (self.size + _HEADER, len(content), zlib.crc32(content))
            self._tar.addfile(header, io.BytesIO(content))
        self._samples.append(SampleEntry(key=key, name=name, parts=entries))

    def close(self) -> ShardEntry:
        self._tar.close()
        with open(self._part, "rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        os.replace(self._part, self._path)
        return ShardEntry(
            file=self._path.name, size=self._path.stat().st_size, sha256=sha256, samples=tuple(self._samples)
        )
