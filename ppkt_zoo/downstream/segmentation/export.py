"""What a finished fine-tuning leaves: a model folder with its record, and its scores as JSON."""

from pathlib import Path

import numpy as np
import torch
import yaml

from ppkt_zoo.data.scenes import SceneSource
from ppkt_zoo.downstream import export as report
from ppkt_zoo.downstream.export import at_the_origin, record_fields
from ppkt_zoo.downstream.golden_cloud import wide_enough
from ppkt_zoo.downstream.segmentation.dataset import crop_rows
from ppkt_zoo.downstream.segmentation.evaluation import SegmentationScore
from ppkt_zoo.downstream.segmentation.folder import save_segmentation
from ppkt_zoo.downstream.segmentation.model import SegmentationModel
from ppkt_zoo.downstream.segmentation.recipe import CropSection, SegmentationRecipe
from ppkt_zoo.evaluation.metrics import IGNORE
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.zoo.record import Metric

# Wide enough for several voxels of a network's coarsest level, which are 16 of the finest; few enough for a folder.
_GOLDEN_VOXELS, _GOLDEN_POINTS = 48, 4000
_NAMES = {"miou": "mIoU", "macc": "mAcc"}


def export_segmentation(
    folder: Path,
    recipe: SegmentationRecipe,
    model: SegmentationModel,
    train: SceneSource,
    seconds: float,
    device: torch.device,
    score: SegmentationScore | None,
    tested_on: str,
) -> None:
    """Write a model's folder; one that is there already is replaced.

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
    record = record_fields(recipe, "segmentation", train, model.classes, seconds, device, metrics)
    save_segmentation(folder, model, recipe.model, record, _golden_cloud(train, recipe), recipe=text, overwrite=True)


def write_scores(file: Path, recipe: SegmentationRecipe, score: SegmentationScore, tested_on: str) -> None:
    """All figures of a test as JSON: the means, a row for each class, and what was run. NaN is written as null."""
    rows = [row._asdict() for row in score.table()]
    scores = {"voting": recipe.voting, **score.figures(), "classes": rows}
    report.write_scores(file, recipe, tested_on, score.scenes, scores)


def _metrics(recipe: SegmentationRecipe, score: SegmentationScore, tested_on: str) -> tuple[Metric, ...]:
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


def _golden_cloud(train: SceneSource, recipe: SegmentationRecipe) -> PointCloud:
    """A column of the first scene about a labelled point, evenly thinned."""
    scene = train[0]
    known = np.where(scene.label == IGNORE, IGNORE, 0)
    anywhere = known if (known == 0).any() else np.zeros_like(known)
    column = CropSection(edge=_GOLDEN_VOXELS * recipe.backbone.input_spec.voxel_size)
    rows = crop_rows(scene.xyz, anywhere, column, np.random.default_rng(0))
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), _GOLDEN_POINTS)).round().astype(int)]
    cloud = at_the_origin(scene.xyz[rows], None if scene.rgb is None else scene.rgb[rows])
    return wide_enough(cloud, recipe.backbone.input_spec.voxel_size)
