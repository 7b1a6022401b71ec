"""A teacher that learns to name the classes in an image."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ppkt_zoo.rooms import CLASSES
from ppkt_zoo.teachers.spec import Architecture
from ppkt_zoo.teachers.training.dataset import CropBatch
from ppkt_zoo.teachers.training.encoder import by_group, new_resnet, normalised


class Supervised(nn.Module):
    """A ResNet and a linear layer that says for each class of the rooms whether the crop shows it.

    Labels of whole images, as ImageNet has them, only that several classes may hold; the counterpart of
    :class:`~ppkt_zoo.teachers.training.moco.MoCo` with the same encoder, crops and batch-norm groups.

    Args:
        architecture: of the encoder.
        norm_group: crops that share batch-norm statistics.

    Attributes:
        resnet: the encoder, which becomes the teacher.
        head: the linear layer, which is dropped at the end.
    """

    def __init__(self, architecture: Architecture, norm_group: int) -> None:
        super().__init__()
        self.norm_group = norm_group
        self.resnet, width = new_resnet(architecture)
        self.head = nn.Linear(width, len(CLASSES))

    def forward(self, batch: CropBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss (binary cross-entropy, summed over classes, mean over crops), and figures for the log.

        They are ``top1`` (how often the class scored highest is in the crop) and ``embedding_std`` (spread of the
        normalised pooled features over the batch, times the root of their width: 0 where all are the same).
        """
        assert batch.target is not None
        feature = by_group(self.resnet, normalised(batch.query), self.norm_group)
        scores = self.head(feature).float()
        loss = F.binary_cross_entropy_with_logits(scores, batch.target, reduction="sum") / len(scores)
        with torch.no_grad():
            top1 = batch.target.gather(1, scores.argmax(dim=1, keepdim=True)).mean()
            unit = F.normalize(feature.float(), dim=1)
            spread = unit.std(dim=0, correction=0).mean() * unit.shape[1] ** 0.5
        return loss, {"top1": top1, "embedding_std": spread}

    def scores(self, crops: Tensor) -> Tensor:
        """uint8 (B, 3, S, S) → float32 (B, classes), in whatever mode the network is."""
        return self.head(self.resnet(normalised(crops))).float()
