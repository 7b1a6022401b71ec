"""Fine-tuning learns, resumes exactly, and leaves a folder that gives the same model back."""

import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from ppkt_zoo.data.scenes import LabelledScene
from ppkt_zoo.downstream.segmentation import fit_segmentation, load_segmentation
from ppkt_zoo.downstream.segmentation.trainer import build_model, build_optimizer
from ppkt_zoo.engine.interrupt import Stopped
from ppkt_zoo.engine.metrics_log import read_metrics
from ppkt_zoo.engine.optim import set_learning_rate
from ppkt_zoo.errors import InputError, RecipeError, TrainingError, WeightError
from ppkt_zoo.zoo.folder import open_weight_folder, update_record
from ppkt_zoo.zoo.load import verify
from tests.downstream.segmentation.tiny_scenes import CLASSES, TinyScenes, tiny_recipe, tiny_scene
from tests.support.small_weight import make_folder

TRAIN, TEST = TinyScenes(0, 1, 2), TinyScenes(10)
# Times differ from run to run, and nothing else may.
_TIMES = {"data_seconds", "step_seconds"}


def lines(out: Path) -> list[dict[str, float]]:
    found = read_metrics(out / "metrics.jsonl")
    return [{key: value for key, value in line.items() if key not in _TIMES} for line in found]


def test_it_learns_and_the_folder_gives_the_model_back(tmp_path: Path) -> None:
    done = fit_segmentation(tiny_recipe(steps=10, voting=2), TRAIN, None, tmp_path, test=TEST)
    losses = [line["loss"] for line in lines(tmp_path)]
    assert losses[-1] < 0.7 * losses[0]
    assert done.score is not None
    assert done.score.figures()["miou"] > 0.6
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["miou"] == done.score.figures()["miou"]
    assert (scores["voting"], scores["scenes"], scores["classes"][0]["name"]) == (2, 1, "wall")
    record = open_weight_folder(done.folder).record()
    assert [metric.name for metric in record.metrics][:2] == ["mIoU (full cloud)", "mAcc (full cloud)"]
    loaded = load_segmentation(done.folder)
    assert loaded.classes == CLASSES
    scene = tiny_scene(10)
    there = done.model.predict(scene.xyz, scene.rgb).probabilities
    np.testing.assert_allclose(loaded.predict(scene.xyz, scene.rgb).probabilities, there, atol=0.02)
    assert verify(done.folder).ok


def test_a_stopped_run_goes_on_to_the_same_numbers(tmp_path: Path) -> None:
    recipe = tiny_recipe(validate_every=2)
    whole = fit_segmentation(recipe, TRAIN, TEST, tmp_path / "whole")

    class Stopping(TinyScenes):
        """Asks for a stop while the second step's validation runs."""

        def __getitem__(self, index: int) -> LabelledScene:
            os.kill(os.getpid(), signal.SIGTERM)
            return super().__getitem__(index)

    with pytest.raises(Stopped, match="resumes from the last checkpoint"):
        fit_segmentation(recipe, TRAIN, Stopping(10), tmp_path / "parts")
    assert [line["step"] for line in lines(tmp_path / "parts")] == [1, 2]
    with pytest.raises(Stopped, match="stopped after 3 of 4 steps"):
        fit_segmentation(recipe, TRAIN, TEST, tmp_path / "parts", stop_after=3)
    parts = fit_segmentation(recipe, TRAIN, TEST, tmp_path / "parts")
    assert lines(tmp_path / "parts") == lines(tmp_path / "whole")
    assert sum("validation_miou" in line for line in lines(tmp_path / "whole")) == 2
    for key, value in whole.model.state_dict().items():
        assert torch.equal(value, parts.model.state_dict()[key]), key


