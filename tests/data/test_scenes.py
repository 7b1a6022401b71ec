"""A LabelledScene is checked when it is built."""

import numpy as np
import pytest

from ppkt_zoo.data.scenes import JoinedScenes, LabelledScene
from ppkt_zoo.errors import FrameError, InputError


def fields(**changes):
    given = {
        "xyz": np.arange(12, dtype=np.float32).reshape(4, 3),
        "rgb": np.arange(12, dtype=np.uint8).reshape(4, 3),
        "label": np.array([-1, 0, 1, 1], dtype=np.int16),
        "instance": np.array([0, 1, 2, 70000], dtype=np.int32),
        "boxes": np.array([[0, 0, 0, 1, 2, 3, 0.5], [1, 1, 1, 0, 1, 1, -3]], dtype=np.float64),
        "box_label": np.array([0, 0], dtype=np.int16),
        "classes": ("wall", "chair"),
        "box_classes": ("chair",),
        "name": "room/1",
    }
    return {**given, **changes}


def test_holds_what_was_given():
    given = fields()
    scene = LabelledScene(**given)
    assert all(getattr(scene, key) is value for key, value in given.items())
    assert scene.dropped == 0
    without = LabelledScene(**fields(rgb=None, instance=None, boxes=None, box_label=None))
    assert without.boxes is None
    none_here = fields(boxes=np.empty((0, 7)), box_label=np.empty(0, np.int16))
    assert LabelledScene(**none_here).boxes.shape == (0, 7)


@pytest.mark.parametrize(
    ("field", "change", "says"),
    [
        ("boxes", lambda a: a * [1, 1, 1, 1, 1, 1, 180], "heading 540 is more than a turn of 2π: give radians"),
        ("xyz", lambda a: a.astype(np.float64), "xyz must be a float32 array, got float64"),
        ("xyz", lambda a: a[:, :2], r"xyz must have shape \(any, 3\), got \(4, 2\)"),
        ("xyz", lambda a: a[:0], r"xyz must have shape \(any, 3\), got \(0, 3\)"),
        ("xyz", lambda a: a * np.float32(np.nan), "xyz has NaN or infinite"),
        ("xyz", lambda a: a + np.float32(1e30), r"xyz reaches 1e\+30 m from the origin.*metres"),
        ("rgb", lambda a: a / 255, "rgb must be a uint8 array"),
        ("rgb", lambda a: a[:3], r"rgb must have shape \(4, 3\), got \(3, 3\)"),
        ("label", lambda a: a.astype(np.int64), "label must be a int16 array"),
        ("label", lambda a: a[:3], r"label must have shape \(4\)"),
        ("label", lambda a: a - np.int16(1), "label must lie between -1 and 1 .2 classes., got -2"),
        ("label", lambda a: a + np.int16(1), "label must lie between -1 and 1 .2 classes., got 2"),
        ("label", lambda a: None, "label must be a int16 array, got NoneType"),
        ("instance", lambda a: a.astype(np.int64), "instance must be a int32 array"),
        ("instance", lambda a: -a, "instance must be 0"),
        ("boxes", lambda a: None, "both, or neither"),
        ("boxes", lambda a: a[:, :6], r"boxes must have shape \(any, 7\)"),
        ("boxes", lambda a: -a, "sizes of 0 or more"),
        ("boxes", lambda a: a + np.inf, "boxes must be finite"),
        ("box_label", lambda a: None, "both, or neither"),
        ("box_label", lambda a: a[:1], r"box_label must have shape \(2\)"),
        ("box_label", lambda a: a - np.int16(1), "box_label must lie between 0 and 0 .1 classes., got -1"),
        ("box_label", lambda a: a + np.int16(1), "box_label must lie between 0 and 0"),
    ],
)
def test_refuses_what_does_not_fit(field, change, says):
    given = fields()
    with pytest.raises(FrameError, match=f"scene room/1: .*{says}"):
        LabelledScene(**{**given, field: change(given[field])})


class Scenes:
    """Scenes whose names are their source's and their number."""

    box_classes = ("chair",)

    def __init__(self, name, count, classes=("wall", "chair")):
        self.name, self.count, self.classes = name, count, classes

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return LabelledScene(**fields(name=f"{self.name}/{index}"))


def test_joined_scenes_are_those_of_one_source_after_the_other():
    joined = JoinedScenes([Scenes("first", 2), Scenes("none", 0), Scenes("second", 3)], "both")
    names = [joined[index].name for index in range(len(joined))]
    assert names == ["first/0", "first/1", "second/0", "second/1", "second/2"]
    assert (joined.name, joined.classes, joined.box_classes) == ("both", ("wall", "chair"), ("chair",))
    for index in (-1, 5):
        with pytest.raises(IndexError, match=f"both has scenes 0 to 4, there is no scene {index}"):
            joined[index]


def test_scenes_of_different_classes_are_not_joined():
    with pytest.raises(InputError, match="both: first and second have different classes"):
        JoinedScenes([Scenes("first", 2), Scenes("second", 3, ("chair", "wall"))], "both")
    with pytest.raises(InputError, match="both: no source"):
        JoinedScenes([], "both")
