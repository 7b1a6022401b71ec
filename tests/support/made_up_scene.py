"""A labelled scene for tests that need some classes and no geometry."""

import numpy as np

from ppkt_zoo.data.scenes import LabelledScene
from ppkt_zoo.rooms import CLASSES


def scene(number: int) -> LabelledScene:
    """Three classes, one of them rare, and points of no class."""
    rng = np.random.default_rng(number)
    label = rng.choice([0, 1, 7, -1], 3000, p=[0.6, 0.28, 0.02, 0.1]).astype(np.int16)
    xyz = rng.uniform(0, 2, (3000, 3)).astype(np.float32)
    rgb = np.repeat(np.maximum(label, 0).astype(np.uint8)[:, None], 3, axis=1)
    return LabelledScene(xyz, rgb, label, None, None, None, CLASSES, (), f"scene {number}")
