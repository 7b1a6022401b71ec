"""The frozen teacher's features of every frame, computed once and kept on disk in half precision.

A teacher that never changes, looking at images that are not augmented, gives the same map every epoch: on a
CPU the cache halves the time of a step. The file is keyed by the teacher and the source, written in order by one
process at a time, and goes on where it stopped. Every image and every map has a checksum, so features never meet
another image than their own, and damaged ones are never learned from.
"""

import hashlib
import json
import os
import time
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import Tensor

from ppkt_zoo.data.frames import FrameSource
from ppkt_zoo.errors import FrameError, TrainingError
from ppkt_zoo.files.reading import open_regular
from ppkt_zoo.files.targets import safe_name
from ppkt_zoo.teachers.cache_state import CacheState, read_state, write_state
from ppkt_zoo.teachers.teacher import Teacher, image_tensor

# Frames, and seconds, after which the state is written: what a kill loses at most.
_FRAMES, _SECONDS = 50, 30.0
# Seconds between two looks at a lock that another process holds.
_LOOK_AGAIN = 0.5


def _warn(line: str) -> None:
    warnings.warn(line, RuntimeWarning, stacklevel=3)


class TeacherCache:
    """Features of all frames of one source.

    Several processes may use one cache: one fills it, the others wait for it, and all read it.

    Args:
        folder: where the files are kept.
        source: the frames; all their images must have one size.
    """

    def __init__(self, folder: Path, teacher: Teacher, source: FrameSource) -> None:
        self._teacher, self._source = teacher, source
        # A name may stand for other frames tomorrow (another size, a newer world); a source that knows says so.
        frames = getattr(source, "identity", source.name)
        identity = json.dumps(
            [teacher.spec.model_dump(mode="json"), teacher.sha256, frames, len(source)], sort_keys=True
        )
        self._file = folder / f"{safe_name(source.name)}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.f16"
        self._state_file = self._file.with_suffix(".json")
        self._state: CacheState | None = None

    @property
    def done(self) -> int:
        """How many of the source's frames the teacher has looked at already; 0 where that is damaged."""
        try:
            state = read_state(self._state_file, len(self._source))
        except TrainingError:
            return 0
        return 0 if state is None else state.done

    def fill(
        self,
        progress: Callable[[int, int], None],
        stop: Callable[[], bool],
        say: Callable[[str], None] = _warn,
    ) -> None:
        """Compute what is missing or was cut off; a frame that cannot be read leaves a hole that nobody asks for.

        Args:
            progress: called with (done, total) after every frame.
            stop: asked after every frame; True leaves the rest for the next time.
            say: told when another process fills the cache already, or when something must be computed again.

        Raises:
            TrainingError: no frame can be read, the folder cannot be written, the disk is full.
            FrameError: images differ in size.
        """
        self._state = None
        if self._is_whole():  # nothing is written, so the cache may be read-only
            progress(len(self._source), len(self._source))
            return
        try:
            with self._alone(progress, stop, say) as mine:
                if mine and not self._is_whole():
                    self._fill(progress, stop, say)
        except OSError as error:
            raise TrainingError(
                f"{self._file}: the teacher's features cannot be written ({error.strerror}): make room, or give "
                "another cache; what is there is gone on with"
            ) from error

    def features(self, index: int, color: np.ndarray) -> Tensor:
        """float16 (C, h, w), the features of one frame.

        Raises:
            TrainingError: ``color`` is not the image that the teacher looked at, or the features are damaged.
        """
        if self._state is None:
            self._state = self._whole_state()
        state = self._state
        if state.images[index] != zlib.crc32(color.tobytes()):
            raise TrainingError(
                f"source {self._source.name}: the image of frame {index} has changed since the teacher looked at it: "
                f"delete {self._file} and start again"
            )
        # Opened anew for each: no worker shares a position with another, and no map of the file can be cut under it.
        with open_regular(self._file, TrainingError, "cache of a teacher's features") as file:
            try:
                content = self._read_map(file, index, state)
            except OSError as error:
                raise TrainingError(
                    f"{self._file}: the features of frame {index} cannot be read ({error.strerror})"
                ) from error
        if content is None:
            raise TrainingError(
                f"{self._file}: the features of frame {index} are damaged: delete this file, and the same command "
                "computes them again"
            )
        assert state.shape is not None
        return torch.from_numpy(np.frombuffer(content, np.float16).reshape(state.shape).copy())

    def __getstate__(self) -> dict[str, object]:
        # A worker process has no use for the teacher.
        return {**self.__dict__, "_teacher": None}

    @contextmanager
    def _alone(
        self, progress: Callable[[int, int], None], stop: Callable[[], bool], say: Callable[[str], None]
    ) -> Iterator[bool]:
        """Context in which no other process fills this file; whether it was reached before ``stop`` said so."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{self._file}.lock")
        told = False
        while True:
            try:
                lock.acquire(timeout=_LOOK_AGAIN if told else 0)
                break
            except Timeout:
                if not told:
                    say(f"another process lets the teacher look at {self._source.name}: waiting until it has ended")
                told = True
                progress(self.done, len(self._source))
                if stop():
                    yield False
                    return
            except NotImplementedError as error:
                raise TrainingError(
                    f"{self._file.parent}: the teacher's cache cannot be locked on this file system: give a cache on "
                    "another disk"
                ) from error
        try:
            yield True
        finally:
            lock.release()

    def _fill(self, progress: Callable[[int, int], None], stop: Callable[[], bool], say: Callable[[str], None]) -> None:
        # Without its file a state is worth nothing: frames that could not be read then may be readable now.
        state = self._found_state(say) if self._file.exists() else CacheState()
        total = len(self._source)
        # Not cut where it is begun anew: another process may still read it, and the same bytes come again.
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
        with open(os.open(self._file, flags, 0o666), "r+b") as file:
            again = self._damaged(file, state)
            if again:
                say(
                    f"{self._file}: the features of {len(again)} frames are damaged or cut off: they are computed again"
                )
            saved = time.monotonic()
            for index in [*again, *range(state.done, total)]:
                self._write_one(file, index, state)
                ending = stop()
                if ending or state.done % _FRAMES == 0 or time.monotonic() - saved > _SECONDS:
                    self._save(file, state)
                    saved = time.monotonic()
                progress(state.done, total)
                if ending:
                    return
            if state.shape is not None and os.fstat(file.fileno()).st_size != total * state.map_bytes:
                file.truncate(total * state.map_bytes)
            self._save(file, state)
        progress(total, total)
        if state.shape is None:
            self._state_file.unlink()
            raise TrainingError(f"source {self._source.name}: not one of its {total} frames can be read")

    def _found_state(self, say: Callable[[str], None]) -> CacheState:
        try:
            return read_state(self._state_file, len(self._source)) or CacheState()
        except TrainingError as error:
            say(f"{error}: the teacher looks at {self._source.name} again")
            return CacheState()

    def _is_whole(self) -> bool:
        """Whether the file was filled to its end and has its length; each map is checked when it is used."""
        try:
            state = read_state(self._state_file, len(self._source))
            size = self._file.stat().st_size
        except (OSError, TrainingError):
            return False
        return state is not None and state.done == len(self._source) and size == state.done * state.map_bytes

    def _damaged(self, file: BinaryIO, state: CacheState) -> list[int]:
        """Frames that were looked at, and whose features must be computed again."""
        looked = [index for index in range(state.done) if state.maps[index] is not None]
        return [index for index in looked if self._read_map(file, index, state) is None]

    def _write_one(self, file: BinaryIO, index: int, state: CacheState) -> None:
        try:
            color = self._source[index].color
        except FrameError:
            state.set(index, None, None)  # a hole in the file: the trainer skips and counts this frame itself
            return
        features = self._teacher(image_tensor(color))[0].half().cpu().numpy()
        if state.shape is not None and features.shape != state.shape:
            raise FrameError(
                f"source {self._source.name}: frame {index} gives features of shape {features.shape}, earlier "
                f"ones {state.shape}: images differ in size; set image_size in the teacher's spec"
            )
        state.shape = features.shape
        content = features.tobytes()
        file.seek(index * len(content))
        file.write(content)
        state.set(index, zlib.crc32(color.tobytes()), content)

    def _save(self, file: BinaryIO, state: CacheState) -> None:
        file.flush()
        write_state(self._state_file, state)

    def _read_map(self, file: BinaryIO, index: int, state: CacheState) -> bytes | None:
        """The bytes of a frame's features; None where they are not those that were written."""
        file.seek(index * state.map_bytes)
        content = file.read(state.map_bytes)
        return content if len(content) == state.map_bytes and zlib.crc32(content) == state.maps[index] else None

    def _whole_state(self) -> CacheState:
        mend = "delete it and start again"
        try:
            state = read_state(self._state_file, len(self._source))
        except TrainingError as error:
            raise TrainingError(f"{error}: {mend}") from error
        if state is None or state.done < len(self._source) or state.shape is None:
            raise TrainingError(
                f"{self._file}: the teacher has not looked at all frames of {self._source.name}: {mend}"
            )
        return state
