"""Two processes that share each step's frames learn what one process learns from all of them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from ppkt_zoo.engine.metrics_log import read_metrics
from ppkt_zoo.files.safetensors import HEADER
from tests.pretraining.tiny_recipe import tiny_recipe

ROOT = Path(__file__).resolve().parents[2]


def _train(processes: int, recipe: Path, teacher: Path, out: Path, cache: Path) -> None:
    # What `accelerate launch` does for several processes, which on the CPU it leaves to torch's own launcher.
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    arguments = ["-m", "ppkt_zoo", "pretrain", recipe, "--teacher", teacher, "--out", out, "--cache", cache]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    command = [*launcher, *map(str, arguments), "--workers", "0"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("local-dir:") == 1  # one of them tells


def test_two_processes_learn_what_one_does(tmp_path: Path, teacher_file: Path) -> None:
    content = tiny_recipe(
        method="ppkt_point_contrast",
        point_contrast={"pairs": 64, "dim": 8},
        steps=2,
        checkpoint_every=1,
        # Plain SGD: AdamW's first steps have the size of lr whatever the gradient, and blow rounding up.
        optimiser={"name": "sgd", "lr": 0.05, "clip_norm": 5.0},
        accumulate=2,
        ema=0.5,
    )
    content["loss"] |= {"symmetric": True, "false_negative_similarity": 0.9}
    # Large enough that no batch norm rests on a handful of voxels, where rounding alone moves gradients by 0.3 %.
    large = {"height": 96, "width": 128, "walk": True, "views": 2, "per_step": 4, "frames_per_room": 3}
    content["data"] = [content["data"][0] | large]
    content["backbone"]["input_spec"]["voxel_size"] = 0.05
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(content))
    for processes in (1, 2):
        _train(processes, recipe, teacher_file, tmp_path / str(processes), tmp_path / "cache")
    one, two = (read_metrics(tmp_path / str(processes) / "metrics.jsonl") for processes in (1, 2))
    assert two[0]["loss"] == pytest.approx(one[0]["loss"], rel=1e-5)
    # Figures cover the pairs of both processes: what one process finds among all of them.
    assert two[0].keys() == one[0].keys()
    for name in one[0].keys() - {"data_seconds", "step_seconds"}:
        assert two[0][name] == pytest.approx(one[0][name], rel=1e-3, abs=1e-4), name
    # Frames are counted over both processes.
    notes = [_notes(tmp_path / str(processes) / "checkpoints") for processes in (1, 2)]
    assert notes[0]["seen_frames"] == notes[1]["seen_frames"] == 16
    assert two[1]["loss"] == pytest.approx(one[1]["loss"], rel=1e-3)
    alone, together = (
        load_file(tmp_path / str(processes) / "checkpoints" / "step-00000001.safetensors") for processes in (1, 2)
    )
    assert alone.keys() == together.keys()
    # After one step of SGD the momentum is the gradient.
    assert _distance(alone, together, "optimizer.") < 5e-3
    for part in ("model.", "average."):
        assert _distance(alone, together, part) < 1e-4


def _notes(checkpoints: Path) -> dict[str, int]:
    with safe_open(sorted(checkpoints.iterdir())[-1], "pt") as opened:
        notes: dict[str, int] = json.loads(opened.metadata()[HEADER])["notes"]
    return notes


def _distance(one: dict[str, Tensor], two: dict[str, Tensor], prefix: str) -> float:
    """Length of the difference of all tensors whose names begin so, as a part of their length."""
    names = [name for name in one if name.startswith(prefix)]
    assert names
    moved = sum((one[name].double() - two[name].double()).square().sum() for name in names)
    return float((moved / sum(one[name].double().square().sum() for name in names)) ** 0.5)


def test_more_processes_than_rows_of_frames_is_told(tmp_path: Path, teacher_file: Path, frame_cache: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    content = tiny_recipe()
    content["data"] = [{**content["data"][0], "per_step": 1}]
    recipe.write_text(yaml.safe_dump(content))
    with pytest.raises(AssertionError, match="2 processes share the frames of a step, but some"):
        _train(2, recipe, teacher_file, tmp_path / "run", frame_cache)
