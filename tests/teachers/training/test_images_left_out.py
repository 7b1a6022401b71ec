"""Images of a teacher's training that cannot be read are left out and counted."""

import numpy as np
import pytest

from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.errors import FrameError
from ppkt_zoo.teachers.training.images import ImageStore


class Source:
    """Frames whose colour is their number; some are damaged."""

    def __init__(self, name: str, count: int, damaged: tuple[int, ...]) -> None:
        self.name, self._count, self._damaged = name, count, damaged

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> RGBDFrame:
        if index in self._damaged:
            raise FrameError(f"{self.name}/{index}: cut short")
        color = np.full((4, 5, 3), index, np.uint8)
        return RGBDFrame(color, np.ones((4, 5), np.float32), np.eye(3), None, f"{self.name}/{index}")


def read(store: ImageStore) -> str:
    return store.read(lambda done, of: None, lambda: False)


def test_damaged_images_are_left_out_counted_and_told() -> None:
    store = ImageStore([Source("a", 4, (1,)), Source("b", 3, (0,))])
    assert read(store) == "2 of 7 frames left out: a/1: cut short; and 1 more"
    assert [int(store[number][0][0, 0, 0]) for number in range(len(store))] == [0, 2, 3, 1, 2]
    assert read(ImageStore([Source("a", 4, ())])) == ""


def test_a_source_that_is_mostly_damaged_is_refused() -> None:
    with pytest.raises(FrameError, match="b: only 1 of 3 frames can be used, the first of the others: b/0: cut short"):
        read(ImageStore([Source("a", 4, ()), Source("b", 3, (0, 1))]))
