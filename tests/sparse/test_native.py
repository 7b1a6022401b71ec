"""The native engine against PyTorch's dense convolution in float64, at every instruction set that runs here."""

import dataclasses
import platform
from collections.abc import Callable, Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ppkt_zoo.native import Library, library, open_library
from ppkt_zoo.native.build import X86_LEVELS
from ppkt_zoo.native.library import describe
from ppkt_zoo.sparse import Grid, SparseTensor, StridedConv3d, TransposedConv3d
from ppkt_zoo.sparse.engines.native import NativeEngine
from ppkt_zoo.sparse.engines.torch import TorchEngine
from ppkt_zoo.sparse.kernel_map import KernelMap

Maker = Callable[..., SparseTensor]
if library() is None:
    pytest.skip(f"no native engine: {describe()}", allow_module_level=True)


def levels() -> list[str]:
    best = open_library().level
    order = list(X86_LEVELS)
    return order[: order.index(best) + 1] if best in order else [best]


@pytest.fixture(params=levels())
def engine(request: pytest.FixtureRequest) -> NativeEngine:
    return NativeEngine(open_library(level=request.param))


def test_the_levels_are_those_of_this_machine() -> None:
    assert (levels()[0] == "x86_v1") == (platform.machine().lower() in ("x86_64", "amd64"))


def to_dense(coords: Tensor, feats: Tensor, half: int) -> Tensor:
    """(clouds, C, X, Y, Z) with zeros where there is no voxel."""
    at = coords.long()
    dense = torch.zeros((int(at[:, 0].max()) + 1, *[2 * half] * 3, feats.shape[1]), dtype=feats.dtype)
    return dense.index_put((at[:, 0], *(at[:, 1:] + half).t()), feats).movedim(-1, 1)


def at_voxels(dense: Tensor, coords: Tensor, half: int) -> Tensor:
    at = coords.long()
    place = at[:, 1:] + half
    return dense.movedim(1, -1)[(at[:, 0], *place.t())]


# Kind → kernel, stride.
KINDS = {
    "submanifold1": (1, 1),
    "submanifold3": (3, 1),
    "submanifold5": (5, 1),
    "strided2": (2, 2),
    "strided3": (3, 2),
    "transposed2": (2, 2),
    "transposed3": (3, 2),
}


def map_of(grid: Grid, kind: str) -> KernelMap:
    kernel, stride = KINDS[kind]
    return grid.submanifold(1, kernel) if stride == 1 else grid.strided(1, kernel, stride)


