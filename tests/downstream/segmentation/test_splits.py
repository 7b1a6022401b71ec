"""The published data sets are divided as their protocols say."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from ppkt_zoo.data.readers import sun_rgbd
from ppkt_zoo.downstream.detection.recipe import load_detection_recipe
from ppkt_zoo.downstream.sampler import scenes_fingerprint
from ppkt_zoo.downstream.segmentation.recipe import load_segmentation_recipe
from ppkt_zoo.downstream.splits import open_splits
from ppkt_zoo.errors import FrameError, RecipeError
from tests.data.readers.s3dis_files import room
from tests.data.scannet_files import annotated
from tests.downstream.segmentation.tiny_scenes import tiny_recipe


def test_area_5_of_s3dis_is_tested_on_and_never_trained_on(tmp_path: Path) -> None:
    for area in range(1, 7):
        room(tmp_path, f"Area_{area}/office_1", {"chair_1.txt": 5, "wall_1.txt": 3})
    splits = open_splits(load_segmentation_recipe("s3dis"), {"s3dis": tmp_path}, tmp_path / "cache")
    trained = [splits.train[index].name.split("/")[0] for index in range(len(splits.train))]
    assert trained == ["Area_1", "Area_2", "Area_3", "Area_4", "Area_6"]
    assert [splits.test[index].name for index in range(len(splits.test))] == ["Area_5/office_1"]
    assert splits.validation is None
    assert len(splits.train.classes) == 13
    part = open_splits(load_segmentation_recipe("s3dis", ["fraction=0.3"]), {"s3dis": tmp_path}, tmp_path / "cache")
    assert (len(part.train), len(part.test)) == (2, 1)


def test_scans_of_scannet_follow_the_lists(tmp_path: Path) -> None:
    for name in ("scene0000_00", "scene0001_00", "scene0002_00"):
        annotated(tmp_path, name)
    (tmp_path / "scannetv2_train.txt").write_text("scene0000_00\nscene0002_00\n")
    (tmp_path / "scannetv2_val.txt").write_text("scene0001_00\n")
    splits = open_splits(load_segmentation_recipe("scannet"), {"scannet": tmp_path}, tmp_path / "cache")
    assert [splits.train[index].name for index in range(2)] == ["scene0000_00", "scene0002_00"]
    assert splits.test[0].name == "scene0001_00"
    assert len(splits.test.classes) == 20
    assert splits.test[0].boxes is None
    (tmp_path / "scannetv2_val.txt").unlink()
    with pytest.raises(FrameError, match=r"scannetv2_val\.txt"):
        open_splits(load_segmentation_recipe("scannet"), {"scannet": tmp_path}, tmp_path / "cache")


def test_only_the_first_rooms_where_asked(tmp_path: Path) -> None:
    recipe = tiny_recipe(data={"kind": "rooms_bench", "train": 2, "validation": 1})
    splits = open_splits(recipe, {}, tmp_path)
    assert splits.validation is not None
    assert [len(one) for one in splits] == [2, 1, 50]


def test_rooms_beyond_the_benchmark_are_learned_from_and_nothing_else_changes(tmp_path: Path) -> None:
    bench, more = (
        open_splits(tiny_recipe(data={"kind": "rooms_bench", "more_rooms": count}), {}, tmp_path) for count in (0, 7)
    )
    assert [len(one) for one in more] == [107, 20, 50]
    assert bench.validation is not None
    assert more.validation is not None
    for before, after in zip(bench, more, strict=True):
        assert (before.name, before.classes) == (after.name, after.classes)
    for part in ({"fraction": 0.1}, {"data": {"kind": "rooms_bench", "more_rooms": 7, "train": 3}}):
        with pytest.raises(ValidationError, match=r"leave out fraction and data\.train"):
            tiny_recipe(**{"data": {"kind": "rooms_bench", "more_rooms": 7}, **part})


def test_partial_scans_are_of_the_rooms_to_learn_from_alone(tmp_path: Path) -> None:
    data = {"kind": "rooms_bench", "train": 2, "partial_scans": 3}
    splits = open_splits(tiny_recipe(data=data), {}, tmp_path)
    assert [len(one) for one in splits] == [2 + 2 * 3, 20, 50]
    whole = [splits.train[index].name.rpartition("/")[2] for index in range(2)]
    partial = [splits.train[index].name.rpartition("/")[2] for index in (2, 4, 5, 7)]
    assert partial == [f"{whole[0]}-0", f"{whole[0]}-2", f"{whole[1]}-0", f"{whole[1]}-2"]
    without = open_splits(tiny_recipe(data=data | {"partial_scans": 0}), {}, tmp_path)
    assert splits.test.name == without.test.name
    assert scenes_fingerprint(splits.train) != scenes_fingerprint(without.train)
    with pytest.raises(ValidationError, match="partial_scans"):
        tiny_recipe(data=data | {"partial_scans": -1})


def test_labelled_frames_are_split_by_name_and_fractions_are_nested(shared: Path, tmp_path: Path) -> None:
    folders = {"labelled_frames": shared / "frames" / "mosd"}
    found = {}
    for count, fraction in ((1, 0.0167), (5, 0.0833), (20, 0.3333), (60, 1.0)):
        splits = open_splits(load_segmentation_recipe("table_tops", [f"fraction={fraction}"]), folders, tmp_path)
        assert len(splits.train) == count
        found[count] = {splits.train[number].name for number in range(min(count, 5))}
    assert splits.validation is not None
    assert (len(splits.validation), len(splits.test)) == (19, 20)
    assert found[1] < found[5]
    scene = splits.test[19]
    assert scene.name == "mosd/test54", "the last frame by name"
    assert splits.test.classes == ("table", "object")
    assert set(np.unique(scene.label)) <= {-1, 0, 1}
    with pytest.raises(RecipeError, match="leave 60, fewer than the 70"):
        open_splits(load_segmentation_recipe("table_tops", ["data.train=70"]), folders, tmp_path)


def test_sun_rgbd_is_split_by_lists_of_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [tmp_path / "kv1" / f"f{number}" for number in range(3)]
    monkeypatch.setattr(sun_rgbd, "_list_frames", lambda folder: frames)
    recipe = load_detection_recipe("sun_rgbd")
    with pytest.raises(RecipeError, match=r"train\.txt is missing"):
        open_splits(recipe, {"sun_rgbd": tmp_path}, tmp_path, boxes=True)
    (tmp_path / "train.txt").write_text("kv1/f2\nkv1/f0/\n")
    (tmp_path / "test.txt").write_text("kv1/f1\n")
    splits = open_splits(recipe, {"sun_rgbd": tmp_path}, tmp_path, boxes=True)
    assert (len(splits.train), len(splits.test), splits.validation) == (2, 1, None)
    assert len(splits.train.box_classes) == 10
    (tmp_path / "test.txt").write_text("kv1/f9\n")
    with pytest.raises(RecipeError, match=r"names kv1/f9, which is no frame"):
        open_splits(recipe, {"sun_rgbd": tmp_path}, tmp_path, boxes=True)
