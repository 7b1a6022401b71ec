"""A grid does each run once, goes on where it stopped, shares its runs, and compares seed by seed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from ppkt_zoo.cli.main import app
from ppkt_zoo.cli.run.grid import grid_picture, grid_table
from ppkt_zoo.data.scenes import LabelledScene
from ppkt_zoo.downstream import grid as room
from ppkt_zoo.downstream.grid import Cell, Grid, read_grid, run_grid
from ppkt_zoo.downstream.splits import Splits
from ppkt_zoo.errors import InputError, RecipeError, TrainingError
from ppkt_zoo.files.locks import FolderLock
from ppkt_zoo.rooms.scenes import BOX_CLASSES
from tests.support.small_weight import make_folder

RECIPES = Path(__file__).resolve().parents[2] / "recipes"


class Scenes:
    """Two clouds whose halves are two classes."""

    name, classes, box_classes = "two", ("left", "right", "none"), BOX_CLASSES[:2]

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> LabelledScene:
        rng = np.random.default_rng(index)
        xyz = rng.uniform(0, 2, (300, 3)).astype(np.float32)
        rgb = rng.integers(0, 256, (300, 3)).astype(np.uint8)
        label = (xyz[:, 0] > 1).astype(np.int16)
        boxes = np.array([[1.0, 1, 1, 0.8, 0.8, 0.8, 0]])
        return LabelledScene(
            xyz, rgb, label, None, boxes, np.array([1], np.int16), self.classes, self.box_classes, f"scene {index}"
        )


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    monkeypatch.setattr(room, "open_splits", lambda *_: Splits(Scenes(), None, Scenes()))
    files = {}
    for task in ("segmentation", "detection"):
        content = yaml.safe_load((RECIPES / task / "rooms_bench.yaml").read_text())
        content["backbone"]["input_spec"]["voxel_size"] = 0.1
        files[task] = tmp_path / f"{task}.yaml"
        files[task].write_text(yaml.safe_dump({**content, "steps": 1, "batch": 1, "validate_every": None}))
    return files


def a_grid(recipe: dict[str, Path], **changes: Any) -> Grid:
    fields: dict[str, Any] = {
        "task": "segmentation",
        "recipe": str(recipe["segmentation"]),
        "overrides": (),
        "starts": {"scratch": "random", "again": "random"},
        "fractions": (1.0,),
        "seeds": 2,
    }
    return Grid(**{**fields, **changes})


def test_each_run_is_done_once_and_shared(recipe: dict[str, Path], tmp_path: Path) -> None:
    grid, out = a_grid(recipe), tmp_path / "grid"
    run_grid(grid, out, folders={}, cache=tmp_path, rank=1, ranks=2)
    assert {cell.start for cell in read_grid(grid, out)} == {"again"}
    told: list[Cell] = []
    run_grid(grid, out, folders={}, cache=tmp_path, report=lambda cell, done, total: told.append(cell))
    assert told == grid.cells()
    scores = read_grid(grid, out)
    assert set(scores) == set(grid.cells())
    assert scores[Cell("scratch", 1.0, 0)]["miou"] == scores[Cell("again", 1.0, 0)]["miou"], "equal starts, equal ends"
    kept = {file.name for file in Cell("scratch", 1.0, 0).folder(out).iterdir()}
    assert kept == {"scores.json", "metrics.jsonl", "fingerprint.txt"}
    with pytest.raises(TrainingError, match="scores of another recipe"):
        read_grid(a_grid(recipe, overrides=("steps=2",)), out)


def test_what_a_kill_leaves_is_gone_on_from_or_named(recipe: dict[str, Path], tmp_path: Path) -> None:
    grid, out = a_grid(recipe, starts={"scratch": "random"}, seeds=1), tmp_path / "grid"

    def run() -> float:
        run_grid(grid, out, folders={}, cache=tmp_path)
        return float(read_grid(grid, out)[Cell("scratch", 1.0, 0)]["miou"])

    wanted = run()
    folder = Cell("scratch", 1.0, 0).folder(out)
    scores, stamp = folder / "scores.json", folder / "fingerprint.txt"
    whole, whose = scores.read_bytes(), stamp.read_text()
    for damage in (
        lambda: scores.unlink(),
        lambda: scores.write_bytes(b""),
        lambda: scores.write_bytes(bytes(len(whole))),
        lambda: stamp.write_text(""),
        lambda: stamp.write_text(whose[:20]),
    ):
        damage()
        assert read_grid(grid, out) == {}
        assert run() == wanted
    for content in (whole[:40], b"[]", b'{"miou": "high", "macc": 1}', b"[" * 5000):
        scores.write_bytes(content)
        with pytest.raises(TrainingError, match=r"scores\.json.*delete it to have this run done again"):
            run_grid(grid, out, folders={}, cache=tmp_path)
    scores.write_bytes(whole)
    (folder / "model" / "inside").mkdir(parents=True)  # half removed
    assert run() == wanted
    assert not (folder / "model").exists()


def test_runs_on_other_data_are_not_compared(
    recipe: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid, out = a_grid(recipe, seeds=1), tmp_path / "grid"
    run_grid(grid, out, folders={}, cache=tmp_path, rank=0, ranks=2)

    class Edited(Scenes):
        def __getitem__(self, index: int) -> LabelledScene:
            scene = super().__getitem__(index)
            scene.label[0] = 2
            return scene

    monkeypatch.setattr(room, "open_splits", lambda *_: Splits(Edited(), None, Scenes()))
    run_grid(grid, out, folders={}, cache=tmp_path, rank=1, ranks=2)
    with pytest.raises(TrainingError, match=r"scratch.* and .*again.* had other scenes"):
        read_grid(grid, out)


def test_a_weight_that_has_changed_is_not_the_same_start(recipe: dict[str, Path], tmp_path: Path) -> None:
    spec = ("backbone.name=sr_unet14_small", "model=sr_unet14_small.rooms_bench")
    weight = make_folder(tmp_path / "weight")
    grid, out = a_grid(recipe, overrides=spec, starts={"ours": weight}), tmp_path / "grid"
    run_grid(grid, out, folders={}, cache=tmp_path, rank=0, ranks=2)
    run_grid(grid, out, folders={}, cache=tmp_path, rank=0, ranks=2)  # nothing has changed
    (tmp_path / "weight").rename(tmp_path / "first")
    run_grid(grid, out, folders={}, cache=tmp_path, rank=0, ranks=2)  # the weight is gone, its scores stand
    make_folder(tmp_path / "weight", seed=2)
    with pytest.raises(TrainingError, match=rf"ours/1/0 began with another weight than {weight} is now"):
        run_grid(grid, out, folders={}, cache=tmp_path)
    assert len(read_grid(grid, out)) == 1, "what was measured can still be read"
    run_grid(grid, out, folders={}, cache=tmp_path, rank=1, ranks=2)
    with pytest.raises(TrainingError, match=r"ours/1/0 and .*ours/1/1 began with different weights"):
        read_grid(grid, out)


def test_a_run_that_another_process_is_at_is_left_to_it_until_the_end(recipe: dict[str, Path], tmp_path: Path) -> None:
    grid, out = a_grid(recipe, seeds=1), tmp_path / "grid"
    order: list[str] = []
    lock = Cell("scratch", 1.0, 0).folder(out).with_name(".0.lock")
    other = FolderLock(lock, "a run", "or wait", TrainingError)
    other.__enter__()

    def report(cell: Cell, done: int, total: int) -> None:
        order.append(cell.start)
        if order == ["scratch", "again", "scratch"]:
            other.__exit__(None, None, None)

    run_grid(grid, out, folders={}, cache=tmp_path, report=report)
    assert order == ["scratch", "again", "scratch"]
    assert set(read_grid(grid, out)) == set(grid.cells())


def test_a_start_has_its_own_overrides(recipe: dict[str, Path]) -> None:
    grid = a_grid(recipe, overrides=("optimiser.lr=0.1",), own={"again": ("optimiser.lr=0.2", "batch=3")})
    loaded = {cell.start: grid.load(cell) for cell in grid.cells()}
    assert (loaded["scratch"].optimiser.lr, loaded["scratch"].batch) == (0.1, 1)  # type: ignore[attr-defined]
    assert (loaded["again"].optimiser.lr, loaded["again"].batch) == (0.2, 3)  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="'other', which is no start: there are scratch, again"):
        a_grid(recipe, own={"other": ("batch=3",)})


def test_rates_are_chosen_on_the_validation_scenes(
    recipe: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid, out = a_grid(recipe, starts={"scratch": "random"}, seeds=1), tmp_path / "grid"
    with pytest.raises(RecipeError, match="has no validation scenes"):
        run_grid(grid, out, folders={}, cache=tmp_path, on="validation")
    watched = Scenes()
    watched.name = "watched"
    monkeypatch.setattr(room, "open_splits", lambda *_: Splits(Scenes(), watched, Scenes()))
    run_grid(grid, out, folders={}, cache=tmp_path, on="validation")
    (scores,) = read_grid(grid, out, "validation").values()
    assert scores["test"] == "watched, 2 scenes"
    with pytest.raises(TrainingError, match="other scenes than the test"):
        read_grid(grid, out)


def test_the_table_pairs_seeds_and_the_plot_shows_starts(recipe: dict[str, Path]) -> None:
    grid = a_grid(recipe, starts={"scratch": "random", "ppkt": "a.b"}, fractions=(0.1, 1.0), seeds=3)
    scores = {
        cell: {"miou": 0.1 * cell.seed + (0.05 if cell.start == "ppkt" else 0), "macc": 0.5} for cell in grid.cells()
    }
    rows = grid_table(grid, scores).splitlines()
    assert len(rows) == 2 + 4
    # The seeds are far apart, the pairs are not.
    assert rows[3].endswith("| +0.050 [+0.050, +0.050] |")
    assert "| 10% | scratch | 3 | 0.100 [-0.148, 0.348] |" in rows[2]
    assert grid_picture(grid, scores).width > 300
    with pytest.raises(InputError, match="needs two seeds"):
        grid_table(grid, {cell: one for cell, one in scores.items() if cell.seed == 0})
    cell = next(iter(scores))
    with pytest.raises(InputError, match=f"seed {cell.seed} has no miou"):
        grid_table(grid, {**scores, cell: {**scores[cell], "miou": None}})


@pytest.mark.parametrize("task", ["segmentation", "detection"])
def test_the_command_writes_table_and_plot(recipe: dict[str, Path], tmp_path: Path, task: str) -> None:
    out = tmp_path / "out"
    command = ["grid", task, str(recipe[task]), "--init", "scratch=random", "--seeds", "2", "--out", str(out)]
    command += ["shape.seeds=32", "shape.proposals=8"] if task == "detection" else []
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "| 100% | scratch | 2 |" in done.output
    assert {file.name for file in out.iterdir()} == {"cells", "grid.json", "grid.md", "grid.png"}
    assert len(json.loads((out / "grid.json").read_text())) == 2


def test_what_cannot_be_compared_is_told(recipe: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="at least one start"):
        a_grid(recipe, starts={})
    with pytest.raises(InputError, match="name of letters"):
        a_grid(recipe, starts={"../up": "random"})
    for entry in ("random", "a=", "=b"):
        failed = CliRunner().invoke(app, ["grid", "segmentation", "rooms_bench", "--init", entry])
        assert failed.exit_code == 2
        assert "must be NAME=WEIGHT" in failed.output
    for entry in ("scratch", "scratch:batch", ":batch=1"):
        command = ["grid", "segmentation", "rooms_bench", "--init", "scratch=random", "--only-for", entry]
        failed = CliRunner().invoke(app, command)
        assert failed.exit_code == 2
        assert "must be NAME:KEY=VALUE" in failed.output
