"""The backbone that a fine-tuning begins with: random, or of a weight that the recipe fits."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch

from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.downstream.recipe import DownstreamRecipe
from ppkt_zoo.errors import RecipeError, TrainingError
from ppkt_zoo.zoo.config import MODEL
from ppkt_zoo.zoo.folder import WeightFolder
from ppkt_zoo.zoo.load import load_backbone, open_weight
from ppkt_zoo.zoo.registry import create_backbone, origin_of

START_DIGITS: Final = "init_sha256"
"""Under which checkpoints and scores keep the digits of the weight that a run began with."""


def build_backbone(recipe: DownstreamRecipe) -> Backbone:
    """The recipe's backbone on the CPU, random by its seed, or from a weight.

    The recipe must say a weight's channels, but its voxel size may be another: convolutions don't know how large a
    voxel is, and protocols prescribe it.

    Raises:
        RecipeError: the weight is of another architecture or input convention than the recipe says.
        UnknownNameError, WeightError: as :func:`ppkt_zoo.load_backbone` does.
    """
    section = recipe.backbone
    if recipe.init == "random":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            return create_backbone(section.name, input_spec=section.input_spec, **section.arguments)
    backbone = load_backbone(recipe.init)
    _check_weight(backbone, recipe)
    backbone.input_spec = section.input_spec
    return backbone


def digits_of_start(start: str | WeightFolder | None) -> str | None:
    """The sha256 of the parameters that a run begins with; None where they are random.

    Args:
        start: a recipe's ``init``, or the folder of the weight.

    Raises:
        UnknownNameError, WeightError: as :func:`ppkt_zoo.load_backbone` does.
    """
    if start is None or start == "random":
        return None
    folder = start if isinstance(start, WeightFolder) else open_weight(start)
    return folder.config.files[MODEL].sha256


def check_same_start(kept: Mapping[str, Any], start: str | WeightFolder | None, init: str, where: Path) -> None:
    """Let a run or its scores stand only where its ``init`` is still the weight that it began with.

    Args:
        kept: notes of a checkpoint, or scores; those of an older version have no digits, and nothing is compared.
        start: as for :func:`digits_of_start`.
        init: what the recipe calls it.
        where: the checkpoint or folder that they are of.

    Raises:
        TrainingError: the weight is another one now.
    """
    digits = kept.get(START_DIGITS)
    if digits is not None and digits != digits_of_start(start):
        raise TrainingError(
            f"{where} began with another weight than {init} is now: put that one back, or start in another --out"
        )


def _check_weight(backbone: Backbone, recipe: DownstreamRecipe) -> None:
    name, arguments = origin_of(backbone)
    section = recipe.backbone
    if name != section.name:
        raise RecipeError(
            f"init {recipe.init} is a weight of {name}, the recipe's backbone is {section.name}: give "
            f"backbone.name={name} model={name}.{recipe.model.split('.')[1]}"
        )
    for key, value in section.arguments.items():
        if arguments.get(key) != value:
            raise RecipeError(f"init {recipe.init} has {key} {arguments.get(key)!r}, the recipe says {value!r}")
    said = section.input_spec.model_dump(mode="json", exclude={"voxel_size"})
    wanted = backbone.input_spec.model_dump(mode="json", exclude={"voxel_size"})
    differing = [field for field, value in wanted.items() if said[field] != value]
    if differing:
        words = {field: _as_override(wanted[field]) for field in differing}
        raise RecipeError(
            f"init {recipe.init} wants {' and '.join(f'{field} {word}' for field, word in words.items())}, the recipe "
            f"says {' and '.join(_as_override(said[field]) for field in differing)}: only voxel_size may differ from "
            f"a weight's, give {' '.join(f'backbone.input_spec.{field}={word}' for field, word in words.items())}"
        )


def _as_override(value: Any) -> str:
    """As it stands on the command line."""
    return "[" + ",".join(map(_as_override, value)) + "]" if isinstance(value, list) else str(value)
