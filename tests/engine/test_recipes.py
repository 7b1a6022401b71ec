"""Recipes from strangers: read from regular files alone, every number finite and within reason."""

import os
from pathlib import Path

import pytest
import yaml
from pydantic import Field

from ppkt_zoo.engine.recipes import find_recipe, read_recipe
from ppkt_zoo.errors import RecipeError
from ppkt_zoo.files.validation import MOST_STEPS, OptimiserSection, StrictModel


class Tiny(StrictModel):
    """A recipe for a test."""

    steps: int = Field(gt=0, le=MOST_STEPS)
    optimiser: OptimiserSection
    note: str = ""


GOOD = {"steps": 3, "optimiser": {"name": "sgd", "lr": 0.1}}


def read(tmp_path: Path, text: str, *overrides: str) -> Tiny:
    file = tmp_path / "tiny.yaml"
    file.write_text(text)
    return read_recipe(Tiny, file, overrides)


@pytest.mark.parametrize(
    "override",
    ["optimiser.lr=.inf", "optimiser.lr=.nan", "optimiser.lr=1e400", "optimiser.lr=-.inf", "steps=" + "9" * 400,
     "steps=100000000", 'note="\\uD800"'],
)  # fmt: skip
def test_a_value_that_nothing_can_be_done_with_is_named(tmp_path: Path, override: str) -> None:
    assert read(tmp_path, yaml.safe_dump(GOOD), "optimiser.lr=0.2").optimiser.lr == 0.2
    with pytest.raises(RecipeError, match=override.partition("=")[0].replace(".", r"\.")):
        read(tmp_path, yaml.safe_dump(GOOD), override)


@pytest.mark.parametrize("text", ["a: &a [1]\nb: *a", "[" * 2000, "- 1", "steps: 2024-99-99", "\0"])
def test_yaml_that_is_no_recipe_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(RecipeError, match=r"tiny\.yaml"):
        read(tmp_path, text)


def test_a_misspelt_field_is_told_with_the_right_one(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"optimiser\.weight_decai.*did you mean 'weight_decay'"):
        read(tmp_path, yaml.safe_dump(GOOD), "optimiser.weight_decai=0.1")


def test_only_a_regular_file_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(RecipeError, match=r"pipe\.yaml.*named pipe"):
        read_recipe(Tiny, find_recipe(tmp_path / "pipe.yaml", {}), ())
    with open(tmp_path / "endless.yaml", "wb") as file:
        file.truncate(20 << 30)
    with pytest.raises(RecipeError, match="PPKT_ZOO_MAX_TEXT"):
        read_recipe(Tiny, find_recipe(tmp_path / "endless.yaml", {}), ())
    (tmp_path / "latin.yaml").write_bytes(b"note: \xe9")
    with pytest.raises(RecipeError, match=r"latin\.yaml.*UTF-8"):
        read_recipe(Tiny, tmp_path / "latin.yaml", ())
