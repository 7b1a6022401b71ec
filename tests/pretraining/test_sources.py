"""Which frames a step sees depends on the seed and the step alone, and every frame has its turn."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ppkt_zoo.data.fingerprint import data_fingerprint
from ppkt_zoo.data.order import FrameOrder
from ppkt_zoo.data.subset import EveryNth
from ppkt_zoo.errors import FrameError, RecipeError
from ppkt_zoo.pretraining.recipe_sections import FramesData
from ppkt_zoo.pretraining.sources import open_entry
from ppkt_zoo.rooms import RoomsFrames
from tests.data.frame_folders import plain


def test_same_step_same_frames() -> None:
    first, second = FrameOrder(3, [7, 5], [2, 1]), FrameOrder(3, [7, 5], [2, 1])
    assert [first(step) for step in range(20)] == [second(step) for step in reversed(range(20))][::-1]


def test_steps_may_be_asked_in_any_order() -> None:
    """Accumulation, workers and resuming jump about, and an epoch's order is kept between two questions."""
    order = FrameOrder(3, [7, 5], [2, 1])
    wanted = {step: FrameOrder(3, [7, 5], [2, 1])(step) for step in (0, 9, 1, 4, 5, 8)}
    assert {step: order(step) for step in wanted} == wanted


def test_an_epoch_shows_every_frame_once() -> None:
    order = FrameOrder(0, [6], [2])
    epoch = [frame for step in range(3) for frame in order(step)]
    assert Counter(epoch) == Counter({(0, index): 1 for index in range(6)})
    assert epoch != [frame for step in range(3, 6) for frame in order(step)]


def test_seeds_differ() -> None:
    assert [FrameOrder(0, [50], [3])(step) for step in range(5)] != [
        FrameOrder(1, [50], [3])(step) for step in range(5)
    ]


def test_views_in_a_row_stay_together_and_in_their_scene() -> None:
    order = FrameOrder(0, [12], [4], views=[2], scenes=[4])
    epoch = [order(step) for step in range(4)]  # 9 starts: 0 1 2, 4 5 6, 8 9 10
    starts = [step[place][1] for step in epoch for place in (0, 2)]
    for step in epoch:
        for first, second in ((step[0], step[1]), (step[2], step[3])):
            assert second == (0, first[1] + 1)
            assert first[1] // 4 == second[1] // 4
    assert len(set(starts)) == 8


def test_sources_with_fewer_frames_than_views_take_turns() -> None:
    order = FrameOrder(0, [9, 9, 9], [2, 1, 1], views=[2, 2, 2])
    shares = [[sum(source == one for source, _ in order(step)) for one in range(3)] for step in range(100)]
    assert all(step[0] == 2 and step[1] + step[2] == 2 for step in shares)
    assert sum(step[1] for step in shares) == 100


def test_half_a_frame_a_step_is_a_frame_every_other_step_and_not_in_the_same_one() -> None:
    order = FrameOrder(0, [9, 5, 4], [2, 0.5, 0.5])
    shares = [[sum(source == one for source, _ in order(step)) for one in range(3)] for step in range(40)]
    assert all(sum(step) == 3 for step in shares)
    assert [sum(column) for column in zip(*shares, strict=True)] == [80, 20, 20]
    assert order.fewest_rows == 3
    assert FrameOrder(0, [9], [0.3]).fewest_rows == 0


def test_folders_of_several_cameras_are_one_source(tmp_path: Path) -> None:
    for number in range(2):
        plain(tmp_path / f"camera-{number}")
    entry = FramesData(kind="frames", name="mine", folders=("camera-1", "camera-0"), licence="mine")
    joined = open_entry(entry, {"mine": tmp_path}, tmp_path)
    alone = open_entry(
        FramesData(kind="frames", name="mine", licence="mine"), {"mine": tmp_path / "camera-1"}, tmp_path
    )
    assert joined.name == "mine"
    assert len(joined) == 2 * len(alone)
    assert np.array_equal(joined[0].color, alone[0].color)
    gone = entry.model_copy(update={"folders": ("camera-0", "camera-7")})
    with pytest.raises(FrameError, match="camera-7: no such folder"):
        open_entry(gone, {"mine": tmp_path}, tmp_path)


def test_frames_that_no_poses_join_are_refused_where_views_of_one_place_are_paired(tmp_path: Path) -> None:
    entry = FramesData(kind="frames", name="mine", views=2, per_step=2, licence="mine")
    plain(tmp_path / "alone")
    plain(tmp_path / "walk", poses=True)
    with pytest.raises(RecipeError, match=r"alone: no poses join these frames, and views: 2 .* views: 1 with a 2D"):
        open_entry(entry, {"mine": tmp_path / "alone"}, tmp_path)
    assert len(open_entry(entry, {"mine": tmp_path / "walk"}, tmp_path)) == 3


def test_a_source_without_a_row_of_views_is_named() -> None:
    with pytest.raises(RecipeError, match="data entry 1 has 3 frames"):
        FrameOrder(0, [4, 3], [2, 2], views=[2, 4])


def test_two_sources_of_one_name_have_a_fingerprint_each() -> None:
    sources = [RoomsFrames(0, 2, 2), RoomsFrames(0, 3, 2), EveryNth(RoomsFrames(0, 2, 2), 2)]
    digits = data_fingerprint(sources)
    assert list(digits) == ["rooms-0", "rooms-0 (2)", "rooms-0-every2"]
    assert len(set(digits.values())) == 3
    assert all(len(one) == 64 for one in digits.values())
