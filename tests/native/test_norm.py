"""Batch norm with a sum and a ReLU behind it, against torch in double precision."""

import pytest
import torch
from torch import Tensor

from ppkt_zoo.backbones.sr_unet import sr_unet14_slim
from ppkt_zoo.errors import EngineError
from ppkt_zoo.native import Library, library
from ppkt_zoo.native.norm import norm_relu
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.sparse import Grid, SparseTensor


@pytest.fixture
def native() -> Library:
    found = library()
    if found is None:
        pytest.skip("the native library was not built")
    return found


def inputs(rows: int, channels: int) -> list[Tensor]:
    random = torch.Generator().manual_seed(0)
    x = 3.0 + 2.0 * torch.randn(rows, channels, generator=random)
    weight, bias = torch.randn(2, channels, generator=random)
    return [x, weight, bias, torch.randn(rows, channels, generator=random)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("summed", [True, False])
@pytest.mark.parametrize(("rows", "channels"), [(20, 1), (255, 7), (700, 33), (2048, 96)])
def test_values_and_gradients_are_those_of_torch(
    native: Library, rows: int, channels: int, summed: bool, relu: bool, dtype: torch.dtype
) -> None:
    x, weight, bias, beside = inputs(rows, channels)
    single = [one.requires_grad_() for one in (x.to(dtype), weight, bias, beside.to(dtype))]
    double = [one.detach().double().requires_grad_() for one in single]
    y, mean, variance = norm_relu(native, *single[:3], 1e-5, single[3] if summed else None, relu)
    expected = torch.nn.functional.batch_norm(double[0], None, None, double[1], double[2], True, 0.1, 1e-5)
    expected = expected + double[3] if summed else expected
    expected = expected.relu() if relu else expected
    assert y.dtype == dtype
    # bfloat16 rounds once, by at most 2^-9 of the number itself.
    rounding = 1e-5 if dtype == torch.float32 else 2.0**-8
    torch.testing.assert_close(y.double(), expected, rtol=rounding, atol=1e-5)
    torch.testing.assert_close(mean.double(), double[0].mean(0), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(variance.double(), double[0].var(0, correction=0), rtol=1e-5, atol=1e-5)
    slope = torch.randn(rows, channels).to(dtype)
    y.backward(slope)
    expected.backward(slope.double())
    for ours, theirs in zip(single if summed else single[:3], double, strict=False):
        assert ours.grad is not None
        assert theirs.grad is not None
        scale = theirs.grad.abs().max().item()
        torch.testing.assert_close(ours.grad.double() / scale, theirs.grad / scale, rtol=0, atol=2 * rounding)


def test_a_mean_far_from_zero_costs_no_digits(native: Library) -> None:
    x, weight, bias, _ = inputs(5000, 8)
    y, _, variance = norm_relu(native, x + 1000, weight, bias, 1e-5, relu=False)
    far = (x + 1000).double()
    torch.testing.assert_close(variance.double(), far.var(0, correction=0), rtol=1e-5, atol=0)
    expected = (far - far.mean(0)) / (far.var(0, correction=0) + 1e-5).sqrt() * weight.double() + bias.double()
    torch.testing.assert_close(y.double(), expected, rtol=1e-4, atol=1e-4)


def test_the_numbers_do_not_depend_on_the_threads_and_nan_stays(native: Library) -> None:
    x, weight, bias, beside = inputs(3000, 24)
    x[17, 3] = float("nan")
    before = torch.get_num_threads()
    try:
        made = []
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            rows = x.clone().requires_grad_()
            y, *_ = norm_relu(native, rows, weight, bias, 1e-5, beside)
            y.nan_to_num().sum().backward()
            assert rows.grad is not None
            made.append((y.detach(), rows.grad))
    finally:
        torch.set_num_threads(before)
    assert made[0][0][:, 3].isnan().all()
    for y, grad in made[1:]:
        torch.testing.assert_close(y, made[0][0], rtol=0, atol=0, equal_nan=True)
        torch.testing.assert_close(grad, made[0][1], rtol=0, atol=0, equal_nan=True)


def test_what_does_not_fit_is_refused(native: Library) -> None:
    x, weight, bias, beside = inputs(10, 4)
    for wrong in ((x[:, :3], weight, bias, None), (x, weight, bias[:2], None), (x, weight, bias, beside[:5])):
        with pytest.raises(EngineError, match="do not fit"):
            norm_relu(native, *wrong[:3], 1e-5, wrong[3])
    with pytest.raises(EngineError, match="float32"):
        norm_relu(native, x.double(), weight, bias, 1e-5)
    with pytest.raises(EngineError, match="float32"):
        norm_relu(native, x.bfloat16(), weight, bias, 1e-5, beside)


def test_a_network_trains_the_same_with_and_without(native: Library) -> None:
    coords = torch.cartesian_prod(*[torch.arange(18, dtype=torch.int32)] * 3)
    coords = torch.cat([torch.zeros(len(coords), 1, dtype=torch.int32), coords], dim=1)
    made = {}
    for engine in ("native", "torch"):
        torch.manual_seed(0)
        network = sr_unet14_slim(input_spec=InputSpec(voxel_size=0.05)).train()
        feats = torch.randn(len(coords), 3)
        out = network.forward_voxels(SparseTensor(feats, Grid(coords), engine=engine))["stride1"].feats
        out.square().mean().backward()
        kept = {name: one.clone() for name, one in network.named_buffers()}
        made[engine] = (out.detach(), network.stem.conv.weight.grad, kept)
    ours, theirs = made["native"], made["torch"]
    torch.testing.assert_close(ours[0], theirs[0], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(ours[1] / theirs[1].abs().max(), theirs[1] / theirs[1].abs().max(), rtol=0, atol=5e-3)
    for name, buffer in ours[2].items():
        torch.testing.assert_close(buffer, theirs[2][name], rtol=1e-4, atol=1e-5)
