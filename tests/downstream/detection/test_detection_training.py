"""A detector learns, repeats itself under one seed, and tells what it cannot use."""

import dataclasses

import numpy as np
import pytest
import torch
from detection_scenes import PlaceAndColor, scene, two_scenes
from torch.nn import BatchNorm1d

from ppkt_zoo.backbones.sr_unet import SRUNet
from ppkt_zoo.downstream.detection.augment import SceneAugmentation
from ppkt_zoo.downstream.detection.boxes import upright
from ppkt_zoo.downstream.detection.inference import detect, evaluate_detector
from ppkt_zoo.downstream.detection.training import DetectorRecipe, fit_detector
from ppkt_zoo.downstream.detection.votenet import VoteNetShape
from ppkt_zoo.errors import InputError, TrainingError
from ppkt_zoo.points.input_spec import InputSpec

QUICK = DetectorRecipe(
    steps=3,
    scenes_per_step=2,
    lr=7e-3,
    decay_at=(0.6, 0.85),
    momentum=0.3,
    momentum_halved_every=0.25,
    shape=VoteNetShape(heading_bins=12, seeds=128, proposals=64, width=64),
)

LONG = dataclasses.replace(QUICK, steps=60, scenes_per_step=1)


def test_it_learns_turned_boxes_by_heart() -> None:
    scenes = two_scenes(turned=True)[:1]
    done = fit_detector(PlaceAndColor(), scenes, LONG, seed=0)
    assert not done.model.training
    assert done.history[-1]["total"] < 0.2 * done.history[0]["total"]
    score = evaluate_detector(done.model, scenes)
    assert score.scenes == 1
    np.testing.assert_array_equal(score.average_precision(0.25), [1, 1])
    # Map coordinates: the boxes lie where the points lie.
    far = np.array([4e5, 5e6, 100.0])
    near = scenes[0].xyz.astype(np.float64)
    here, there = (detect(done.model, xyz, scenes[0].rgb) for xyz in (near, near + far))
    np.testing.assert_allclose(there.boxes[:, :3], here.boxes[:, :3] + far, atol=1e-3)


def test_it_learns_upright_boxes_around_turned_ones() -> None:
    scenes = two_scenes(turned=True)[:1]
    shape = dataclasses.replace(QUICK.shape, heading_bins=1)
    done = fit_detector(PlaceAndColor(), scenes, dataclasses.replace(LONG, shape=shape), seed=0)
    found = detect(done.model, scenes[0].xyz, scenes[0].rgb)
    assert not found.boxes[:, 6].any()
    assert evaluate_detector(done.model, scenes).mean_average_precision(0.25) == 1.0
    np.testing.assert_allclose(done.model.mean_sizes[1], upright(scenes[0].boxes)[1, 3:6], rtol=1e-5)


def test_one_seed_one_result_and_the_given_backbone_stays() -> None:
    backbone, scenes = PlaceAndColor(), two_scenes(turned=True)
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    few = dataclasses.replace(QUICK, points=200)
    runs = [fit_detector(backbone, scenes, few, seed, SceneAugmentation.sun_rgbd()) for seed in (3, 3, 4)]
    states = [run.model.state_dict() for run in runs]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert runs[0].history == runs[1].history
    assert runs[0].history != runs[2].history
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())
    assert not torch.equal(states[0]["backbone.layer.weight"], before["layer.weight"])


def test_scenes_without_boxes_are_scenes_too() -> None:
    scenes = [two_scenes(turned=True)[0], scene(np.empty((0, 7)), [])]
    done = fit_detector(PlaceAndColor(), scenes, dataclasses.replace(QUICK, scenes_per_step=1), seed=0)
    assert all(np.isfinite(list(step.values())).all() for step in done.history)
    with pytest.raises(InputError, match="no true box was counted"):
        evaluate_detector(done.model, scenes[1:]).mean_average_precision()


def test_detecting_leaves_the_modes() -> None:
    model = fit_detector(PlaceAndColor(), two_scenes(True), dataclasses.replace(QUICK, steps=1), seed=0).model
    model.train()
    model.voting.eval()
    one = two_scenes(True)[0]
    detect(model, one.xyz, one.rgb)
    assert model.training
    assert model.aggregation.training
    assert not model.voting.training


def test_rates_and_momentum_follow_votenets_epochs() -> None:
    recipe = DetectorRecipe.scannet(1201)
    assert recipe.steps == 180 * 38
    at = {epoch: epoch * 38 for epoch in (0, 19, 20, 79, 80, 120, 160, 179)}
    np.testing.assert_allclose(
        [recipe.rate(at[one]) for one in (0, 79, 80, 120, 160, 179)], [1, 1, 0.1, *[0.01], 1e-3, 1e-3]
    )
    np.testing.assert_allclose([recipe.momentum_at(at[one]) for one in (0, 19, 20, 179)], [0.5, 0.5, 0.25, 0.5**9])
    assert DetectorRecipe.sun_rgbd(5285).shape.heading_bins == 12
    falling = dataclasses.replace(recipe, steps=20_000, momentum_halved_every=0.01)
    assert falling.momentum_at(20_000) == 0.001
    # A short run's statistics must not be those of its beginning.
    assert dataclasses.replace(falling, steps=50).momentum_at(49) == 10 / 50


def test_frozen_batch_norms_keep_their_statistics() -> None:
    backbone, scenes = SRUNet(input_spec=InputSpec(voxel_size=0.1), planes=(8,) * 8, blocks=(1,) * 8), two_scenes(True)
    for choice, stays in (("frozen", True), ("train", False)):
        done = fit_detector(
            backbone, scenes, dataclasses.replace(QUICK, steps=1, momentum=1, batch_norm=choice), seed=0
        )
        before, after = dict(backbone.named_buffers()), dict(done.model.backbone.named_buffers())
        assert all(torch.equal(before[name], after[name]) for name in before) == stays
        norms = [norm for norm in done.model.voting.modules() if isinstance(norm, BatchNorm1d)]
        assert {norm.momentum for norm in norms} == {1}


def test_what_cannot_be_trained_on_is_told() -> None:
    backbone, scenes = PlaceAndColor(), two_scenes(True)
    with pytest.raises(InputError, match="at least one scene"):
        fit_detector(backbone, [], QUICK, seed=0)
    bare = dataclasses.replace(scenes[1], boxes=None, box_label=None)
    with pytest.raises(InputError, match="scene scene-1 comes without boxes"):
        fit_detector(backbone, [scenes[0], bare], QUICK, seed=0)
    other = dataclasses.replace(scenes[1], box_classes=("crate", "chair"))
    with pytest.raises(InputError, match=r"scene-1 has boxes of other classes \(crate, chair\)"):
        fit_detector(backbone, [scenes[0], other], QUICK, seed=0)
    with pytest.raises(TrainingError, match=r"votes have NaN|loss is (nan|inf) at step"):
        fit_detector(backbone, scenes, dataclasses.replace(QUICK, steps=8, lr=1e30), seed=0)


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"lr": 0}, {"decay_at": (1.5,)}, {"momentum": 0}, {"margin": -1}, {"batch_norm": "off"}]
)
def test_a_recipe_that_cannot_be_is_told(wrong: dict) -> None:
    with pytest.raises(InputError, match="a detector's recipe"):
        dataclasses.replace(QUICK, **wrong)
