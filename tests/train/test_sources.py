"""Which frames a step sees depends on the seed and the step alone, and every frame has its turn."""

from collections import Counter

from ppkt_zoo.train.sources import FrameOrder


def test_same_step_same_frames() -> None:
    first, second = FrameOrder(3, [7, 5], [2, 1]), FrameOrder(3, [7, 5], [2, 1])
    assert [first(step) for step in range(20)] == [second(step) for step in reversed(range(20))][::-1]


def test_an_epoch_shows_every_frame_once() -> None:
    order = FrameOrder(0, [6], [2])
    epoch = [frame for step in range(3) for frame in order(step)]
    assert Counter(epoch) == Counter({(0, index): 1 for index in range(6)})
    assert epoch != [frame for step in range(3, 6) for frame in order(step)]


def test_seeds_differ() -> None:
    assert [FrameOrder(0, [50], [3])(step) for step in range(5)] != [
        FrameOrder(1, [50], [3])(step) for step in range(5)
    ]
