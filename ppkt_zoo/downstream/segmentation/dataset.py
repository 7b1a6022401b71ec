"""What one step of fine-tuning sees: crops of labelled scenes, augmented, and the points that are asked."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ppkt_zoo.data.scenes import LabelledScene, SceneSource
from ppkt_zoo.downstream.sampler import SceneSampler
from ppkt_zoo.downstream.segmentation.recipe import CropSection, SegmentationRecipe
from ppkt_zoo.engine.moving import OnDevice
from ppkt_zoo.errors import InputError
from ppkt_zoo.evaluation.metrics import IGNORE
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.points.voxelize import voxelize

# Purpose of these random numbers; one seed must not serve another one.
_CROP = 2


@dataclass(frozen=True)
class SegmentationBatch(OnDevice):
    """One step's data.

    Attributes:
        step: which step.
        clouds: N points of all its crops.
        rows: int64 (M,), the points that the loss asks, all of them labelled.
        label: int64 (M,), their classes.
    """

    step: int
    clouds: CloudBatch
    rows: Tensor
    label: Tensor


class SegmentationDataset(Dataset[SegmentationBatch]):
    """Steps by number. Item ``t`` is a pure function of recipe, scenes and ``t``: workers and resuming change nothing.

    Args:
        scenes: labelled scenes; one without any label raises when its turn comes.
        recipe: batch, crop, augmentation, seed.
    """

    def __init__(self, scenes: SceneSource, recipe: SegmentationRecipe) -> None:
        self.scenes, self.recipe = scenes, recipe
        self._sampler = SceneSampler(scenes, recipe.seed)

    def __getitem__(self, step: int) -> SegmentationBatch:
        recipe = self.recipe
        clouds, labels = [], []
        for place in range(recipe.batch):
            scene = self._sampler.sample(step * recipe.batch + place)
            cloud, label = self._sample(scene, np.random.default_rng([recipe.seed, _CROP, step, place]))
            clouds.append(cloud)
            labels.append(label)
        batch, truth = CloudBatch.collate(clouds), torch.from_numpy(np.concatenate(labels).astype(np.int64))
        rows = (truth != IGNORE).nonzero().squeeze(1)
        if recipe.loss_on == "voxels":
            rng = np.random.default_rng([recipe.seed, _CROP, step, recipe.batch])
            shuffled = rows[torch.from_numpy(rng.permutation(len(rows)))]
            grid = InputSpec(voxel_size=recipe.backbone.input_spec.voxel_size, channels=("ones",))
            rows = shuffled[first_of_each(voxelize(batch, grid).inverse[shuffled])]
        return SegmentationBatch(step, batch, rows, truth[rows])

    def _sample(self, scene: LabelledScene, rng: np.random.Generator) -> tuple[PointCloud, np.ndarray]:
        if not (scene.label != IGNORE).any():
            raise InputError(f"scene {scene.name} has no labelled point: leave it out")
        rows = crop_rows(scene.xyz, scene.label, self.recipe.crop, rng)
        xyz, label = scene.xyz[rows], scene.label[rows]
        rgb = None if scene.rgb is None else scene.rgb[rows]
        moved, colors, kept = self.recipe.augmentation(xyz, rgb, rng)
        # A dropout that happened to take every labelled point would leave nothing to learn from.
        if (label[kept] != IGNORE).any():
            xyz, rgb, label = moved, colors, label[kept]
        return PointCloud.from_arrays(xyz, rgb), label


def first_of_each(voxel: Tensor) -> Tensor:
    """Where each voxel that occurs is found first, by rising voxels; int64.

    Args:
        voxel: int64 (N,), numbers from 0.
    """
    rows = voxel.numpy()
    first = np.full(int(rows.max(initial=-1)) + 1, -1)
    # Of numbers that stand at one place twice the last stays: sorting, as np.unique does, takes several times as long.
    first[rows[::-1]] = np.arange(len(rows) - 1, -1, -1)
    return torch.from_numpy(first[first >= 0])


def crop_rows(xyz: np.ndarray, label: np.ndarray, section: CropSection, rng: np.random.Generator) -> np.ndarray:
    """The rows that a crop keeps, rising, int64; its middle is a labelled point, so at least that one is in it.

    Args:
        xyz: float32 (N, 3).
        label: integers (N,), −1 for none, not all of them.
        section: edge of a square column, and most points; neither keeps everything.
        rng: where the middle's choice comes from.
    """
    if section.edge is None and section.points is None:
        return np.arange(len(xyz))
    middle = xyz[rng.choice(np.flatnonzero(label != IGNORE)), :2]
    away = np.abs(xyz[:, :2] - middle)
    rows = np.arange(len(xyz))
    if section.edge is not None:
        near = away <= section.edge / 2
        rows = np.flatnonzero(near[:, 0] & near[:, 1])
    if section.points is not None and len(rows) > section.points:
        nearest = np.argpartition(np.square(away[rows]).sum(axis=1), section.points - 1)[: section.points]
        rows = np.sort(rows[nearest])
    return rows
