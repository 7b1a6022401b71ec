"""The backbone that a fine-tuning begins with: random, or of a weight that the recipe fits."""

from typing import Any

import torch

from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.downstream.recipe import DownstreamRecipe
from ppkt_zoo.errors import RecipeError
from ppkt_zoo.zoo.load import load_backbone
from ppkt_zoo.zoo.registry import create_backbone, origin_of


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
