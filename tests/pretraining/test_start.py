"""Training over several sittings: a run begins with the weight of an earlier one, and only with that one."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from ppkt_zoo import verify
from ppkt_zoo.engine.interrupt import Stopped
from ppkt_zoo.engine.metrics_log import read_metrics
from ppkt_zoo.errors import RecipeError, WeightError
from ppkt_zoo.pretraining.recipe import load_recipe
from ppkt_zoo.pretraining.trainer import pretrain
from ppkt_zoo.zoo.folder import open_weight_folder
from tests.pretraining.tiny_recipe import tiny_recipe

_OPTIONS = {"stop_after": "stop_after", "files": "teachers"}


def run(folder: Path, teacher: Path | None, cache: Path, given: Path | None = None, /, **changes: Any) -> Path:
    """A tiny run of three steps; changes of its recipe and arguments of ``pretrain``."""
    options = {option: changes.pop(name) for name, option in _OPTIONS.items() if name in changes}
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "recipe.yaml"
    content = {**tiny_recipe(steps=3, checkpoint_every=3), **changes}
    file.write_text(yaml.safe_dump({key: value for key, value in content.items() if value is not None}))
    return pretrain(
        load_recipe(file), data={}, teacher=teacher, out=folder / "run", cache=cache, workers=0, start=given, **options
    )


def section(weight: Path) -> dict[str, str]:
    """The section ``start`` that asks for a weight."""
    config = open_weight_folder(weight).config
    return {"weight": config.name, "sha256": config.files["model.safetensors"].sha256}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, teacher_file: Path, frame_cache: Path) -> Path:
    """The weight of a first sitting."""
    return run(tmp_path_factory.mktemp("first"), teacher_file, frame_cache)


def test_a_sitting_begins_where_the_one_before_ended(
    first: Path, tmp_path: Path, teacher_file: Path, frame_cache: Path
) -> None:
    still = {"name": "sgd", "lr": 1e-12, "weight_decay": 0.0}
    # In training, batch norm's statistics move, so parameters are what a step of no length leaves alone.
    second = run(tmp_path, teacher_file, frame_cache, first, start=section(first), steps=1, optimiser=still)
    for file in ("model.safetensors", "projection.safetensors"):
        one, two = load_file(first / file), load_file(second / file)
        assert one.keys() == two.keys()
        for name in one:
            if "running" not in name and "tracked" not in name:
                torch.testing.assert_close(two[name], one[name], atol=1e-6, rtol=1e-3)
    state = load_file(tmp_path / "run" / "checkpoints" / "step-00000001.safetensors")
    counts = [name for name in state if name.endswith("num_batches_tracked")]
    assert counts
    assert all(int(state[name]) == 4 for name in counts)  # three of the first sitting


def test_the_record_counts_all_sittings(first: Path, tmp_path: Path, teacher_file: Path, frame_cache: Path) -> None:
    second = run(tmp_path / "2", teacher_file, frame_cache, first, start=section(first), seed=6)
    data = tiny_recipe()["data"][0]
    entries = [{**data, "seed": 17}, {**data, "rooms": 1}]
    third = run(tmp_path / "3", teacher_file, frame_cache, second, start=section(second), steps=2, data=entries)
    record = open_weight_folder(third).record()
    assert record.trained is not None
    assert record.trained.steps == 8
    assert [(one.steps, one.seed, one.sha256) for one in record.trained.earlier] == [
        (3, 5, section(first)["sha256"]),
        (3, 6, section(second)["sha256"]),
    ]
    assert [(one.name, one.frames) for one in record.data] == [("rooms-17", 4), ("rooms-11", 2), ("rooms-11", 4)]
    assert "8 steps" in (third / "README.md").read_text()
    assert "over 3 sittings" in (third / "README.md").read_text()
    assert "earlier" not in (first / "record.json").read_text()
    verify(f"local-dir:{third}")


def test_a_stopped_sitting_goes_on_to_the_same_numbers(
    first: Path, tmp_path: Path, teacher_file: Path, frame_cache: Path
) -> None:
    changes = {"start": section(first), "ema": 0.8}
    whole = run(tmp_path / "whole", teacher_file, frame_cache, first, **changes)
    with pytest.raises(Stopped):
        run(tmp_path / "parts", teacher_file, frame_cache, first, stop_after=2, **changes)
    parts = run(tmp_path / "parts", teacher_file, frame_cache, first, **changes)
    one, two = load_file(whole / "model.safetensors"), load_file(parts / "model.safetensors")
    assert all(torch.equal(one[name], two[name]) for name in one)
    logs = [read_metrics(tmp_path / part / "run" / "metrics.jsonl") for part in ("whole", "parts")]
    assert [line["loss"] for line in logs[0]] == [line["loss"] for line in logs[1]]


def _refused(
    tmp_path: Path, teacher: Path | None, cache: Path, given: Path | None, message: str, /, **changes: Any
) -> None:
    with pytest.raises(RecipeError, match=message):
        run(tmp_path, teacher, cache, given, **changes)


def test_another_weight_is_refused(first: Path, tmp_path: Path, teacher_file: Path, frame_cache: Path) -> None:
    asked = section(first)
    _refused(tmp_path, teacher_file, frame_cache, first, "weight of another run", start={**asked, "sha256": "0" * 64})
    other = {**asked, "weight": "sr_unet14_small.other"}
    _refused(tmp_path, teacher_file, frame_cache, first, "wants to begin with sr_unet14_small.other", start=other)
    _refused(tmp_path, teacher_file, frame_cache, first, f"start.sha256={asked['sha256']}")
    with pytest.raises(WeightError):
        run(tmp_path, teacher_file, frame_cache, tmp_path / "nothing", start=asked)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backbone": {"name": "sr_unet14_small", "input_spec": {"voxel_size": 0.2}}}, "input_spec"),
        (
            {"backbone": {"name": "sr_unet14_slim", "input_spec": {"voxel_size": 0.1}}, "weight": "sr_unet14_slim.a"},
            "architecture",
        ),
        ({"loss": {"dim": 8, "pairs": 64}}, "head.projection.bias has shape"),
        ({"loss": {"dim": 16, "pairs": 64, "level": "stride2"}}, "loss.level is stride1, the recipe's is stride2"),
        ({"method": "pixel_regression", "loss": {"kind": "l2", "pairs": 64}}, "head"),
        ({"method": "scratch", "steps": 0, "teacher": None, "loss": None}, "no use for the section start"),
    ],
)
def test_a_weight_that_does_not_fit_is_refused(
    changes: dict[str, Any], message: str, first: Path, tmp_path: Path, teacher_file: Path, frame_cache: Path
) -> None:
    _refused(tmp_path, teacher_file, frame_cache, first, message, start=section(first), **changes)


def test_a_loss_that_the_earlier_run_did_not_have_begins_anew_where_the_recipe_says_so(
    first: Path, tmp_path: Path, teacher_file: Path, frame_cache: Path
) -> None:
    more: dict[str, Any] = {
        "optimiser": {"name": "sgd", "lr": 1e-12, "weight_decay": 0.0},
        "steps": 1,
        "method": "ppkt_point_contrast",
        "point_contrast": {"dim": 8, "pairs": 64},
        "data": [{**tiny_recipe()["data"][0], "views": 2}],
    }
    asked = section(first)
    _refused(tmp_path, teacher_file, frame_cache, first, "point_contrast.* has shape none", start=asked, **more)
    named = {**asked, "new": ["point_contrast"]}
    second = run(tmp_path, teacher_file, frame_cache, first, start=named, **more)
    one, two = load_file(first / "projection.safetensors"), load_file(second / "projection.safetensors")
    assert _new_heads(first, second) == {"point_contrast"}
    for name in one:
        torch.testing.assert_close(two[name], one[name], atol=1e-6, rtol=1e-3)
    _refused(tmp_path / "b", teacher_file, frame_cache, first, "no head .* is named point_contrast", start=named)
    # What the earlier run has is taken along, not begun again.
    again = {**section(second), "new": ["point_contrast"]}
    _refused(tmp_path / "c", teacher_file, frame_cache, second, "no such head", start=again, **more)


def test_a_level_that_the_earlier_run_did_not_teach_begins_anew(
    first: Path, tmp_path: Path, teacher_file: Path, frame_cache: Path
) -> None:
    loss = {**tiny_recipe()["loss"], "deep": {"stride2": 0.5}}
    second = run(tmp_path, teacher_file, frame_cache, first, start={**section(first), "new": ["deep"]}, loss=loss)
    one, two = load_file(first / "projection.safetensors"), load_file(second / "projection.safetensors")
    assert {name.split(".")[:2][-1] for name in two.keys() - one.keys()} == {"stride2"}
    _refused(tmp_path / "b", teacher_file, frame_cache, first, r"deep\.stride2.*none", start=section(first), loss=loss)


def test_a_teacher_that_the_earlier_run_did_not_have_joins(
    first: Path, tmp_path: Path, teacher_file: Path, frame_cache: Path
) -> None:
    """And a level that comes with a later sitting is taught by every teacher."""
    asked = section(first)
    spec = {**tiny_recipe()["teacher"]["spec"], "stage": "layer2"}
    more: dict[str, Any] = {
        "teachers": {"early": {**tiny_recipe()["teacher"], "name": "early", "spec": spec}},
        "files": {"early": teacher_file},
    }
    _refused(tmp_path, teacher_file, frame_cache, first, "name those .* in start.new", start=asked, **more)
    named = {**asked, "new": ["teachers.early"]}
    second = run(tmp_path / "second", teacher_file, frame_cache, first, start=named, **more)
    assert _new_heads(first, second) == {"ppkt_early"}
    record = open_weight_folder(second).record()
    assert [one.name for one in record.further_teachers] == ["early"]
    assert record.trained is not None
    assert record.trained.steps == 6
    loss = {**tiny_recipe()["loss"], "deep": {"stride2": 0.5}}
    deep = {**section(second), "new": ["deep"]}
    third = run(tmp_path / "third", teacher_file, frame_cache, second, start=deep, loss=loss, **more)
    assert _new_heads(second, third) == {"deep", "ppkt_early"}
    absent = {**asked, "new": ["teachers.late"]}
    _refused(tmp_path, teacher_file, frame_cache, first, "no such further teacher", start=absent, **more)


def _new_heads(one: Path, two: Path) -> set[str]:
    before, after = (load_file(folder / "projection.safetensors").keys() for folder in (one, two))
    assert before <= after
    return {name.split(".")[0] for name in after - before}


def test_another_teacher_is_refused(first: Path, tmp_path: Path, frame_cache: Path, teacher_file: Path) -> None:
    content = tiny_recipe()["teacher"]
    other = {**content, "spec": {**content["spec"], "stage": "layer2"}}
    _refused(tmp_path, teacher_file, frame_cache, first, "learned from layer3", start=section(first), teacher=other)