def dense_product(kind: str, grid: Grid, feats: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    kernel, stride = KINDS[kind]
    fine, coarse = grid.level(1).coords, grid.level(stride).coords
    # The dense grid reaches from -half to half - 1, even, so that strided cells line up.
    half = int(fine[:, 1:].abs().max()) // 2 * 2 + 2
    padding = kernel // 2 if kernel % 2 else 0
    if kind.startswith("transposed"):
        dense = F.conv_transpose3d(to_dense(coarse, feats, half // 2), weight.permute(4, 0, 1, 2, 3), bias, stride,
                                   padding, output_padding=kernel % 2)  # fmt: skip
        return at_voxels(dense, fine, half)
    dense = F.conv3d(to_dense(fine, feats, half), weight.permute(0, 4, 1, 2, 3), bias, stride, padding)
    return at_voxels(dense, coarse, half // stride)


def near(found: Tensor, right: Tensor, tolerance: float) -> None:
    error = (found.double() - right.double()).norm() / right.double().norm().clamp_min(1e-30)
    assert error <= tolerance, f"relative error {float(error):.2e}"


def check(engine: NativeEngine, grid: Grid, kind: str, channels: tuple[int, int], dtype: torch.dtype) -> None:
    """Forward and all gradients of one layer against the dense one."""
    kernel_map, transposed = map_of(grid, kind), kind.startswith("transposed")
    kernel = KINDS[kind][0]
    draw = torch.Generator().manual_seed(len(kind) + 100 * channels[0] + channels[1])
    rows, rows_out = kernel_map.inputs, kernel_map.outputs
    if transposed:
        rows, rows_out = rows_out, rows
    made = [
        torch.randn(shape, generator=draw).to(dtype)
        for shape in ((rows, channels[0]), (channels[1], *[kernel] * 3, channels[0]), (channels[1],))
    ]
    grad = torch.randn((rows_out, channels[1]), generator=draw).to(dtype)
    ours = [one.clone().requires_grad_() for one in made]
    right = [one.double().requires_grad_() for one in made]
    out = engine.convolve(*ours, kernel_map, transposed)
    assert out.dtype == dtype
    wanted = dense_product(kind, grid, *right)
    # One rounding of bfloat16 at the end is at most 2^-8 of each number; float32 is held to what the issue asks for.
    tolerance = 1e-5 if dtype == torch.float32 else 2.0**-8
    near(out, wanted, tolerance)
    out.backward(grad)
    wanted.backward(grad.double())
    for one, other in zip(ours, right, strict=True):
        assert one.grad is not None
        assert other.grad is not None
        near(one.grad, other.grad, tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", KINDS)
def test_all_kinds_of_layers(random_tensor: Maker, engine: NativeEngine, kind: str, dtype: torch.dtype) -> None:
    check(engine, random_tensor(voxels=700, reach=5, clouds=3).grid, kind, (7, 16), dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("channels", [(1, 1), (3, 33), (16, 7), (33, 96), (96, 3), (96, 96), (7, 40), (64, 24)])
def test_channels_that_are_no_multiple_of_a_vector(
    random_tensor: Maker, engine: NativeEngine, channels: tuple[int, int], dtype: torch.dtype
) -> None:
    check(engine, random_tensor(voxels=300, reach=3).grid, "submanifold3", channels, dtype)


@pytest.mark.parametrize("kind", KINDS)
def test_one_voxel(engine: NativeEngine, kind: str) -> None:
    check(engine, Grid(torch.tensor([[0, -3, 5, 7]], dtype=torch.int32)), kind, (3, 5), torch.float32)


@pytest.mark.parametrize(("channels", "dtype"), [((5, 9), torch.float32), ((40, 72), torch.bfloat16)])
@pytest.mark.parametrize("kind", ["submanifold3", "strided2", "transposed2"])
def test_many_tiles_and_stripes_of_the_gradient(
    random_tensor: Maker, engine: NativeEngine, kind: str, channels: tuple[int, int], dtype: torch.dtype
) -> None:
    check(engine, random_tensor(voxels=9000, reach=11).grid, kind, channels, dtype)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_scale_bias_residual_and_relu_in_one_pass(
    random_tensor: Maker, engine: NativeEngine, dtype: torch.dtype, relu: bool
) -> None:
    grid = random_tensor(voxels=600).grid
    kernel_map = grid.submanifold(1, 3)
    draw = torch.Generator().manual_seed(0)
    for channels in (16, 13):
        feats, base = (torch.randn((grid.rows(1), c), generator=draw).to(dtype) for c in (6, channels))
        weight, scale, bias = (
            torch.randn(shape, generator=draw) for shape in ((channels, 3, 3, 3, 6), channels, channels)
        )
        weight = weight.to(dtype)
        into = base.clone()
        with torch.no_grad():
            out = engine.convolve(feats, weight, bias, kernel_map, into=into, scale=scale, relu=relu)
            right = dense_product(
                "submanifold3",
                grid,
                feats.double(),
                weight.double() * scale.view(-1, 1, 1, 1, 1).double(),
                bias.double(),
            )
        assert out is into
        right = right + base.double()
        # The scaled weight is rounded to bfloat16 once more.
        near(out, right.relu() if relu else right, 1e-5 if dtype == torch.float32 else 2.0**-7)
        assert not relu or bool((out >= 0).all())


def test_gradients_reach_the_scale_and_pass_the_relu(random_tensor: Maker, engine: NativeEngine) -> None:
    grid = random_tensor(voxels=300).grid
    draw = torch.Generator().manual_seed(0)
    made = [torch.randn(shape, generator=draw) for shape in ((grid.rows(1), 4), (6, 3, 3, 3, 4), (6,), (6,))]
    found = []
    for one in (engine, TorchEngine()):
        feats, weight, bias, scale = (tensor.clone().requires_grad_() for tensor in made)
        one.convolve(feats, weight, bias, grid.submanifold(1, 3), scale=scale, relu=True).square().sum().backward()
        found.append([tensor.grad for tensor in (feats, weight, bias, scale)])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-3)


def test_float64_and_float16_are_left_to_pytorch(random_tensor: Maker, engine: NativeEngine) -> None:
    grid = random_tensor(voxels=200).grid
    for dtype in (torch.float64, torch.float16):
        feats, weight = torch.ones((grid.rows(1), 2), dtype=dtype), torch.ones((3, 3, 3, 3, 2), dtype=dtype)
        expected = TorchEngine().convolve(feats, weight, None, grid.submanifold(1, 3))
        assert torch.equal(engine.convolve(feats, weight, None, grid.submanifold(1, 3)), expected)


def test_tensors_that_are_strided_or_need_gradients_are_taken(random_tensor: Maker, engine: NativeEngine) -> None:
    grid = random_tensor(voxels=300).grid
    kernel_map = grid.submanifold(1, 3)
    feats = torch.randn((8, grid.rows(1))).t().requires_grad_()
    weight = torch.randn((8, 3, 3, 3, 5)).transpose(0, 4).requires_grad_()
    with torch.no_grad():
        out = engine.convolve(feats, weight, None, kernel_map)
        expected = engine.convolve(feats.contiguous(), weight.contiguous(), None, kernel_map)
    assert not out.requires_grad
    assert torch.equal(out, expected)


def test_a_result_may_be_added_to_what_is_being_read(random_tensor: Maker, engine: NativeEngine) -> None:
    grid = random_tensor(voxels=900, reach=8).grid
    kernel_map = grid.submanifold(1, 3)
    for channels in (16, 5):
        feats, weight = torch.randn((grid.rows(1), channels)), torch.randn((channels, 3, 3, 3, channels))
        with torch.no_grad():
            expected = engine.convolve(feats, weight, None, kernel_map, into=feats.clone())
            assert torch.equal(engine.convolve(feats, weight, None, kernel_map, into=feats), expected)


@pytest.fixture
def strange_defaults() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    yield
    torch.set_default_device(None)
    torch.set_default_dtype(torch.float32)


def test_defaults_of_torch_change_nothing(engine: NativeEngine, strange_defaults: None) -> None:
    coords = torch.tensor([[0, 0, 0, 0], [0, 0, 0, 1], [1, 0, 0, 0]], dtype=torch.int32, device="cpu")
    feats = torch.ones((3, 2), dtype=torch.float32, device="cpu", requires_grad=True)
    weight = torch.ones((4, 3, 3, 3, 2), dtype=torch.float32, device="cpu", requires_grad=True)
    out = engine.convolve(feats, weight, None, Grid(coords).submanifold(1, 3))
    out.sum().backward()
    assert out.tolist() == [[4.0] * 4, [4.0] * 4, [2.0] * 4]
    assert feats.grad is not None
    assert feats.grad.tolist() == [[8.0] * 2, [8.0] * 2, [4.0] * 2]


def numbers_of(library: Library, grid: Grid) -> list[Tensor]:
    """What a few layers give, forward and backward."""
    engine, found = NativeEngine(library), []
    for kind, channels in (("submanifold3", (32, 40)), ("strided2", (5, 96)), ("transposed3", (7, 3))):
        kernel_map, transposed = map_of(grid, kind), kind.startswith("transposed")
        draw = torch.Generator().manual_seed(0)
        rows = kernel_map.outputs if transposed else kernel_map.inputs
        for dtype in (torch.float32, torch.bfloat16):
            feats = torch.randn((rows, channels[0]), generator=draw).to(dtype).requires_grad_()
            weight = torch.randn((channels[1], *[KINDS[kind][0]] * 3, channels[0]), generator=draw).requires_grad_()
            out = engine.convolve(feats, weight.to(dtype), None, kernel_map, transposed)
            out.float().square().sum().backward()
            assert feats.grad is not None
            assert weight.grad is not None
            found += [out.detach(), feats.grad, weight.grad]
    return found


def test_numbers_are_the_same_on_any_number_of_threads_and_from_run_to_run(
    random_tensor: Maker, engine: NativeEngine
) -> None:
    before = torch.get_num_threads()
    coords = random_tensor(voxels=9000, reach=12).grid.level(1).coords
    try:
        runs = []
        for threads in (1, 2, 3, 7, 7):
            torch.set_num_threads(threads)
            runs.append(numbers_of(engine._library, Grid(coords)))
    finally:
        torch.set_num_threads(before)
    for run in runs[1:]:
        assert all(torch.equal(a, b) for a, b in zip(run, runs[0], strict=True))


def test_levels_eight_times_as_coarse_have_more_places_than_a_byte(random_tensor: Maker, engine: NativeEngine) -> None:
    x = random_tensor(voxels=800, reach=14)
    x = x.replace(x.feats.float())
    layer, up = StridedConv3d(4, 6, 8, 8), TransposedConv3d(6, 3, 8, 8)
    x.grid.strided(1, 8, 8)
    assert int(x.grid._places[1, 8].max()) > 255
    with torch.no_grad():
        expected = up(layer(dataclasses.replace(x, engine="torch"))).feats
        down = engine.convolve(x.feats, layer.weight, None, x.grid.strided(1, 8, 8))
        found = engine.convolve(down, up.weight, None, x.grid.strided(1, 8, 8), transposed=True)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_features_without_channels_give_the_bias(
    random_tensor: Maker, engine: NativeEngine, dtype: torch.dtype
) -> None:
    grid = random_tensor(voxels=300).grid
    feats, weight = torch.zeros((grid.rows(1), 0), dtype=dtype), torch.zeros((5, 3, 3, 3, 0), dtype=dtype)
    bias = torch.arange(5.0)
    with torch.no_grad():
        out = engine.convolve(feats, weight, bias, grid.submanifold(1, 3))
    assert torch.equal(out, bias.to(dtype).expand(grid.rows(1), 5))
