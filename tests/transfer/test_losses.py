"""The loss against a float64 computation by hand; retrieval and rank on cases with a known answer."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ppkt_zoo.errors import InputError
from ppkt_zoo.transfer.losses import contrast_pairs, embedding_rank, retrieval_accuracy


def _unit(n: int, d: int, seed: int) -> Tensor:
    return F.normalize(torch.randn(n, d, generator=torch.Generator().manual_seed(seed)), dim=1)


def nce(points: Tensor, pixels: Tensor, temperature: float, **settings: Any) -> Tensor:
    return contrast_pairs(points, pixels, temperature, **settings).loss


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
    assert float(nce(points, pixels, temperature)) == pytest.approx(want, rel=1e-5)
    exact = nce(points.double(), pixels.double(), temperature)
    assert exact.dtype == torch.float64
    assert float(exact) == pytest.approx(want, rel=1e-12)


def test_one_direction() -> None:
    points, pixels = _unit(24, 16, 1), _unit(24, 16, 2)
    there, back = nce(points, pixels, 0.07), nce(pixels, points, 0.07)
    assert abs(float(there - back)) > 1e-3


def test_symmetric_is_the_mean_of_both_directions() -> None:
    points, pixels = _unit(24, 16, 1), _unit(24, 16, 2)
    want = (_by_hand(points, pixels, 0.07) + _by_hand(pixels, points, 0.07)) / 2
    assert float(nce(points.double(), pixels.double(), 0.07, symmetric=True)) == pytest.approx(want, rel=1e-12)
    assert float(nce(pixels, points, 0.07, symmetric=True)) == pytest.approx(want, rel=1e-5)


def _masked_by_hand(points: Tensor, pixels: Tensor, teacher: Tensor, threshold: float, t: float) -> tuple[float, float]:
    """Loss and share of negatives left out, one number at a time."""
    total, left_out, n = 0.0, 0, len(points)
    for i in range(n):
        scores = {i: float(points[i] @ pixels[i]) / t}
        for j in set(range(n)) - {i}:
            cosine = float(teacher[i] @ teacher[j] / (teacher[i].norm() * teacher[j].norm()))
            if cosine > threshold:
                left_out += 1
            else:
                scores[j] = float(points[i] @ pixels[j]) / t
        total += math.log(sum(math.exp(score - scores[i]) for score in scores.values()))
    return total / n, left_out / (n * (n - 1))


@pytest.mark.parametrize("threshold", [-0.5, 0.3, 0.95])
def test_negatives_that_look_the_same_to_the_teacher_are_left_out(threshold: float) -> None:
    points, pixels = _unit(24, 16, 1).double(), _unit(24, 16, 2).double()
    teacher = 3 * (_unit(4, 6, 3)[torch.arange(24) % 4] + 0.2 * _unit(24, 6, 4)).double()
    loss, share = _masked_by_hand(points, pixels, teacher, threshold, 0.1)
    found = contrast_pairs(points, pixels, 0.1, teacher=teacher, false_negative_similarity=threshold)
    assert float(found.loss) == pytest.approx(loss, rel=1e-12)
    assert float(found.masked) == pytest.approx(share)
    assert 0 < share < 1
    assert loss < _by_hand(points, pixels, 0.1)
    back = _masked_by_hand(pixels, points, teacher, threshold, 0.1)[0]
    both = nce(points, pixels, 0.1, symmetric=True, teacher=teacher, false_negative_similarity=threshold)
    assert float(both) == pytest.approx((loss + back) / 2, rel=1e-12)


def test_the_own_pixel_is_never_masked() -> None:
    points, pixels = _unit(16, 8, 1).requires_grad_(), _unit(16, 8, 2)
    alike = torch.ones(16, 5)
    found = contrast_pairs(points, pixels, 0.1, teacher=alike, false_negative_similarity=0.5)
    assert float(found.masked) == 1.0
    assert float(found.loss.detach()) == 0.0  # nothing is left to be wrong about
    found.loss.backward()
    assert torch.equal(points.grad, torch.zeros(16, 8))
    none = contrast_pairs(points, pixels, 0.1, teacher=alike, false_negative_similarity=1.0)
    assert torch.equal(none.loss, nce(points, pixels, 0.1))
    assert contrast_pairs(points, pixels, 0.1).masked == 0


def test_no_gradient_reaches_the_masked_or_the_teacher() -> None:
    points, pixels = _unit(4, 8, 1), _unit(4, 8, 2).requires_grad_()
    teacher = torch.eye(4)[[0, 0, 1, 2]].requires_grad_()
    logits = contrast_pairs(points[:2], pixels[:2], 0.1, teacher=teacher[:2], false_negative_similarity=0.9).loss
    logits.backward()
    assert torch.equal(pixels.grad, torch.zeros(4, 8))
    assert teacher.grad is None


def test_gather_in_one_process_changes_nothing() -> None:
    points, pixels = _unit(24, 16, 1), _unit(24, 16, 2)
    alone = nce(points, pixels, 0.07, symmetric=True)
    assert torch.equal(nce(points, pixels, 0.07, symmetric=True, gather=True), alone)


def test_chance_and_perfect() -> None:
    points, pixels = _unit(4096, 128, 1), _unit(4096, 128, 2)
    assert float(nce(points, pixels, 1.0)) == pytest.approx(math.log(4096), abs=0.02)
    same = torch.ones(512, 8) / math.sqrt(8)
    assert float(nce(same, same, 0.04)) == pytest.approx(math.log(512), rel=1e-5)
    assert float(nce(pixels, pixels, 0.04)) < 1e-3


def test_float32_under_autocast() -> None:
    points, pixels = _unit(256, 32, 1), _unit(256, 32, 2)
    want = nce(points, pixels, 0.04)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(nce(points, pixels, 0.04), want)
        assert nce(points.bfloat16(), pixels.bfloat16(), 0.04).dtype == torch.float32


def test_gradient() -> None:
    points, pixels = (z.double().requires_grad_() for z in (_unit(6, 4, 1), _unit(6, 4, 2)))
    assert torch.autograd.gradcheck(lambda p, q: nce(p, q, 0.2), (points, pixels))


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
    for function in (lambda: nce(points, pixels, 0.04), lambda: retrieval_accuracy(points, pixels)):
        with pytest.raises(InputError, match=r"\(N, D\)"):
            function()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"teacher": torch.ones(4, 3)}, "one is missing"),
        ({"false_negative_similarity": 0.5}, "one is missing"),
        ({"teacher": torch.ones(4, 3), "false_negative_similarity": 1.5}, "cosine from -1 to 1, got 1.5"),
        ({"teacher": torch.ones(5, 3), "false_negative_similarity": 0.5}, r"row for each of 4 pairs, got \(5, 3\)"),
    ],
)
def test_masking_needs_both_its_settings(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        nce(torch.ones(4, 8), torch.ones(4, 8), 0.1, **settings)


def test_too_few_pairs_and_bad_temperature() -> None:
    with pytest.raises(InputError, match="two pairs"):
        nce(torch.zeros(1, 8), torch.zeros(1, 8), 0.04)
    for temperature in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match="temperature"):
            nce(torch.zeros(4, 8), torch.zeros(4, 8), temperature)
    with pytest.raises(InputError, match="at least one row"):
        embedding_rank(torch.zeros(0, 8))
