"""No value is called the paper's without a word on who found it there: [A] two readings, [B] one, [F] nobody."""

import re
from pathlib import Path

import pytest

from ppkt_zoo.engine.recipes import shipped_recipes
from ppkt_zoo.pretraining.recipe import load_recipe

OF_THE_PAPER = {
    name: file
    for name, file in shipped_recipes().items()
    if name.startswith(("scannet_", "sunrgbd")) and "scratch" not in name
}
# What the paper may have said, by field; PointContrast's own values are its authors'.
_VALUES = ("steps", "voxel_size", "every: 25", "per_step: 24", "lr", "momentum", "weight_decay", "schedule", "power")
_VALUES += (
    "image_size",
    "temperature",
    "pairs",
    "dim",
    "channels",
    "color_range",
    "augmentation",
    "image_augmentation",
)
_WRONG = re.compile(r"the values\s+of\s+the\s+paper|the paper's\s+own\s+values|[Tt]he paper's values on")
_PROTOCOLS = [
    ("segmentation", "s3dis"),
    ("segmentation", "scannet"),
    ("detection", "scannet"),
    ("detection", "sun_rgbd"),
]


@pytest.mark.parametrize("name", OF_THE_PAPER)
def test_every_value_says_who_found_it(name: str) -> None:
    text = OF_THE_PAPER[name].read_text(encoding="utf-8")
    assert _WRONG.search(text) is None
    section = ""
    for line in text.splitlines():
        if re.match(r"\w", line):
            section = line.split(":")[0]
        of_others = section in ("point_contrast", "validation", "watch") or (
            name == "scannet_point_contrast" and section in ("optimiser", "data")
        )
        if not of_others and line.strip().startswith(tuple(f"{one}" if ":" in one else f"{one}:" for one in _VALUES)):
            assert re.search(r"\[[ABF]\]", line), f"{name}: {line.strip()}"


@pytest.mark.parametrize("name", OF_THE_PAPER)
def test_what_is_found_once_or_never_reaches_the_card(name: str) -> None:
    recipe = load_recipe(name)
    if "the paper's" in recipe.description:
        assert "[A] [B]" in recipe.description
        assert "[F]" in recipe.description
    if name != "scannet_point_contrast":
        told = " ".join(recipe.deviations)
        assert "[B] - " in told
        assert "learning rate 0.5" in told
        assert "[F]" in told


@pytest.mark.parametrize(("folder", "name"), _PROTOCOLS)
def test_values_of_protocols_are_marked_too(folder: str, name: str) -> None:
    lines = shipped_recipes(folder)[name].read_text(encoding="utf-8").splitlines()
    for field in ("voxel_size", "steps", "batch", "lr", "momentum", "rotation_z", "precision"):
        (line,) = [one for one in lines if one.strip().startswith(f"{field}: ")]
        assert re.search(r"# \[[PF]\]", line), line


def test_the_pages_say_it_too() -> None:
    root = Path(__file__).resolve().parents[2]
    for page in (root / "docs" / "training.md", root / "docs" / "downstream.md"):
        assert "hold the paper's values;" not in page.read_text(encoding="utf-8")
