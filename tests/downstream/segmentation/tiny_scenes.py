"""Labelled scenes and a recipe small enough for a test: boxes of points whose colour tells their class."""

from typing import Any

import numpy as np

from ppkt_zoo.data.scenes import LabelledScene
from ppkt_zoo.downstream.segmentation.recipe import SegmentationRecipe

CLASSES = ("wall", "floor", "chair")


def tiny_scene(number: int, points: int = 300, classes: tuple[str, ...] = CLASSES) -> LabelledScene:
    """Blue walls, grey floor, red chairs, in a box of 4 × 2 × 2 m; a tenth of the points has no class."""
    rng = np.random.default_rng(number)
    xyz = rng.uniform(0, (4, 2, 2), (points, 3)).astype(np.float32)
    label = np.digitize(xyz[:, 0], (1.4, 2.8)).astype(np.int16)
    rgb = np.array([[30, 30, 220], [128, 128, 128], [220, 30, 30]], np.uint8)[label]
    label[: points // 10] = -1
    return LabelledScene(xyz, rgb, label, None, None, None, classes, (), f"tiny {number}")


class TinyScenes:
    """Some of them. A SceneSource."""

    box_classes: tuple[str, ...] = ()

    def __init__(self, *numbers: int, classes: tuple[str, ...] = CLASSES) -> None:
        self.name, self.classes, self._numbers = "tiny-scenes", classes, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: int) -> LabelledScene:
        return tiny_scene(self._numbers[index], classes=self.classes)


def tiny_recipe(**changes: Any) -> SegmentationRecipe:
    """A recipe that runs in seconds."""
    fields: dict[str, Any] = {
        "model": "sr_unet14_small.tiny",
        "description": "A model for a test.",
        "init": "random",
        "backbone": {"name": "sr_unet14_small", "input_spec": {"voxel_size": 0.2}},
        "data": {"kind": "rooms_bench"},
        "steps": 4,
        "batch": 2,
        "optimiser": {"name": "adamw", "lr": 0.005, "head_lr": 4, "warmup": 0, "schedule": "polynomial"},
        "augmentation": {"rotation_z": 180, "dropout": [0.0, 0.2], "brightness": 0.05},
        "batch_norm_momentum": 0.5,
        "log_every": 1,
        "checkpoint_every": 2,
        "data_licence": "Apache-2.0",
        "attribution": "the tests",
        "model_licence": "Apache-2.0",
        "citation": "none",
    }
    return SegmentationRecipe.model_validate({**fields, **changes})
