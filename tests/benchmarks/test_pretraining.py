"""The scripts behind docs/results/pretraining.md: what they refuse, keep, compare and write."""

import copy
import dataclasses
import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.pretraining.recipe import load_recipe
from ppkt_zoo.rooms.version import VERSION
from ppkt_zoo.zoo.record import Metric
from tests.benchmarks.scripts_on_path import scripts_on_path

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "benchmarks" / "pretraining"


@pytest.fixture(scope="module", autouse=True)
def importable() -> Iterator[None]:
    with scripts_on_path(SCRIPTS):
        yield


def script(name: str) -> ModuleType:
    return importlib.import_module(name)


LINEAR, KNN = "linear, last level", "kNN, last level"


def student(name: str, kind: str, level: float, **more: Any) -> dict[str, Any]:
    """A student whose scores lie around a level, a little apart from seed to seed."""

    def part(classes: list[str]) -> dict[str, Any]:
        values = [level + 0.001 * seed for seed in range(3)]
        # Linear probes are asked for every point, kNN for a few of each frame.
        asked = {LINEAR: 1000, KNN: 30}
        report = {line: {"miou": 0.5, "converged": True, "points": points} for line, points in asked.items()}
        return {
            "classes": classes,
            "fit_frames": 2,
            "fit_size": 4,
            "test_frames": 3,
            "queries": 10,
            "miou": {line: {"values": values} for line in (LINEAR, KNN)},
            "reports": [report] * 3,
        }

    parts: dict[str, Any] = {set_name: part(["a", "b"]) for set_name in ("rooms", "kitchen", "mosd")}
    if kind != "raw":
        parts["collapse"] = [{"features": {"rank": 9.0 + seed, "cosine": 0.2, "channels": 48}} for seed in range(3)]
        places = [[float(row), float(row % 7)] for row in range(20)]
        parts["tsne"] = {"classes": ["wall", "floor"], "label": [row % 2 for row in range(20)], "xy": places}
    common = {
        "name": name, "key": f"key of {name}", "kind": kind, "control": None, "seeds": [0, 1, 2], "world": 3,
        "amount": {"kitchen_fit": [0, 70], "kitchen_test": [70, 100], "statistics_clouds": 2}, "missing": [],
        "machine": {"processor": "p", "cores": 2, "system": "s", "versions": {"torch": "2"}},
        "spent": {"seconds": 60.0, "processor_seconds": 60.0}, "parts": parts,
    }  # fmt: skip
    return common | more


def weight(name: str, level: float, **more: Any) -> dict[str, Any]:
    facts = {
        "control": f"key of {name.split('.')[0]}, untrained", "method": "ppkt", "teacher": "a teacher",
        "parameters": 1_000_000, "voxel_size": 0.04, "steps": 10, "hours": 0.1,
    }  # fmt: skip
    return student(name, "weight", level, **(facts | more))


def family() -> list[dict[str, Any]]:
    return [
        weight("sr_unet14_slim.ppkt_moco_rooms", 0.30),
        weight("sr_unet14_slim.ppkt_sup_rooms", 0.40),
        weight("sr_unet14_slim.ppkt_voc", 0.50),
        weight("sr_unet14_slim.point_contrast", 0.45),
        student("sr_unet14_slim, untrained", "untrained", 0.35),
        student("colour and height", "raw", 0.20),
    ]


def written(folder: Path, students: list[dict[str, Any]]) -> Path:
    folder.mkdir(exist_ok=True)
    amount = script("amount").FULL.name
    for number, one in enumerate(students):
        (folder / f"{number}-world{VERSION}-seeds3-{amount}.json").write_text(json.dumps(one))
    return folder


def test_every_variant_is_a_recipe_of_its_own() -> None:
    variants = script("variants")
    base = load_recipe(SCRIPTS / "ablation.yaml")
    fingerprints = {base.fingerprint}
    every = [variant for group in variants.GROUPS.values() for variant in group]
    for variant in every:
        recipe = load_recipe(SCRIPTS / "ablation.yaml", variant.overrides)
        fingerprints.add(recipe.fingerprint)
        assert (recipe.teacher is None) == (variant.teacher is None)
        if recipe.teacher is not None and recipe.teacher.spec.sha256 is not None:
            assert variant.teacher == "voc"
    assert len(fingerprints) == len(every) + 1
    assert len({variant.name for variant in every}) == len(every)


