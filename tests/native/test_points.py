"""The native choice of points against PyTorch's operations and plain definitions: the same rows in the same order."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from ppkt_zoo.backbones import interpolation
from ppkt_zoo.backbones.interpolation import interpolate
from ppkt_zoo.errors import EngineError
from ppkt_zoo.native import Library, library
from ppkt_zoo.native import points as native
from ppkt_zoo.points import sampling

ENGINE = library()
pytestmark = pytest.mark.skipif(ENGINE is None, reason="the native library is not built")

Draw = Callable[[int, int], Tensor]


@pytest.fixture
def engine() -> Library:
    assert ENGINE is not None
    return ENGINE


def _random(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def volume(points: int, seed: int) -> Tensor:
    return torch.rand((points, 3), generator=_random(seed)) * torch.tensor([1.0, 3.0, 2.0])


def lattice(points: int, seed: int) -> Tensor:
    """Many equal distances, many points in the same place."""
    return torch.randint(-3, 4, (points, 3), generator=_random(seed)).float() * 0.25


def one_place(points: int, seed: int) -> Tensor:
    return torch.full((points, 3), float(seed))


def flat(points: int, seed: int) -> Tensor:
    return volume(points, seed) * torch.tensor([1.0, 0.0, 0.0])


def far_away(points: int, seed: int) -> Tensor:
    """Map coordinates: steps of 6 cm, so many distances are equal."""
    return volume(points, seed) + 1e6


def with_an_outlier(points: int, seed: int) -> Tensor:
    cloud = volume(points, seed)
    cloud[:1] = torch.tensor([-4e5, 7e3, 1e6])
    return cloud


def tiny(points: int, seed: int) -> Tensor:
    return volume(points, seed) * 1e-12


CLOUDS = [volume, lattice, one_place, flat, far_away, with_an_outlier, tiny]
# One point, none, less than a leaf of the tree, several leaves, several groups of leaves.
SIZES = (1, 0, 20, 900, 0, 3000)


@pytest.mark.parametrize("draw", CLOUDS)
@pytest.mark.parametrize("count", [1, 50, 400])
def test_farthest_points_are_those_of_torch(engine: Library, draw: Draw, count: int) -> None:
    xyz = torch.cat([draw(size, seed) for seed, size in enumerate(SIZES)])
    found = native.farthest_points(engine, xyz, SIZES, count)
    assert found is not None
    for rows, expected in zip(found, sampling._farthest_points(xyz, SIZES, count), strict=True):
        assert torch.equal(rows, expected)


@pytest.mark.parametrize("draw", [volume, lattice])
def test_farthest_points_to_the_last_one(engine: Library, draw: Draw) -> None:
    xyz = draw(700, 3)
    found = native.farthest_points(engine, xyz, (700,), 9999)
    assert found is not None
    assert torch.equal(found[0], sampling._farthest_points(xyz, (700,), 9999)[0])
    assert found[0].unique().numel() == 700


@pytest.mark.parametrize("draw", CLOUDS)
@pytest.mark.parametrize("radius", [1e-13, 0.26, 0.6, 1e7, float("inf")])
@pytest.mark.parametrize("count", [1, 9, 64])
def test_balls_are_those_of_torch(engine: Library, draw: Draw, radius: float, count: int) -> None:
    clouds = [draw(size, seed) for seed, size in enumerate(SIZES)]
    centers, numbers = torch.cat([cloud[::7] for cloud in clouds]), [len(cloud[::7]) for cloud in clouds]
    arguments = (centers, numbers, torch.cat(clouds), SIZES, radius, count)
    found = native.ball_neighbours(engine, *arguments)
    assert found is not None
    assert torch.equal(found, sampling._ball_neighbours(*arguments))


@pytest.mark.parametrize("draw", CLOUDS)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_nearest_points_and_their_weights_are_those_of_torch(draw: Draw, count: int) -> None:
    sizes, numbers = (1, 2, 3, 900, 0, 60), (4, 0, 33, 70, 0, 3000)
    xyz = torch.cat([draw(size, seed) for seed, size in enumerate(sizes)])
    targets = torch.cat([draw(size, seed + 50) for seed, size in enumerate(numbers)])
    rows, weights = sampling.nearest(targets, numbers, xyz, sizes, count)
    expected, shares = sampling._nearest(targets, numbers, xyz, sizes, count)
    assert torch.equal(rows, expected)
    assert torch.equal(weights, shares)


def test_nearest_by_brute_force(engine: Library) -> None:
    xyz, targets = lattice(400, 1), lattice(300, 2)
    found = native.nearest(engine, targets, (300,), xyz, (400,), 3)
    assert found is not None
    squared = (targets[:, None] - xyz).square().sum(dim=2)  # exact on the lattice
    expected = squared.sort(dim=1, stable=True)
    assert torch.equal(found[0], expected.indices[:, :3])
    assert torch.equal(found[1], expected.values[:, :3])


@pytest.mark.parametrize("threads", [2, 5])
def test_results_are_equal_on_any_number_of_threads(engine: Library, threads: int) -> None:
    xyz, sizes = torch.cat([volume(6000, 1), volume(500, 2)]), (6000, 500)
    before = torch.get_num_threads()

    def everything() -> list[Tensor]:
        chosen = native.farthest_points(engine, xyz, sizes, 100)
        near = native.ball_neighbours(engine, xyz[::3], (2000, 167), xyz, sizes, 0.2, 16)
        found = native.nearest(engine, xyz, sizes, xyz[::3], (2000, 167), 3)
        assert chosen is not None
        assert near is not None
        assert found is not None
        feats = volume(2167, 5)
        out = native.interpolate(engine, feats, *found)
        return [*chosen, near, *found, out, native.interpolate_back(engine, out, *found, 2167)]

    try:
        torch.set_num_threads(1)
        one = everything()
        torch.set_num_threads(threads)
        many = everything()
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(one, many, strict=True))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -3e18])
def test_what_cannot_be_measured_is_left_to_torch(engine: Library, value: float) -> None:
    xyz, good = volume(100, 1), volume(100, 2)
    xyz[70, 1] = value
    assert native.farthest_points(engine, xyz, (100,), 5) is None
    assert native.ball_neighbours(engine, good, (100,), xyz, (100,), 0.2, 5) is None
    assert native.ball_neighbours(engine, xyz, (100,), good, (100,), 0.2, 5) is None
    assert native.nearest(engine, xyz, (100,), good, (100,), 3) is None
    assert native.nearest(engine, good, (100,), xyz, (100,), 3) is None
    chosen, expected = (find(xyz, (100,), 5)[0] for find in (sampling.farthest_points, sampling._farthest_points))
    assert torch.equal(chosen, expected)


def test_empty_balls_and_other_counts_are_left_to_torch(engine: Library) -> None:
    xyz = volume(100, 1)
    for radius in (0.0, 1e-30):  # whose squares are 0 in float32
        assert native.ball_neighbours(engine, xyz, (100,), xyz, (100,), radius, 5) is None
    arguments = (xyz[::9], (12,), xyz, (100,), 0.0, 5)
    assert torch.equal(sampling.ball_neighbours(*arguments), sampling._ball_neighbours(*arguments))
    assert native.nearest(engine, xyz, (100,), xyz, (100,), 4) is None
    assert native.nearest(engine, xyz, (0, 100), xyz, (100, 0), 3) is None
    assert native.farthest_points(engine, xyz, (100,), 0) is None


@pytest.mark.parametrize(
    ("xyz", "sizes", "message"),
    [
        (torch.zeros(10, 3), (4, 5), "do not make up 10"),
        (torch.zeros(10, 3), (11, -1), "do not make up 10"),
        (torch.zeros(10, 2), (10,), "float32"),
        (torch.zeros(10, 3, dtype=torch.float64), (10,), "float64"),
    ],
)
def test_what_does_not_fit_is_refused(engine: Library, xyz: Tensor, sizes: tuple[int, ...], message: str) -> None:
    good = torch.zeros(len(xyz), 3)
    with pytest.raises(EngineError, match=message):
        native.farthest_points(engine, xyz, sizes, 3)
    with pytest.raises(EngineError, match=message):
        native.ball_neighbours(engine, good, (10,), xyz, sizes, 1.0, 3)
    with pytest.raises(EngineError, match=message):
        native.nearest(engine, xyz, sizes, good, (10,), 3)


def test_float64_and_rows_with_gaps_work(engine: Library) -> None:
    wide = torch.rand((300, 6), generator=_random(1))
    places = wide[:, ::2]
    expected = sampling._farthest_points(places.contiguous(), (300,), 40)[0]
    assert torch.equal(sampling.farthest_points(places, (300,), 40)[0], expected)
    assert torch.equal(sampling.farthest_points(places.double(), (300,), 2)[0], expected[:2])


def sums(monkeypatch: pytest.MonkeyPatch, engine: Library | None, inverse: Tensor | None, dtype: torch.dtype) -> Tensor:
    monkeypatch.setattr(interpolation, "library", lambda: engine)
    feats = torch.randn((40, 70), generator=_random(1)).to(dtype).requires_grad_()
    rows, weights = sampling.nearest(volume(300, 2), (300,), volume(40, 3), (40,), 3)
    out = interpolate(feats, rows, weights, inverse)
    (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
    assert feats.grad is not None
    return torch.cat([out.detach(), feats.grad.float()])


@pytest.mark.parametrize("inverse", [None, torch.arange(500) % 300])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_sums_are_those_of_torch(
    engine: Library, monkeypatch: pytest.MonkeyPatch, inverse: Tensor | None, dtype: torch.dtype
) -> None:
    mine, theirs = (sums(monkeypatch, one, inverse, dtype) for one in (engine, None))
    assert torch.equal(mine[:-40], theirs[:-40])
    tolerance = 1e-5 if dtype == torch.float32 else 3e-2  # torch adds bfloat16 gradients up in bfloat16
    torch.testing.assert_close(mine[-40:], theirs[-40:], rtol=tolerance, atol=tolerance)


def test_gradients_of_sums_and_theirs() -> None:
    feats = torch.randn((6, 5), generator=_random(1)).requires_grad_()
    rows = torch.tensor([[0, 1, 5], [1, 1, 2], [5, 0, 3], [4, 4, 4]])
    weights = torch.rand((4, 3), generator=_random(2))
    matrix = torch.zeros(4, 6).scatter_add_(1, rows, weights)
    out = interpolate(feats, rows, weights)
    torch.testing.assert_close(out, matrix @ feats)
    (grad,) = torch.autograd.grad(out.square().sum(), feats, create_graph=True)
    torch.testing.assert_close(grad, 2 * matrix.T @ matrix @ feats)
    (twice,) = torch.autograd.grad(grad.square().sum(), feats)
    torch.testing.assert_close(twice, 8 * matrix.T @ matrix @ matrix.T @ matrix @ feats, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("row", [-1, 6])
def test_a_row_that_is_not_there_is_refused(engine: Library, row: int) -> None:
    rows, weights = torch.tensor([[0, row]]), torch.ones(1, 2)
    with pytest.raises(EngineError, match="row that is not there"):
        native.interpolate(engine, torch.ones(6, 5), rows, weights)
    with pytest.raises(EngineError, match="row that is not there"):
        native.interpolate_back(engine, torch.ones(1, 5), rows, weights, 6)
    with pytest.raises(EngineError, match="do not fit"):
        native.interpolate(engine, torch.ones(6, 5), rows, weights[:, :1])
    with pytest.raises(EngineError, match="do not fit"):
        native.interpolate_back(engine, torch.ones(3, 5), rows, weights, 6)
