"""PPKT on further levels: the sum of each level's own contrast, whose gradient reaches that level."""

import pytest
import torch
import torch.nn.functional as F

from ppkt_zoo.transfer.losses import contrast_pairs
from ppkt_zoo.transfer.ppkt import PixelToPoint
from tests.transfer.steps import CHANNELS, TEACHER, as_points, pixel_batch, point_features


def objective(deep: dict[str, tuple[int, float]] | None = None) -> PixelToPoint:
    torch.manual_seed(0)
    return PixelToPoint(CHANNELS["stride1"], TEACHER, "stride1", 8, 0.1, deep=deep)


def test_the_loss_is_the_weighted_sum_over_levels() -> None:
    plain, deep = objective(), objective({"stride2": (CHANNELS["stride2"], 0.25)})
    batch, features = pixel_batch(), as_points(point_features())
    found = deep(features, batch, detail=True)
    of_points, of_pixels = deep.embed(features, batch)
    of_level = deep.deep["stride2"].raw(features["stride2"][batch.pixels.point])
    further = contrast_pairs(F.normalize(of_level, dim=1), F.normalize(of_pixels, dim=1), 0.1).loss
    # The first level's projections are those that it has alone.
    assert torch.equal(of_points, plain.embed(features, batch)[0])
    torch.testing.assert_close(found.loss, plain(features, batch).loss + 0.25 * further)
    assert found.figures["stride2_loss"] == pytest.approx(float(further.detach()))


def test_the_gradient_reaches_a_level_with_deep_supervision_only() -> None:
    reached = []
    for deep in (None, {"stride2": (CHANNELS["stride2"], 0.25)}):
        features = point_features()
        objective(deep)(as_points(features), pixel_batch()).loss.backward()
        assert features["stride1"].grad is not None
        reached.append(features["stride2"].grad is not None and bool(features["stride2"].grad.any()))
    assert reached == [False, True]
