"""The dry run: its numbers are those of the run that follows, and it leaves nothing behind."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from ppkt_zoo.cli.run.run_tables import dry_run_table, duration, file_size
from ppkt_zoo.errors import RecipeError
from ppkt_zoo.pretraining.cost import Disk, OnceWork
from ppkt_zoo.pretraining.dry_run import dry_run
from ppkt_zoo.pretraining.recipe import Recipe, load_recipe
from ppkt_zoo.pretraining.trainer import pretrain
from ppkt_zoo.zoo.load import load_backbone
from tests.pretraining.tiny_recipe import tiny_recipe
from tests.support.made_up_dry_run import RUN, STEP


def recipe(tmp_path: Path, content: dict[str, Any]) -> Recipe:
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(content))
    return load_recipe(file)


TEACHER = tiny_recipe()["teacher"]


def changed(**sections: Any) -> Recipe:
    return Recipe.model_validate(tiny_recipe(**{"steps": 1000, **sections}))


def test_a_step_waits_for_what_is_slowest() -> None:
    assert RUN.step_seconds == 1.0
    assert replace(RUN, workers=0).step_seconds == 1.5
    assert replace(RUN, recipe=changed(teacher={**TEACHER, "features": "online"})).step_seconds == pytest.approx(1.3)
    slow = replace(STEP, prepare=3.0)
    assert replace(RUN, step=slow).data_seconds == pytest.approx(2.0)
    assert replace(RUN, step=slow, workers=2).step_seconds == pytest.approx(1.5)
    # One core does everything, one after the other.
    assert replace(RUN, cores=1).step_seconds == pytest.approx(1.5)
    assert RUN.seconds == pytest.approx(600 + 1000)


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"step": replace(STEP, prepare=2.5)}, "60 % of a step is waiting for data: raise --workers to 3"),
        (
            {"cores": 1},
            "33 % of a step is waiting for data, and no CPU core is free to prepare it",
        ),
        ({"recipe": changed(steps=700_000)}, "the run would take 8.1 days"),
        ({"disks": (Disk(Path("here"), 10**9, 3 * 10**9),)}, "needs 3.0 GB on the disk of here, where 1.0 GB are free"),
        (
            {"recipe": changed(loss={"dim": 16, "pairs": 128})},
            "a step has 64 pixel pairs where the recipe asks for 128",
        ),
        ({"step": replace(STEP, skipped=("icl[3]: no depth",))}, "1 frames of the timed steps cannot be used"),
    ],
)
def test_what_is_off_is_said(changes: dict[str, Any], warning: str) -> None:
    assert RUN.warnings == ()
    (said,) = replace(RUN, **changes).warnings
    assert warning in said


def test_its_numbers_are_those_of_the_run(tmp_path: Path, teacher_file: Path, frame_cache: Path) -> None:
    loaded = recipe(tmp_path, tiny_recipe(steps=2, ema=0.9))
    out, cache = tmp_path / "run", tmp_path / "cache"
    arguments = {"data": {}, "teacher": teacher_file, "out": out, "cache": cache, "workers": 0}
    before = dry_run(loaded, **arguments)
    assert not out.exists()
    assert not (cache / "teacher").exists()
    assert before.step is not None
    assert before.step.frames == 2
    assert before.step.pixel_pairs == 64
    assert before.step.points > before.step.voxels > 100
    assert min(before.step.prepare, before.step.teacher, before.step.student) > 0
    assert before.step.memory > 10**8
    assert before.warnings == () or "waiting for data" in before.warnings[0]

    assert before.first_look is not None
    assert (before.first_look.frames, before.first_look.done) == (4, 0)
    weight = pretrain(loaded, **arguments)
    (features,) = (cache / "teacher").glob("*.f16")
    assert before.first_look.bytes == features.stat().st_size
    (checkpoint,) = (out / "checkpoints").glob("*.safetensors")
    assert before.checkpoint_bytes == pytest.approx(checkpoint.stat().st_size, rel=0.01)
    tensors = sum((weight / name).stat().st_size for name in ("model.safetensors", "projection.safetensors"))
    assert before.weight_bytes == pytest.approx(tensors, rel=0.01)
    student = load_backbone(f"local-dir:{weight}")
    assert before.student_parameters == sum(parameter.numel() for parameter in student.parameters())

    files = {file: file.stat().st_mtime_ns for file in out.rglob("*")}
    after = dry_run(loaded, **arguments)
    assert after.first_look == OnceWork(4, 4, 0.0, 0)
    assert after.rendering == OnceWork(4, 4, 0.0, 0)
    assert {file: file.stat().st_mtime_ns for file in out.rglob("*")} == files


def test_frames_that_must_be_rendered_are_counted(tmp_path: Path, teacher_file: Path) -> None:
    content = tiny_recipe()
    content["teacher"]["features"] = "online"
    content["data"][0].update(rooms=20, frames_per_room=1)
    found = dry_run(
        recipe(tmp_path, content), data={}, teacher=teacher_file, out=tmp_path / "run", cache=tmp_path, workers=1
    )
    assert found.teacher_online
    assert found.first_look is None
    assert found.rendering is not None
    assert (found.rendering.frames, found.rendering.done) == (20, 12)
    assert found.rendering.seconds > 0
    assert found.rendering.bytes > 0


def test_methods_without_a_teacher(tmp_path: Path, frame_cache: Path) -> None:
    content = tiny_recipe(method="point_contrast", point_contrast={"pairs": 64, "dim": 8})
    del content["teacher"], content["loss"]
    content["data"] = [{**content["data"][0], "walk": True, "views": 2, "frames_per_room": 3}]
    found = dry_run(recipe(tmp_path, content), data={}, teacher=None, out=tmp_path / "run", cache=frame_cache)
    assert found.step is not None
    assert found.step.view_pairs > 0
    assert found.step.teacher == 0
    assert found.teacher_parameters is found.first_look is None

    content = tiny_recipe(method="scratch", steps=0)
    del content["teacher"], content["loss"]
    scratch = dry_run(recipe(tmp_path, content), data={}, teacher=None, out=tmp_path / "run", cache=frame_cache)
    assert scratch.step is None
    assert (scratch.seconds, scratch.checkpoint_bytes, scratch.head_parameters) == (0, 0, 0)
    console = Console(width=120, record=True, quiet=False)
    console.print(dry_run_table(scratch))
    assert "none: the run writes the untrained weight" in console.export_text()


def test_what_is_missing_is_said_before_anything_is_timed(tmp_path: Path, teacher_file: Path) -> None:
    frames = {"kind": "frames", "name": "icl", "licence": "CC BY 3.0"}
    loaded = recipe(tmp_path, tiny_recipe(data=[frames]))
    with pytest.raises(RecipeError, match="--data icl=PATH"):
        dry_run(loaded, data={}, teacher=teacher_file, out=tmp_path, cache=tmp_path)


def test_the_table_says_it_in_units() -> None:
    console = Console(width=120, record=True, quiet=False)
    console.print(dry_run_table(RUN))
    said = console.export_text()
    assert "1.00 s a step: data 0.00, student 1.00" in said
    assert "40 of 100 frames are in the cache; the rest takes 10 min and 1.0 GB" in said
    assert "a checkpoint 100.0 MB, two of them are kept; the weight 10.0 MB" in said
    assert "27 min" in said
    assert [duration(seconds) for seconds in (12.4, 600, 7260, 259_200)] == ["12 s", "10 min", "2 h 1 min", "3.0 days"]
    assert file_size(2_300_000_000) == "2.3 GB"
