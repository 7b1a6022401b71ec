"""The linear layer for rows of ever other numbers."""

import pytest
import torch
from torch import Tensor, nn

from ppkt_zoo.sparse import RowsLinear
from ppkt_zoo.sparse.conv import rounded_rows


def test_it_is_the_linear_layer_of_torch_with_the_same_parameters() -> None:
    torch.manual_seed(0)
    ours = RowsLinear(5, 7)
    torch.manual_seed(0)
    theirs = nn.Linear(5, 7)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    feats = torch.randn(33, 5)
    assert torch.equal(ours(feats), theirs(feats))


@pytest.mark.parametrize("rows", [0, 1, 17, 1000])
@pytest.mark.parametrize("bias", [False, True])
def test_half_products_have_the_same_results_and_gradients(rows: int, bias: bool) -> None:
    torch.manual_seed(0)
    layer, feats = RowsLinear(24, 9, bias=bias), torch.randn(rows, 24)
    slope = torch.randn(rows, 9)
    found = []
    for forward in (RowsLinear.forward, nn.Linear.forward):
        inner = feats.clone().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out: Tensor = forward(layer, inner)
        assert out.dtype == torch.bfloat16
        assert out.shape == (rows, 9)
        layer.zero_grad()
        out.float().mul(slope).sum().backward()
        found.append([out, inner.grad, *(one.grad.clone() for one in layer.parameters() if one.grad is not None)])
    assert len(found[0]) == 3 + bias
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=2.0**-7, atol=2.0**-7)


def test_products_are_made_for_few_numbers_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    for rows in range(3000):
        assert rows <= rounded_rows(rows) <= rows * 1.125
    assert len({rounded_rows(rows) for rows in range(2**16, 2**17)}) <= 9
    seen = []
    monkeypatch.setattr(nn.Linear, "forward", lambda layer, feats: seen.append(len(feats)) or feats @ layer.weight.T)
    sizes = range(1025, 1153)
    for dtype in (torch.bfloat16, torch.float32):
        layer = RowsLinear(3, 2, bias=False).to(dtype)
        for rows in sizes:
            layer(torch.zeros(rows, 3, dtype=dtype))
    assert seen == [1152] * len(sizes) + list(sizes)
