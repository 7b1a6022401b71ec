"""The published data sets are divided as their protocols say."""

from pathlib import Path

import pytest
from data.s3dis_files import room
from data.scannet_files import annotated
from tiny_scenes import tiny_recipe

from ppkt_zoo.downstream.segmentation.recipe import load_segmentation_recipe
from ppkt_zoo.downstream.splits import open_splits
from ppkt_zoo.errors import FrameError


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
