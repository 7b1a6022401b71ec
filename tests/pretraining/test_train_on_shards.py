"""Training on shards: a run that was stopped goes on at the same frames, to the same numbers."""

from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from ppkt_zoo.data.shards.writer import pack_frames
from ppkt_zoo.engine.interrupt import Stopped
from ppkt_zoo.pretraining.recipe import load_recipe
from ppkt_zoo.pretraining.trainer import pretrain
from ppkt_zoo.rooms import RoomsFrames
from tests.pretraining.tiny_recipe import tiny_recipe


def test_a_stopped_run_on_shards_ends_in_the_same_numbers(
    tmp_path: Path, teacher_file: Path, frame_cache: Path
) -> None:
    pack_frames(RoomsFrames(11, 2, 2, height=48, width=64, cache=frame_cache / "rooms"), tmp_path / "shards", 20_000)
    entry = {"kind": "frames", "name": "rooms", "per_step": 2, "pixel_stride": 1, "licence": "none"}
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(tiny_recipe(steps=5, data=[entry])))
    recipe = load_recipe(file)
    given = {"data": {"rooms": tmp_path / "shards"}, "teacher": teacher_file, "cache": tmp_path / "cache", "workers": 0}
    whole = pretrain(recipe, out=tmp_path / "whole", **given)
    with pytest.raises(Stopped):
        pretrain(recipe, out=tmp_path / "halves", stop_after=2, **given)
    halves = pretrain(recipe, out=tmp_path / "halves", **given)
    one, other = (load_file(folder / "model.safetensors") for folder in (whole, halves))
    assert all(torch.equal(one[name], other[name]) for name in one)
