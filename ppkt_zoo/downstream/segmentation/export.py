"""What a finished fine-tuning leaves: a model folder with its record, and its scores as JSON."""

import json
import math
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from ppkt_zoo.data.scenes import SceneSource
from ppkt_zoo.downstream.metrics import IGNORE
from ppkt_zoo.downstream.segmentation.batches import crop_rows
from ppkt_zoo.downstream.segmentation.evaluation import SegmentationScore
from ppkt_zoo.downstream.segmentation.folder import save_segmentation
from ppkt_zoo.downstream.segmentation.model import SegmentationModel
from ppkt_zoo.downstream.segmentation.recipe import CropSection, SegmentationRecipe
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.running.machine import describe_machine
from ppkt_zoo.zoo.record import DataUsed, Licences, Metric, Training

# Enough for a network's coarsest level, little enough for a folder.
_GOLDEN_POINTS = 4000
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
    record = {
        "description": recipe.description.strip(),
        "method": "segmentation",
        "data": (
            DataUsed(name=train.name, frames=len(train), licence=recipe.data_licence, attribution=recipe.attribution),
        ),
        "seed": recipe.seed,
        "trained": Training(
            steps=recipe.steps,
            hours=round(seconds / 3600, 3),
            machine=describe_machine(device),
            versions={package: version(package) for package in ("torch", "numpy")},
        ),
        "metrics": () if score is None else _metrics(recipe, score, tested_on),
        "deviations": recipe.deviations,
        "limits": (
            f"Began as {'random numbers' if recipe.init == 'random' else recipe.init}; "
            f"knows {len(model.classes)} classes and no others.",
        ),
        "licences": Licences(data=recipe.data_licence, weights=recipe.model_licence),
        "citation": recipe.citation,
    }
    save_segmentation(folder, model, recipe.model, record, _golden_cloud(train), recipe=text, overwrite=True)


def write_scores(file: Path, recipe: SegmentationRecipe, score: SegmentationScore, tested_on: str) -> None:
    """All figures of a test as JSON: the means, a row for each class, and what was run. NaN is written as null."""
    rows: list[dict[str, Any]] = [
        {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in row._asdict().items()}
        for row in score.table()
    ]
    content = {
        "model": recipe.model,
        "init": recipe.init,
        "fraction": recipe.fraction,
        "seed": recipe.seed,
        "test": tested_on,
        "scenes": score.scenes,
        "voting": recipe.voting,
        **score.figures(),
        "classes": rows,
    }
    part = file.with_suffix(".part")
    part.write_text(json.dumps(content, indent=1), encoding="utf-8")
    os.replace(part, file)


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


def _golden_cloud(train: SceneSource) -> PointCloud:
    scene = train[0]
    known = np.where(scene.label == IGNORE, IGNORE, 0)
    anywhere = known if (known == 0).any() else np.zeros_like(known)
    rows = crop_rows(scene.xyz, anywhere, CropSection(points=_GOLDEN_POINTS), np.random.default_rng(0))
    cloud = PointCloud.from_arrays(scene.xyz[rows], None if scene.rgb is None else scene.rgb[rows])
    return PointCloud(cloud.xyz - torch.floor(cloud.xyz.amin(dim=0)), cloud.rgb)
