"""Engines by name, and spconv's numbers against those of the torch engine."""

import dataclasses
import importlib
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from ppkt_zoo.errors import EngineError, UnknownNameError
from ppkt_zoo.native import library
from ppkt_zoo.sparse import Grid, SparseTensor, StridedConv3d, SubmanifoldConv3d, TransposedConv3d, get_engine
from ppkt_zoo.sparse.engines import gemm
from ppkt_zoo.sparse.engines.spconv import masked_tables, native_pairs

Maker = Callable[..., SparseTensor]

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


def need(package: str) -> None:
    try:
        get_engine(package)
    except EngineError as error:
        pytest.skip(str(error))


def test_auto_is_native_on_the_cpu_where_it_is_built() -> None:
    expected = "torch" if library() is None else "native"
    assert get_engine("auto", "cpu").name == expected
    assert get_engine().name == expected


def test_an_unknown_name_answers_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'spconv_triton'"):
        get_engine("spconv-triton")


def test_an_engine_that_is_not_installed_names_the_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from ppkt_zoo.sparse.engines.spconv import SpconvEngine

    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", missing)
    for name, package in (("spconv", "spconv-cu120"), ("spconv_triton", "spconv-triton")):
        with pytest.raises(EngineError, match=f"pip install {package}"):
            SpconvEngine(name)


def stack() -> torch.nn.Sequential:
    torch.manual_seed(0)
    layers = torch.nn.Sequential(
        SubmanifoldConv3d(4, 16, 5, bias=True),
        SubmanifoldConv3d(16, 16, 3),
        StridedConv3d(16, 32, bias=True),
        SubmanifoldConv3d(32, 32, 3),
        TransposedConv3d(32, 8, bias=True),
    )
    for layer in layers:
        if layer.bias is not None:
            torch.nn.init.normal_(layer.bias)
    return layers


def test_spconv_equals_torch_on_the_cpu(random_tensor: Maker) -> None:
    need("spconv")
    x = random_tensor(voxels=3000, reach=10, clouds=3)
    x = x.replace(x.feats.float())
    with torch.no_grad():
        expected = stack()(x)
        out = stack()(dataclasses.replace(x, engine="spconv"))
    assert torch.equal(out.coords, expected.coords)
    torch.testing.assert_close(out.feats, expected.feats, rtol=1e-5, atol=1e-5)


def test_spconv_on_the_cpu_refuses_gradients(random_tensor: Maker) -> None:
    need("spconv")
    x = dataclasses.replace(random_tensor(), engine="spconv")
    with pytest.raises(EngineError, match="no backward pass on the CPU"):
        SubmanifoldConv3d(4, 4)(x.replace(x.feats.float()))


def rulebook_product(forth: Tensor, feats: Tensor, weight: Tensor) -> Tensor:
    """What a masked implicit GEMM computes from its table."""
    padded = torch.cat([feats, feats.new_zeros((1, feats.shape[1]))])
    return torch.einsum("kmi,oki->mo", padded[forth.long()], weight.flatten(1, 3))


@pytest.mark.parametrize("kind", ["submanifold", "strided"])
def test_the_rulebooks_for_spconv_say_what_the_map_says(random_tensor: Maker, kind: str) -> None:
    x = random_tensor()
    layer = (SubmanifoldConv3d(4, 5) if kind == "submanifold" else StridedConv3d(4, 5)).double()
    kernel_map = x.grid.submanifold(1, 3) if kind == "submanifold" else x.grid.strided(1, 2, 2)
    tables = masked_tables(kernel_map)
    torch.testing.assert_close(rulebook_product(tables.forth, x.feats, layer.weight), layer(x).feats)
    for rules in (tables, tables.reversed()):
        bits = torch.arange(kernel_map.offsets)
        present = (rules.forth_mask.long() >> bits) & 1
        assert torch.equal(present.bool(), (rules.forth >= 0).t()[rules.forth_order.long()])
        assert bool((rules.forth_mask[1:] >= rules.forth_mask[:-1]).all())
    pairs, counts = native_pairs(kernel_map)
    for offset, count in enumerate(counts.tolist()):
        rows_in, rows_out = pairs[:, offset, :count]
        assert torch.equal(kernel_map.table[offset, rows_out.long()], rows_in)
        assert bool((pairs[:, offset, count:] == -1).all())
    assert int(counts.sum()) == int((kernel_map.table >= 0).sum())


def test_the_dense_product_agrees_with_and_without_onednn(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b, bias = torch.randn(70, 33), torch.randn(33, 20), torch.randn(20)
    monkeypatch.setattr(gemm, "_onednn_linear", gemm._onednn_linear.__wrapped__)
    first = gemm.multiply(a, b, bias)
    monkeypatch.setattr(gemm, "_onednn_linear", lambda: None)
    torch.testing.assert_close(first, gemm.multiply(a, b, bias), rtol=1e-5, atol=1e-5)


@pytest.mark.gpu
@needs_cuda
@pytest.mark.parametrize("name", ["torch", "spconv", "spconv_triton"])
def test_engines_on_cuda_equal_the_cpu_forward_and_backward(random_tensor: Maker, name: str) -> None:
    if name != "torch":
        need(name)
    x = random_tensor(voxels=3000, reach=10, clouds=3)
    feats = x.feats.float().requires_grad_()
    network = stack()
    expected = network(x.replace(feats)).feats
    expected.square().mean().backward()
    on_gpu = SparseTensor.create(x.coords.cuda(), x.feats.float().cuda(), name)
    feats_gpu = on_gpu.feats.requires_grad_()
    network_gpu = stack().cuda()
    out = network_gpu(on_gpu.replace(feats_gpu)).feats
    out.square().mean().backward()
    torch.testing.assert_close(out.cpu(), expected, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(feats_gpu.grad.cpu(), feats.grad, rtol=1e-2, atol=1e-5)
    for ours, theirs in zip(network.parameters(), network_gpu.parameters(), strict=True):
        torch.testing.assert_close(theirs.grad.cpu(), ours.grad, rtol=1e-2, atol=1e-4)


def test_the_torch_engine_leaves_a_map_of_one_row_as_it_is() -> None:
    grid = Grid(torch.zeros((1, 4), dtype=torch.int32))
    kernel_map = grid.submanifold(1, 3)
    before = kernel_map.table.clone()
    with torch.no_grad():
        SubmanifoldConv3d(3, 8)(SparseTensor(torch.ones(1, 3), grid, engine="torch"))
    assert torch.equal(kernel_map.table, before)
