"""`build_backbone`: what a fine-tuning begins with, random or pretrained, checked against its recipe."""

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.backbones.norm import batch_norms, freeze_batch_norm
from ppkt_zoo.downstream.recipe import DownstreamRecipe
from ppkt_zoo.errors import RecipeError
from ppkt_zoo.zoo.load import load_backbone
from ppkt_zoo.zoo.registry import create_backbone, origin_of

__all__ = ["build_backbone", "set_training_mode"]


def build_backbone(recipe: DownstreamRecipe) -> Backbone:
    """The recipe's backbone on the CPU, random by its seed, or from a weight.

    A weight keeps its channels, but its voxel size becomes the recipe's: convolutions don't know how large a
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


def set_training_mode(model: nn.Module, recipe: DownstreamRecipe) -> list[_BatchNorm]:
    """Training mode, but for batch norms of a ``backbone`` that are frozen: they keep the weight's statistics.

    Returns:
        The batch norms that train.
    """
    model.train()
    if recipe.batch_norm == "frozen":
        freeze_batch_norm(model.get_submodule("backbone"))
    return [norm for norm in batch_norms(model) if norm.training]


def _check_weight(backbone: Backbone, recipe: DownstreamRecipe) -> None:
    name, arguments = origin_of(backbone)
    section = recipe.backbone
    if name != section.name:
        raise RecipeError(f"init {recipe.init} is a weight of {name}, the recipe's backbone is {section.name}")
    for key, value in section.arguments.items():
        if arguments.get(key) != value:
            raise RecipeError(f"init {recipe.init} has {key} {arguments.get(key)!r}, the recipe says {value!r}")
    ours, theirs = section.input_spec, backbone.input_spec
    for field in type(ours).model_fields:
        if field != "voxel_size" and getattr(ours, field) != getattr(theirs, field):
            raise RecipeError(
                f"init {recipe.init} wants {field} {getattr(theirs, field)!r}, backbone.input_spec.{field} is "
                f"{getattr(ours, field)!r}: only voxel_size may differ from a weight's"
            )
