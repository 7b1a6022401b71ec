"""The scripts behind docs/results/downstream.md: what they run, share, compare and write."""

import importlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ppkt_zoo.downstream.grid import Cell
from tests.benchmarks.scripts_on_path import scripts_on_path

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "benchmarks" / "downstream"


@pytest.fixture(scope="module", autouse=True)
def importable() -> Iterator[None]:
    with scripts_on_path(SCRIPTS):
        yield


def script(name: str) -> ModuleType:
    return importlib.import_module(name)


def rows(gains: dict[str, float], seeds: int = 5, folder: str = "segmentation", fraction: float = 0.1) -> list[dict]:
    """Runs whose seeds are far apart and whose starts differ by nearly the same in each."""
    keys = ("map25", "map50") if folder == "detection" else ("miou", "macc")
    return [
        {"folder": folder, "start": start, "fraction": fraction, "seed": seed, "test": "some"}
        | dict.fromkeys(keys, 0.2 + 0.03 * seed + gain + 0.001 * (seed % 2))
        for start, gain in gains.items()
        for seed in range(seeds)
    ]


def page(runs: list[dict[str, Any]], **more: Any) -> str:
    machine = {"processor": "a", "cores": 2, "system": "b", "versions": {"torch": "1"}}
    return script("sections").page_text({"runs": runs, "rates": [], "pictures": [], "machine": machine, **more})


def test_every_run_has_a_recipe_and_a_command() -> None:
    parts = script("grids").PARTS
    assert len({part.name for part in parts}) == len(parts)
    for part in parts:
        for cell in part.grid.cells():
            recipe = part.grid.load(cell)
            assert (recipe.fraction, recipe.seed) == (cell.fraction, cell.seed)
            assert recipe.init == part.grid.starts[cell.start]
    command = parts[0].command()
    assert command.startswith("ppkt-zoo grid segmentation rooms_bench validate_every=null --init scratch=random")
    assert "--only-for scratch:optimiser.lr=0.006" in command
    # Parts that share a folder share runs: the same start at the same fraction must be the same recipe there.
    prints: dict[tuple[str, Cell], str] = {}
    for part in parts:
        for cell in part.grid.cells():
            mine = part.grid.load(cell).fingerprint
            assert prints.setdefault((part.folder, cell), mine) == mine


def test_runs_are_claimed_by_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = script("run")
    done: list[Cell] = []
    monkeypatch.setattr(run, "run_cell", lambda grid, cell, out, **more: done.append(cell))
    other = Cell("ppkt_voc", 0.1, 0).folder(tmp_path / "detection") / "claim"
    gone = Cell("scratch", 0.1, 0).folder(tmp_path / "detection") / "claim"
    for file, process in ((other, os.getpid()), (gone, 2**30)):
        file.parent.mkdir(parents=True)
        file.write_text(str(process))
    run.main(["detection", "--seeds", "1", "--runs", str(tmp_path)])
    assert done == [Cell("scratch", 0.1, 0), Cell("point_contrast", 0.1, 0)]
    assert other.exists()
    assert not gone.exists()
    with pytest.raises(SystemExit):
        run.main(["nothing of this name"])


def test_verdicts_follow_the_paired_intervals() -> None:
    text = page(rows({"scratch": 0.0, "ppkt_voc": 0.1, "point_contrast": 0.1001, "ppkt_moco_rooms": 0.05}))
    assert "`ppkt_voc` is above `scratch`, mIoU +0.100 [+0.100, +0.100] over 5 seeds; the paper agrees" in text
    assert "the goal was above: reached." in text
    assert "`ppkt_voc` is below `point_contrast`" in text
    assert "the paper has it **above** it; the goal was above: **not reached**." in text
    assert "`ppkt_moco_rooms` is" not in text, "there is nothing to compare it with"
    assert text.count("segmentation, `both` at 10% of the labels: 0 of 5 seeds") == 1
    few = page(rows({"scratch": 0.0, "ppkt_voc": 0.1}, seeds=2))
    assert "`ppkt_voc` less `scratch` is +0.100 [+0.100, +0.100] in mIoU over 2 seeds, too few for a claim." in few
    assert "goal was above" not in few


