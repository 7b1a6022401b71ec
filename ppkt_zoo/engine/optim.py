"""The optimiser of a recipe and its learning rate, a pure function of the step."""

import math

from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from ppkt_zoo.files.validation import OptimiserSection


def build_optimizer(section: OptimiserSection, model: nn.Module) -> Optimizer:
    """SGD or AdamW; weight decay only on weights, not on biases and batch-norm parameters."""
    decayed = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    plain = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": section.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    if section.name == "sgd":
        return SGD(groups, lr=section.lr, momentum=section.momentum)
    return AdamW(groups, lr=section.lr)


def learning_rate(section: OptimiserSection, step: int, steps: int) -> float:
    """Linear warm-up to ``lr``, then the section's schedule; cosine and polynomial reach zero at the last step."""
    warm = max(1, round(section.warmup * steps)) if section.warmup else 0
    if step < warm:
        return section.lr * (step + 1) / warm
    part = (step - warm) / max(1, steps - warm)
    if section.schedule == "cosine":
        return section.lr * 0.5 * (1 + math.cos(math.pi * part))
    if section.schedule == "polynomial":
        return section.lr * (1 - part) ** section.power
    if section.schedule == "exponential":
        return section.lr * section.gamma ** ((step - warm) // section.gamma_steps)
    return section.lr


def set_learning_rate(optimizer: Optimizer, lr: float) -> None:
    """Give every parameter group this rate, times its ``lr_scale`` where it has one."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("lr_scale", 1.0)
