"""Packing the frames of any source into plain tar shards with an index beside them."""

import contextlib
import io
import os
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

from ppkt_zoo.data.frames import FrameSource
from ppkt_zoo.data.shards.index import INDEX_FILE, SampleEntry, ShardEntry, ShardIndex
from ppkt_zoo.data.shards.journal import Journal, clear_pack, in_utf8, others_in
from ppkt_zoo.data.shards.samples import encode_sample
from ppkt_zoo.errors import FrameError
from ppkt_zoo.files.checksums import sha256_of_file
from ppkt_zoo.files.locks import FolderLock
from ppkt_zoo.files.targets import check_folder_target
from ppkt_zoo.files.writing import write_whole

# Bytes of the header that tar puts before each file.
_HEADER = 512
# Bytes: a worker that streams from afar holds one shard in memory.
SHARD_SIZE = 128_000_000


def pack_frames(
    source: FrameSource,
    out: Path,
    shard_size: int = SHARD_SIZE,
    progress: Callable[[int, int], None] = lambda done, total: None,
    overwrite: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> ShardIndex:
    """Write all frames of a source as ``shard-NNNNNN.tar`` and, when all are whole, ``shards.json``.

    A frame that cannot be read is left out, and the index says so. Until it is whole, the folder holds
    ``unfinished-pack.jsonl`` and no index: the same call goes on after the last whole shard, to the same bytes.

    Args:
        source: the frames; poses are written as the source gives them, with z up.
        out: a new or empty folder, or one in which this was begun.
        shard_size: bytes after which a new shard begins; a shard has one frame at least.
        progress: called with (done, total) after every frame.
        overwrite: remove shards of ours that lie there, whole or unfinished, and nothing else, and begin anew.
        say: told when something that was begun is gone on with.

    Raises:
        FrameError: the folder holds other files, a whole set or an unfinished one of other frames; another process
            packs into it; ``shard_size`` is not positive; a name is no UTF-8; no frame can be read; or the folder
            cannot be written (what is there is gone on with).
    """
    if shard_size <= 0:
        raise FrameError(f"shard_size must be a positive number of bytes, got {shard_size}")
    check_folder_target(out, FrameError, "the folder for shards")
    _check_names(source)
    _check_room(out, overwrite)
    try:
        with FolderLock(out, "this folder of shards", "or give another folder", FrameError, wait=0):
            if overwrite:
                clear_pack(out)
            _check_room(out, overwrite)
            index = _pack(source, out, shard_size, progress, say)
    except OSError as error:
        raise FrameError(
            f"{error.filename or out}: these shards cannot be written ({error.strerror}): make room, and give the same "
            "command again, which goes on"
        ) from error
    return index


def _pack(
    source: FrameSource,
    out: Path,
    shard_size: int,
    progress: Callable[[int, int], None],
    say: Callable[[str], None],
) -> ShardIndex:
    with Journal(out, source, shard_size) as journal:
        if journal.next:
            say(f"goes on after frame {journal.next} of {len(source)}: {len(journal.shards)} shards are whole")
        writer: _Shard | None = None
        try:
            for index in range(journal.next, len(source)):
                try:
                    name, parts = encode_sample(source, index)
                except FrameError as error:
                    journal.skip(str(error))
                else:
                    writer = writer or _Shard(out / f"shard-{len(journal.shards):06d}.tar")
                    writer.add(f"{index:08d}", in_utf8(name, f"{source.name}: the name of frame {index}"), parts)
                    if writer.size >= shard_size:
                        journal.add(writer.close(), index + 1)
                        writer = None
                progress(index + 1, len(source))
            if writer is not None:
                journal.add(writer.close(), len(source))
                writer = None
        finally:
            if writer is not None:
                writer.abandon()
        if not journal.shards:
            journal.remove()
            first = journal.skipped[:1]
            raise FrameError(f"{source.name}: not one of its {len(source)} frames can be read, the first: {first}")
        made = ShardIndex(name=source.name, skipped=tuple(journal.skipped), shards=tuple(journal.shards))
        write_whole(out / INDEX_FILE, made.model_dump_json(), FrameError)
        journal.remove()
    return made


def _check_names(source: FrameSource) -> None:
    """Refuse names that no index can hold before any frame is read."""
    in_utf8(source.name, "the name of these frames")
    find = getattr(source, "color_file", None)
    if find is None:
        return
    for index in range(len(source)):
        try:
            path = find(index)
        except FrameError:
            continue  # it is left out when its turn comes
        if path is not None:
            in_utf8(str(path), f"{source.name}: the file of frame {index}")


def _check_room(out: Path, overwrite: bool) -> None:
    others = others_in(out)
    if others:
        raise FrameError(
            f"{out}: shards are packed into a new folder, and this one is not empty ({others[0].name}): give another"
        )
    if (out / INDEX_FILE).exists() and not overwrite:
        raise FrameError(
            f"{out}: shards are packed into a new folder, and this one is not empty, it holds a whole set: give "
            "another, or overwrite it (--overwrite)"
        )


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
        with open(self._part, "rb+") as file:
            # The journal says that it is whole, so it must be on the disk before.
            os.fsync(file.fileno())
        sha256 = sha256_of_file(self._part, FrameError, "shard")
        os.replace(self._part, self._path)
        return ShardEntry(
            file=self._path.name, size=self._path.stat().st_size, sha256=sha256, samples=tuple(self._samples)
        )

    def abandon(self) -> None:
        """Leave nothing of it; on a full disk closing it would fail again."""
        if self._tar.fileobj is not None:
            with contextlib.suppress(OSError):
                self._tar.fileobj.close()
        self._part.unlink(missing_ok=True)
