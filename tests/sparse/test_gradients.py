"""Gradients by finite differences and against dense convolution; half precision; reuse of maps."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from ppkt_zoo.sparse import SparseTensor, StridedConv3d, SubmanifoldConv3d, TransposedConv3d, get_engine
from ppkt_zoo.sparse.kernel_map import KernelMap

Maker = Callable[..., SparseTensor]


def maps(x: SparseTensor) -> dict[str, tuple[KernelMap, bool]]:
    return {
        "submanifold3": (x.grid.submanifold(1, 3), False),
        "submanifold5": (x.grid.submanifold(1, 5), False),
        "strided2": (x.grid.strided(1, 2, 2), False),
        "strided3": (x.grid.strided(1, 3, 2), False),
        "transposed2": (x.grid.strided(1, 2, 2), True),
        "transposed3": (x.grid.strided(1, 3, 2), True),
    }


@pytest.mark.parametrize("name", ["submanifold3", "submanifold5", "strided2", "strided3", "transposed2", "transposed3"])
@pytest.mark.parametrize("wanted", ["both", "weight", "feats"])
def test_gradcheck(random_tensor: Maker, name: str, wanted: str) -> None:
    x = random_tensor(channels=2, voxels=60, reach=3)
    kernel_map, transposed = maps(x)[name]
    rows = kernel_map.outputs if transposed else kernel_map.inputs
    draw = torch.Generator().manual_seed(1)
    feats = torch.randn((rows, 2), dtype=torch.float64, generator=draw, requires_grad=wanted != "weight")
    edge = kernel_map.edge
    shape = (3, edge, edge, edge, 2)
    weight = torch.randn(shape, dtype=torch.float64, generator=draw, requires_grad=wanted != "feats")
    bias = torch.randn(3, dtype=torch.float64, generator=draw, requires_grad=True)

    def run(feats: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return get_engine("torch").convolve(feats, weight, bias, kernel_map, transposed)

    assert torch.autograd.gradcheck(run, (feats, weight, bias), fast_mode=True)


def layers() -> torch.nn.Sequential:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        SubmanifoldConv3d(4, 16, 5), StridedConv3d(16, 32), SubmanifoldConv3d(32, 32), TransposedConv3d(32, 8)
    )


def run_layers(x: SparseTensor) -> tuple[Tensor, list[Tensor]]:
    network = layers()
    out = network(x).feats
    out.float().square().mean().backward()
    return out, [layer.weight.grad for layer in network]


@pytest.mark.parametrize("way", ["autocast", "plain"])
def test_bfloat16_is_near_float32_and_keeps_float32_gradients(random_tensor: Maker, way: str) -> None:
    x = random_tensor(voxels=3000, reach=10)
    expected, wanted = run_layers(x.replace(x.feats.float()))
    if way == "autocast":
        with torch.autocast("cpu", torch.bfloat16):
            out, gradients = run_layers(x.replace(x.feats.float()))
        assert out.dtype == torch.bfloat16
    else:
        network = layers().bfloat16()
        out = network(x.replace(x.feats.bfloat16())).feats
        assert out.dtype == torch.bfloat16
        out.float().square().mean().backward()
        gradients = [layer.weight.grad.float() for layer in network]
    assert (out.float() - expected).norm() < 0.02 * expected.norm()
    for gradient, right in zip(gradients, wanted, strict=True):
        assert gradient.dtype == torch.float32
        assert (gradient - right).norm() < 0.03 * right.norm()


def test_the_same_numbers_with_and_without_gradients_and_from_run_to_run(random_tensor: Maker) -> None:
    x = random_tensor(voxels=3000, reach=10)
    x = x.replace(x.feats.float())
    first, gradients = run_layers(x)
    second, again = run_layers(x)
    with torch.no_grad():
        third = layers()(x).feats
    assert torch.equal(first, second)
    assert torch.equal(first, third)
    assert all(torch.equal(a, b) for a, b in zip(gradients, again, strict=True))


def test_adding_into_a_tensor(random_tensor: Maker) -> None:
    x = random_tensor(voxels=2000, reach=9)
    layer = SubmanifoldConv3d(4, 6, 3, bias=True).double()
    torch.nn.init.normal_(layer.bias)
    with torch.no_grad():
        base = torch.randn((len(x.feats), 6), dtype=torch.float64)
        expected = base + layer(x).feats
        out = layer(x, into=base)
    assert out.feats is base
    torch.testing.assert_close(out.feats, expected)
