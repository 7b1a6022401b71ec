"""The teacher's own opinion of each pixel, class by class: distillation of its softmax (Hinton et al., 1503.02531)."""

import torch
from torch import Tensor

from ppkt_zoo.backbones.base import PointFeatures
from ppkt_zoo.sparse import RowsLinear
from ppkt_zoo.transfer.losses import global_distillation
from ppkt_zoo.transfer.objective import Objective, Outcome, TransferBatch


class SoftClasses(Objective):
    """A linear layer on each point's feature gives the teacher's class probabilities at its pixel.

    The teacher's classes are linear in its features, so they are computed from the interpolated features of the pairs,
    and no second map is kept.

    Args:
        channels: of the student's features at ``level``.
        weight, bias: the teacher's own classifier on its features, (classes, C) and (classes,); they stay as they are.
        level: which of the student's levels meets the pixels.
        temperature: t of both softmaxes; the loss is t² KL(teacher ‖ student), the mean over pairs.
    """

    name = "soft_classes"
    classifier_weight: Tensor
    classifier_bias: Tensor

    def __init__(self, channels: int, weight: Tensor, bias: Tensor, level: str, temperature: float) -> None:
        super().__init__()
        self.head = RowsLinear(channels, len(weight))
        # The teacher's, so neither in a weight's projections nor in a checkpoint.
        self.register_buffer("classifier_weight", weight.detach().clone(), persistent=False)
        self.register_buffer("classifier_bias", bias.detach().clone(), persistent=False)
        self.level, self.temperature = level, temperature

    def forward(self, points: PointFeatures, batch: TransferBatch, detail: bool = False) -> Outcome:
        """Loss of one step, and how often both name the same class; InputError where it has no pair."""
        predicted = self.head(points.at(self.level, batch.pixels.point)).float()
        with torch.no_grad(), torch.autocast(predicted.device.type, enabled=False):
            wanted = batch.teacher_at_pairs() @ self.classifier_weight.float().T + self.classifier_bias.float()
        loss = global_distillation(predicted, wanted, "kl", self.temperature, gather=self.training)
        agree = (predicted.argmax(1) == wanted.argmax(1)).float().mean()
        return Outcome(loss, {"same_class": float(agree)} if detail and len(wanted) else {})
