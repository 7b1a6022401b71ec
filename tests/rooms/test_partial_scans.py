"""Scans of a few views: pure functions of seed and number, with the ceiling, with whole boxes of what is seen."""

from pathlib import Path

import numpy as np
import pytest

from ppkt_zoo.errors import InputError
from ppkt_zoo.rooms import BOX_CLASSES, CLASSES, PartialScans, RoomScenes, make_room
from ppkt_zoo.rooms.source import room_seed

FIELDS = ("xyz", "rgb", "label", "instance", "boxes", "box_label")


def test_a_scan_depends_on_seed_and_number_alone(tmp_path: Path) -> None:
    cached = PartialScans(5, 3, 2, cache=tmp_path)
    assert len(cached) == 6
    made = [cached[index] for index in (0, 1, 3)]
    # As many scans of a room as one likes: those that it had stay what they were.
    fresh = PartialScans(5, 2, 4)
    for scene, again, other in zip(
        made, (cached[0], cached[1], cached[3]), (fresh[0], fresh[1], fresh[5]), strict=True
    ):
        assert scene.name == again.name == other.name
        for field in FIELDS:
            np.testing.assert_array_equal(getattr(scene, field), getattr(again, field))
            np.testing.assert_array_equal(getattr(scene, field), getattr(other, field))
    assert len({scene.name for scene in made}) == 3
    assert len(made[0].xyz) != len(made[1].xyz), "two scans of one room"
    assert len(list(tmp_path.rglob("scan-*.npz"))) == 3


def test_a_scan_holds_a_part_of_its_room_and_the_whole_boxes_of_what_it_sees() -> None:
    scans, rooms = PartialScans(5, 2, 3), RoomScenes(5, 2)
    whole = [len(rooms[number].xyz) for number in range(2)]
    for index in range(len(scans)):
        scene, room = scans[index], make_room(room_seed(5, index // 3))
        assert 1000 < len(scene.xyz) < whole[index // 3]
        assert (scene.classes, scene.box_classes) == (CLASSES, BOX_CLASSES)
        assert scene.instance is not None
        assert scene.boxes is not None
        assert scene.box_label is not None
        count = np.bincount(scene.instance, minlength=len(room.objects) + 1)
        seen = [item for item in room.objects if item.name in BOX_CLASSES and count[item.instance] >= 100]
        assert [BOX_CLASSES[label] for label in scene.box_label] == [item.name for item in seen]
        for box, item in zip(scene.boxes, seen, strict=True):
            np.testing.assert_allclose(box[:3], item.centre)


def test_ceilings_are_seen_and_number_of_views_differs() -> None:
    scans = PartialScans(5, 8, 1)
    scenes = [scans[index] for index in range(len(scans))]
    ceiling = CLASSES.index("ceiling")
    assert any((scene.label == ceiling).any() for scene in scenes)
    assert max(len(scene.xyz) for scene in scenes) > 2 * min(len(scene.xyz) for scene in scenes)


def test_bounds_are_checked() -> None:
    for rooms, per_room in ((0, 1), (1, 0)):
        with pytest.raises(InputError, match="at least 1"):
            PartialScans(5, rooms, per_room)
    with pytest.raises(IndexError, match="scan 2 of 2"):
        PartialScans(5, 1, 2)[2]
