"""What a finished fine-tuning leaves: the metrics of its record, and the cloud that its folder is verified by."""

import numpy as np

from ppkt_zoo.data.scenes import SceneSource
from ppkt_zoo.downstream.export import at_the_origin
from ppkt_zoo.downstream.golden_cloud import wide_enough
from ppkt_zoo.downstream.segmentation.dataset import crop_rows
from ppkt_zoo.downstream.segmentation.evaluation import SegmentationScore
from ppkt_zoo.downstream.segmentation.recipe import CropSection, SegmentationRecipe
from ppkt_zoo.evaluation.metrics import IGNORE
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.zoo.record import Metric

__all__ = ["golden_cloud", "metrics_of"]

# Wide enough for several voxels of a network's coarsest level, which are 16 of the finest; few enough for a folder.
_GOLDEN_VOXELS, _GOLDEN_POINTS = 48, 4000
_NAMES = {"miou": "mIoU", "macc": "mAcc"}


def metrics_of(recipe: SegmentationRecipe, score: SegmentationScore, tested_on: str) -> tuple[Metric, ...]:
    """mIoU and mAcc, on full clouds and on voxels."""
    figures = score.figures()
    votes = f", {recipe.voting} votes" if recipe.voting > 1 else ""
    return tuple(
        Metric(
            name=f"{_NAMES[key]} ({where})",
            value=figures[f"{prefix}{key}"],
            data=f"{tested_on}, never seen in training{votes}",
            seeds=(recipe.seed,),
            n=score.scenes,
        )
        for prefix, where in (("", "full cloud"), ("voxel_", "voxels"))
        for key in _NAMES
    )


def golden_cloud(train: SceneSource, recipe: SegmentationRecipe) -> PointCloud:
    """A column of the first scene about a labelled point, evenly thinned."""
    scene = train[0]
    known = np.where(scene.label == IGNORE, IGNORE, 0)
    anywhere = known if (known == 0).any() else np.zeros_like(known)
    column = CropSection(edge=_GOLDEN_VOXELS * recipe.backbone.input_spec.voxel_size)
    rows = crop_rows(scene.xyz, anywhere, column, np.random.default_rng(0))
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), _GOLDEN_POINTS)).round().astype(int)]
    cloud = at_the_origin(scene.xyz[rows], None if scene.rgb is None else scene.rgb[rows])
    return wide_enough(cloud, recipe.backbone.input_spec.voxel_size)
