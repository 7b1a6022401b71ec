"""Shards one after another for many workers on many machines, from disk or from afar, resumable at any frame.

Each epoch the shards are shuffled and dealt out over the streams (one for each worker of each rank), and the frames of
a shard are shuffled too. The order is a pure function of seed, epoch and the number of streams. Shards from afar are
fetched whole, so their checksum is known to be right before the first frame is used.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import IterableDataset, get_worker_info

from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.data.shards.folder import check_sha256, check_size, read_parts
from ppkt_zoo.data.shards.index import (
    INDEX_FILE,
    SampleEntry,
    ShardEntry,
    ShardIndex,
    check_location,
    check_part,
    fetch_file,
    is_local,
    parse_index,
    shown,
)
from ppkt_zoo.data.shards.samples import decode_sample
from ppkt_zoo.errors import FrameError
from ppkt_zoo.files.text import one_line


@dataclass(frozen=True)
class StreamState:
    """Where a rank's stream stands.

    Attributes:
        seen: frames that the rank has been given so far.
        workers: over how many workers its frames were dealt (1 where there are none).
        seed, world, shards: what the order depends on, besides: of ``shards`` a digest.
    """

    seen: int
    workers: int
    seed: int
    world: int
    shards: str

    def as_dict(self) -> dict[str, int | str]:
        """For a checkpoint: plain numbers and text."""
        return asdict(self)


class ShardStream(IterableDataset[RGBDFrame]):
    """Frames of shards in shuffled order; give it to a ``DataLoader`` with ``batch_size=None``.

    Args:
        location: a folder; ``https://host/folder``; or a command with ``{}`` for the file's name,
            ``pipe:aws s3 cp s3://bucket/folder/{} -``. No shell reads the command: quotes hold an argument together,
            but pipes, redirections and variables are refused. An address with ``{}`` is a pattern too.
        seed: of the order.
        rank, world: which of how many processes this is; each gets frames of its own.
        epochs: after how many the stream ends, so that every frame comes exactly so often over all ranks; None
            never ends, and then every stream needs a shard of its own.
        resume: the state to go on from, as :meth:`state` gave it (or its ``as_dict``), under the same number of
            workers and ranks.

    Raises:
        FrameError: no index there, or a damaged one; ``resume`` belongs to another stream. A shard that is missing,
            cut short or damaged is named when it is its turn.
    """

    def __init__(
        self,
        location: Path | str,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        epochs: int | None = None,
        resume: StreamState | dict[str, Any] | None = None,
    ) -> None:
        if not 0 <= rank < world:
            raise FrameError(f"rank must be 0 to world − 1, got rank {rank} of {world}")
        if seed < 0 or (epochs is not None and epochs < 1):
            raise FrameError(f"seed must be 0 or more and epochs at least 1 (or None), got {seed} and {epochs}")
        self._location = str(location)
        check_location(self._location)
        content = fetch_file(self._location, INDEX_FILE)
        self.index: ShardIndex = parse_index(content, shown(self._location, INDEX_FILE))
        self._digest = hashlib.sha256(content).hexdigest()[:16]
        self._seed, self._rank, self._world, self._epochs = seed, rank, world, epochs
        self._begin: StreamState | None = None
        self._seen = 0
        if resume is not None:
            self._begin = resume if isinstance(resume, StreamState) else _state_of(resume)
            self._check_resume(self._begin)
            self._seen = self._begin.seen

    def state(self, seen: int | None = None, workers: int = 1) -> StreamState:
        """The state after so many frames.

        Args:
            seen: frames given since the very beginning; without workers the stream counts by itself.
            workers: of the DataLoader.
        """
        count = self._seen if seen is None else seen
        return StreamState(count, max(1, workers), self._seed, self._world, self._digest)

    def __iter__(self) -> Iterator[RGBDFrame]:
        worker = get_worker_info()
        number, workers = (0, 1) if worker is None else (worker.id, worker.num_workers)
        streams = self._world * workers
        if self._epochs is None and streams > len(self.index.shards):
            raise FrameError(
                f"{shown(self._location)}: {len(self.index.shards)} shards cannot feed {streams} streams "
                f"({self._world} ranks × {workers} workers) without end: pack smaller shards, or use fewer workers"
            )
        number, done = self._go_on(number, workers)
        for sample in self._samples(self._rank * workers + number, streams, done):
            if worker is None:
                self._seen += 1
            yield sample

    def _go_on(self, number: int, workers: int) -> tuple[int, int]:
        """Which of the rank's streams this worker takes over, and how many frames of it were given already.

        A DataLoader asks its workers in turn, leaves out those that have ended, and begins with the first one: so the
        first one takes over the stream whose turn it would have been.
        """
        if self._begin is None or self._begin.seen == 0:
            return number, 0
        if self._begin.workers != workers:
            raise FrameError(
                f"this stream was saved with {self._begin.workers} workers and goes on with {workers}: "
                "use as many again"
            )
        lengths = [self._length(self._rank * workers + one, self._world * workers) for one in range(workers)]
        rounds = int(min(self._begin.seen // workers, *lengths))
        given, turn, left = [rounds] * workers, 0, self._begin.seen - rounds * workers
        while left and any(count < length for count, length in zip(given, lengths, strict=True)):
            if given[turn] < lengths[turn]:
                given[turn] += 1
                left -= 1
            turn = (turn + 1) % workers
        mine = (turn + number) % workers
        return mine, given[mine]

    def _samples(self, stream: int, streams: int, skip: int) -> Iterator[RGBDFrame]:
        for epoch, number in self._turns(stream, streams):
            shard = self.index.shards[number]
            if skip >= len(shard.samples):
                skip -= len(shard.samples)
                continue
            order = np.random.default_rng([self._seed, 1, epoch, number]).permutation(len(shard.samples))
            yield from self._read(shard, [shard.samples[place] for place in order[skip:]])
            skip = 0

    def _turns(self, stream: int, streams: int) -> Iterator[tuple[int, int]]:
        """The stream's shards as (epoch, number)."""
        epoch = 0
        while self._epochs is None or epoch < self._epochs:
            order = np.random.default_rng([self._seed, 0, epoch]).permutation(len(self.index.shards))
            yield from ((epoch, int(number)) for number in order[stream::streams])
            epoch += 1

    def _length(self, stream: int, streams: int) -> float:
        if self._epochs is None:
            return float("inf")
        return sum(len(self.index.shards[number].samples) for _, number in self._turns(stream, streams))

    def _read(self, shard: ShardEntry, samples: list[SampleEntry]) -> Iterator[RGBDFrame]:
        where = shown(self._location, shard.file)
        if is_local(self._location):
            path = Path(self._location) / shard.file
            for sample in samples:
                yield decode_sample(read_parts(path, sample), f"{where}: {sample.key}")
            return
        content = fetch_file(self._location, shard.file, shard.size)
        check_size(len(content), shard, where)
        check_sha256(hashlib.sha256(content).hexdigest(), shard, where)
        for sample in samples:
            parts = {
                part: check_part(content[entry[0] : entry[0] + entry[1]], entry, f"{where}: {sample.key}.{part}")
                for part, entry in sample.parts.items()
            }
            yield decode_sample(parts, f"{where}: {sample.key}")

    def _check_resume(self, state: StreamState) -> None:
        ours = self.state()
        for field in ("seed", "world", "shards"):
            if getattr(state, field) != getattr(ours, field):
                raise FrameError(
                    f"this state belongs to a stream with {field} {getattr(state, field)}, this one has "
                    f"{getattr(ours, field)}: open the stream as it was opened then"
                )


def _state_of(saved: dict[str, Any]) -> StreamState:
    """A state as a checkpoint keeps it, every kind checked."""
    kinds = {"seen": int, "workers": int, "seed": int, "world": int, "shards": str}
    wrong = not isinstance(saved, dict) or saved.keys() != kinds.keys()
    if wrong or any(type(saved[field]) is not kind for field, kind in kinds.items()):
        raise FrameError(f"resume must be a state that a stream gave ({', '.join(kinds)}), got {one_line(saved, 100)}")
    if saved["seen"] < 0 or saved["workers"] < 1:
        raise FrameError(f"resume is no state of a stream: {saved['seen']} frames seen, {saved['workers']} workers")
    return StreamState(**saved)
