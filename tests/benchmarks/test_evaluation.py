"""The evaluation of frozen features: what it refuses, keeps and collects; once from end to end on a weight."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.evaluation import run
from benchmarks.evaluation.ablation import RECIPE
from benchmarks.evaluation.clusters import same_class_found
from benchmarks.evaluation.collect import collect_evaluation, records
from benchmarks.evaluation.embeddings import _spread
from benchmarks.evaluation.heads import has_head
from benchmarks.evaluation.journal import Journal
from benchmarks.evaluation.material import trained_on
from benchmarks.evaluation.probing import KNN, LAST
from benchmarks.evaluation.students import control_key, open_students
from benchmarks.evaluation.variants import GROUPS
from benchmarks.reports import __main__ as reports
from ppkt_zoo.evaluation.statistics import mean_interval
from ppkt_zoo.pretraining.recipe import load_recipe
from ppkt_zoo.zoo.record import Metric
from tests.benchmarks.made_up import family, runs, student, weight, written

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = ROOT / "ppkt_zoo" / "weights"


def test_every_variant_is_a_recipe_of_its_own() -> None:
    base = load_recipe(RECIPE)
    fingerprints = {base.fingerprint}
    every = [variant for group in GROUPS.values() for variant in group]
    for variant in every:
        recipe = load_recipe(RECIPE, variant.overrides)
        fingerprints.add(recipe.fingerprint)
        assert (recipe.teacher is None) == (variant.teacher is None)
        if recipe.teacher is not None and recipe.teacher.spec.sha256 is not None:
            assert variant.teacher == "voc"
    assert len(fingerprints) == len(every) + 1
    assert len({variant.name for variant in every}) == len(every)


def test_a_weight_trained_on_what_is_measured_is_refused() -> None:
    recipe = {"weight": "a.b", "data": [{"kind": "rooms", "seed": 41_001}, {"kind": "frames", "name": "icl"}]}
    assert trained_on(recipe) == ["rooms-41001", "icl"]
    for entry, named in (
        ({"kind": "rooms", "seed": 41_005}, "rooms-41005"),
        ({"kind": "frames", "name": "seven_scenes_redkitchen"}, "seven_scenes_redkitchen"),
    ):
        with pytest.raises(SystemExit, match=rf"a\.b was trained on {named}: its figures there would prove nothing"):
            trained_on({"weight": "a.b", "data": [entry]})


def test_results_of_different_amounts_never_mix(tmp_path: Path) -> None:
    found = collect_evaluation(written(tmp_path / "a", list(reversed(family()))))
    assert [one["kind"] for one in found] == ["weight"] * 4 + ["untrained", "raw"]
    assert all("reports" not in one["parts"]["rooms"] for one in found)

    other = family()
    other[1]["seeds"] = [0, 1, 2, 3]
    with pytest.raises(SystemExit, match="measured under different seeds"):
        collect_evaluation(written(tmp_path / "b", other))
    with pytest.raises(SystemExit, match=r"control of sr_unet14_slim\.\w+ was not measured"):
        collect_evaluation(written(tmp_path / "c", [one for one in family() if one["kind"] != "untrained"]))
    with pytest.raises(SystemExit, match=r"holds no full-\w+ results .* run benchmarks\.evaluation\.run first"):
        collect_evaluation(tmp_path)
    with pytest.raises(SystemExit, match=r"holds no tiny-\w+ results"):
        collect_evaluation(tmp_path / "a", tiny=True)


def test_records_are_metrics_of_each_weight_beside_its_control() -> None:
    students = [weight("net.a", 0.5), student("net, untrained", "untrained", 0.1)]
    for one in students:
        for part in ("rooms", "kitchen", "mosd"):
            one["parts"][part]["points_of"] = {LAST: 1000, KNN: 30}
    students[0]["parts"]["retrieval"] = {"pairs": 64, "sets": {"unseen rooms": {"top1": {"values": [0.1, 0.2, 0.3]}}}}
    (found,) = records(students).values()
    metrics = [Metric.model_validate(one) for one in found]
    assert len(metrics) == 7
    assert metrics[0].value == pytest.approx(0.501)
    assert metrics[0].control.value == pytest.approx(0.101)
    assert metrics[6].value == pytest.approx(0.2)
    assert metrics[6].control.value == 1 / 64


def test_a_record_says_how_many_points_each_probe_was_measured_on(tmp_path: Path) -> None:
    students = collect_evaluation(written(tmp_path, family()))
    found = next(iter(records(students).values()))
    assert {one["name"]: one["n"] for one in found} == {"linear probe mIoU": 1000, "kNN probe mIoU": 30}


def test_collapse_shows_in_rank_and_cosine() -> None:
    spread = _spread
    rng = torch.Generator().manual_seed(0)
    wide = spread(torch.randn(500, 32, generator=rng))
    assert wide["rank"] > 30
    assert abs(wide["cosine"]) < 0.01
    alike = spread(torch.ones(500, 32) + 0.001 * torch.randn(500, 32, generator=rng))
    assert alike["rank"] < 2
    assert alike["cosine"] > 0.99
    rows = torch.randn(40, 8, generator=rng)
    unit = torch.nn.functional.normalize(rows.double(), dim=1)
    pairs = (unit @ unit.T)[~torch.eye(40, dtype=torch.bool)]
    assert spread(rows)["cosine"] == pytest.approx(float(pairs.mean()), abs=1e-5)


def test_a_missing_teacher_is_named(tmp_path: Path) -> None:
    one = open_students([WEIGHTS / "sr_unet14_slim.ppkt_voc"])
    assert [type(student).__name__ for student in one] == ["Pretrained", "Untrained", "Raw"]
    assert control_key(one[0]) == one[1].key
    assert one[0].facts()["trained_on"] == ["rooms-41001", "rooms-41011", "icl_livingroom"]
    assert set(one[0].point_heads) == {"PPKT"}
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"another file")
    with pytest.raises(FileNotFoundError, match=r"no file among --teachers has sha256 ec13ee5d.*DeepLab"):
        one[0].teacher([other])


def test_a_head_of_another_objective_is_none() -> None:
    assert not has_head({"point_contrast.head.projection.weight": torch.ones(2, 2)}, "head.")


def test_a_search_looks_into_other_scenes_and_counts_classes_alike() -> None:
    angle = np.repeat([0.0, 1.0, 2.0], [60, 60, 12])
    features = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    label, scene = np.repeat([0, 1, 2], [60, 60, 12]), np.tile([0, 1], 66)
    # The rare class has six points in each scene, so that four of ten must be others.
    assert same_class_found(features, label, scene) == pytest.approx((1 + 1 + 0.6) / 3)


def test_a_journal_goes_on_after_a_line_that_was_cut_short(tmp_path: Path) -> None:
    file = tmp_path / "runs" / "part.jsonl"
    asked: list[str] = []

    def measure(name: str) -> dict[str, float]:
        asked.append(name)
        return {name: 0.5}

    first = Journal(file)
    assert first.remember("a", measure, "a") == first.remember("a", measure, "again") == {"a": 0.5}
    first.remember("b", measure, "b")
    whole = file.read_text()
    file.write_text(whole[:-20])
    second = Journal(file)
    assert second.remember("a", measure, "never") == {"a": 0.5}
    assert second.remember("b", measure, "b") == {"b": 0.5}
    third = Journal(file)
    assert third.remember("b", measure, "never") == {"b": 0.5}
    assert asked == ["a", "b", "b"]
    assert set(third.spent()) == {"seconds", "processor_seconds"}


@pytest.mark.slow
def test_every_part_runs_and_the_pages_come_from_its_figures(shared: Path, tmp_path: Path) -> None:
    command = [str(WEIGHTS / "sr_unet14_slim.ppkt_voc"), "--tiny", "--seeds", "2", "--out", str(tmp_path / "found")]
    run.main([*command, "--cache", str(tmp_path / "cache"), "--shared", str(shared)])
    out = tmp_path / "out"
    out.mkdir()
    machine = {"processor": "a", "cores": 2, "system": "b", "versions": {"torch": "1"}}
    tuned = {"runs": runs({"scratch": 0.0, "ppkt_voc": 0.1}), "rates": [], "machine": machine}
    (out / "downstream.json").write_text(json.dumps(tuned))
    reports.main(["pretraining", "downstream", "--evaluation", str(tmp_path / "found"), "--tiny", "--out", str(out)])

    results = json.loads((out / "pretraining.json").read_text())
    assert [one["name"] for one in results["students"]] == [
        "sr_unet14_slim.ppkt_voc",
        "sr_unet14_slim, untrained",
        "colour and height",
    ]
    (metrics,) = results["records"].values()
    assert {Metric.model_validate(one).name for one in metrics} >= {"linear probe mIoU", "retrieval top-1 of 256"}
    # The page's figure is the mean of the JSON's.
    found = results["students"][0]["parts"]["kitchen"]["miou"][LAST]["values"]
    assert str(mean_interval(found)) in (out / "pretraining.md").read_text()

    unlabelled = json.loads((out / "downstream.json").read_text())["zero_shot"]
    ours, control, _ = unlabelled["clusters"]
    assert np.mean(ours["rooms"]["v_measure"]) > np.mean(control["rooms"]["v_measure"])
    assert [one["name"] for one in unlabelled["named"]] == ["sr_unet14_slim.ppkt_voc"]
    text = (out / "downstream.md").read_text()
    assert "## Clusters without a label" in text
    assert "## Similarity search" in text
    assert "## The teacher's classes without a 3D label" in text
    assert "](downstream_named.png)" in text
    for picture in out.glob("*.png"):
        assert picture.stat().st_size > 0
