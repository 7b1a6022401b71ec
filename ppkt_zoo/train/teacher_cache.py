"""The frozen teacher's features of every frame, computed once and kept on disk in half precision.

A teacher that never changes, looking at images that are not augmented, gives the same map every epoch: on a
CPU the cache halves the time of a step. The file is keyed by the teacher and the source, written in order, and
goes on where it stopped.
"""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from ppkt_zoo.data.frames import FrameSource
from ppkt_zoo.errors import FrameError, TrainingError
from ppkt_zoo.transfer.teachers import Teacher


def image_tensor(color: np.ndarray) -> Tensor:
    """uint8 (H, W, 3) → float32 (1, 3, H, W) in [0, 1], a teacher's input."""
    return torch.from_numpy(color).permute(2, 0, 1)[None].float() / 255.0


class TeacherCache:
    """Features of all frames of one source.

    Args:
        folder: where the files are kept.
        teacher: the frozen teacher.
        source: the frames; all their images must have one size.
    """

    def __init__(self, folder: Path, teacher: Teacher, source: FrameSource, fingerprint: str) -> None:
        self._teacher, self._source = teacher, source
        identity = json.dumps(
            [teacher.spec.model_dump(mode="json"), teacher.sha256, source.name, len(source), fingerprint], sort_keys=True
        )
        self._file = folder / f"{source.name}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.f16"
        self._done_file = self._file.with_suffix(".json")
        self._map: np.ndarray | None = None

    def fill(self, progress: Callable[[int, int], None], stop: Callable[[], bool]) -> None:
        """Compute what is missing; a frame that cannot be read leaves a map of zeros that nobody asks for.

        Args:
            progress: called with (done, total) after every frame.
            stop: asked after every frame; True leaves the rest for the next time.
        """
        self._file.parent.mkdir(parents=True, exist_ok=True)
        done, shape = self._progress()
        if done == len(self._source):
            progress(done, done)
            return
        with open(self._file, "r+b" if done else "wb") as file:
            for index in range(done, len(self._source)):
                shape = self._write_one(file, index, shape)
                last = index + 1 == len(self._source)
                if last and shape is not None:
                    file.truncate(len(self._source) * _bytes(shape))
                if shape is not None and (last or index % 50 == 49 or stop()):
                    file.flush()
                    self._write_progress(index + 1, shape)
                progress(index + 1, len(self._source))
                if stop():
                    return
        if shape is None:
            raise TrainingError(f"source {self._source.name}: not one of its {len(self._source)} frames can be read")

    def __getitem__(self, index: int) -> Tensor:
        """float16 (C, h, w), the features of one frame."""
        if self._map is None:
            _, shape = self._progress()
            assert shape is not None
            self._map = np.memmap(self._file, np.float16, "r", shape=(len(self._source), *shape))
        return torch.from_numpy(np.array(self._map[index]))

    def __getstate__(self) -> dict[str, object]:
        # A worker process opens the file for itself, and has no use for the teacher.
        return {**self.__dict__, "_map": None, "_teacher": None}

    def _write_one(self, file: BinaryIO, index: int, shape: tuple[int, ...] | None) -> tuple[int, ...] | None:
        try:
            color = self._source[index].color
        except FrameError:
            return shape  # a hole in the file: the trainer skips and counts this frame itself
        features = self._features(color)
        if shape is not None and features.shape != shape:
            raise FrameError(
                f"source {self._source.name}: frame {index} gives features of shape {features.shape}, earlier "
                f"ones {shape}: images differ in size; set image_size in the teacher's spec"
            )
        file.seek(index * features.nbytes)
        file.write(features.tobytes())
        return features.shape

    def _features(self, color: np.ndarray) -> np.ndarray:
        return self._teacher(image_tensor(color))[0].half().cpu().numpy()

    def _progress(self) -> tuple[int, tuple[int, ...] | None]:
        if not self._done_file.is_file():
            return 0, None
        state = json.loads(self._done_file.read_text())
        return int(state["done"]), tuple(state["shape"])

    def _write_progress(self, done: int, shape: tuple[int, ...]) -> None:
        part = self._done_file.with_suffix(".part")
        part.write_text(json.dumps({"done": done, "shape": list(shape)}))
        os.replace(part, self._done_file)


def _bytes(shape: tuple[int, ...]) -> int:
    return 2 * int(np.prod(shape))
