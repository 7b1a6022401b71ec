"""What labelled scenes a run learns from, as a few digits: a run that goes on sees whether they are still the same."""

import hashlib

import numpy as np

from ppkt_zoo.data.fingerprint import Fingerprinted, fingerprint_of_parts
from ppkt_zoo.data.scenes import LabelledScene, SceneSource
from ppkt_zoo.engine.checkpoint import DataPart

__all__ = ["scene_part", "scenes_fingerprint"]

# Scenes that are looked at, evenly over the source, and points after which no more of them are.
_SCENES, _FEWEST, _POINTS = 32, 4, 10_000_000


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
