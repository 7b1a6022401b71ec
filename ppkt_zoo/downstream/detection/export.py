"""What a finished detector leaves: its figures, its record's metrics, and the cloud that verifies its folder."""

from typing import Any

import numpy as np

from ppkt_zoo.data.scenes import SceneSource
from ppkt_zoo.downstream.detection.average_precision import DetectionScore
from ppkt_zoo.downstream.detection.dataset import sample_rows
from ppkt_zoo.downstream.detection.recipe import DetectionRecipe
from ppkt_zoo.downstream.export import at_the_origin
from ppkt_zoo.downstream.golden_cloud import wide_enough
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.zoo.record import Metric

__all__ = ["figures_of", "golden_cloud", "metrics_of", "scores_of"]

# Enough for a network's coarsest level and for the proposals of a room, little enough for a folder.
_GOLDEN_POINTS = 8000
_THRESHOLDS = {"25": 0.25, "50": 0.5}


def figures_of(score: DetectionScore) -> dict[str, float]:
    """map25, map50, recall25, recall50: means over the classes that have true boxes."""
    return {f"map{name}": score.mean_average_precision(at) for name, at in _THRESHOLDS.items()} | {
        f"recall{name}": score.mean_recall(at) for name, at in _THRESHOLDS.items()
    }


def scores_of(score: DetectionScore, classes: tuple[str, ...]) -> dict[str, Any]:
    """All figures of a test: the means, and a row for each class."""
    columns = {f"ap{name}": score.average_precision(at).tolist() for name, at in _THRESHOLDS.items()}
    rows = [
        {"name": one, **{key: column[number] for key, column in columns.items()}} for number, one in enumerate(classes)
    ]
    return {**figures_of(score), "classes": rows}


def golden_cloud(train: SceneSource, recipe: DetectionRecipe) -> PointCloud:
    """Points of the first scene, at its origin."""
    scene = train[0]
    rows = sample_rows(scene, _GOLDEN_POINTS, np.random.default_rng(0))
    cloud = at_the_origin(scene.xyz[rows], None if scene.rgb is None else scene.rgb[rows])
    return wide_enough(cloud, recipe.backbone.input_spec.voxel_size)


def metrics_of(recipe: DetectionRecipe, score: DetectionScore, tested_on: str) -> tuple[Metric, ...]:
    """mAP at both thresholds."""
    figures = figures_of(score)
    return tuple(
        Metric(
            name=f"mAP@{at:g}",
            value=figures[f"map{name}"],
            data=f"{tested_on}, never seen in training",
            seeds=(recipe.seed,),
            n=score.scenes,
        )
        for name, at in _THRESHOLDS.items()
    )
