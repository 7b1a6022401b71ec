"""A whole run: from a recipe to a file that loads as a teacher, stopped and gone on with, and its errors."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from typer.testing import CliRunner

from ppkt_zoo.cli.main import app
from ppkt_zoo.engine.interrupt import Stopped
from ppkt_zoo.engine.metrics_log import read_metrics
from ppkt_zoo.errors import RecipeError, TrainingError
from ppkt_zoo.teachers.teacher import TeacherSpec, load_teacher
from ppkt_zoo.teachers.training import TeacherRecipe, TrainedTeacher, train_teacher
from tests.teachers.training.tiny_teacher import tiny_teacher


def _train(out: Path, cache: Path, method: str = "moco_v2", stop_after: int | None = None, **changes: Any) -> Any:
    recipe = TeacherRecipe.model_validate(tiny_teacher(method, **changes))
    return train_teacher(recipe, data={}, out=out, cache=cache, stop_after=stop_after)


def _figures(folder: Path) -> list[dict[str, float]]:
    return [
        {name: value for name, value in line.items() if not name.endswith("_seconds")}
        for line in read_metrics(folder / "metrics.jsonl")
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, frame_cache: Path) -> TrainedTeacher:
    """A run of MoCo that nothing interrupted."""
    return _train(tmp_path_factory.mktemp("whole"), frame_cache)


def test_the_file_loads_as_a_teacher(whole: TrainedTeacher) -> None:
    spec = TeacherSpec(architecture="resnet18", stage="layer4", weights="file", sha256=whole.sha256)
    teacher = load_teacher(spec, whole.file)
    assert not teacher.has_head
    image = torch.rand(1, 3, 96, 128)
    features = teacher(image)
    assert features.shape == (1, 512, 3, 4)
    plain = load_teacher(spec, whole.file, fuse=False)
    assert torch.allclose(features, plain(image), rtol=1e-4, atol=1e-4 * float(features.max()))
    with safe_open(whole.file, "pt") as file:
        record = json.loads(file.metadata()["ppkt_zoo"])
    assert (record["method"], record["steps"], record["images"], record["seed"]) == ("moco_v2", 3, 8, 3)
    assert record["held_out"] == whole.metrics
    assert TeacherRecipe.model_validate(record["recipe"]) == TeacherRecipe.model_validate(tiny_teacher())


def test_the_log_tells_what_happened(whole: TrainedTeacher) -> None:
    *steps, last = _figures(whole.file.parent)
    assert [line["step"] for line in steps] == [1, 2, 3]
    assert all({"loss", "top1", "embedding_std", "lr"} <= set(line) for line in steps)
    assert last == {"step": 3, **whole.metrics}
    assert whole.metrics["held_out_images"] == 4
    assert whole.metrics["held_out_embedding_std"] > 0


def test_a_stopped_run_goes_on_to_the_same_numbers(whole: TrainedTeacher, tmp_path: Path, frame_cache: Path) -> None:
    with pytest.raises(Stopped, match="stopped after 2 of 3 steps"):
        _train(tmp_path, frame_cache, stop_after=2)
    assert not list(tmp_path.glob("*.safetensors"))
    torch.manual_seed(99)
    again = _train(tmp_path, frame_cache)
    assert again.metrics == whole.metrics
    assert _figures(tmp_path) == _figures(whole.file.parent)
    expected = load_file(whole.file)
    for name, tensor in load_file(again.file).items():
        assert tensor.equal(expected[name]), name
    # Once more over a finished run: the same file, and nothing twice in the log.
    assert _train(tmp_path, frame_cache).sha256 == again.sha256
    assert _figures(tmp_path) == _figures(whole.file.parent)


def test_a_supervised_run(tmp_path: Path, frame_cache: Path) -> None:
    done = _train(tmp_path, frame_cache, "supervised", precision="bf16")
    tensors = load_file(done.file)
    assert not any(name.startswith(("fc.", "head.")) for name in tensors)
    load_teacher(TeacherSpec(architecture="resnet18", stage="layer3", weights="file"), done.file)
    assert 0 < done.metrics["held_out_map_by_chance"] < done.metrics["held_out_map"] <= 1
    assert done.metrics["held_out_crops"] == 16


def test_another_recipe_does_not_go_on(whole: TrainedTeacher, frame_cache: Path) -> None:
    with pytest.raises(TrainingError, match="made by another recipe"):
        _train(whole.file.parent, frame_cache, seed=4)


def test_a_broken_loss_stops_and_keeps_the_crops(tmp_path: Path, frame_cache: Path) -> None:
    with pytest.raises(TrainingError, match=r"lower optimiser\.lr") as error:
        _train(tmp_path, frame_cache, "supervised", optimiser={"name": "sgd", "lr": 1e30, "warmup": 0})
    file = next(tmp_path.glob("failed-step-*.safetensors"))
    assert str(file) in str(error.value)
    assert load_file(file)["query"].shape == (4, 3, 32, 32)


def test_more_rooms_than_there_are(tmp_path: Path, frame_cache: Path) -> None:
    with pytest.raises(RecipeError, match="sets 1000 rooms aside for teachers, 999 and 2 held out"):
        _train(tmp_path, frame_cache, images=[{"kind": "rooms", "rooms": 999, "held_out": 2}])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four frames in the plain layout, without labels."""
    path = tmp_path / "frames"
    path.mkdir()
    rng = np.random.default_rng(0)
    for number in range(4):
        Image.fromarray(rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)).save(path / f"{number}.color.png")
        Image.fromarray(np.full((40, 60), 1500, np.uint16)).save(path / f"{number}.depth.png")
    np.savetxt(path / "camera-intrinsics.txt", [[50, 0, 30], [0, 50, 20], [0, 0, 1]])
    return path


def _command(*arguments: object, code: int) -> str:
    result = CliRunner().invoke(app, ["teacher", "train", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return " ".join(result.stderr.split())


def test_the_command_trains_on_any_frames(tmp_path: Path, folder: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    images = [{"kind": "frames", "name": "mine", "licence": "CC0-1.0"}]
    recipe.write_text(json.dumps(tiny_teacher(images=images, steps=1)))
    out = tmp_path / "out"
    said = _command(recipe, "--data", f"mine={folder}", "--out", out, code=0)
    assert f"written: {out}/tiny_moco_v2.safetensors" in said
    assert "architecture: resnet18, weights: file, sha256: " in said
    said = _command(recipe, "--out", out, code=2)
    assert said.endswith("error: --data mine=PATH is missing")
    said = _command(recipe, "--data", f"mine={folder}", "--data", "other=x", "--out", out, code=2)
    assert said.endswith("error: --data other is not among the recipe's images")
    said = _command(recipe, "steps=2", "--data", f"mine={folder}", "--out", tmp_path / "b", "--stop-after", 1, code=3)
    assert "stopped after 1 of 2 steps" in said
