"""`SceneSampler`: which scene a step sees, and scenes that were read once kept in memory."""

import hashlib

import numpy as np

from ppkt_zoo.data.fingerprint import Fingerprinted, fingerprint_of_parts
from ppkt_zoo.data.scenes import LabelledScene, SceneSource
from ppkt_zoo.engine.checkpoint import DataPart
from ppkt_zoo.errors import InputError

# Scenes that were read stay in memory up to this; those beyond are read again each time.
_MOST_BYTES = 2 << 30
# Purpose of these random numbers; one seed must not serve another one.
_ORDER = 1
# Scenes that are looked at, evenly over the source, and points after which no more of them are.
_SCENES, _FEWEST, _POINTS = 32, 4, 10_000_000


class SceneSampler:
    """Scenes by their position in an endless row: all of them in a random order, then all in another.

    Args:
        scenes: what is drawn from.
        seed: of the order.

    Raises:
        InputError: there is no scene.
    """

    def __init__(self, scenes: SceneSource, seed: int) -> None:
        if len(scenes) == 0:
            raise InputError(f"{scenes.name}: no scene to fine-tune on")
        self._scenes, self._seed = scenes, seed
        self._kept: dict[int, LabelledScene] = {}
        self._bytes = 0
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def sample(self, position: int) -> LabelledScene:
        """The scene at a position from 0; a pure function of the seed and the position."""
        epoch, place = divmod(position, len(self._scenes))
        if epoch != self._epoch:
            self._order = np.random.default_rng([self._seed, _ORDER, epoch]).permutation(len(self._scenes))
            self._epoch = epoch
        return self._scene(int(self._order[place]))

    def _scene(self, number: int) -> LabelledScene:
        if number in self._kept:
            return self._kept[number]
        scene = self._scenes[number]
        size = sum(array.nbytes for array in (scene.xyz, scene.rgb, scene.label) if array is not None)
        if self._bytes + size <= _MOST_BYTES:
            self._kept[number] = scene
            self._bytes += size
        return scene


def scenes_fingerprint(scenes: SceneSource) -> str:
    """64 hexadecimal digits that change with the number of scenes and the content of those looked at.

    A source with a method ``fingerprint`` says it by itself; of any other up to 32 scenes are looked at, fewer where
    they are large.

    Raises:
        InputError: a scene cannot be read.
    """
    if isinstance(scenes, Fingerprinted):
        return fingerprint_of_parts(scenes.fingerprint(), len(scenes))
    size, points = len(scenes), 0
    lines = []
    for seen, index in enumerate(sorted({int(one) for one in np.linspace(0, size - 1, min(size, _SCENES))})):
        if seen >= _FEWEST and points > _POINTS:
            break
        scene = scenes[index]
        points += len(scene.xyz)
        lines.append(_digits(scene))
    return fingerprint_of_parts(size, *lines)


def scene_part(scenes: SceneSource) -> dict[str, DataPart]:
    """The scenes as checkpoints keep them: name → how many, and their digits."""
    return {scenes.name: DataPart(len(scenes), "scenes", scenes_fingerprint(scenes))}


def _digits(scene: LabelledScene) -> str:
    digest = hashlib.sha256(scene.name.encode("utf-8", "surrogateescape"))
    for array in (scene.xyz, scene.rgb, scene.label, scene.boxes, scene.box_label):
        digest.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
