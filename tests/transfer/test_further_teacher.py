"""PPKT from a further teacher: its own maps and places in them, its own projections, the same points."""

from dataclasses import replace

import torch

from ppkt_zoo.transfer.objective import TeacherView, TransferBatch
from ppkt_zoo.transfer.ppkt import PixelToPoint
from tests.transfer.steps import CHANNELS, TEACHER, as_points, pixel_batch, point_features


def two_teachers() -> TransferBatch:
    """A step's data with a second teacher whose maps are finer and have another number of channels."""
    batch = pixel_batch()
    draw = torch.Generator().manual_seed(9)
    maps = [torch.randn(7, 6, 8, generator=draw) for _ in range(2)]
    return replace(batch, further={"other": TeacherView(maps, 2 * batch.pixels.feature_xy)})


def test_it_is_the_loss_that_this_teacher_alone_would_give() -> None:
    batch, points = two_teachers(), as_points(point_features())
    torch.manual_seed(0)
    further = PixelToPoint(CHANNELS["stride1"], 7, "stride1", 8, 0.1, false_negative_similarity=0.3, source="other")
    torch.manual_seed(0)
    alone = PixelToPoint(CHANNELS["stride1"], 7, "stride1", 8, 0.1, false_negative_similarity=0.3)
    view = batch.further["other"]
    own = replace(batch, features=view.features, pixels=replace(batch.pixels, feature_xy=view.feature_xy), further={})
    assert torch.equal(further(points, batch).loss, alone(points, own).loss)
    assert further.name == "ppkt_other"
    figures = further(points, batch, detail=True).figures
    assert {f"other_{name}" for name in alone(points, own, detail=True).figures} == set(figures)


def test_it_is_another_loss_than_the_first_teachers() -> None:
    batch, points = two_teachers(), as_points(point_features())
    torch.manual_seed(0)
    first = PixelToPoint(CHANNELS["stride1"], TEACHER, "stride1", 8, 0.1)
    assert torch.equal(first(points, batch).loss, first(points, pixel_batch()).loss)  # it does not see the other


def test_its_maps_move_to_a_device_too() -> None:
    moved = two_teachers().to("meta")
    assert all(one.is_meta for one in moved.further["other"].features)
    assert moved.further["other"].feature_xy.is_meta
