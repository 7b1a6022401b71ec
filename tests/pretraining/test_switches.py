"""Switches that pilots turn one at a time work from a recipe alone, and do what they say."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file

from ppkt_zoo.engine.metrics_log import read_metrics
from ppkt_zoo.rooms import RoomsFrames
from ppkt_zoo.transfer.projection import UPL, PointHead
from tests.pretraining.test_methods import run
from tests.pretraining.tiny_recipe import tiny_recipe


def content(**loss: Any) -> dict[str, Any]:
    """The tiny recipe, two steps, with some values of ``loss`` changed."""
    recipe = tiny_recipe(steps=2)
    return {**recipe, "loss": {**recipe["loss"], **loss}}


@pytest.fixture(scope="module")
def first_loss(tmp_path_factory: pytest.TempPathFactory, teacher_file: Path, frame_cache: Path) -> float:
    """The first step's loss without any switch."""
    folder = run(tmp_path_factory.mktemp("plain") / "plain", content(), teacher_file, frame_cache)
    return float(read_metrics(folder.parent / "metrics.jsonl")[0]["loss"])


@pytest.mark.parametrize(
    "loss",
    [{"false_negative_similarity": 0.2}, {"pair_sampling": "inverse_density"}, {"point_head": "mlp"}],
    ids=["false negatives masked", "inverse density", "two layers in the point head alone"],
)
def test_a_switch_changes_what_is_learned(
    loss: dict[str, Any], first_loss: float, tmp_path: Path, teacher_file: Path, frame_cache: Path
) -> None:
    folder = run(tmp_path, content(**loss), teacher_file, frame_cache)
    lines = read_metrics(tmp_path / "run" / "metrics.jsonl")
    assert lines[0]["loss"] != first_loss
    assert ("masked" in lines[0]) == ("false_negative_similarity" in loss)
    heads = load_file(folder / "projection.safetensors")
    # Either projection opens by itself, whatever the other one is.
    assert UPL.from_tensors(heads).dim == PointHead.from_tensors(heads).dim == 16
    assert ("head.projection.2.weight" in heads) == ("point_head" in loss)
    assert "upl.projection.weight" in heads


def test_large_images_leave_the_student_as_many_points(tmp_path: Path, teacher_file: Path, frame_cache: Path) -> None:
    small = RoomsFrames(11, 2, 2, height=48, width=64, cache=frame_cache / "rooms")
    large = RoomsFrames(11, 2, 2, height=96, width=128, cache=frame_cache / "rooms")
    one, other = small[0].points(1), large[0].points(2)
    assert len(other.xyz) == pytest.approx(len(one.xyz), rel=0.1)
    # The same room from the same place: only the image has more pixels.
    np.testing.assert_allclose(np.median(other.xyz, axis=0), np.median(one.xyz, axis=0), atol=0.15)
    recipe = content()
    recipe["data"] = [{**recipe["data"][0], "height": 96, "width": 128, "pixel_stride": 2}]
    folder = run(tmp_path, recipe, teacher_file, frame_cache)
    assert (folder / "model.safetensors").exists()
