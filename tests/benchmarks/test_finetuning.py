"""The fine-tunings behind docs/results/downstream.md: what they run and share, and what voxels limit."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.finetuning import run, until
from benchmarks.finetuning.ceiling import most_common
from benchmarks.finetuning.grids import PARTS, Part
from ppkt_zoo.downstream.grid import Cell, Grid
from ppkt_zoo.downstream.start import START_DIGITS, build_backbone, digits_of_start
from ppkt_zoo.zoo.load import list_weights


def test_every_run_has_a_recipe_and_a_command() -> None:
    parts = PARTS
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


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_the_weights_that_are_compared_fit_the_recipes(part: Part) -> None:
    bundled = [name for name, init in part.grid.starts.items() if init in list_weights()]
    for start in bundled:
        recipe = part.grid.load(Cell(start, part.grid.fractions[0], 0))
        assert build_backbone(recipe).input_spec == recipe.backbone.input_spec


def test_runs_are_claimed_by_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def _done(folder: Path, fingerprint: str, validation: float, test: float, init: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.jsonl").write_text(f'{{"step": 10, "validation_miou": {validation}}}\n')
    scores = {"miou": test, "macc": 0.5, START_DIGITS: digits_of_start(init)}
    (folder / "scores.json").write_text(json.dumps(scores))
    (folder / "fingerprint.txt").write_text(fingerprint)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, float, int]]:
    """Runs with made-up scores in place of trained ones, and which were made: folder, start, fraction, seed.

    Each length tests better than the one before; the validation scores alone decide.
    """
    curves = {0.01: (0.10, 0.12, 0.125), 0.1: (0.20, 0.19), 1.0: (0.10, 0.20, 0.30, 0.40)}
    done = []

    def run_cell(grid: Grid, cell: Cell, out: Path, **more: object) -> None:
        lengths = next(lengths for lengths in until.UNTIL.values() if grid in [part.grid for part in lengths.values()])
        place = [part.grid for part in lengths.values()].index(grid)
        curve, init = curves[cell.fraction], grid.starts[cell.start]
        _done(cell.folder(out), grid.load(cell).fingerprint, curve[place], 0.5 + 0.1 * place, init)
        done.append((out.name, cell.start, cell.fraction, cell.seed))

    monkeypatch.setattr(until, "run_cell", run_cell)
    return done


def _until(runs: Path, results: Path, *more: str) -> None:
    until.main(["--runs", str(runs), "--results", str(results), *more])


def test_runs_get_longer_until_the_validation_score_stops_rising(
    tmp_path: Path, made: list[tuple[str, str, float, int]]
) -> None:
    _until(tmp_path, tmp_path / "there are none.json")
    lengths = until.collect_lengths(tmp_path)
    assert len(lengths) == len(made)
    tried = [folder for folder, start, fraction, seed in made if (start, fraction, seed) == ("ppkt_voc", 0.01, 1)]
    assert tried == ["segmentation_300", "segmentation_900", "segmentation_2700"]
    rows = until.through(lengths)
    slim = [row for row in rows if row["folder"] == "segmentation"]
    assert len(slim) == 2 * 3 * 3
    assert len(rows) - len(slim) == 2 * 3, "the flagship with a tenth of the labels"
    found = {row["fraction"]: row for row in slim if row["start"] == "scratch" and row["seed"] == 1}
    assert {fraction: row["steps"] for fraction, row in found.items()} == {0.01: 2700, 0.1: 300, 1.0: 8100}
    assert {fraction: row["limited"] for fraction, row in found.items()} == {0.01: False, 0.1: False, 1.0: True}
    assert found[0.1]["miou"] == 0.5  # though the longer run tests better
    short = [one for one in lengths if one["steps"] < 2700]
    assert {row["fraction"] for row in until.through(short)} == {0.1}, "the others are not through"
    # Those that still rise at 2700 steps, and one that has more: none is looked at beyond what all have.
    first = [one for one in lengths if one["steps"] < 8100 or (one["start"], one["seed"]) == ("scratch", 0)]
    rising = [row for row in until.through(first) if row["fraction"] == 1.0]
    assert len(rising) == 2 * 3
    assert {(row["steps"], row["limited"]) for row in rising} == {(2700, True)}
    with pytest.raises(SystemExit):
        until.main(["nothing of this name"])


def test_another_machine_makes_the_lengths_that_the_results_lack(
    tmp_path: Path, made: list[tuple[str, str, float, int]]
) -> None:
    results = tmp_path / "results.json"
    _until(tmp_path / "first", results)
    lengths = until.collect_lengths(tmp_path / "first")
    kept = []
    for one in lengths:
        match one:
            case {"start": "ppkt_voc", "fraction": 1.0, "seed": 2, "steps": 2700 | 8100}:
                continue
            case {"start": "scratch", "seed": 0, "steps": 2700}:
                kept.append(one | {"fingerprint": "of another recipe"})
            case {"start": "flagship", "seed": 1, "steps": 300}:
                kept.append(one | {START_DIGITS: "of another weight"})
            case _:
                kept.append(one)
    results.write_text(json.dumps({"until": kept}))
    made.clear()
    _until(tmp_path / "second", results, "--most", "300")
    assert made == [("segmentation_small_300", "flagship", 0.1, 1)]
    shutil.rmtree(tmp_path / "second")
    made.clear()
    _until(tmp_path / "second", results)
    assert sorted(made) == [
        ("segmentation_2700", "ppkt_voc", 1.0, 2),
        ("segmentation_2700", "scratch", 0.01, 0),
        ("segmentation_2700", "scratch", 1.0, 0),
        ("segmentation_8100", "ppkt_voc", 1.0, 2),
        ("segmentation_small_300", "flagship", 0.1, 1),
    ]


def test_a_voxel_takes_the_class_of_most_of_its_points() -> None:
    voxel, label = np.array([0, 0, 0, 1, 1, 2]), np.array([1, 0, 1, -1, 2, -1])
    assert most_common(voxel, label, 3).tolist() == [1, 1, 1, 2, 2, 0]
