"""MoCo v2 (He et al. 2020, arXiv 1911.05722; Chen et al. 2020, arXiv 2003.04297)."""

import copy
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ppkt_zoo.teachers.spec import Architecture
from ppkt_zoo.teachers.training.dataset import CropBatch
from ppkt_zoo.teachers.training.encoder import by_group, new_resnet, normalised
from ppkt_zoo.teachers.training.recipe import ContrastSection


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
