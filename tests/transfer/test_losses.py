"""The loss against a float64 computation by hand; retrieval and rank on cases with a known answer."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ppkt_zoo.errors import InputError
from ppkt_zoo.transfer.losses import embedding_rank, pixel_to_point_nce, retrieval_accuracy


def _unit(n: int, d: int, seed: int) -> Tensor:
    return F.normalize(torch.randn(n, d, generator=torch.Generator().manual_seed(seed)), dim=1)


def _by_hand(points: Tensor, pixels: Tensor, temperature: float) -> float:
    total = 0.0
    for i, point in enumerate(points.double().tolist()):
        scores = [sum(a * b for a, b in zip(point, q, strict=True)) / temperature for q in pixels.double().tolist()]
        total += math.log(sum(math.exp(s - scores[i]) for s in scores))
    return total / len(points)


@pytest.mark.parametrize("temperature", [0.04, 0.07, 1.0])
def test_loss_by_hand(temperature: float) -> None:
    points, pixels = _unit(24, 16, 1), _unit(24, 16, 2)
    want = _by_hand(points, pixels, temperature)
    assert float(pixel_to_point_nce(points, pixels, temperature)) == pytest.approx(want, rel=1e-5)
    exact = pixel_to_point_nce(points.double(), pixels.double(), temperature)
    assert exact.dtype == torch.float64
    assert float(exact) == pytest.approx(want, rel=1e-12)


def test_one_direction() -> None:
    points, pixels = _unit(24, 16, 1), _unit(24, 16, 2)
    there, back = pixel_to_point_nce(points, pixels, 0.07), pixel_to_point_nce(pixels, points, 0.07)
    assert abs(float(there - back)) > 1e-3


def test_chance_and_perfect() -> None:
    points, pixels = _unit(4096, 128, 1), _unit(4096, 128, 2)
    assert float(pixel_to_point_nce(points, pixels, 1.0)) == pytest.approx(math.log(4096), abs=0.02)
    same = torch.ones(512, 8) / math.sqrt(8)
    assert float(pixel_to_point_nce(same, same, 0.04)) == pytest.approx(math.log(512), rel=1e-5)
    assert float(pixel_to_point_nce(pixels, pixels, 0.04)) < 1e-3


def test_float32_under_autocast() -> None:
    points, pixels = _unit(256, 32, 1), _unit(256, 32, 2)
    want = pixel_to_point_nce(points, pixels, 0.04)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(pixel_to_point_nce(points, pixels, 0.04), want)
        assert pixel_to_point_nce(points.bfloat16(), pixels.bfloat16(), 0.04).dtype == torch.float32


def test_gradient() -> None:
    points, pixels = (z.double().requires_grad_() for z in (_unit(6, 4, 1), _unit(6, 4, 2)))
    assert torch.autograd.gradcheck(lambda p, q: pixel_to_point_nce(p, q, 0.2), (points, pixels))


def test_retrieval_of_known_ranks() -> None:
    pixels = torch.eye(8)
    points = torch.eye(8)
    assert retrieval_accuracy(points, pixels) == {"top1": 1.0, "top5": 1.0}
    points = torch.eye(8) + 2 * torch.eye(8).roll(1, 1)  # a wrong pixel is best, the right one second
    assert retrieval_accuracy(points, pixels, k=(1, 2)) == {"top1": 0.0, "top2": 1.0}


def test_collapsed_embeddings_score_chance() -> None:
    same = torch.ones(100, 8)
    found = retrieval_accuracy(same, same, k=(1, 5, 1000))
    assert found == {"top1": pytest.approx(0.01), "top5": pytest.approx(0.05), "top1000": 1.0}


def test_retrieval_in_chunks_is_the_same() -> None:
    pixels = _unit(500, 8, 1)
    points = F.normalize(pixels + 0.3 * _unit(500, 8, 2), dim=1)
    whole = retrieval_accuracy(points, pixels)
    assert retrieval_accuracy(points, pixels, chunk=64) == pytest.approx(whole)
    rank = (points @ pixels.T).argsort(1, descending=True) == torch.arange(500)[:, None]
    assert whole["top1"] == pytest.approx(float(rank[:, :1].any(1).float().mean()))
    assert whole["top5"] == pytest.approx(float(rank[:, :5].any(1).float().mean()))
    assert 0 < whole["top1"] < whole["top5"] <= 1


def test_embedding_rank() -> None:
    assert embedding_rank(torch.eye(7)) == pytest.approx(7)
    assert embedding_rank(torch.ones(50, 7)) == pytest.approx(1)
    assert embedding_rank(torch.eye(7)[torch.arange(60) % 3]) == pytest.approx(3)
    assert embedding_rank(_unit(4096, 128, 1)) > 120
    assert embedding_rank(torch.zeros(5, 3)) == pytest.approx(1)


@pytest.mark.parametrize(
    ("points", "pixels"),
    [(torch.zeros(4, 8), torch.zeros(5, 8)), (torch.zeros(4, 8), torch.zeros(4, 7)), (torch.zeros(4), torch.zeros(4))],
)
def test_shapes_must_fit(points: Tensor, pixels: Tensor) -> None:
    for function in (lambda: pixel_to_point_nce(points, pixels, 0.04), lambda: retrieval_accuracy(points, pixels)):
        with pytest.raises(InputError, match=r"\(N, D\)"):
            function()


def test_too_few_pairs_and_bad_temperature() -> None:
    with pytest.raises(InputError, match="two pairs"):
        pixel_to_point_nce(torch.zeros(1, 8), torch.zeros(1, 8), 0.04)
    for temperature in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match="temperature"):
            pixel_to_point_nce(torch.zeros(4, 8), torch.zeros(4, 8), temperature)
    with pytest.raises(InputError, match="at least one row"):
        embedding_rank(torch.zeros(0, 8))
