"""A detector learns, resumes exactly, tells what it cannot use, and its folder gives the same one back."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import BatchNorm1d

from ppkt_zoo.downstream.detection import detect, evaluate_detector, fit_detection, load_detector, verify_detector
from ppkt_zoo.downstream.detection.boxes import upright
from ppkt_zoo.downstream.detection.predict import Detections
from ppkt_zoo.downstream.detection.recipe import SceneAugmentation, load_detection_recipe
from ppkt_zoo.downstream.detection.trainer import build_model
from ppkt_zoo.downstream.trainer import set_training_mode
from ppkt_zoo.engine.interrupt import Stopped
from ppkt_zoo.engine.metrics_log import read_metrics
from ppkt_zoo.engine.recipes import shipped_recipes
from ppkt_zoo.errors import InputError, RecipeError, TrainingError, WeightError
from ppkt_zoo.zoo import registry
from ppkt_zoo.zoo.load import verify
from tests.downstream.detection.detection_scenes import CLASSES, PlaceAndColor, Scenes, quick_recipe, scene, two_scenes

LONG = {"steps": 60, "batch": 1}
# Times differ from run to run, and nothing else may.
_TIMES = {"data_seconds", "step_seconds"}


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_BUILDERS", dict(registry._BUILDERS))
    registry.register_backbone("place_and_color")(PlaceAndColor)


def lines(out: Path) -> list[dict[str, float]]:
    found = read_metrics(out / "metrics.jsonl")
    return [{key: value for key, value in line.items() if key not in _TIMES} for line in found]


def finds(found: Detections, boxes: np.ndarray) -> np.ndarray:
    """Centre (K, 3) of the find that is nearest to each box."""
    apart = np.linalg.norm(found.boxes[None, :, :3] - boxes[:, None, :3], axis=2)
    assert (apart.min(axis=1) < 0.3).all()
    return found.boxes[apart.argmin(axis=1), :3]


def test_it_learns_turned_boxes_by_heart_and_the_folder_gives_it_back(tmp_path: Path) -> None:
    scenes = Scenes(two_scenes(turned=True)[:1])
    done = fit_detection(quick_recipe(**LONG), scenes, None, tmp_path, test=scenes)
    assert not done.model.training
    assert lines(tmp_path)[-1]["loss"] < 0.2 * lines(tmp_path)[0]["loss"]
    assert done.score is not None
    np.testing.assert_array_equal(done.score.average_precision(0.25), [1, 1])
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert (scores["map25"], scores["scenes"], scores["classes"][1]["name"]) == (1.0, 1, CLASSES[1])
    # Map coordinates: the boxes lie where the points lie.
    far = np.array([4e5, 5e6, 100.0])
    near = scenes[0].xyz.astype(np.float64)
    here, there = (detect(done.model, xyz, scenes[0].rgb) for xyz in (near, near + far))
    np.testing.assert_allclose(there.boxes[:, :3], here.boxes[:, :3] + far, atol=1e-3)
    loaded = load_detector(done.folder)
    assert loaded.classes == CLASSES
    # The folder holds every number, rounded to half precision at most ...
    stored = loaded.state_dict()
    assert stored.keys() == done.model.state_dict().keys()
    for key, value in done.model.state_dict().items():
        assert torch.equal(stored[key], value) or torch.equal(stored[key], value.half().to(value.dtype)), key
    # ... and everything beside the numbers: the trained model with the same numbers finds the same to the last bit.
    again = detect(loaded, near, scenes[0].rgb)
    np.testing.assert_allclose(finds(again, scenes[0].boxes), finds(here, scenes[0].boxes), atol=0.05)
    done.model.load_state_dict(stored)
    twin = detect(done.model, near, scenes[0].rgb)
    for one, other in ((again.boxes, twin.boxes), (again.probability, twin.probability)):
        np.testing.assert_array_equal(one, other)
    assert evaluate_detector(loaded, scenes).mean_average_precision(0.25) == 1.0
    assert verify(done.folder).ok
    assert verify_detector(done.folder) < 1e-6


def test_it_learns_upright_boxes_around_turned_ones(tmp_path: Path) -> None:
    scenes = Scenes(two_scenes(turned=True)[:1])
    done = fit_detection(quick_recipe(**LONG, shape={"heading_bins": 1}), scenes, None, tmp_path)
    found = detect(done.model, scenes[0].xyz, scenes[0].rgb)
    assert not found.boxes[:, 6].any()
    assert evaluate_detector(done.model, scenes).mean_average_precision(0.25) == 1.0
    np.testing.assert_allclose(done.model.mean_sizes[1], upright(scenes[0].boxes)[1, 3:6], rtol=1e-5)


def test_a_stopped_run_goes_on_to_the_same_numbers(tmp_path: Path) -> None:
    scenes = Scenes(two_scenes(turned=True))
    recipe = quick_recipe(steps=4, points=200, validate_every=2, augmentation=SceneAugmentation.sun_rgbd().model_dump())
    whole = fit_detection(recipe, scenes, scenes, tmp_path / "whole")
    with pytest.raises(Stopped, match="stopped after 3 of 4 steps"):
        fit_detection(recipe, scenes, scenes, tmp_path / "parts", stop_after=3)
    parts = fit_detection(recipe, scenes, scenes, tmp_path / "parts")
    assert lines(tmp_path / "parts") == lines(tmp_path / "whole")
    assert sum("validation_map25" in line for line in lines(tmp_path / "whole")) == 2
    for key, value in whole.model.state_dict().items():
        assert torch.equal(value, parts.model.state_dict()[key]), key
    other = fit_detection(quick_recipe(steps=4, points=200, seed=1), scenes, None, tmp_path / "other")
    assert not torch.equal(whole.model.box.weight, other.model.box.weight)
    with pytest.raises(TrainingError, match="another recipe"):
        fit_detection(quick_recipe(), scenes, None, tmp_path / "parts")


def test_scenes_without_boxes_are_scenes_too(tmp_path: Path) -> None:
    scenes = Scenes([two_scenes(turned=True)[0], scene(np.empty((0, 7)), [])])
    done = fit_detection(quick_recipe(batch=1), scenes, None, tmp_path)
    assert all(np.isfinite(list(line.values())).all() for line in lines(tmp_path))
    with pytest.raises(InputError, match="no true box was counted"):
        evaluate_detector(done.model, [scenes[1]]).mean_average_precision()


def test_detecting_leaves_the_modes() -> None:
    model = build_model(quick_recipe(), Scenes(two_scenes(True))).train()
    model.voting.eval()
    one = two_scenes(True)[0]
    detect(model, one.xyz, one.rgb)
    assert model.training
    assert model.aggregation.training
    assert not model.voting.training


def test_rates_and_momentum_follow_votenets_epochs() -> None:
    recipe = load_detection_recipe("scannet")
    section = recipe.optimiser
    assert recipe.steps == 180 * 38
    at = {epoch: epoch * 38 for epoch in (0, 19, 20, 79, 80, 120, 160, 179)}
    np.testing.assert_allclose(
        [section.rate(at[one], recipe.steps) for one in (0, 79, 80, 120, 160, 179)], [1, 1, 0.1, *[0.01], 1e-3, 1e-3]
    )
    np.testing.assert_allclose(
        [section.momentum_at(at[one], recipe.steps) for one in (0, 19, 20, 179)], [0.5, 0.5, 0.25, 0.5**9]
    )
    falling = section.model_copy(update={"momentum_halved_every": 0.01})
    assert falling.momentum_at(20_000, 20_000) == 0.001
    # A short run's statistics must not be those of its beginning.
    assert falling.momentum_at(49, 50) == 10 / 50
    turned = load_detection_recipe("sun_rgbd")
    assert (turned.steps, turned.shape.heading_bins, turned.turned) == (180 * 83, 12, True)
    assert set(shipped_recipes("detection")) == {"own", "rooms_bench", "scannet", "sr_unet14_small_rooms", "sun_rgbd"}


def test_frozen_batch_norms_keep_their_statistics() -> None:
    model = build_model(quick_recipe(), Scenes(two_scenes(True)))
    model.backbone.add_module("norm", BatchNorm1d(4))
    for choice, names in (("frozen", set()), ("train", {"norm"})):
        recipe = quick_recipe().model_copy(update={"batch_norm": choice})
        norms = set(set_training_mode(model, recipe))
        assert set(model.backbone.modules()) & norms == {model.backbone.get_submodule(name) for name in names}
        assert norms & set(model.voting.modules())


def test_what_cannot_be_trained_on_is_told(tmp_path: Path) -> None:
    scenes = two_scenes(True)
    bare = dataclasses.replace(scenes[1], boxes=None, box_label=None)
    other = dataclasses.replace(scenes[1], box_classes=("crate", "chair"))
    flat = dataclasses.replace(scenes[1], boxes=scenes[1].boxes * np.array([1, 1, 1, 0, 1, 1, 1]))
    for wrong, said in (
        ([], "no scene to fine-tune on"),
        ([scenes[0], bare], "scene scene-1 comes without boxes"),
        ([scenes[0], other], r"scene-1 has boxes of other classes \(crate, chair\)"),
        ([scenes[0], flat], "has a size of 0"),
        ([scene(np.empty((0, 7)), [])], "none of the training scenes has a box"),
    ):
        with pytest.raises(InputError, match=said):
            fit_detection(quick_recipe(), Scenes(wrong), None, tmp_path)
    with pytest.raises(InputError, match=r"boxes of other classes .* than detection-scenes"):
        fit_detection(quick_recipe(), Scenes(scenes), None, tmp_path, test=Scenes([other], ("crate", "chair")))
    with pytest.raises(TrainingError, match=r"votes have NaN|the loss of step \d is (nan|inf)"):
        fit_detection(quick_recipe(steps=8, optimiser={"lr": 1e30}), Scenes(scenes), None, tmp_path)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("steps=0", "steps"),
        ("optimiser.lr=0", "optimiser.lr"),
        ("optimiser.decay_at=[1.5]", "optimiser.decay_at"),
        ("optimiser.momentum=0", "optimiser.momentum"),
        ("margin=-1", "margin"),
        ("batch_norm=off", "batch_norm"),
        ("shape.seats=3", "has no seats; it has heading_bins"),
        ("shape.seeds=0", "sizes of a VoteNet are all positive"),
        ("data.kind=s3dis", "s3dis"),
        ("init=nothing", "must be 'random', or a weight"),
    ],
)
def test_a_recipe_that_cannot_be_is_told(override: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        load_detection_recipe("rooms_bench", [override])


def test_a_weight_that_is_no_detector_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    from tests.support.small_weight import make_folder

    with pytest.raises(WeightError, match="is a backbone without a head: fine-tune one first"):
        load_detector(make_folder(tmp_path / "weight"))
    done = fit_detection(quick_recipe(steps=1), Scenes(two_scenes(True)), None, tmp_path / "run")
    file = done.folder / "detector.safetensors"
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(WeightError, match=r"detector\.safetensors has .* bytes"):
        load_detector(done.folder)
