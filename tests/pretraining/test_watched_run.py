"""A run that is watched: its log holds the probe's figures, its folder the pictures, and it learns the same."""

from pathlib import Path

import pytest
import yaml

from ppkt_zoo.engine.metrics_log import read_metrics
from ppkt_zoo.pretraining.probe import OnlineProbe
from ppkt_zoo.pretraining.recipe import load_recipe
from ppkt_zoo.pretraining.trainer import pretrain
from tests.pretraining.tiny_recipe import tiny_recipe
from tests.support.made_up_scene import scene


def test_a_watched_run_learns_the_same(tmp_path: Path, frame_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ppkt_zoo.rooms.RoomScenes.__getitem__", lambda _, index: scene(index))
    content = tiny_recipe(steps=3, method="point_contrast", point_contrast={"pairs": 64, "dim": 8})
    del content["teacher"], content["loss"]
    content["data"] = [{**content["data"][0], "walk": True, "views": 2, "frames_per_room": 3}]
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump({**content, "watch": {"every": 2, "rooms": 2}}))
    recipe = load_recipe(file)
    losses = []
    for name in ("watched", "alone"):
        out = tmp_path / name
        watch = OnlineProbe(3, 2, recipe.levels, None, out / "pictures") if name == "watched" else None
        pretrain(recipe, data={}, teacher=None, out=out, cache=frame_cache, workers=0, watch=watch)
        lines = read_metrics(out / "metrics.jsonl")
        losses.append([line["loss"] for line in lines if "loss" in line])
        found = [line["step"] for line in lines if "knn_miou" in line]
        assert found == ([2] if name == "watched" else [])
    assert losses[0] == losses[1]
    assert [file.name for file in (tmp_path / "watched" / "pictures").iterdir()] == ["step-00000002.png"]
