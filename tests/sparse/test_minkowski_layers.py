"""Single layers against MinkowskiEngine 0.5.4's recorded outputs."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ppkt_zoo.sparse import SparseTensor, StridedConv3d, SubmanifoldConv3d, TransposedConv3d


def canonical(kernel: Tensor) -> Tensor:
    """MinkowskiEngine's [K, C_in, C_out], x fastest, as (C_out, kx, ky, kz, C_in)."""
    edge = round(kernel.shape[0] ** (1 / 3))
    return kernel.view(edge, edge, edge, *kernel.shape[1:]).permute(4, 2, 1, 0, 3).contiguous()


LAYERS: dict[str, list[tuple[str, nn.Module]]] = {
    "subm_k3": [("kernel", SubmanifoldConv3d(4, 6, 3, bias=True))],
    "subm_k5": [("kernel", SubmanifoldConv3d(4, 6, 5))],
    "down_k2s2": [("kernel", StridedConv3d(4, 6, 2, 2))],
    "down_k3s2": [("kernel", StridedConv3d(4, 6, 3, 2))],
    "down_up_k2s2": [("down.kernel", StridedConv3d(4, 6)), ("up.kernel", TransposedConv3d(6, 5))],
}


@pytest.mark.parametrize("name", LAYERS)
def test_layer_equals_minkowski_engine(shared: Path, name: str) -> None:
    fixture = np.load(shared / "fixtures" / "minkowski_ops.npz")
    x = SparseTensor.create(
        torch.from_numpy(fixture[f"{name}/in_coords"]), torch.from_numpy(fixture[f"{name}/in_feats"])
    )
    with torch.no_grad():
        for key, layer in LAYERS[name]:
            layer.weight.copy_(canonical(torch.from_numpy(fixture[f"{name}/weights/{key}"])))
            if layer.bias is not None:
                layer.bias.copy_(torch.from_numpy(fixture[f"{name}/weights/bias"])[0])
            x = layer(x)
    coords = x.coords.numpy().copy()
    coords[:, 1:] *= x.stride
    order = np.lexsort(fixture[f"{name}/out_coords"].T[::-1])
    assert np.array_equal(coords, fixture[f"{name}/out_coords"][order])
    np.testing.assert_allclose(x.feats.numpy(), fixture[f"{name}/out_feats"][order], rtol=0, atol=1e-5)
