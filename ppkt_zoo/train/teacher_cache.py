"""The frozen teacher's features of every frame, computed once and kept on disk in half precision.

A teacher that never changes, looking at images that are not augmented, gives the same map every epoch: on a
CPU the cache halves the time of a step. The file is keyed by the teacher and the source, written in order, goes on
where it stopped, and keeps a checksum of every image, so that features never meet another image than their own.
"""

import hashlib
import json
import os
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from ppkt_zoo.data.frames import FrameSource
from ppkt_zoo.errors import FrameError, TrainingError
from ppkt_zoo.transfer.teachers import Teacher, image_tensor


class TeacherCache:
    """Features of all frames of one source.

    Args:
        folder: where the files are kept.
        teacher: the frozen teacher.
        source: the frames; all their images must have one size.
    """

    def __init__(self, folder: Path, teacher: Teacher, source: FrameSource) -> None:
        self._teacher, self._source = teacher, source
        # A name may stand for other frames tomorrow (another size, a newer world); a source that knows says so.
        frames = getattr(source, "identity", source.name)
        identity = json.dumps(
            [teacher.spec.model_dump(mode="json"), teacher.sha256, frames, len(source)], sort_keys=True
        )
        self._file = folder / f"{source.name}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.f16"
        self._state_file = self._file.with_suffix(".json")
        self._map: np.ndarray | None = None
        self._state = _State()

    @property
    def done(self) -> int:
        """How many of the source's frames the teacher has looked at already."""
        return self._read_state().done

    def fill(self, progress: Callable[[int, int], None], stop: Callable[[], bool]) -> None:
        """Compute what is missing; a frame that cannot be read leaves a map of zeros that nobody asks for.

        Args:
            progress: called with (done, total) after every frame.
            stop: asked after every frame; True leaves the rest for the next time.
        """
        self._file.parent.mkdir(parents=True, exist_ok=True)
        state = self._read_state()
        if state.done == len(self._source):
            progress(state.done, state.done)
            return
        with open(self._file, "r+b" if state.done else "wb") as file:
            for index in range(state.done, len(self._source)):
                self._write_one(file, index, state)
                state.done = index + 1
                if state.done == len(self._source) and state.shape is not None:
                    file.truncate(len(self._source) * _bytes(state.shape))
                if state.done == len(self._source) or state.done % 50 == 0 or stop():
                    file.flush()
                    self._write_state(state)
                progress(state.done, len(self._source))
                if stop():
                    return
        if state.shape is None:
            self._state_file.unlink()
            raise TrainingError(f"source {self._source.name}: not one of its {len(self._source)} frames can be read")

    def features(self, index: int, color: np.ndarray) -> Tensor:
        """float16 (C, h, w), the features of one frame.

        Raises:
            TrainingError: ``color`` is not the image that the teacher looked at.
        """
        if self._map is None:
            self._state = self._read_state()
            shape = (len(self._source), *(self._state.shape or ()))
            self._map = np.memmap(self._file, np.float16, "r", shape=shape)
        if self._state.checks[index] != zlib.crc32(color.tobytes()):
            raise TrainingError(
                f"source {self._source.name}: the image of frame {index} has changed since the teacher looked at it: "
                f"delete {self._file} and start again"
            )
        return torch.from_numpy(np.array(self._map[index]))

    def __getstate__(self) -> dict[str, object]:
        # A worker process opens the file for itself, and has no use for the teacher.
        return {**self.__dict__, "_map": None, "_teacher": None}

    def _write_one(self, file: BinaryIO, index: int, state: "_State") -> None:
        try:
            color = self._source[index].color
        except FrameError:
            state.checks.append(None)  # a hole in the file: the trainer skips and counts this frame itself
            return
        features = self._teacher(image_tensor(color))[0].half().cpu().numpy()
        if state.shape is not None and features.shape != state.shape:
            raise FrameError(
                f"source {self._source.name}: frame {index} gives features of shape {features.shape}, earlier "
                f"ones {state.shape}: images differ in size; set image_size in the teacher's spec"
            )
        state.shape = features.shape
        state.checks.append(zlib.crc32(color.tobytes()))
        file.seek(index * features.nbytes)
        file.write(features.tobytes())

    def _read_state(self) -> "_State":
        if not self._state_file.is_file():
            return _State()
        state = json.loads(self._state_file.read_text())
        shape = None if state["shape"] is None else tuple(state["shape"])
        return _State(state["done"], shape, state["checks"])

    def _write_state(self, state: "_State") -> None:
        part = self._state_file.with_suffix(".part")
        part.write_text(json.dumps(asdict(state)))
        os.replace(part, self._state_file)


@dataclass
class _State:
    """How far the file is: frames done, shape of a frame's features, and a checksum of every image seen."""

    done: int = 0
    shape: tuple[int, ...] | None = None
    checks: list[int | None] = field(default_factory=list)


def _bytes(shape: tuple[int, ...]) -> int:
    return 2 * int(np.prod(shape))