def test_another_recipe_does_not_go_on(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        fit_segmentation(tiny_recipe(), TRAIN, None, tmp_path, stop_after=1)
    with pytest.raises(TrainingError, match="another recipe"):
        fit_segmentation(tiny_recipe(seed=1), TRAIN, None, tmp_path)
    with pytest.raises(TrainingError, match="another recipe"):
        fit_segmentation(tiny_recipe(), TinyScenes(0, 1, 2, classes=("wall", "floor", "chair", "x")), None, tmp_path)


def test_scenes_that_changed_do_not_go_on(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        fit_segmentation(tiny_recipe(), TRAIN, None, tmp_path, stop_after=1)
    with pytest.raises(TrainingError, match=r"have changed since step 1 .* 2 scenes are now where 3 were"):
        fit_segmentation(tiny_recipe(), TinyScenes(0, 1), None, tmp_path)
    with pytest.raises(TrainingError, match=r"still 3, but some were edited"):
        fit_segmentation(tiny_recipe(), TinyScenes(0, 1, 5), None, tmp_path)


def test_a_run_does_not_go_on_from_a_weight_that_has_changed(tmp_path: Path) -> None:
    weight = make_folder(tmp_path / "weight")
    spec = {"voxel_size": 0.2}
    recipe = tiny_recipe(init=weight, backbone={"name": "sr_unet14_small", "input_spec": spec})
    with pytest.raises(Stopped):
        fit_segmentation(recipe, TRAIN, None, tmp_path / "out", stop_after=1)
    (tmp_path / "weight").rename(tmp_path / "first")
    make_folder(tmp_path / "weight", seed=2)
    with pytest.raises(TrainingError, match=r"step-00000001\S* began with another weight than \S*weight is now"):
        fit_segmentation(recipe, TRAIN, None, tmp_path / "out")
    shutil.rmtree(tmp_path / "weight")
    (tmp_path / "first").rename(tmp_path / "weight")
    fit_segmentation(recipe, TRAIN, None, tmp_path / "out", test=TEST)
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    digits = open_weight_folder(tmp_path / "weight").config.files["model.safetensors"].sha256
    assert scores["init_sha256"] == digits, "scores say which weight they began with"


def test_a_weight_begins_with_its_numbers_at_the_recipes_voxels(tmp_path: Path) -> None:
    weight = make_folder(tmp_path / "weight")
    spec = {"voxel_size": 0.2}
    recipe = tiny_recipe(init=weight, batch_norm="frozen", backbone={"name": "sr_unet14_small", "input_spec": spec})
    model = build_model(recipe, CLASSES)
    expected = open_weight_folder(tmp_path / "weight").backbone().state_dict()
    for key, value in model.backbone.state_dict().items():
        assert torch.equal(value, expected[key])
    assert model.backbone.input_spec.voxel_size == 0.2
    random = build_model(tiny_recipe(), CLASSES)
    assert torch.equal(model.head.weight, random.head.weight), "all begin with the same head"
    key = next(name for name in model.state_dict() if name.endswith("running_mean"))
    before = model.state_dict()[key].clone()
    told = open_weight_folder(tmp_path / "weight").record().model_copy(update={"limits": ("never saw the outdoors",)})
    update_record(tmp_path / "weight", told)
    done = fit_segmentation(recipe.model_copy(update={"steps": 1}), TRAIN, None, tmp_path / "out")
    assert torch.equal(done.model.state_dict()[key], before), f"{key} is frozen and moved"
    start, record = open_weight_folder(tmp_path / "weight"), open_weight_folder(tmp_path / "out" / "model").record()
    assert record.base is not None
    assert record.base.sha256 == start.config.files["model.safetensors"].sha256
    assert record.data[:-1] == start.record().data, "what its beginning learned from, with licence and attribution"
    assert record.data[-1].name == TRAIN.name
    assert record.limits[1:] == (f"Of {start.config.name}: never saw the outdoors",)


def test_a_weight_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    weight = make_folder(tmp_path / "weight")
    grey = {"name": "sr_unet14_small", "input_spec": {"voxel_size": 0.2, "channels": ["ones"]}}
    with pytest.raises(RecipeError, match=r"only voxel_size may differ .*give") as told:
        build_model(tiny_recipe(init=weight, backbone=grey), CLASSES)
    assert str(told.value).endswith("give backbone.input_spec.channels=[red,green,blue]"), "what to type"
    other = {"name": "sr_unet14_slim", "input_spec": {"voxel_size": 0.2}}
    with pytest.raises(RecipeError, match=r"backbone is sr_unet14_slim: give backbone\.name=sr_unet14_small"):
        build_model(tiny_recipe(init=weight, backbone=other, model="sr_unet14_slim.x"), CLASSES)
    with pytest.raises(WeightError, match="backbone without a head"):
        load_segmentation(weight)


def test_the_head_learns_at_its_own_rate() -> None:
    recipe = tiny_recipe(optimiser={"name": "sgd", "lr": 0.1, "head_lr": 4, "dampening": 0.1, "weight_decay": 0.01})
    model = build_model(recipe, CLASSES)
    optimizer = build_optimizer(recipe.optimiser, model)
    set_learning_rate(optimizer, 0.05)
    found = {id(one): group for group in optimizer.param_groups for one in group["params"]}
    assert len(found) == len(list(model.parameters()))
    assert found[id(model.head.weight)]["lr"] == pytest.approx(0.2)
    assert found[id(model.head.weight)]["weight_decay"] == 0.01
    assert found[id(model.head.bias)]["weight_decay"] == 0
    body = next(model.backbone.parameters())
    assert (found[id(body)]["lr"], found[id(body)]["dampening"]) == (0.05, 0.1)


def test_test_scenes_of_other_classes_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="made for 3 classes"):
        fit_segmentation(tiny_recipe(), TRAIN, None, tmp_path, test=TinyScenes(10, classes=("wall", "floor")))
    assert not (tmp_path / "metrics.jsonl").exists()


def test_a_loss_that_is_no_number_keeps_its_batch(tmp_path: Path) -> None:
    recipe = tiny_recipe(optimiser={"name": "sgd", "lr": 1e30, "warmup": 0})
    with pytest.raises(TrainingError, match=r"the loss of step \d is .*its batch was saved to .*failed-step"):
        fit_segmentation(recipe, TRAIN, None, tmp_path)
    assert len(list(tmp_path.glob("failed-step-*.safetensors"))) == 1


def test_bf16_learns_too(tmp_path: Path) -> None:
    done = fit_segmentation(tiny_recipe(steps=1, precision="bf16"), TRAIN, None, tmp_path)
    assert done.model.head.weight.dtype == torch.float32
    assert np.isfinite(lines(tmp_path)[0]["loss"])
