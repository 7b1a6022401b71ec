"""The control of every comparison: the same architecture with random parameters."""

from collections.abc import Sequence

import torch

from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.backbones.modes import batch_norms
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.zoo.config import NetworkConfig
from ppkt_zoo.zoo.registry import create_backbone


def make_untrained(config: NetworkConfig, seed: int, clouds: Sequence[PointCloud] = ()) -> Backbone:
    """A network of this configuration with random parameters, in eval mode.

    Args:
        config: architecture, arguments and input convention.
        seed: of the parameters.
        clouds: where given, batch-norm statistics are gathered on them, without labels. Without that, the
            random network's activations have no common scale, and the control would be needlessly weak.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1000 + seed)
        backbone = create_backbone(config.architecture, input_spec=config.input_spec, **config.arguments)
    if clouds:
        gather_statistics(backbone, clouds)
    return backbone.eval()


@torch.no_grad()
def gather_statistics(backbone: Backbone, clouds: Sequence[PointCloud]) -> None:
    """Set every batch norm's statistics to those of all the clouds' voxels together."""
    norms = batch_norms(backbone)
    kept = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = 1.0
    backbone.train()
    backbone(CloudBatch.collate(list(clouds)))
    for norm, momentum in zip(norms, kept, strict=True):
        norm.momentum = momentum
