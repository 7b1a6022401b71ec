"""A run's model and optimiser before its first step."""

import torch
from torch.optim import SGD, AdamW, Optimizer

from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.backbones.modes import batch_norms, freeze_batch_norm
from ppkt_zoo.downstream.segmentation.model import SegmentationModel
from ppkt_zoo.downstream.segmentation.recipe import SegmentationOptimiser, SegmentationRecipe
from ppkt_zoo.errors import RecipeError
from ppkt_zoo.zoo.load import load_backbone
from ppkt_zoo.zoo.registry import create_backbone, origin_of


def start_model(recipe: SegmentationRecipe, classes: tuple[str, ...]) -> SegmentationModel:
    """The recipe's backbone, random or from a weight, and a new head; both drawn from the recipe's seed.

    A weight keeps its channels, but its voxel size becomes the recipe's: convolutions don't know how large a
    voxel is, and protocols prescribe it.

    Raises:
        RecipeError: the weight is of another architecture or input convention than the recipe says.
        UnknownNameError, WeightError: as :func:`ppkt_zoo.load_backbone` does.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        section = recipe.backbone
        if recipe.init == "random":
            backbone = create_backbone(section.name, input_spec=section.input_spec, **section.arguments)
        else:
            backbone = load_backbone(recipe.init)
            _check_weight(backbone, recipe)
            backbone.input_spec = section.input_spec
        torch.manual_seed(recipe.seed)  # the same head whatever the backbone began with
        model = SegmentationModel(backbone, classes, recipe.level)
    for norm in batch_norms(model):
        norm.momentum = recipe.batch_norm_momentum
    return model


def set_training_mode(model: SegmentationModel, recipe: SegmentationRecipe) -> None:
    """Training mode, but for batch norm that is frozen: it goes on with the weight's statistics."""
    model.train()
    if recipe.batch_norm == "frozen":
        freeze_batch_norm(model.backbone)


def build_optimizer(section: SegmentationOptimiser, model: SegmentationModel) -> Optimizer:
    """SGD or AdamW; no weight decay on biases and batch-norm parameters. A group's ``share`` is of the learning rate.

    Levels finer than the head's get no gradient and so never move.
    """
    groups = []
    for part, share in ((model.backbone, 1.0), (model.head, section.head_lr)):
        for decay in (True, False):
            chosen = [one for one in part.parameters() if one.requires_grad and (one.ndim > 1) == decay]
            weight_decay = section.weight_decay if decay else 0.0
            groups.append({"params": chosen, "weight_decay": weight_decay, "share": share})
    if section.name == "sgd":
        return SGD(groups, lr=section.lr, momentum=section.momentum, dampening=section.dampening)
    return AdamW(groups, lr=section.lr)


def set_learning_rate(optimizer: Optimizer, lr: float) -> None:
    """Give every group its share of this rate."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["share"]


def _check_weight(backbone: Backbone, recipe: SegmentationRecipe) -> None:
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