def test_a_weight_trained_on_what_is_measured_is_refused() -> None:
    material = script("material")
    recipe = {"weight": "a.b", "data": [{"kind": "rooms", "seed": 41_001}, {"kind": "frames", "name": "icl"}]}
    assert material.trained_on(recipe) == ["rooms-41001", "icl"]
    for entry, named in (
        ({"kind": "rooms", "seed": 41_005}, "rooms-41005"),
        ({"kind": "frames", "name": "seven_scenes_redkitchen"}, "seven_scenes_redkitchen"),
    ):
        with pytest.raises(SystemExit, match=rf"a\.b was trained on {named}: it proves nothing there"):
            material.trained_on({"weight": "a.b", "data": [entry]})


def test_thinning_keeps_validations_and_the_height_of_a_curve() -> None:
    thin = script("thin").thin
    lines: list[dict[str, Any]] = []
    for step in range(1, 1001):
        lines.append({"step": step, "loss": float(step % 2)})
        if step % 100 == 0:
            lines.append({"step": step, "validation_loss": 3.0})
    kept = thin(lines, most=50)
    assert len(kept) == 50
    assert sum("validation_loss" in line for line in kept) == 10
    assert [line["step"] for line in kept] == sorted(line["step"] for line in kept)
    assert kept[-2]["step"] == kept[-1]["step"] == 1000
    assert np.allclose([line["loss"] for line in kept if "loss" in line], 0.5, atol=0.03)
    assert thin(lines[:40], most=50) == lines[:40]


def test_results_of_different_amounts_never_mix(tmp_path: Path) -> None:
    collect = script("collect").collect_evaluation
    found = collect(written(tmp_path / "a", list(reversed(family()))))
    assert [one["kind"] for one in found] == ["weight"] * 4 + ["untrained", "raw"]
    assert all("reports" not in one["parts"]["rooms"] for one in found)

    other = family()
    other[1]["seeds"] = [0, 1, 2, 3]
    with pytest.raises(SystemExit, match="measured under different seeds"):
        collect(written(tmp_path / "b", other))
    with pytest.raises(SystemExit, match=r"control of sr_unet14_slim\.\w+ was not measured"):
        collect(written(tmp_path / "c", [one for one in family() if one["kind"] != "untrained"]))
    with pytest.raises(SystemExit, match=r"holds no full-\w+ results .* run evaluate\.py first"):
        collect(tmp_path)
    with pytest.raises(SystemExit, match=r"holds no tiny-\w+ results"):
        collect(tmp_path / "a", tiny=True)


def test_records_are_metrics_of_each_weight_beside_its_control() -> None:
    students = [weight("net.a", 0.5), student("net, untrained", "untrained", 0.1)]
    for one in students:
        for part in ("rooms", "kitchen", "mosd"):
            one["parts"][part]["points_of"] = {LINEAR: 1000, KNN: 30}
    students[0]["parts"]["retrieval"] = {"pairs": 64, "sets": {"unseen rooms": {"top1": {"values": [0.1, 0.2, 0.3]}}}}
    (found,) = script("record_metrics").records(students).values()
    metrics = [Metric.model_validate(one) for one in found]
    assert len(metrics) == 7
    assert metrics[0].value == pytest.approx(0.501)
    assert metrics[0].control.value == pytest.approx(0.101)
    assert metrics[6].value == pytest.approx(0.2)
    assert metrics[6].control.value == 1 / 64


def test_a_record_says_how_many_points_each_probe_was_measured_on(tmp_path: Path) -> None:
    students = script("collect").collect_evaluation(written(tmp_path, family()))
    found = next(iter(script("record_metrics").records(students).values()))
    assert {one["name"]: one["n"] for one in found} == {"linear probe mIoU": 1000, "kNN probe mIoU": 30}


