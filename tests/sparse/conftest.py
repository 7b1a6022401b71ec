"""Random sparse tensors for the tests of the sparse engine."""

from collections.abc import Callable

import pytest
import torch

from ppkt_zoo.sparse import SparseTensor

Maker = Callable[..., SparseTensor]


@pytest.fixture
def random_tensor() -> Maker:
    """Maker of tensors: several clouds, negative coordinates, rows in random order, float64."""

    def make(channels: int = 4, voxels: int = 300, reach: int = 6, clouds: int = 2, seed: int = 0) -> SparseTensor:
        draw = torch.Generator().manual_seed(seed)
        cloud = torch.randint(0, clouds, (voxels, 1), generator=draw)
        place = torch.randint(-reach, reach + 1, (voxels, 3), generator=draw)
        coords = torch.unique(torch.cat([cloud, place], dim=1), dim=0).int()
        coords = coords[torch.randperm(len(coords), generator=draw)]
        feats = torch.randn((len(coords), channels), generator=draw, dtype=torch.float64)
        return SparseTensor.create(coords, feats)

    return make
