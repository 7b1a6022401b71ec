"""Small scenes of boxes made of points, and a backbone and a recipe that learn them in seconds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from ppkt_zoo.backbones.base import Backbone, PointFeatures
from ppkt_zoo.data.scenes import LabelledScene
from ppkt_zoo.downstream.detection.recipe import DetectionRecipe
from ppkt_zoo.points.cloud import CloudBatch
from ppkt_zoo.points.input_spec import InputSpec

CLASSES = ("crate", "plank")
SIZES = np.array([[0.6, 0.4, 0.5], [1.2, 0.3, 0.2]])
COLORS = np.array([[200, 40, 40], [40, 40, 200]], np.uint8)


class PlaceAndColor(Backbone):
    """One layer on waves over place and on colour: enough to know a handful of scenes by heart."""

    def __init__(self, *, input_spec: InputSpec | None = None, channels: int = 64, seed: int = 0) -> None:
        super().__init__(input_spec or InputSpec(voxel_size=0.1), {"points": channels})
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.register_buffer("waves", 1.5 * torch.randn(3, 96))
            self.layer = nn.Linear(2 * 96 + 3, channels)

    def forward(self, batch: CloudBatch) -> PointFeatures:
        assert batch.rgb is not None
        waves = batch.xyz @ self.waves
        feats = self.layer(torch.cat([waves.sin(), waves.cos(), batch.rgb / 255 - 0.5], dim=1))
        return PointFeatures({"points": feats}, lambda _: torch.arange(len(feats), device=feats.device))


def scene(boxes: np.ndarray, label: list[int], seed: int = 0, points: int = 80, floor: int = 60) -> LabelledScene:
    """A scene of so many points in each box, and a grey floor below."""
    generator = np.random.default_rng(seed)
    xyz = [np.hstack([generator.uniform(-3, 3, (floor, 2)), np.full((floor, 1), -0.5)])]
    rgb = [np.full((floor, 3), 128, np.uint8)]
    for box, one in zip(boxes, label, strict=True):
        local = generator.uniform(-0.5, 0.5, (points, 3)) * box[3:6]
        cosine, sine = np.cos(box[6]), np.sin(box[6])
        local[:, :2] = local[:, :2] @ np.array([[cosine, sine], [-sine, cosine]])
        xyz.append(local + box[:3])
        rgb.append(np.tile(COLORS[one], (points, 1)))
    cloud = np.concatenate(xyz).astype(np.float32)
    return LabelledScene(
        xyz=cloud,
        rgb=np.concatenate(rgb),
        label=np.full(len(cloud), -1, np.int16),
        instance=None,
        boxes=np.asarray(boxes, np.float64).reshape(-1, 7),
        box_label=np.array(label, np.int16),
        classes=(),
        box_classes=CLASSES,
        name=f"scene-{seed}",
    )


def two_scenes(turned: bool) -> list[LabelledScene]:
    """Two scenes of three boxes each, of two classes."""
    places = [[(-1.5, -1, 0), (1.2, 0.8, 0), (-0.5, 1.8, 0.3)], [(0, 0, 0), (1.9, -1.6, 0.1), (-1.8, 1.2, 0)]]
    label, found = [0, 1, 0], []
    for seed, centers in enumerate(places):
        heading = [0.4, 2.0, -1.0] if turned else [0, 0, 0]
        boxes = [[*at, *SIZES[one], angle] for at, one, angle in zip(centers, label, heading, strict=True)]
        found.append(scene(np.array(boxes), label, seed))
    return found


class Scenes:
    """Some scenes as a SceneSource."""

    def __init__(self, scenes: Sequence[LabelledScene], box_classes: tuple[str, ...] = CLASSES) -> None:
        self.name, self.classes, self.box_classes = "detection-scenes", (), box_classes
        self._scenes = scenes

    def __len__(self) -> int:
        return len(self._scenes)

    def __getitem__(self, index: int) -> LabelledScene:
        return self._scenes[index]


def quick_recipe(**changes: Any) -> DetectionRecipe:
    """A recipe that runs in seconds; ``changes`` may name parts of ``optimiser`` and ``shape`` too."""
    optimiser = {"lr": 7e-3, "decay_at": [0.6, 0.85], "momentum": 0.3, "momentum_halved_every": 0.25}
    shape = {"heading_bins": 12, "seeds": 128, "proposals": 64, "width": 64}
    fields: dict[str, Any] = {
        "model": "place_and_color.tiny",
        "description": "A detector for a test.",
        "init": "random",
        "backbone": {"name": "place_and_color", "input_spec": {"voxel_size": 0.1}},
        "data": {"kind": "rooms_bench"},
        "steps": 3,
        "batch": 2,
        "margin": 0.02,
        "log_every": 1,
        "checkpoint_every": 2,
        "data_licence": "Apache-2.0",
        "attribution": "the tests",
        "model_licence": "Apache-2.0",
        "citation": "none",
    }
    optimiser |= changes.pop("optimiser", {})
    shape |= changes.pop("shape", {})
    return DetectionRecipe.model_validate({**fields, "optimiser": optimiser, "shape": shape, **changes})
