"""What a finished detector leaves: a model folder with its record, and its scores as JSON."""

from pathlib import Path

import numpy as np
import torch
import yaml

from ppkt_zoo.data.scenes import SceneSource
from ppkt_zoo.downstream import export as report
from ppkt_zoo.downstream.detection.average_precision import DetectionScore
from ppkt_zoo.downstream.detection.dataset import drawn
from ppkt_zoo.downstream.detection.folder import save_detector
from ppkt_zoo.downstream.detection.model import VoteNet
from ppkt_zoo.downstream.detection.recipe import DetectionRecipe
from ppkt_zoo.downstream.export import at_the_origin, record_fields
from ppkt_zoo.downstream.golden_cloud import wide_enough
from ppkt_zoo.zoo.record import Metric

__all__ = ["export_detector", "figures_of", "write_scores"]

# Enough for a network's coarsest level and for the proposals of a room, little enough for a folder.
_GOLDEN_POINTS = 8000
_THRESHOLDS = {"25": 0.25, "50": 0.5}


def figures_of(score: DetectionScore) -> dict[str, float]:
    """map25, map50, recall25, recall50: means over the classes that have true boxes."""
    return {f"map{name}": score.mean_average_precision(at) for name, at in _THRESHOLDS.items()} | {
        f"recall{name}": score.mean_recall(at) for name, at in _THRESHOLDS.items()
    }


def write_scores(
    file: Path, recipe: DetectionRecipe, classes: tuple[str, ...], score: DetectionScore, tested_on: str
) -> None:
    """All figures of a test as JSON: the means, a row for each class, and what was run. NaN is written as null."""
    columns = {f"ap{name}": score.average_precision(at).tolist() for name, at in _THRESHOLDS.items()}
    rows = [
        {"name": one, **{key: column[number] for key, column in columns.items()}} for number, one in enumerate(classes)
    ]
    report.write_scores(file, recipe, tested_on, score.scenes, {**figures_of(score), "classes": rows})


def export_detector(
    folder: Path,
    recipe: DetectionRecipe,
    model: VoteNet,
    train: SceneSource,
    seconds: float,
    device: torch.device,
    score: DetectionScore | None,
    tested_on: str,
) -> None:
    """Write a detector's folder; one that is there already is replaced.

    Args:
        folder: where.
        recipe: what was run, overrides included; a copy goes along.
        model: on the CPU.
        train: what it learned from; its first scene gives the golden cloud.
        seconds: of training.
        device: that it was trained on.
        score: on scenes that training never saw, if there are any.
        tested_on: what those scenes are called.
    """
    text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)
    metrics = () if score is None else _metrics(recipe, score, tested_on)
    record = record_fields(recipe, "detection", train, model.classes, seconds, device, metrics)
    scene = train[0]
    rows = drawn(scene, _GOLDEN_POINTS, np.random.default_rng(0))
    golden = at_the_origin(scene.xyz[rows], None if scene.rgb is None else scene.rgb[rows])
    golden = wide_enough(golden, recipe.backbone.input_spec.voxel_size)
    save_detector(folder, model, recipe.model, record, golden, recipe=text, overwrite=True)


def _metrics(recipe: DetectionRecipe, score: DetectionScore, tested_on: str) -> tuple[Metric, ...]:
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
