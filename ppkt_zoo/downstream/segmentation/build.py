"""A run's model and optimiser before its first step."""

import torch
from torch.optim import SGD, AdamW, Optimizer

from ppkt_zoo.backbones.norm import batch_norms, freeze_batch_norm
from ppkt_zoo.downstream.build import start_backbone
from ppkt_zoo.downstream.segmentation.model import SegmentationModel
from ppkt_zoo.downstream.segmentation.recipe import SegmentationOptimiser, SegmentationRecipe


def start_model(recipe: SegmentationRecipe, classes: tuple[str, ...]) -> SegmentationModel:
    """The recipe's backbone, random or from a weight, and a new head; both drawn from the recipe's seed.

    Raises:
        RecipeError, UnknownNameError, WeightError: as :func:`ppkt_zoo.downstream.build.start_backbone` does.
    """
    backbone = start_backbone(recipe)
    with torch.random.fork_rng(devices=[]):
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
