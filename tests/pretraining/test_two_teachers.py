"""Two teachers in a recipe: cached or online, told in the record, and refused where something is missing."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.torch import load_file, save_file

from ppkt_zoo import verify
from ppkt_zoo.engine.interrupt import Stopped
from ppkt_zoo.engine.metrics_log import read_metrics
from ppkt_zoo.errors import RecipeError, TrainingError
from ppkt_zoo.pretraining.dry_run import dry_run
from ppkt_zoo.pretraining.recipe import Recipe, load_recipe
from ppkt_zoo.pretraining.trainer import pretrain
from ppkt_zoo.zoo.folder import open_weight_folder
from tests.pretraining.tiny_recipe import tiny_recipe

TEACHER = tiny_recipe()["teacher"]


def recipe(tmp_path: Path, how: str = "cached", /, **second: Any) -> Recipe:
    """The tiny recipe with a second teacher: the first one's network, an earlier stage, larger images."""
    content = tiny_recipe(steps=2)
    content["teacher"] = {**TEACHER, "features": how}
    spec = {**TEACHER["spec"], "stage": "layer2", "image_size": [96, 128]}
    content["teachers"] = {
        "early": {**TEACHER, "name": "an earlier stage", "features": how, "spec": spec, "weight": 0.5, **second}
    }
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(content))
    return load_recipe(file)


def test_a_student_learns_from_both(tmp_path: Path, teacher_file: Path, frame_cache: Path) -> None:
    logs = []
    files = {"early": teacher_file}
    for features in ("cached", "online"):
        out = tmp_path / features
        folder = pretrain(
            recipe(tmp_path, features), data={}, teacher=teacher_file, teachers=files, out=out, cache=frame_cache
        )
        logs.append(read_metrics(out / "metrics.jsonl")[0])
    verify(f"local-dir:{folder}")
    assert logs[0]["loss"] == pytest.approx(logs[1]["loss"], abs=2e-2)  # the cache holds half precision
    assert logs[0]["loss"] == pytest.approx(logs[0]["ppkt_loss"] + 0.5 * logs[0]["ppkt_early_loss"], abs=1e-3)
    assert {"top1", "early_top1"} <= logs[0].keys()
    heads = load_file(folder / "projection.safetensors")
    assert heads["upl.projection.weight"].shape[1] == 256
    assert heads["ppkt_early.upl.projection.weight"].shape[1] == 128
    record = open_weight_folder(folder).record()
    assert record.teacher is not None
    assert [one.name for one in record.further_teachers] == ["an earlier stage"]
    assert "an earlier stage, features of layer2" in (folder / "README.md").read_text()
    costs = dry_run(
        recipe(tmp_path), data={}, teacher=teacher_file, teachers=files, out=tmp_path / "no", cache=frame_cache
    )
    assert costs.first_look is not None
    assert (costs.first_look.frames, costs.first_look.done) == (8, 8)  # four frames, seen by two


def test_a_teacher_without_its_file_is_named(tmp_path: Path, teacher_file: Path, frame_cache: Path) -> None:
    arguments: dict[str, Any] = {"data": {}, "teacher": teacher_file, "out": tmp_path / "run", "cache": frame_cache}
    with pytest.raises(RecipeError, match="--teacher early=FILE"):
        pretrain(recipe(tmp_path), **arguments)
    with pytest.raises(RecipeError, match="no further teacher late: it has early"):
        pretrain(recipe(tmp_path), teachers={"late": teacher_file}, **arguments)


@pytest.mark.parametrize("changed", ["first", "early"])
def test_a_run_does_not_go_on_with_another_teacher(
    changed: str, tmp_path: Path, teacher_file: Path, frame_cache: Path
) -> None:
    def run(first: Path, early: Path, **arguments: Any) -> Path:
        plan, out = recipe(tmp_path), tmp_path / "run"
        return pretrain(
            plan, data={}, teacher=first, teachers={"early": early}, out=out, cache=frame_cache, **arguments
        )

    with pytest.raises(Stopped):
        run(teacher_file, teacher_file, stop_after=1)
    other = tmp_path / "other.safetensors"
    save_file({name: tensor + 0.01 for name, tensor in load_file(teacher_file).items()}, other)
    files = (other, teacher_file) if changed == "first" else (teacher_file, other)
    option = "--teacher" if changed == "first" else "--teacher early"
    with pytest.raises(TrainingError, match=rf"learned from another teacher than {option} is now"):
        run(*files)
    run(teacher_file, teacher_file)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"features": "online"}, "features of all teachers must be cached"),
        ({"features": "online", "image_flip": 0.5}, "all teachers see the same images"),
        ({"weight": 0}, "greater than 0"),
    ],
)
def test_teachers_that_do_not_go_together(second: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=message):
        recipe(tmp_path, **second)
