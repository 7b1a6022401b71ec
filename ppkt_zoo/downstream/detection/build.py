"""A detector and its optimiser before the first step."""

import torch
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Adam, Optimizer

from ppkt_zoo.data.scenes import SceneSource
from ppkt_zoo.downstream.build import build_backbone
from ppkt_zoo.downstream.detection.box_coder import mean_sizes
from ppkt_zoo.downstream.detection.model import VoteNet
from ppkt_zoo.downstream.detection.recipe import DetectionOptimiser, DetectionRecipe
from ppkt_zoo.engine.optim import set_learning_rate

__all__ = ["build_model", "build_optimizer", "set_rates"]


def build_model(recipe: DetectionRecipe, scenes: SceneSource) -> VoteNet:
    """The recipe's backbone and a new head; both drawn from the recipe's seed. Mean sizes are those of the scenes.

    Raises:
        InputError: a scene without known boxes, of other classes or with a box of size 0, or no box at all.
        RecipeError, UnknownNameError, WeightError: as :func:`ppkt_zoo.downstream.build.build_backbone` does.
    """
    backbone = build_backbone(recipe)
    sizes = mean_sizes((scenes[number] for number in range(len(scenes))), scenes.box_classes, recipe.turned)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)  # the same head whatever the backbone began with
        return VoteNet(backbone, scenes.box_classes, sizes, recipe.shape)


def build_optimizer(section: DetectionOptimiser, model: VoteNet) -> Optimizer:
    """Adam over backbone and head, each at its own rate, which is its group's ``lr_scale``."""
    inner = {id(parameter) for parameter in model.backbone.parameters()}
    head = [parameter for parameter in model.parameters() if id(parameter) not in inner]
    rate = section.lr if section.backbone_lr is None else section.backbone_lr
    body = {"params": list(model.backbone.parameters()), "lr": rate, "lr_scale": rate}
    return Adam([body, {"params": head, "lr": section.lr, "lr_scale": section.lr}])


def set_rates(optimizer: Optimizer, norms: list[_BatchNorm], recipe: DetectionRecipe, step: int) -> float:
    """Learning rates and batch norms' momentum of a step; gives the head's rate."""
    falling = recipe.optimiser.rate(step, recipe.steps)
    set_learning_rate(optimizer, falling)
    for norm in norms:
        norm.momentum = recipe.optimiser.momentum_at(step, recipe.steps)
    return falling * recipe.optimiser.lr
