"""Small clouds and networks for the tests of the backbones."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from ppkt_zoo.backbones import SRUNet
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.points.input_spec import InputSpec


@pytest.fixture
def make_cloud() -> Callable[..., PointCloud]:
    """Maker of clouds: points near three planes of a corner, with colour."""

    def make(points: int = 1500, seed: int = 0, size: float = 1.0) -> PointCloud:
        draw = torch.Generator().manual_seed(seed)
        xyz = torch.rand((points, 3), generator=draw) * size
        xyz[torch.arange(points), torch.randint(0, 3, (points,), generator=draw)] *= 0.03
        rgb = torch.randint(0, 256, (points, 3), generator=draw, dtype=torch.uint8)
        return PointCloud(xyz - 0.4, rgb)

    return make


@pytest.fixture
def make_network() -> Callable[..., SRUNet]:
    """Maker of narrow SR-UNets whose batch norms look trained."""

    def make(blocks: int = 1, stem_kernel: int = 3, checkpointing: bool = False, voxel_size: float = 0.04) -> SRUNet:
        torch.manual_seed(0)
        network = SRUNet(
            input_spec=InputSpec(voxel_size=voxel_size),
            planes=(8, 8, 12, 16, 16, 12, 8, 10),
            blocks=(blocks,) * 8,
            stem_channels=8,
            stem_kernel=stem_kernel,
            checkpointing=checkpointing,
        )
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d):
                nn.init.uniform_(module.weight, 0.7, 1.3)
                nn.init.normal_(module.bias, 0.0, 0.2)
                nn.init.normal_(module.running_mean, 0.0, 0.2)
                nn.init.uniform_(module.running_var, 0.7, 1.3)
        return network

    return make