def labelled_clouds(seed: int) -> list[tuple[PointCloud, np.ndarray]]:
    """Three clouds of 40 points whose colour tells their class; four points of each have none."""
    drawn = np.random.default_rng(seed)
    found = []
    for _ in range(3):
        label = drawn.integers(0, 2, 40)
        rgb = (label[:, None] * 90 + drawn.integers(0, 120, (40, 3))).astype(np.uint8)
        found.append((PointCloud.from_arrays(drawn.random((40, 3)), rgb), np.where(np.arange(40) < 4, -1, label)))
    return found


def kept_figures(task: Any, students: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As they were kept before each line had its own number of points: the least of all lines alone."""
    probing = importlib.import_module("_probes.probing")
    reports = probing.probe_scores(task, probing.of_colour_and_height, [0, 1, 2])
    for one in students:
        one["amount"] = json.loads(json.dumps(dataclasses.asdict(script("amount").FULL)))
        for part in one["parts"].values():
            if "reports" in part:
                del part["reports"]
                part["points"] = 30
                part["miou"] = {line: {"values": [seed[line]["miou"] for seed in reports]} for line in reports[0]}
    return students


def task_of(test: list[tuple[PointCloud, np.ndarray]]) -> Any:
    task = importlib.import_module("_probes.probing").ProbeTask
    fit = labelled_clouds(1)
    return task(("a", "b"), fit.__getitem__, test.__getitem__, 3, 3, 3, per_frame=9, per_class=20, queries=10)


def test_kept_figures_are_told_their_points_by_the_data_alone() -> None:
    points = script("points")
    students = kept_figures(task_of(labelled_clouds(2)), family())
    found = points.count(students, {part: task_of(labelled_clouds(2)) for part in ("rooms", "kitchen", "mosd")})
    assert set(found) == {"rooms", "kitchen", "mosd"}
    for asked in found.values():
        # Three frames: kNN is asked for ten points of each, a linear probe for every labelled one.
        assert (asked[LINEAR], asked[KNN]) == (3 * 36, 3 * 10)


def test_other_data_tell_kept_figures_nothing() -> None:
    points = script("points")
    students = kept_figures(task_of(labelled_clouds(2)), family())
    with pytest.raises(SystemExit, match="rooms, linear, last level: other scores than were kept"):
        points.count(students, {"rooms": task_of(labelled_clouds(3))})
    for change, reason in (
        ({"world": VERSION - 1}, "another world or amount: run evaluate.py"),
        ({"parts": students[0]["parts"] | {"rooms": students[0]["parts"]["rooms"] | {"points": 29}}}, "other points"),
    ):
        with pytest.raises(SystemExit, match=reason):
            points.count([students[0] | change, *students[1:]], {"rooms": task_of(labelled_clouds(2))})


def test_the_page_says_what_the_figures_say(tmp_path: Path) -> None:
    page = script("page")
    run = tmp_path / "runs" / "sr_unet14_slim.ppkt_voc"
    (run / "weight").mkdir(parents=True)
    (run / "metrics.jsonl").write_text('{"step": 10, "loss": 8.0}\n{"step": 20, "loss": 7.0, "top1": 0.1}\n')
    out = tmp_path / "out"
    folder = written(tmp_path / "evaluation", family())
    page.main(["--evaluation", str(folder), "--runs", str(run.parent), "--out", str(out)])
    text = (out / "pretraining.md").read_text()
    for line in (
        "4 weights, each against the same architecture untrained",
        "each against the same network untrained: above it `sr_unet14_slim.point_contrast`, "
        "`sr_unet14_slim.ppkt_sup_rooms`, `sr_unet14_slim.ppkt_voc`; below it `sr_unet14_slim.ppkt_moco_rooms`.",
        "`sr_unet14_slim.ppkt_moco_rooms` is below `sr_unet14_slim.ppkt_sup_rooms` (-0.100 [-0.100, -0.100]); "
        "this **disagrees**",
        "`sr_unet14_slim.ppkt_voc` is above `sr_unet14_slim.point_contrast` (0.050 [0.050, 0.050]); this agrees",
        "Here it **does not show** for `sr_unet14_slim.ppkt_moco_rooms` on unseen rooms",
        "Not measured: `pointnet2.ppkt_voc`, `sr_unet14_slim.ppkt_imagenet`, `sr_unet18_slim.ppkt_imagenet`",
        "Nothing collapsed.",
        "0.501 [0.499, 0.503]",
    ):
        assert line in text, line
    assert "## Ablations" not in text
    assert (out / "pretraining" / "sr_unet14_slim.ppkt_voc.jsonl").exists()
    assert {"pretraining_curves.png", "pretraining_tsne.png"} <= {file.name for file in out.iterdir()}

    # Once more from the committed files alone: the same page.
    (out / "pretraining.md").unlink()
    page.main(["--out", str(out)])
    assert (out / "pretraining.md").read_text() == text
    with pytest.raises(SystemExit, match="nothing to write about"):
        page.main(["--out", str(tmp_path / "empty")])


def test_ablations_are_compared_with_the_base_seed_by_seed() -> None:
    base = {"name": "base", "miou": [0.2, 0.3, 0.4], "top1": [0.01] * 3, "fair_top1": True, "train_seconds": [30.0]}
    better = base | {"name": "τ = 0.04", "miou": [0.25, 0.352, 0.451], "top1": [0.02] * 3}
    other = base | {"name": "N = 512", "miou": [0.3, 0.2, 0.45], "top1": [0.07] * 3, "fair_top1": False}
    recipe = {"steps": 200, "backbone": {"name": "sr_unet14_slim", "input_spec": {"voxel_size": 0.05}}}
    ablation = {
        "base": base, "recipe": recipe, "seeds": [0, 1, 2], "scenes": {"fit_of": 8, "fit": 5, "test": 4},
        "groups": {"temperature": [better], "number of pairs": [other]},
    }  # fmt: skip
    students = copy.deepcopy(family())
    for one in students:
        for part in one["parts"].values():
            if "reports" in part:
                part["unconverged"] = 0
    text = script("sections").page_text({"students": students, "ablation": ablation, "pictures": []})
    assert "By the linear probe, **τ = 0.04** is above the base." in text
    assert "By the linear probe, **N = 512** is not apart from the base." in text
    assert "| τ = 0.04 | 0.351 [0.101, 0.601] | +0.051 [+0.049, +0.053] | 0.0200 [0.0200, 0.0200] |" in text
    assert "0.0700" not in text  # among fewer pixels retrieval is another task


def test_collapse_shows_in_rank_and_cosine() -> None:
    spread = script("embeddings")._spread
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
    students = script("students")
    one = students.open_students([ROOT / "ppkt_zoo" / "weights" / "sr_unet14_small.ppkt_voc_rooms"])
    assert [type(student).__name__ for student in one] == ["Pretrained", "Untrained", "Raw"]
    assert students.control_key(one[0]) == one[1].key
    assert one[0].facts()["trained_on"] == ["rooms-1", "icl_livingroom"]
    assert set(one[0].point_heads) == {"PPKT"}
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"another file")
    with pytest.raises(FileNotFoundError, match=r"no file among --teachers has sha256 ec13ee5d.*DeepLab"):
        one[0].teacher([other])


def test_heads_are_built_as_their_tensors_say() -> None:
    heads = script("_probes.heads")
    projection = importlib.import_module("ppkt_zoo.transfer.projection")
    for kind in ("linear", "mlp"):
        upl, head = projection.UPL(6, 4, kind, "nearest"), projection.PointHead(5, 4, kind)
        tensors = {f"upl.{name}": tensor for name, tensor in upl.state_dict().items()}
        tensors |= {f"head.{name}": tensor for name, tensor in head.state_dict().items()}
        tensors |= {f"point_contrast.head.{name}": 2 * tensor for name, tensor in head.state_dict().items()}
        read = heads.read_heads(tensors, "stride1", "nearest")
        rows, maps, xy = torch.randn(7, 5), torch.randn(1, 6, 3, 3), 2 * torch.rand(7, 2)
        torch.testing.assert_close(read.head(rows), head(rows))
        frame = torch.zeros(7, dtype=torch.int64)
        torch.testing.assert_close(read.upl(maps, frame, xy), upl(maps, frame, xy))
        other = heads.read_point_head(tensors, "point_contrast.head.")
        assert not torch.equal(other.raw(rows), head.raw(rows))
    assert not heads.has_head({"point_contrast.head.projection.weight": torch.ones(2, 2)}, "head.")
