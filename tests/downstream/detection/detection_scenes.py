"""Small scenes of boxes made of points, and a backbone that learns them in seconds."""

import numpy as np
import torch
from torch import nn

from ppkt_zoo.backbones.base import Backbone, PointFeatures
from ppkt_zoo.data.scenes import LabelledScene
from ppkt_zoo.points.cloud import CloudBatch
from ppkt_zoo.points.input_spec import InputSpec

CLASSES = ("crate", "plank")
SIZES = np.array([[0.6, 0.4, 0.5], [1.2, 0.3, 0.2]])
COLORS = np.array([[200, 40, 40], [40, 40, 200]], np.uint8)


class PlaceAndColor(Backbone):
    """One layer on waves over place and on colour: enough to know a handful of scenes by heart."""

    def __init__(self, channels: int = 64, seed: int = 0) -> None:
        super().__init__(InputSpec(voxel_size=0.1), {"points": channels})
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
