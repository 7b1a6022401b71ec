"""What every model's folder is written with: a cloud that verifies it, and a record of how it came to be."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ppkt_zoo.data.scenes import SceneSource
from ppkt_zoo.engine.machine import describe_machine, versions
from ppkt_zoo.errors import InputError, TrainingError
from ppkt_zoo.files.writing import write_json
from ppkt_zoo.zoo.folder import WeightFolder, write_weight_folder
from ppkt_zoo.zoo.golden_cloud import Cloud, golden_cloud_of
from ppkt_zoo.zoo.head import TaskHead
from ppkt_zoo.zoo.own_record import NOT_TOLD, Told, inherited_fields, untold_record
from ppkt_zoo.zoo.placing import ready_folder
from ppkt_zoo.zoo.record import DataUsed, Licences, Metric, Training, WeightRecord
from ppkt_zoo.zoo.registry import origin_of

if TYPE_CHECKING:
    from ppkt_zoo.downstream.recipe import DownstreamRecipe


def write_model(
    task: str,
    head: TaskHead,
    folder: Any,
    model: Any,
    name: str | None,
    record: WeightRecord | Mapping[str, Any] | None,
    golden_cloud: Cloud,
    recipe: str | None,
    overwrite: bool,
    told: tuple[str, str, str, str | None],
    tag: str = "own",
) -> WeightFolder:
    """Write a model of any task, see :func:`ppkt_zoo.save_segmentation`.

    Args:
        told: description, data, data_licence and licence; they stand in the record where ``record`` lacks their fields.
        tag: of a name not given.
    """
    if not isinstance(record, WeightRecord):
        words = Told(*told)
        limits = (f"Knows {len(head.classes)} classes and no others; its training and its accuracy are {NOT_TOLD}.",)
        untold = untold_record(words, f"A model for {task}, without a description.", task, limits)
        record = {**untold, **(record or {})}
    # The backbone has learned on: its channels stay on the scale that the head reads, what was recommended is no more.
    kept = model.backbone.readout if getattr(model, "readout", None) is not None else None
    return write_weight_folder(
        ready_folder(folder),
        model.backbone,
        f"{origin_of(model.backbone)[0]}.{tag}" if name is None else name,
        record,
        golden_cloud_of(golden_cloud, model.backbone.input_spec.voxel_size),
        head=head,
        extra_files=None if recipe is None else {"recipe.yaml": recipe},
        overwrite=overwrite,
        readout=None if kept is None else kept.without_recommendations(),
    )


def check_model(model: object, kind: type, made: str) -> None:
    """Raise InputError where a model is not of the kind that is written, or lies in a wrapper."""
    if not isinstance(model, kind):
        raise InputError(
            f"model must be a {made}, got {type(model).__name__}; of a wrapper such as DistributedDataParallel give "
            ".module"
        )


def record_fields(
    recipe: "DownstreamRecipe",
    start: tuple[WeightFolder, WeightRecord] | None,
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
        start: folder and record of the weight that the backbone began with; None where it began as random numbers.
        method: what was learned, such as "segmentation".
        train: what it learned from.
        classes: what it knows.
        seconds: of training.
        device: that it was trained on.
        metrics: measured on scenes that training never saw.
    """
    data = DataUsed(name=train.name, frames=len(train), licence=recipe.data_licence, attribution=recipe.attribution)
    if start is None:
        of_start: dict[str, Any] = {
            "data": (data,),
            "limits": (),
            "licences": Licences(data=recipe.data_licence, weights=recipe.model_licence),
        }
    else:
        of_start = inherited_fields(*start, data, recipe.data_licence, recipe.model_licence)
    return {
        **of_start,
        "description": recipe.description.strip(),
        "method": method,
        "seed": recipe.seed,
        "trained": Training(
            steps=recipe.steps,
            hours=round(seconds / 3600, 3),
            machine=describe_machine(device),
            versions=versions(("torch", "numpy")),
        ),
        "metrics": metrics,
        "deviations": recipe.deviations,
        "limits": (
            f"Began as {'random numbers' if recipe.init == 'random' else recipe.init}; "
            f"knows {len(classes)} classes and no others.",
            *of_start["limits"],
        ),
        "citation": recipe.citation,
    }


def write_scores(
    file: Path, recipe: "DownstreamRecipe", tested_on: str, scenes: int, scores: Mapping[str, Any]
) -> None:
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
