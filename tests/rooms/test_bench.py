"""rooms-bench and labelled scenes: worlds that never mix, nested subsets, boxes that hold their objects."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ppkt_zoo.errors import InputError, UnknownNameError
from ppkt_zoo.rooms import BOX_CLASSES, CLASSES, FRACTIONS, RoomsBench, RoomScenes, make_room, rooms_bench, scenes
from ppkt_zoo.rooms.source import room_seed


def worlds(one: RoomsBench) -> list[tuple[int, int]]:
    return [
        (one.pretrain_seed, one.pretrain_rooms), (one.teacher_seed, one.teacher_rooms),
        (one.train_seed, one.train_rooms), (one.validation_seed, one.validation_rooms),
        (one.test_seed, one.test_rooms),
    ]  # fmt: skip


def test_no_room_is_in_two_of_its_worlds() -> None:
    seeds = [room_seed(world, number) for world, rooms in worlds(rooms_bench()) for number in range(rooms)]
    assert len(set(seeds)) == len(seeds) == 3170
    # Those beyond the benchmark's, which a model may learn from.
    more = [room_seed(rooms_bench().train_seed, number) for number in range(100, 2000)]
    assert set(more).isdisjoint(seeds)


def test_its_worlds_are_none_of_a_recipe_s_and_none_of_the_proof_s() -> None:
    used = {1, 2, 3, 700_001, 700_002, 700_003}
    assert used.isdisjoint(world for world, _ in worlds(rooms_bench()))


def test_subsets_are_nested_and_small_ones_are_the_beginning() -> None:
    one = rooms_bench()
    sizes = [len(one.train(fraction)) for fraction in FRACTIONS]
    assert sizes == [1, 5, 10, 30, 100]
    assert len({one.train(fraction).seed for fraction in FRACTIONS}) == 1
    with pytest.raises(InputError, match=r"0\.01, 0\.05, 0\.1, 0\.3, 1, not 0\.2"):
        one.train(0.2)


def test_the_rooms_of_v1_are_those_that_it_was_defined_with() -> None:
    """Layouts to the millimetre; when this fails the world has changed: raise VERSION and make a v2."""
    digest = hashlib.sha256()
    for world, _ in worlds(rooms_bench("v1")):
        for number in (0, 1, 2):
            digest.update(np.round(make_room(room_seed(world, number)).boxes * 1000).astype(np.int64).tobytes())
    assert digest.hexdigest()[:16] == "4c971b9e313a1889"


def test_another_world_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(scenes._VERSIONS, "old", replace(rooms_bench(), world=1))
    with pytest.raises(InputError, match="world 1, this ppkt-zoo renders world"):
        rooms_bench("old")
    with pytest.raises(UnknownNameError, match="v1"):
        rooms_bench("v9")


def test_a_heading_beyond_a_whole_turn_is_the_same_heading_within_one() -> None:
    boxes = np.ones((3, 7))
    boxes[:, 6] = 7.2, -2.0, 2 * np.pi
    found = dict(
        zip(scenes.SCENE_FIELDS, (np.ones((1, 3), np.float32), None, np.zeros(1, np.int16), None), strict=False)
    )
    found |= {"boxes": boxes, "box_label": np.zeros(3, np.int16)}
    scene = scenes.as_scene(found, "some room")
    assert scene.boxes is not None
    assert scene.boxes[:, 6].tolist() == pytest.approx([7.2 - 2 * np.pi, -2.0, 2 * np.pi])


def test_a_scene_has_labels_instances_and_boxes(tmp_path: Path) -> None:
    scenes = RoomScenes(5, 2, cache=tmp_path)
    scene = scenes[0]
    assert len(scene.xyz) > 20_000
    assert scene.classes == CLASSES
    assert scene.box_classes == BOX_CLASSES
    assert scene.instance is not None
    assert scene.boxes is not None
    assert scene.box_label is not None
    assert CLASSES.index("ceiling") not in scene.label
    assert len(scene.boxes) >= 3
    room = make_room(room_seed(5, 0))
    for box, label in zip(scene.boxes, scene.box_label, strict=True):
        item = next(item for item in room.objects if np.allclose(item.centre, box[:3]))
        assert item.name == BOX_CLASSES[label]
        own = scene.xyz[scene.instance == item.instance] - box[:3]
        assert len(own) >= 30
        c, s = np.cos(box[6]), np.sin(box[6])
        along = np.stack([c * own[:, 0] + s * own[:, 1], c * own[:, 1] - s * own[:, 0], own[:, 2]], axis=1)
        # Noisy depth puts a few points beyond the box.
        assert (np.abs(along) < box[3:6] / 2 + 0.05).all(axis=1).mean() > 0.95
    again = scenes[0]
    fresh = RoomScenes(5, 2)[0]
    for field in ("xyz", "rgb", "label", "instance", "boxes", "box_label"):
        np.testing.assert_array_equal(getattr(again, field), getattr(scene, field))
        np.testing.assert_array_equal(getattr(fresh, field), getattr(scene, field))
    path = next(tmp_path.rglob("*.npz"))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.warns(RuntimeWarning, match=r"scene-00000.npz is damaged, it is made again"):
        np.testing.assert_array_equal(scenes[0].xyz, scene.xyz)


def test_scannet_s_classes_all_occur() -> None:
    """Every detection class is in some of the training rooms."""
    found = {
        item.name for number in range(40) for item in make_room(room_seed(rooms_bench().train_seed, number)).objects
    }
    assert set(BOX_CLASSES) <= found
    assert len(BOX_CLASSES) == 18
