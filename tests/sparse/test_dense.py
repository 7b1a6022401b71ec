"""Every layer against PyTorch's dense convolution in float64."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ppkt_zoo.sparse import SparseTensor, StridedConv3d, SubmanifoldConv3d, TransposedConv3d

Maker = Callable[..., SparseTensor]
HALF = 16  # the dense grid reaches from -HALF to HALF - 1, even, so that strided cells line up


def to_dense(x: SparseTensor, half: int = HALF) -> Tensor:
    """(clouds, C, X, Y, Z) with zeros where there is no voxel."""
    coords = x.coords.long()
    clouds = int(coords[:, 0].max()) + 1
    dense = torch.zeros((clouds, x.feats.shape[1], *[2 * half] * 3), dtype=x.feats.dtype)
    place = coords[:, 1:] + half
    dense[coords[:, 0], :, place[:, 0], place[:, 1], place[:, 2]] = x.feats.detach()
    return dense


def at_voxels(dense: Tensor, x: SparseTensor, half: int = HALF) -> Tensor:
    coords = x.coords.long()
    place = coords[:, 1:] + half
    return dense[coords[:, 0], :, place[:, 0], place[:, 1], place[:, 2]]


def close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("bias", [False, True])
def test_submanifold(random_tensor: Maker, kernel: int, bias: bool) -> None:
    x = random_tensor()
    layer = SubmanifoldConv3d(4, 6, kernel, bias=bias).double()
    if layer.bias is not None:
        torch.nn.init.normal_(layer.bias)
    out = layer(x)
    dense = F.conv3d(to_dense(x), layer.weight.permute(0, 4, 1, 2, 3), layer.bias, padding=kernel // 2)
    assert torch.equal(out.coords, x.coords)
    close(out.feats, at_voxels(dense, out))


@pytest.mark.parametrize("kernel", [2, 3])
def test_strided_and_transposed(random_tensor: Maker, kernel: int) -> None:
    x = random_tensor()
    padding = kernel // 2 if kernel % 2 else 0
    down = StridedConv3d(4, 6, kernel, 2, bias=True).double()
    coarse = down(x)
    cells = torch.cat([x.coords[:, :1], x.coords[:, 1:].div(2, rounding_mode="floor")], dim=1)
    assert torch.equal(coarse.coords, torch.unique(cells, dim=0))
    assert coarse.stride == 2
    dense = F.conv3d(to_dense(x), down.weight.permute(0, 4, 1, 2, 3), down.bias, stride=2, padding=padding)
    close(coarse.feats, at_voxels(dense, coarse, HALF // 2))

    up = TransposedConv3d(6, 5, kernel, 2, bias=True).double()
    fine = up(coarse)
    assert torch.equal(fine.coords, x.coords)
    dense = F.conv_transpose3d(
        to_dense(coarse, HALF // 2),
        up.weight.permute(4, 0, 1, 2, 3),
        up.bias,
        stride=2,
        padding=padding,
        output_padding=kernel % 2,
    )
    close(fine.feats, at_voxels(dense, fine))


def test_a_large_cloud_runs_over_many_chunks(random_tensor: Maker) -> None:
    x = random_tensor(channels=3, voxels=6000, reach=12)
    layer = SubmanifoldConv3d(3, 5, 3).double()
    dense = F.conv3d(to_dense(x), layer.weight.permute(0, 4, 1, 2, 3), padding=1)
    close(layer(x).feats, at_voxels(dense, x))


def test_one_voxel() -> None:
    x = SparseTensor.create(torch.tensor([[0, -3, 5, 7]], dtype=torch.int32), torch.ones((1, 2)))
    coarse = StridedConv3d(2, 3)(x)
    assert coarse.coords.tolist() == [[0, -2, 2, 3]]
    fine = TransposedConv3d(3, 4)(coarse)
    assert fine.feats.shape == (1, 4)
    layer = SubmanifoldConv3d(2, 3, 5)
    torch.testing.assert_close(layer(x).feats[0], layer.weight[:, 2, 2, 2].sum(dim=1))
