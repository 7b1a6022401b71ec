"""The ways of learning: MoCo v2 (He et al. 2020, arXiv 1911.05722; Chen et al. 2020, arXiv 2003.04297) and labels."""

import copy
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import get_model

from ppkt_zoo.rooms import CLASSES
from ppkt_zoo.teachers.spec import IMAGENET_NORMALISATION, Architecture
from ppkt_zoo.teachers.training.dataset import CropBatch
from ppkt_zoo.teachers.training.recipe import ContrastSection

_HEAD = "fc."


def new_resnet(architecture: Architecture) -> tuple[nn.Module, int]:
    """A ResNet with random weights that ends in its pooled feature, and the feature's width."""
    network: nn.Module = get_model(architecture, weights=None)
    width = int(network.fc.in_features)  # type: ignore[union-attr, arg-type]
    network.fc = nn.Identity()
    return network.to(memory_format=torch.channels_last), width


def normalised(crops: Tensor) -> Tensor:
    """uint8 (B, 3, S, S) → float32 as :class:`~ppkt_zoo.teachers.teacher.Teacher` normalises a ResNet's images."""
    mean, std = (crops.new_tensor(row, dtype=torch.float32).view(1, 3, 1, 1) for row in IMAGENET_NORMALISATION)
    images = (crops.float() / 255 - mean) / std
    return images.contiguous(memory_format=torch.channels_last)


def by_group(network: nn.Module, images: Tensor, size: int) -> Tensor:
    """Run ``size`` images at a time: in training each group has batch-norm statistics of its own."""
    return torch.cat([network(group) for group in images.split(size)])


def torchvision_tensors(resnet: nn.Module) -> dict[str, Tensor]:
    """The network's tensors without a head: what :func:`~ppkt_zoo.teachers.teacher.load_teacher` takes."""
    return {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in resnet.state_dict().items()
        if not name.startswith(_HEAD)
    }


class MoCo(nn.Module):
    """Query encoder, key encoder that follows it slowly, and a queue of earlier keys.

    MoCo shuffles the keys over GPUs so that batch norm cannot give away which key belongs to which query
    (arXiv 1911.05722, section 3.3). On one process both encoders run in groups of ``norm_group`` crops with
    batch-norm statistics of their own, the keys in random order: the same with groups in the place of GPUs.

    Args:
        architecture: of both encoders.
        section: width, queue, momentum, temperature.
        norm_group: crops that share batch-norm statistics.

    Attributes:
        resnet: the query encoder, which becomes the teacher.
        queue: float32 (queue, dim), normalised keys; drawn at random before the first step.
        oldest: int64 (), the row of the queue that is replaced next.
    """

    queue: Tensor
    oldest: Tensor

    def __init__(self, architecture: Architecture, section: ContrastSection, norm_group: int) -> None:
        super().__init__()
        self.section, self.norm_group = section, norm_group
        self.resnet, width = new_resnet(architecture)
        self.head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, section.dim))
        self.key_resnet = copy.deepcopy(self.resnet).requires_grad_(False)
        self.key_head = copy.deepcopy(self.head).requires_grad_(False)
        self.register_buffer("queue", F.normalize(torch.randn(section.queue, section.dim), dim=1))
        self.register_buffer("oldest", torch.zeros((), dtype=torch.int64))

    def forward(self, batch: CropBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """One step: the key encoder follows, the loss is taken, the queue moves on.

        Returns:
            The loss, and for the log ``top1`` (how often the right key is nearest among all) and
            ``embedding_std`` (spread of the queries: 0 where all are the same, 1 where they fill the sphere).
        """
        assert batch.key is not None
        momentum = self.section.momentum
        follow(self.key_resnet.parameters(), self.resnet.parameters(), momentum)
        follow(self.key_head.parameters(), self.head.parameters(), momentum)
        query = self.embedded(batch.query)
        with torch.no_grad():
            shuffled = self._embedded(self.key_resnet, self.key_head, batch.key[batch.order])
            key = torch.empty_like(shuffled)
            key[batch.order] = shuffled
        logits = contrast_logits(query, key, self.queue.clone(), self.section.temperature)
        loss = F.cross_entropy(logits, logits.new_zeros(len(logits), dtype=torch.int64))
        self.enqueue(key)
        with torch.no_grad():
            top1 = (logits.argmax(dim=1) == 0).float().mean()
            spread = query.std(dim=0, correction=0).mean() * self.section.dim**0.5
        return loss, {"top1": top1, "embedding_std": spread}

    @torch.no_grad()
    def enqueue(self, key: Tensor) -> None:
        """Put the newest keys (B, dim) in the place of the oldest; B divides the queue."""
        first = int(self.oldest)
        self.queue[first : first + len(key)] = key
        self.oldest.fill_((first + len(key)) % len(self.queue))

    def embedded(self, crops: Tensor) -> Tensor:
        """uint8 (B, 3, S, S) → normalised embeddings float32 (B, dim) of the query encoder."""
        return self._embedded(self.resnet, self.head, crops)

    def _embedded(self, resnet: nn.Module, head: nn.Module, crops: Tensor) -> Tensor:
        return F.normalize(head(by_group(resnet, normalised(crops), self.norm_group)).float(), dim=1)


def contrast_logits(query: Tensor, key: Tensor, queue: Tensor, temperature: float) -> Tensor:
    """Similarities over the temperature, float32 (B, 1 + queue): column 0 is the right key."""
    right = (query * key).sum(dim=1, keepdim=True)
    # Outside autocast: in bf16 similarities would be known to 3 digits only.
    with torch.autocast(query.device.type, enabled=False):
        return torch.cat([right, query @ queue.T], dim=1) / temperature


@torch.no_grad()
def follow(slow: Iterable[Tensor], fast: Iterable[Tensor], momentum: float) -> None:
    """slow ← momentum · slow + (1 − momentum) · fast (arXiv 1911.05722, equation 2), in place."""
    for mine, theirs in zip(slow, fast, strict=True):
        mine.mul_(momentum).add_(theirs, alpha=1 - momentum)


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
