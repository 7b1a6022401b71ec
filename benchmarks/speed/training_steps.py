"""Whole training steps with the native and the torch engine: segmentation, VoteNet, and pretraining with its data.

    python -m benchmarks.speed.training_steps
    python -m benchmarks.speed.training_steps --parts fine-tuning --repeats 3

Segmentation and detection: forward, loss, backward and optimiser on one room of rooms-bench with ``sr_unet14_small`` at
4 cm, engines taking turns in one process; segmentation in bf16 too. Pretraining: the recipe of the bundled weight at
fp32 on its procedural rooms with the teacher online, data and teacher included, in processes of their own that take
turns; there ``PPKT_ZOO_ENGINE=torch`` turns off everything native, not the convolutions alone.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.machine import ROOT, SHARED, VOC_TEACHER, keep, machine, table, told
from benchmarks.speed.networks import cpu_engines
from benchmarks.speed.pretrain_step import time_steps
from benchmarks.speed.timing import Run, instructions, interleaved
from ppkt_zoo import create_backbone
from ppkt_zoo.data.scenes import LabelledScene
from ppkt_zoo.downstream.detection import VoteNet, VoteNetConfig
from ppkt_zoo.downstream.detection.loss import detection_loss
from ppkt_zoo.downstream.detection.targets import TrueBoxes, scene_boxes
from ppkt_zoo.downstream.segmentation import SegmentationModel
from ppkt_zoo.engine.denormals import flushed_denormals
from ppkt_zoo.evaluation.metrics import IGNORE
from ppkt_zoo.native.library import SWITCH
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.pretraining.recipe import load_recipe
from ppkt_zoo.rooms import RoomScenes

PARTS = ("fine-tuning", "pretraining")
RECIPE = "sr_unet14_small_ppkt_voc_rooms"
POINTS = 40_000
_VOXEL = 0.04


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--repeats", type=int, default=7, help="of the fine-tuning steps")
    parser.add_argument("--rounds", type=int, default=2, help="of the two processes that pretrain")
    parser.add_argument("--steps", type=int, default=6, help="of pretraining that are timed in a round")
    parser.add_argument("--child", action="store_true", help="only time the pretraining and print it")
    asked = parser.parse_args()
    if asked.child:
        print(json.dumps(pretraining(asked.steps)))
        return
    result: dict[str, Any] = {"machine": machine(), "instructions": instructions(), "rows": []}
    if "fine-tuning" in asked.parts:
        result["rows"] += fine_tuning(asked.repeats)
    if "pretraining" in asked.parts:
        result["rows"].append(both_engines(asked.rounds, asked.steps))
    print(told(result["machine"]) + "\n\n" + table(result["rows"]))
    print(f"kept in {keep('training_steps', result)}")


def fine_tuning(repeats: int) -> list[dict[str, Any]]:
    """A row for segmentation, one for segmentation in bf16, and one for VoteNet."""
    scenes = RoomScenes(seed=41005, rooms=1)
    scene = scenes[0]
    rows = np.sort(np.random.default_rng(0).choice(len(scene.xyz), min(POINTS, len(scene.xyz)), replace=False))
    assert scene.rgb is not None
    clouds = CloudBatch.collate([PointCloud.from_arrays(scene.xyz[rows], scene.rgb[rows])])
    segmentation = _segmentation(clouds, scene, rows, len(scenes.classes))
    steps = {
        "segmentation": segmentation,
        "segmentation in bf16": _in_bf16(*segmentation),
        "VoteNet": _detection(clouds, scene, scenes.box_classes),
    }
    found = []
    for name, (model, loss) in steps.items():
        runs = {engine: _step(model, loss, engine) for engine in cpu_engines()}
        with flushed_denormals():
            seconds = interleaved(runs, repeats)
        found.append(row(f"{name}, {len(rows)} points", seconds))
    return found


def row(work: str, seconds: dict[str, float]) -> dict[str, Any]:
    """Seconds of both engines, and how many times as long the torch engine takes."""
    native = seconds.get("native")
    return {
        "work": work,
        "native": native,
        "torch": seconds["torch"],
        "ratio": None if native is None else seconds["torch"] / native,
    }


def _backbone() -> Any:
    torch.manual_seed(0)
    return create_backbone("sr_unet14_small", input_spec=InputSpec(voxel_size=_VOXEL))


def _segmentation(
    clouds: CloudBatch, scene: LabelledScene, rows: np.ndarray, classes: int
) -> tuple[nn.Module, Callable[[], Tensor]]:
    model = SegmentationModel(_backbone(), [f"class {number}" for number in range(classes)]).train()
    label = torch.from_numpy(scene.label[rows].astype(np.int64))
    return model, lambda: F.cross_entropy(model(clouds), label, ignore_index=IGNORE)


def _in_bf16(model: nn.Module, loss: Callable[[], Tensor]) -> tuple[nn.Module, Callable[[], Tensor]]:
    def half() -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return loss()

    return model, half


def _detection(
    clouds: CloudBatch, scene: LabelledScene, classes: tuple[str, ...]
) -> tuple[nn.Module, Callable[[], Tensor]]:
    sizes = torch.full((len(classes), 3), 0.8)
    model = VoteNet(_backbone(), classes, sizes, VoteNetConfig(heading_bins=12)).train()
    truth = TrueBoxes.collate([scene_boxes(scene, classes, turned=True)])
    return model, lambda: detection_loss(model(clouds), truth, model.mean_sizes, 0.02).total


def _step(model: Any, loss: Callable[[], Tensor], engine: str) -> Run:
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def step() -> None:
        model.backbone.set_engine(engine)
        optimizer.zero_grad(set_to_none=True)
        loss().backward()
        optimizer.step()

    return step


def pretraining(steps: int) -> dict[str, Any]:
    """Seconds of the parts of a pretraining step in this process."""
    with TemporaryDirectory() as cache:
        overrides = ["precision=no", "teacher.features=online", "data.0.rooms=4", "validation.data.rooms=2"]
        recipe = load_recipe(RECIPE, overrides)
        folder = SHARED / "frames" / "icl_livingroom"
        asked = argparse.Namespace(
            data={"icl_livingroom": folder},
            teacher=SHARED / VOC_TEACHER,
            cache=Path(cache),
            workers=1,
            steps=steps,
            warmup=2,
        )
        return time_steps(recipe, asked)


def both_engines(rounds: int, steps: int) -> dict[str, Any]:
    """One row: whole pretraining steps, medians over the rounds."""
    engines = cpu_engines()
    found: dict[str, list[float]] = {engine: [] for engine in engines}
    command = [sys.executable, "-m", "benchmarks.speed.training_steps", "--child", "--steps", str(steps)]
    for _ in range(rounds):
        for engine in engines:
            environment = {**os.environ, **({SWITCH: "torch"} if engine == "torch" else {})}
            done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
            found[engine].append(json.loads(done.stdout.splitlines()[-1])["step"])
    seconds = {engine: statistics.median(values) for engine, values in found.items()}
    return row(f"pretraining, {RECIPE} in fp32, whole step", seconds)


if __name__ == "__main__":
    main()
