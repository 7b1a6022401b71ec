"""The fine-tunings behind docs/results/downstream.md: what they run and share, and what voxels limit."""

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.finetuning import run
from benchmarks.finetuning.ceiling import most_common
from benchmarks.finetuning.grids import PARTS, Part
from ppkt_zoo.downstream.grid import Cell
from ppkt_zoo.downstream.start import build_backbone
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


def test_a_voxel_takes_the_class_of_most_of_its_points() -> None:
    voxel, label = np.array([0, 0, 0, 1, 1, 2]), np.array([1, 0, 1, -1, 2, -1])
    assert most_common(voxel, label, 3).tolist() == [1, 1, 1, 2, 2, 0]
