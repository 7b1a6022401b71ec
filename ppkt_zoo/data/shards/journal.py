"""A pack under way: what is written already, so that the same command goes on after a kill or a full disk.

``unfinished-pack.jsonl`` stands in the folder until the index does: a line of what is packed, then one for each whole
shard. Lines are only added, so a kill costs the last one at most.
"""

import json
import os
import re
import zlib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ppkt_zoo.data.fingerprint import fingerprint_of
from ppkt_zoo.data.frames import FrameSource
from ppkt_zoo.data.shards.index import INDEX_FILE, JOURNAL, SampleEntry, ShardEntry
from ppkt_zoo.data.shards.samples import encode_sample
from ppkt_zoo.errors import FrameError
from ppkt_zoo.files.limits import MAX_BYTES
from ppkt_zoo.files.reading import is_hidden_twin, read_file
from ppkt_zoo.files.strict_json import parse_json

_FORMAT = 1
_SHARD = re.compile(r"shard-\d{6,}\.(tar|part)")
_INDEX_PART = re.compile(rf"\.?{re.escape(INDEX_FILE)}(\.[0-9a-f]{{8}})?\.part")
_LOCKS = (".ppkt-zoo.lock", ".ppkt-zoo.lock.json")


class Journal:
    """Context in which a pack is written, with what an earlier call of it has written.

    Attributes:
        shards: those that are whole.
        skipped: a line for each frame that could not be read.
        next: the frame to go on with.

    Args:
        out: the folder; nobody else writes there.
        source, shard_size: what is packed.

    Raises:
        FrameError: other frames were begun there, or a shard that was whole is gone.
    """

    def __init__(self, out: Path, source: FrameSource, shard_size: int) -> None:
        self._out, self._file = out, out / JOURNAL
        self.shards: list[ShardEntry] = []
        self.skipped: list[str] = []
        self.next = 0
        self._told = 0
        self._frames = len(source)
        self._head: dict[str, Any] = {
            "format": _FORMAT,
            "name": source.name,
            "frames": self._frames,
            "shard_size": shard_size,
            "fingerprint": fingerprint_of(source),
        }
        length = self._read(source)
        # Shards that the journal does not know are made again.
        known = {shard.file for shard in self.shards}
        for path in out.iterdir():
            if _SHARD.fullmatch(path.name) and path.name not in known:
                path.unlink()
        if length:
            # A line that was cut goes, so that the next one begins anew.
            os.truncate(self._file, length)
        self._stream = open(self._file, "ab")  # noqa: SIM115
        if not length:
            self._stream.truncate(0)
            self._write(self._head)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *error: object) -> None:
        self._stream.close()

    def skip(self, line: str) -> None:
        """Note a frame that cannot be read; it is written down with the next shard."""
        self.skipped.append(line)

    def add(self, shard: ShardEntry, next_frame: int) -> None:
        """Write down a whole shard, and which frame comes next."""
        self._write({"shard": shard.model_dump(mode="json"), "skipped": self.skipped[self._told :], "next": next_frame})
        self._told = len(self.skipped)
        self.shards.append(shard)
        self.next = next_frame

    def remove(self) -> None:
        """The pack is whole, or nothing came of it."""
        self._stream.close()
        self._file.unlink(missing_ok=True)

    def _write(self, line: dict[str, Any]) -> None:
        self._stream.write(json.dumps(line).encode() + b"\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def _read(self, source: FrameSource) -> int:
        """Take over what was written; how many bytes of the journal are whole lines."""
        if not self._file.exists():
            return 0
        content = read_file(self._file, FrameError, "journal of an unfinished pack", limit=MAX_BYTES)
        lines = content.split(b"\n")[:-1]
        if len(lines) < 2:
            return 0  # nothing is whole yet: this pack begins anew
        head = self._parse(lines[0])
        if head != self._head:
            raise self._of_others()
        for line in lines[1:]:
            self._take(self._parse(line))
        self._check_first(source)
        return sum(len(line) + 1 for line in lines)

    def _parse(self, line: bytes) -> dict[str, Any]:
        value = parse_json(line, f"{self._file}: this journal of an unfinished pack", FrameError)
        if not isinstance(value, dict):
            raise self._damaged()
        return value

    def _take(self, line: dict[str, Any]) -> None:
        skipped, following = line.get("skipped"), line.get("next")
        if not isinstance(skipped, list) or not all(isinstance(one, str) for one in skipped):
            raise self._damaged()
        if type(following) is not int or not self.next < following <= self._frames:
            raise self._damaged()
        try:
            shard = ShardEntry.model_validate_json(json.dumps(line.get("shard")))
        except ValidationError:
            raise self._damaged() from None
        path = self._out / shard.file
        if not path.is_file() or path.stat().st_size != shard.size:
            raise FrameError(
                f"{path}: this shard of an unfinished pack is gone or cut: begin anew (--overwrite), or give another "
                "folder"
            )
        self.shards.append(shard)
        self.skipped += skipped
        self._told, self.next = len(self.skipped), following

    def _check_first(self, source: FrameSource) -> None:
        """The first frame again: how poses are turned and depth is scaled shows in nothing but the frames."""
        first: SampleEntry = self.shards[0].samples[0]
        if not first.key.isdecimal() or int(first.key) >= len(source):
            raise self._damaged()
        _, parts = encode_sample(source, int(first.key))
        packed = {part: check for part, (_, _, check) in first.parts.items()}
        if {part: zlib.crc32(content) for part, content in parts.items()} != packed:
            raise self._of_others()

    def _of_others(self) -> FrameError:
        return FrameError(
            f"{self._out}: this folder holds an unfinished pack of other frames, or with other options: give the same "
            "command again, begin anew (--overwrite), or give another folder"
        )

    def _damaged(self) -> FrameError:
        return FrameError(
            f"{self._file}: this journal of an unfinished pack is damaged: begin anew (--overwrite), or give another "
            "folder"
        )


def others_in(out: Path) -> list[Path]:
    """What lies in a folder beside what packing writes."""
    if not out.is_dir():
        return []
    return sorted(path for path in out.iterdir() if not (_is_ours(path) or path.name in _LOCKS or is_hidden_twin(path)))


def clear_pack(out: Path) -> None:
    """Remove the shards of a folder, whole or unfinished, and nothing else; first what says that they are whole."""
    for name in (INDEX_FILE, JOURNAL):
        (out / name).unlink(missing_ok=True)
    for path in out.iterdir():
        if _is_ours(path):
            path.unlink()


def in_utf8(name: str, what: str) -> str:
    """The name; raises FrameError unless it is UTF-8, as an index holds it."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise FrameError(f"{what} is no UTF-8: {name!r}: rename it, and pack again") from None
    return name


def _is_ours(path: Path) -> bool:
    return path.name in (INDEX_FILE, JOURNAL) or bool(_SHARD.fullmatch(path.name) or _INDEX_PART.fullmatch(path.name))
