"""What one step of a detector's training sees: points of labelled scenes and their boxes, moved alike."""

from dataclasses import dataclass

import numpy as np
from torch.utils.data import Dataset

from ppkt_zoo.data.scenes import LabelledScene, SceneSource
from ppkt_zoo.downstream.detection.boxes import upright
from ppkt_zoo.downstream.detection.recipe import DetectionRecipe
from ppkt_zoo.downstream.detection.targets import TrueBoxes, scene_boxes
from ppkt_zoo.downstream.sampler import SceneSampler
from ppkt_zoo.engine.moving import OnDevice
from ppkt_zoo.points.cloud import CloudBatch, PointCloud

# Purpose of these random numbers; one seed must not serve another one.
_SAMPLE = 3


@dataclass(frozen=True)
class DetectionBatch(OnDevice):
    """One step's data.

    Attributes:
        step: which step.
        clouds: the points.
        truth: the boxes.
    """

    step: int
    clouds: CloudBatch
    truth: TrueBoxes


class DetectionDataset(Dataset[DetectionBatch]):
    """Steps by number. Item ``t`` is a pure function of recipe, scenes and ``t``: workers and resuming change nothing.

    Args:
        scenes: with known boxes; one without them, or of other classes, raises when its turn comes.
        recipe: batch, points, augmentation, seed.
    """

    def __init__(self, scenes: SceneSource, recipe: DetectionRecipe) -> None:
        self.scenes, self.recipe = scenes, recipe
        self._sampler = SceneSampler(scenes, recipe.seed)

    def __getitem__(self, step: int) -> DetectionBatch:
        recipe = self.recipe
        clouds, truth = [], []
        for place in range(recipe.batch):
            rng = np.random.default_rng([recipe.seed, _SAMPLE, step, place])
            cloud, boxes, label = self._sample(self._sampler.sample(step * recipe.batch + place), rng)
            clouds.append(cloud)
            truth.append((boxes, label))
        return DetectionBatch(step, CloudBatch.collate(clouds), TrueBoxes.collate(truth))

    def _sample(self, scene: LabelledScene, rng: np.random.Generator) -> tuple[PointCloud, np.ndarray, np.ndarray]:
        # Upright boxes are put around turned ones after these have moved, not before and again.
        boxes, label = scene_boxes(scene, self.scenes.box_classes, turned=True)
        rows = sample_rows(scene, self.recipe.points, rng)
        rgb = None if scene.rgb is None else scene.rgb[rows]
        xyz, rgb, boxes = self.recipe.augmentation(scene.xyz[rows], rgb, boxes, rng)
        return PointCloud.from_arrays(xyz, rgb), boxes if self.recipe.turned else upright(boxes), label


def sample_rows(scene: LabelledScene, points: int | None, rng: np.random.Generator) -> np.ndarray:
    """Rows of so many points of a scene, rising; all of them where it has no more or ``points`` is None."""
    count = len(scene.xyz)
    if points is None or count <= points:
        return np.arange(count)
    return np.sort(rng.choice(count, points, replace=False))
