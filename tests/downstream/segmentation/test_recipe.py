"""Recipes are strict, and the protocols that ship say what METHOD's sources say."""

from pathlib import Path

import pytest

from ppkt_zoo.downstream.segmentation.recipe import load_segmentation_recipe
from ppkt_zoo.downstream.splits import open_splits
from ppkt_zoo.engine.recipes import shipped_recipes
from ppkt_zoo.errors import RecipeError
from tests.downstream.segmentation.tiny_scenes import tiny_recipe


def test_the_protocols() -> None:
    assert set(shipped_recipes("segmentation")) == {
        "own", "rooms_bench", "s3dis", "scannet", "sr_unet14_small_rooms", "sr_unet14_small_rooms_second",
        "table_tops",
    }  # fmt: skip
    s3dis, scannet = (load_segmentation_recipe(name) for name in ("s3dis", "scannet"))
    for recipe, voxel, lr, tilt in ((s3dis, 0.05, 0.1, 180 / 32), (scannet, 0.02, 0.8, 180 / 64)):
        assert recipe.backbone.input_spec.voxel_size == voxel
        assert recipe.backbone.input_spec.color_range == (-0.5, 0.5)
        section = recipe.optimiser
        assert (section.name, section.lr, section.momentum, section.dampening) == ("sgd", lr, 0.9, 0.1)
        assert (section.weight_decay, section.schedule, section.power) == (1e-4, "polynomial", 0.9)
        assert (recipe.batch, recipe.steps, recipe.batch_norm_momentum) == (48, 60_000, 0.02)
        assert (recipe.augmentation.rotation_z, recipe.augmentation.scale) == (180, (0.9, 1.1))
        assert recipe.augmentation.tilt == tilt
    assert s3dis.data.train_areas == (1, 2, 3, 4, 6)
    assert scannet.augmentation.elastic == ((0.2, 0.4), (0.8, 1.6))


def test_they_are_not_among_those_for_pretraining() -> None:
    assert not set(shipped_recipes()) & set(shipped_recipes("segmentation"))


def test_overrides_and_their_errors() -> None:
    recipe = load_segmentation_recipe("rooms_bench", ["init=random", "fraction=0.1", "optimiser.lr=0.01"])
    assert (recipe.init, recipe.fraction, recipe.optimiser.lr) == ("random", 0.1, 0.01)
    assert recipe.fingerprint != load_segmentation_recipe("rooms_bench").fingerprint
    for override, said in (
        ("colour=1", "unknown field colour: known are"),
        ("init=nothing", "init: .*must be 'random', or a weight"),
        ("model=sr_unet34.x", "must begin with the backbone's name"),
        ("fraction=0", "fraction"),
        ("optimiser.dampening=2", "optimiser.dampening"),
    ):
        with pytest.raises(RecipeError, match=said):
            load_segmentation_recipe("rooms_bench", [override])
    with pytest.raises(RecipeError, match="frozen needs a weight"):
        load_segmentation_recipe("s3dis", ["batch_norm=frozen"])
    with pytest.raises(
        RecipeError, match="rooms_bench, s3dis, scannet, sr_unet14_small_rooms, sr_unet14_small_rooms_second, table"
    ):
        load_segmentation_recipe("s3dos")


def test_areas_of_test_are_never_trained_on() -> None:
    with pytest.raises(RecipeError, match="an area stands in train_areas and in test_areas"):
        load_segmentation_recipe("s3dis", ["data.train_areas=[1, 5]"])


def test_rooms_are_split_without_a_file(tmp_path: Path) -> None:
    recipe = tiny_recipe(data={"kind": "rooms_bench", "test": 3}, fraction=0.05)
    splits = open_splits(recipe, {}, tmp_path)
    assert splits.validation is not None
    assert [len(one) for one in (splits.train, splits.validation, splits.test)] == [5, 20, 3]
    assert splits.train.classes == splits.test.classes
    with pytest.raises(RecipeError, match="no use for the folder of s3dis"):
        open_splits(recipe, {"s3dis": tmp_path}, tmp_path)
    with pytest.raises(RecipeError, match="give --data s3dis=PATH"):
        open_splits(load_segmentation_recipe("s3dis"), {}, tmp_path)
