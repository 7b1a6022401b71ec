"""The page as text: its size, its policy, what it says of itself, and what it refuses."""

import base64
import hashlib
import html
import re
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import ppkt_zoo
from ppkt_zoo.errors import InputError
from ppkt_zoo.visualization.page import BoxSet, view
from ppkt_zoo.visualization.page.assemble import SCRIPTS, script, template
from tests.visualization.page.made_up import NAMES, corner
from tests.visualization.page.reading import about_of, array_of, title_of

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _no_warnings() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_the_script_is_small_and_every_part_of_it_is_used() -> None:
    assert len(script().encode()) < 60_000 * 0.85
    folder = ROOT / "ppkt_zoo" / "visualization" / "page" / "template"
    assert {file.stem for file in folder.glob("*.js")} == set(SCRIPTS)
    assert not re.search(r"https?://|</script|\beval\b|innerHTML|new Function|\bimport\b", script())


def test_only_our_own_script_and_style_may_run_and_nothing_is_fetched() -> None:
    page = view(corner().xyz).html
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        text = re.search(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert text is not None
        digest = base64.b64encode(hashlib.sha256(text[1].encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    assert not re.search(r'(?:src|href|action)="(?!data:)', page)


def test_it_is_saved_whole_and_shows_itself_in_a_notebook(tmp_path: Path) -> None:
    page = ppkt_zoo.view(corner().xyz, corner().rgb, title="a <b> & 'c'", height=333)
    path = page.save(tmp_path / "new" / "page.html")
    assert path.read_text(encoding="utf-8") == page.html
    frame = page._repr_html_()
    held = re.search(r'srcdoc="([^"]*)"', frame)
    assert held is not None
    assert html.unescape(held[1]) == page.html
    assert 'height="333"' in frame
    assert "allow-same-origin" not in frame
    assert title_of(page.html) == "a <b> & 'c'"
    with pytest.raises(InputError, match=r"\.html"):
        page.save(tmp_path / "page.txt")
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        page.save(tmp_path / "folder.html")


def test_twenty_points_are_a_page() -> None:
    rng = np.random.default_rng(0)
    page = view(rng.uniform(0, 1, (20, 3)), features=rng.normal(size=(20, 3)))
    assert page.notes[0] == "All 20 points are shown."
    assert sorted(page.rows.tolist()) == list(range(20))


def test_one_point_and_points_in_one_place_are_pages() -> None:
    assert len(view(np.zeros((1, 3))).rows) == 1
    assert len(view(np.ones((50, 3)), np.full((50, 3), 9, np.uint8), np.ones((50, 4))).rows) == 50


def test_a_cloud_of_one_colour_or_none_is_a_page() -> None:
    xyz = corner().xyz
    red = view(xyz, np.tile(np.uint8([200, 0, 0]), (len(xyz), 1)))
    assert (array_of(red.html, "color") == [200, 0, 0]).all()
    grey = view(xyz)
    color = array_of(grey.html, "color")
    assert (color[:, 0] == color[:, 1]).all()
    assert len(np.unique(color)) > 20
    assert any("no colour" in note for note in grey.notes)


def test_rows_without_a_position_are_left_out_and_told() -> None:
    xyz, rgb, features, labels, _ = corner()
    xyz[[3, 5]] = np.nan
    bright = rgb / 255.0
    bright[3] = np.nan
    features[5] = np.nan
    page = view(torch.from_numpy(xyz), bright, torch.from_numpy(features), labels)
    assert not {3, 5} & set(page.rows.tolist())
    assert any("2 rows without a position" in note for note in page.notes)
    np.testing.assert_array_equal(array_of(page.html, "color"), rgb[page.rows])


def test_a_large_cloud_is_thinned_to_points_and_megabytes_and_says_so() -> None:
    rng = np.random.default_rng(0)
    xyz = rng.uniform(0, 5, (40_000, 3))
    xyz[:, 2] *= 0.05
    rgb, features = rng.integers(0, 256, xyz.shape, np.uint8), rng.normal(size=(len(xyz), 16)).astype(np.float32)
    small = view(xyz, rgb, features, points=30_000, megabytes=0.6)
    assert 0.4e6 < len(small.html) <= 0.6e6
    assert 3_000 < len(small.rows) < 30_000
    assert re.match(r"\d+.\d+ of 40.000 points are shown: one of each cube of [\d.]+ cm", small.notes[0])


def test_the_picked_point_is_shown_even_of_a_thinned_cloud() -> None:
    xyz = np.random.default_rng(0).uniform(0, 5, (5000, 3))
    page = view(xyz, features=np.ones((5000, 2)), points=100, picked=1234)
    assert page.rows[about_of(page.html)["picked"]] == 1234
    assert len(page.rows) <= 100


def test_boxes_come_from_detections_rows_and_arrays() -> None:
    array = np.array([[1, 2, 3, 1, 1, 1, 0.5], [0, 0, 0, 2, 2, 2, 0]])
    found = SimpleNamespace(boxes=array, label=np.array([1, 0]), score=np.array([0.9, 0.4]), classes=("a", "b"))
    assert BoxSet.of(found).names == ("a", "b")
    assert BoxSet.of(array).scores is None
    rows = [{"class": "x", "center": [1, 2, 3], "size": [1, 1, 1], "heading": 0.5, "score": 0.3}]
    (box,) = about_of(view(corner().xyz, boxes=rows).html)["boxes"]
    assert (box["name"], box["score"], box["heading"]) == ("x", 0.3, 0.5)
    np.testing.assert_allclose(box["center"], np.array([1, 2, 3]) - corner().xyz.min(axis=0), atol=1e-5)
    assert about_of(view(corner().xyz, boxes=[]).html)["boxes"] == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"xyz": np.zeros((0, 3))}, "N ≥ 1"),
        ({"xyz": np.full((4, 3), np.nan)}, "no finite position"),
        ({"xyz": np.full((4, 3), 1e16)}, "1e15"),
        ({"xyz": "cloud.ply"}, "xyz"),
        ({"rgb": np.zeros((4, 3), np.uint8)}, "rgb must have one row"),
        ({"rgb": np.full((3000, 3), 77.0)}, "divide by 255"),
        ({"features": np.zeros((4, 3))}, "features must be numbers"),
        ({"features": np.full((3000, 3), np.inf)}, "features"),
        ({"classes": np.zeros(3000)}, "classes must be 3000 integers"),
        ({"classes": (np.full(3000, 7), NAMES)}, "between -1"),
        ({"classes": (np.full(3000, -2), NAMES)}, "between -1"),
        ({"boxes": np.zeros((2, 6))}, "boxes must be numbers"),
        ({"boxes": [{"center": [0, 0, 0]}]}, "boxes must have center and size"),
        ({"boxes": np.full((1, 7), np.nan)}, "boxes must be finite"),
        ({"picked": 3000}, "picked"),
        ({"seen_from": (1, 2)}, "seen_from"),
        ({"points": 0}, "points must be"),
        ({"megabytes": 0.1}, "megabytes must be"),
    ],
)
def test_what_does_not_fit_is_one_clear_error(wrong: dict[str, Any], words: str) -> None:
    given = {"xyz": corner().xyz} | wrong
    with pytest.raises(InputError, match=words):
        view(given.pop("xyz"), **given)


def test_a_box_and_a_class_of_one_name_share_a_colour() -> None:
    xyz, _, _, labels, boxes = corner()
    about = about_of(view(xyz, classes=(labels, ("floor", "shelf", "x")), boxes=boxes).html)
    assert about["boxes"][0]["color"] == about["classes"][1]["color"]


def test_the_template_travels_in_the_wheel() -> None:
    from hatchling.builders.wheel import WheelBuilder

    files = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    assert {f"ppkt_zoo/visualization/page/template/{name}.js" for name in SCRIPTS} <= files
    assert {"ppkt_zoo/visualization/page/template/page.html", "ppkt_zoo/visualization/page/template/page.css"} <= files
    assert "{{script}}" in template("page.html")