def test_labels_size_and_table_tops_have_their_sections() -> None:
    runs = [
        *rows({"scratch": 0.0, "ppkt_voc": 0.1}),
        *rows({"scratch": 0.0, "ppkt_voc": 0.02, "scratch_long": 0.05}, fraction=1.0),
        *rows({"scratch": 0.0, "ppkt_voc": 0.2}, folder="segmentation_18"),
        *rows({"scratch": 0.0, "ppkt_voc": 0.08, "point_contrast": 0.07}, folder="table_tops", fraction=0.0833),
        *rows({"scratch": 0.0, "ppkt_voc": 0.1}, folder="detection"),
    ]
    text = page(runs, ceilings={"0.04": 0.9712})
    assert "would score 0.971 with voxels of 4 cm" in text
    assert "| segmentation, 100% | mIoU | 5 | 0.260 [0." in text
    larger = "Segmentation: the larger student gains more, mIoU +0.100 [+0.100, +0.100] over 5 seeds; the paper agrees."
    assert text.count(larger) == 2, "in short, and in its section"
    fewer = "with 10% of the labels is larger than with 100%, mIoU +0.080 [+0.080, +0.080]; the paper agrees. It is"
    assert text.count(fewer) == 2
    assert "It is largest at 10%, +0.100." in text
    assert "- Segmentation, 100% of the labels: `scratch_long` is above `scratch`, mIoU +0.050" in text
    assert "`_long` is three times as many steps. 100% of the labels: 100 rooms." in text
    assert "`scratch` is not apart from itself with 10% (+0.000 [+0.000, +0.000])" in text
    assert "`ppkt_voc` is below itself with 10% (-0.080 [-0.080, -0.080]) in mIoU. Where more labels do not" in text
    assert "`ppkt_voc` is +0.080 [+0.080, +0.080] over scratch" in text
    assert "the goal was +0.07 and above: reached." in text
    assert "| detection: `ppkt_voc` less `scratch` | mAP@0.25 | 5 | +0.100 [+0.100, +0.100] |" in text


def test_a_voxel_takes_the_class_of_most_of_its_points() -> None:
    voxel, label = np.array([0, 0, 0, 1, 1, 2]), np.array([1, 0, 1, -1, 2, -1])
    assert script("ceiling").most_common(voxel, label, 3).tolist() == [1, 1, 1, 2, 2, 0]


def test_the_page_comes_from_the_figures_of_the_runs(tmp_path: Path) -> None:
    grids, main = script("grids"), script("page").main
    part = grids.PARTS[1]
    for number, cell in enumerate(cell for cell in part.grid.cells() if cell.seed < 2):
        folder = cell.folder(tmp_path / "runs" / part.folder)
        folder.mkdir(parents=True)
        (folder / "fingerprint.txt").write_text(part.grid.load(cell).fingerprint)
        scores = {"test": "some rooms", "miou": 0.1 + 0.01 * number, "macc": 0.2, "classes": []}
        (folder / "scores.json").write_text(json.dumps(scores))
    tried = tmp_path / "runs" / "tuning" / "rates" / "seg_scratch_0.002"
    tried.mkdir(parents=True)
    (tried / "metrics.jsonl").write_text('{"step": 9, "loss": 1.0}\n{"step": 9, "validation_miou": 0.125}\n')
    out = tmp_path / "docs"
    main(["--runs", str(tmp_path / "runs"), "--out", str(out), "--shared", str(tmp_path / "none")])
    text = (out / "downstream.md").read_text()
    assert "| segmentation, mIoU | `scratch` | 0.002 | 9 steps | 1 | 0.125 |" in text
    assert "over 2 seeds, too few for a claim." in text
    (out / "downstream.md").unlink()
    main(["--out", str(out)])
    assert (out / "downstream.md").read_text() == text
    with pytest.raises(SystemExit, match="nothing to write about"):
        main(["--out", str(tmp_path / "empty")])


def test_a_search_looks_into_other_scenes_and_counts_classes_alike() -> None:
    found = script("clusters_of").same_class_found
    angle = np.repeat([0.0, 1.0, 2.0], [60, 60, 12])
    features = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    label, scene = np.repeat([0, 1, 2], [60, 60, 12]), np.tile([0, 1], 66)
    # The rare class has six points in each scene, so that four of ten must be others.
    assert found(features, label, scene) == pytest.approx((1 + 1 + 0.6) / 3)


def test_zero_shot_measures_weights_and_controls(shared: Path, tmp_path: Path) -> None:
    command = [str(ROOT / "ppkt_zoo" / "weights" / "sr_unet14_slim.ppkt_voc"), "--tiny", "--seeds", "2"]
    command += ["--out", str(tmp_path), "--cache", str(tmp_path / "cache"), "--shared", str(shared)]
    script("zero_shot").main(command)
    results = json.loads((tmp_path / "zero_shot.json").read_text())
    names = [one["name"] for one in results["clusters"]]
    assert names == ["sr_unet14_slim.ppkt_voc", "sr_unet14_slim, untrained", "colour and height"]
    weight, control, _ = results["clusters"]
    assert np.mean(weight["rooms"]["v_measure"]) > np.mean(control["rooms"]["v_measure"])
    assert [one["name"] for one in results["named"]] == names[:1]
    text = page(rows({"scratch": 0.0, "ppkt_voc": 0.1}), zero_shot=results)
    assert "## Clusters without a label" in text
    assert "## Similarity search" in text
    assert "## The teacher's classes without a 3D label" in text
