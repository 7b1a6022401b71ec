"""Recipes are complete, strict, and the shipped ones are valid."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from ppkt_zoo.data.augment.image import ImageAugmentation
from ppkt_zoo.engine.recipes import shipped_recipes
from ppkt_zoo.errors import RecipeError
from ppkt_zoo.pretraining.recipe import load_recipe
from tests.pretraining.tiny_recipe import tiny_recipe


def _write(tmp_path: Path, content: Any) -> Path:
    file = tmp_path / "recipe.yaml"
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return file


@pytest.mark.parametrize("name", sorted(shipped_recipes()))
def test_shipped_recipes_are_valid(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.weight.startswith(recipe.backbone.name + ".")
    assert recipe.deviations, "a recipe that differs from the paper says where"


def test_overrides_reach_nested_fields(recipe_file: Path) -> None:
    recipe = load_recipe(recipe_file, ["optimiser.lr=0.5", "data.0.rooms=7", "loss.pairs=32"])
    assert (recipe.optimiser.lr, recipe.data[0].rooms, recipe.loss.pairs) == (0.5, 7, 32)


def test_fingerprint_follows_the_content(recipe_file: Path) -> None:
    assert load_recipe(recipe_file).fingerprint == load_recipe(recipe_file).fingerprint
    assert load_recipe(recipe_file).fingerprint != load_recipe(recipe_file, ["seed=6"]).fingerprint


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimiser.speed=3", "unknown field optimiser.speed"),
        ("data.0.sead=3", r"unknown field data\[0\].rooms.sead: did you mean 'seed'"),
        ("steps=0", "steps"),
        ("steps", "key=value"),
        ("data.9.rooms=2", "position"),
        ("weight.name=3", "not a section"),
        ("weight=other_net.tag", "must begin"),
        ("teacher.image_flip=0.5", "online"),
        ("teacher.image_augmentation={crop: [0.5, 1.0]}", "image_augmentation needs features: online"),
        ("teacher.image_augmentation={hue: 0.5}", "image_augmentation.hue"),
        ("loss.temperature=-1", "loss.temperature"),
        ("steps=[", "not valid YAML"),
        ("watch={every: 5, seed: 11}", "watch.seed 11 is that of rooms for training"),
    ],
)
def test_wrong_overrides_are_named(recipe_file: Path, override: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe(recipe_file, [override])


def test_image_flip_is_a_part_of_image_augmentation(recipe_file: Path) -> None:
    online = ["teacher.features=online", "teacher.image_flip=0.5"]
    recipe = load_recipe(recipe_file, [*online, "teacher.image_augmentation={crop: [0.5, 1.0]}"])
    assert recipe.teacher.images == ImageAugmentation(flip=0.5, crop=(0.5, 1.0))
    with pytest.raises(RecipeError, match="give one of them"):
        load_recipe(recipe_file, [*online, "teacher.image_augmentation={flip: 0.5}"])


def test_the_fingerprint_is_that_of_the_content(recipe_file: Path) -> None:
    recipe = load_recipe(recipe_file)
    # A field written out at its default changes nothing; one that differs does.
    assert load_recipe(recipe_file, ["precision=no", "data.0.walk=false"]).fingerprint == recipe.fingerprint
    for override in ("seed=6", "data.0.walk=true", "data.0.views=2", "loss.dim=17", "teacher.spec.padding=torch"):
        same = override == "teacher.spec.padding=torch"
        assert (load_recipe(recipe_file, [override]).fingerprint == recipe.fingerprint) == same, override


def test_views_fit_into_a_room(recipe_file: Path) -> None:
    with pytest.raises(RecipeError, match="views 3 in a row, but a room has 2"):
        load_recipe(recipe_file, ["data.0.views=3"])


def test_an_unknown_field_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="learning_rate"):
        load_recipe(_write(tmp_path, tiny_recipe(learning_rate=1)))


def test_clouds_without_colour_need_a_student_that_takes_them(recipe_file: Path) -> None:
    with pytest.raises(RecipeError, match=r"colorless.*missing_color to grey"):
        load_recipe(recipe_file, ["augmentation.colorless=0.3"])
    load_recipe(recipe_file, ["augmentation.colorless=0.3", "backbone.input_spec.missing_color=grey"])


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    content = tiny_recipe()
    del content["teacher"]
    with pytest.raises(RecipeError, match="teacher"):
        load_recipe(_write(tmp_path, content))


@pytest.mark.parametrize("text", ["- a\n- list\n", "a: [1\n", "just text"])
def test_what_is_no_recipe_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(RecipeError):
        load_recipe(_write(tmp_path, text))


def test_python_tags_are_not_run(tmp_path: Path) -> None:
    with pytest.raises(RecipeError):
        load_recipe(_write(tmp_path, "weight: !!python/object/apply:os.system ['touch /tmp/never']\n"))


def test_an_unknown_recipe_lists_the_shipped_ones() -> None:
    with pytest.raises(RecipeError, match="sr_unet14_small_ppkt_voc_rooms"):
        load_recipe("no_such_recipe")


def test_validation_rooms_must_differ(tmp_path: Path) -> None:
    rooms = tiny_recipe()["data"][0]
    with pytest.raises(RecipeError, match="another seed"):
        load_recipe(_write(tmp_path, tiny_recipe(validation={"every": 2, "data": rooms})))


def test_validation_needs_a_whole_batch(tmp_path: Path) -> None:
    rooms = {**tiny_recipe()["data"][0], "seed": 77, "rooms": 1, "frames_per_room": 2, "per_step": 3}
    with pytest.raises(RecipeError, match="per_step is 3, but there are 2 frames"):
        load_recipe(_write(tmp_path, tiny_recipe(validation={"every": 2, "data": rooms})))
