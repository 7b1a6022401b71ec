"""The chunked kernels of PointNet++ against the plain layers, forward and backward."""

import pytest
import torch
from torch import Tensor, nn

from ppkt_zoo.backbones import point_layers
from ppkt_zoo.backbones.point_layers import SharedLayer, SharedMLP


def make_layer(seed: int = 0) -> SharedLayer:
    torch.manual_seed(seed)
    layer = SharedLayer(7, 12).train()
    nn.init.normal_(layer.norm.weight)  # of both signs
    nn.init.normal_(layer.norm.bias)
    signs = layer.norm.weight.detach().sign()
    assert signs.unique().numel() == 2
    return layer


def run(layer: nn.Module, x: Tensor, count: int) -> dict[str, Tensor]:
    x = x.clone().requires_grad_()
    out = layer(x, count)
    (out.float() * torch.linspace(-1, 2, out.numel()).view_as(out)).sum().backward()
    grads = {name: parameter.grad for name, parameter in layer.named_parameters()}
    return {"out": out.detach(), "x": x.grad, **grads, **dict(layer.named_buffers())}


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("chunk", [1 << 17, 300])
def test_kernels_are_the_plain_layers(count: int, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(point_layers, "_CHUNK", chunk)
    x = torch.randn((200, 7), generator=torch.Generator().manual_seed(1)) + 3.0
    x[3::10] = x[4::10]  # rows that are equal share the gradient
    fused = run(make_layer(), x, count)
    monkeypatch.setattr(SharedLayer, "_fuses", lambda self, x: False)
    plain = run(make_layer(), x, count)
    assert fused.keys() == plain.keys()
    for name, wanted in plain.items():
        torch.testing.assert_close(fused[name], wanted, rtol=2e-4, atol=2e-4, msg=lambda m, n=name: f"{n}: {m}")
    assert int(fused["norm.num_batches_tracked"]) == 1


def test_half_precision_is_near() -> None:
    x = torch.randn((640, 7), generator=torch.Generator().manual_seed(1))
    torch.manual_seed(0)
    layer = SharedMLP(7, (16, 12)).train()
    wanted = run(layer, x, 8)
    layer.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        half = run(layer, x, 8)
    for name in ("out", "x", "0.linear.weight", "1.norm.weight", "1.linear.weight"):
        assert float((half[name] - wanted[name]).norm() / wanted[name].norm()) < 0.1, name


def test_inference_folds_the_norm() -> None:
    layer, x = make_layer(), torch.randn((40, 7), generator=torch.Generator().manual_seed(1))
    run(layer, x, 4)
    layer.eval()
    plain = layer(x, 4)
    with torch.no_grad():
        torch.testing.assert_close(layer(x, 4), plain, rtol=1e-5, atol=1e-5)
