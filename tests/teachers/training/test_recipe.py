"""Teachers' recipes: strict, whole, and fair to each other."""

from pathlib import Path

import pytest
import yaml

from ppkt_zoo.errors import RecipeError
from ppkt_zoo.teachers.training import load_teacher_recipe, shipped_teacher_recipes
from tests.teachers.training.tiny_teacher import tiny_teacher


def _file(folder: Path, **changes: object) -> Path:
    file = folder / "recipe.yaml"
    file.write_text(yaml.safe_dump(tiny_teacher(**changes)))  # type: ignore[arg-type]
    return file


def test_shipped_recipes_differ_in_the_signal_alone() -> None:
    assert sorted(shipped_teacher_recipes()) == ["moco_v2_rooms", "supervised_rooms"]
    moco, supervised = (load_teacher_recipe(name) for name in ("moco_v2_rooms", "supervised_rooms"))
    different = {"teacher", "description", "method", "contrast", "labels", "citation", "deviations"}
    assert moco.model_dump(exclude=different) == supervised.model_dump(exclude=different)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"contrast": None}, "method moco_v2 wants the section contrast alone"),
        ({"method": "supervised", "contrast": {}}, "method supervised the section labels"),
        ({"norm_group": 3}, "norm_group 3 must divide the batch of 4"),
        ({"contrast": {"queue": 6}}, "batch 4 must divide the queue of 6 keys"),
        ({"crop": {"area": [0.5, 0.2]}}, "crop.area.*the smaller first"),
        ({"crop": {"jitter": [0.4, 0.4, 0.4, 0.6]}}, "crop.jitter.*hue 0 to 0.5"),
        ({"crop": {"blur": [2.0, 1.0]}}, "crop.blur.*the smaller first"),
        ({"crops": {}}, "unknown field crops: did you mean 'crop'"),
        (
            {
                "images": [
                    {"kind": "frames", "name": "a", "licence": "x"},
                    {"kind": "frames", "name": "a", "licence": "y"},
                ]
            },
            "two entries of images have the same name",
        ),
        (
            {"method": "supervised", "images": [{"kind": "frames", "name": "a", "licence": "x"}]},
            "method supervised needs the labels of rooms",
        ),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_teacher_recipe(_file(tmp_path, **changes))


def test_overrides_and_fingerprint(tmp_path: Path) -> None:
    file = _file(tmp_path)
    plain, changed = load_teacher_recipe(file), load_teacher_recipe(file, ["optimiser.lr=0.5", "images.0.rooms=3"])
    assert (changed.optimiser.lr, changed.images[0].rooms) == (0.5, 3)  # type: ignore[union-attr]
    assert plain.fingerprint == load_teacher_recipe(file).fingerprint != changed.fingerprint


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(RecipeError, match="moco_v2_rooms, supervised_rooms"):
        load_teacher_recipe("moco_rooms")
