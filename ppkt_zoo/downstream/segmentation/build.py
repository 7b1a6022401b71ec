"""A run's model and optimiser before its first step."""

import torch
from torch.optim import SGD, AdamW, Optimizer

from ppkt_zoo.backbones.norm import batch_norms
from ppkt_zoo.downstream.build import build_backbone
from ppkt_zoo.downstream.segmentation.model import SegmentationModel
from ppkt_zoo.downstream.segmentation.recipe import SegmentationOptimiser, SegmentationRecipe


def build_model(recipe: SegmentationRecipe, classes: tuple[str, ...]) -> SegmentationModel:
    """The recipe's backbone, random or from a weight, and a new head; both drawn from the recipe's seed.

    Raises:
        RecipeError, UnknownNameError, WeightError: as :func:`ppkt_zoo.downstream.build.build_backbone` does.
    """
    backbone = build_backbone(recipe)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)  # the same head whatever the backbone began with
        model = SegmentationModel(backbone, classes, recipe.level)
    for norm in batch_norms(model):
        norm.momentum = recipe.batch_norm_momentum
    return model


def build_optimizer(section: SegmentationOptimiser, model: SegmentationModel) -> Optimizer:
    """SGD or AdamW; no weight decay on biases and batch-norm parameters. A group's rate is scaled by ``lr_scale``.

    Levels finer than the head's get no gradient and so never move.
    """
    groups = []
    for part, lr_scale in ((model.backbone, 1.0), (model.head, section.head_lr)):
        for decay in (True, False):
            chosen = [one for one in part.parameters() if one.requires_grad and (one.ndim > 1) == decay]
            weight_decay = section.weight_decay if decay else 0.0
            groups.append({"params": chosen, "weight_decay": weight_decay, "lr_scale": lr_scale})
    if section.name == "sgd":
        return SGD(groups, lr=section.lr, momentum=section.momentum, dampening=section.dampening)
    return AdamW(groups, lr=section.lr)
