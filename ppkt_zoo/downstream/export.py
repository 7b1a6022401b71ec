"""What every finished fine-tuning leaves beside its tensors: the fields of its record, and its scores as JSON."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from ppkt_zoo.data.scenes import SceneSource
from ppkt_zoo.downstream.recipe import DownstreamRecipe
from ppkt_zoo.engine.machine import describe_machine
from ppkt_zoo.errors import TrainingError
from ppkt_zoo.files.writing import write_json
from ppkt_zoo.zoo.record import DataUsed, Licences, Metric, Training

__all__ = ["recipe_text", "record_fields", "write_scores"]


def record_fields(
    recipe: DownstreamRecipe,
    method: str,
    train: SceneSource,
    classes: tuple[str, ...],
    seconds: float,
    device: torch.device,
    metrics: tuple[Metric, ...],
) -> dict[str, Any]:
    """The fields of a fine-tuned model's :class:`~ppkt_zoo.zoo.record.WeightRecord`.

    Args:
        recipe: what was run, overrides included.
        method: what was learned, such as "segmentation".
        train: what it learned from.
        classes: what it knows.
        seconds: of training.
        device: that it was trained on.
        metrics: measured on scenes that training never saw.
    """
    return {
        "description": recipe.description.strip(),
        "method": method,
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
        "metrics": metrics,
        "deviations": recipe.deviations,
        "limits": (
            f"Began as {'random numbers' if recipe.init == 'random' else recipe.init}; "
            f"knows {len(classes)} classes and no others.",
        ),
        "licences": Licences(data=recipe.data_licence, weights=recipe.model_licence),
        "citation": recipe.citation,
    }


def recipe_text(recipe: DownstreamRecipe) -> str:
    """What was run, overrides included, as the YAML that goes into a model's folder."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)


def write_scores(file: Path, recipe: DownstreamRecipe, tested_on: str, scenes: int, scores: Mapping[str, Any]) -> None:
    """All figures of a test as JSON, after what was run; NaN is written as null.

    Raises:
        TrainingError: the file cannot be written.
    """
    content = {
        "model": recipe.model,
        "init": recipe.init,
        "fraction": recipe.fraction,
        "seed": recipe.seed,
        "test": tested_on,
        "scenes": scenes,
        **scores,
    }
    write_json(file, _without_nan(content), TrainingError)


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and np.isnan(value) else value
