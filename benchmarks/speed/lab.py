"""What the paper's recipes ask of a machine with GPUs, counted; and what a short run should show there, measured here.

    ppkt-zoo pretrain sr_unet14_slim_ppkt_voc --teacher voc.safetensors --out runs/smoke … (docs/reproduce.md)
    python -m benchmarks.speed.lab --smoke runs/smoke        # → benchmarks/results/lab.json

No GPU was at hand, so nothing here is a time on one: a step's products are counted layer by layer, on frames of the
ICL-NUIM living room, which have ScanNet's size of image; docs/reproduce.md divides them by rates that it names.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import SHARED, keep, machine
from benchmarks.speed.networks import products
from ppkt_zoo.backbones.sr_unet import SRUNet
from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.data.readers.open3d_folder import Open3DFolder
from ppkt_zoo.engine.metrics_log import read_metrics
from ppkt_zoo.errors import TeacherError
from ppkt_zoo.files.checksums import sha256_of_file
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.voxelize import voxelize
from ppkt_zoo.pretraining.recipe import load_recipe
from ppkt_zoo.teachers.torchvision import empty_network
from ppkt_zoo.zoo.registry import create_backbone

RECIPE = "scannet_rn50"
_ICL = "frames/icl_livingroom"
_INTRINSICS = (525.0, 525.0, 319.5, 239.5)
_FRAMES = 5
#: Teachers' files that were at hand, as they are published.
FILES = ("deeplabv3_mnv2_pascal_quant.tflite", "mobilenet_v2_1.0_224_quant.tflite")
# Steps of the smoke test that are told, and over how many steps before each.
STEPS, _WINDOW = (1, 100, 1000), 20


def main() -> None:
    """Count, read the smoke test's log, and keep both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", type=Path, help="folder of the smoke test's run")
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder with frames/")
    asked = parser.parse_args()
    result: dict[str, Any] = {"machine": machine(), "recipe": RECIPE, **cost(asked.shared)}
    result["files"] = {name: sha256_of_file(asked.shared / "teachers" / name, TeacherError, "file") for name in FILES}
    if asked.smoke is not None:
        result["smoke"] = smoke(asked.smoke)
    print(f"kept in {keep('lab', result)}")


def cost(shared: Path) -> dict[str, Any]:
    """Voxels of a frame, and 10¹² multiplications and additions of one step for student and teacher."""
    recipe = load_recipe(RECIPE)
    assert recipe.teacher is not None
    spec = recipe.backbone.input_spec
    student = create_backbone(recipe.backbone.name, input_spec=spec, **recipe.backbone.arguments).eval()
    assert isinstance(student, SRUNet)
    frames = Open3DFolder(shared / _ICL, _INTRINSICS)
    voxels, student_flop = [], []
    for index in np.linspace(0, len(frames) - 1, _FRAMES).astype(int):
        coords = voxelize(CloudBatch.collate([_cloud(frames[int(index)])]), spec).coords
        voxels.append(len(coords))
        student_flop.append(products(student, coords, training=True))
    height, width = recipe.teacher.spec.image_size or (480, 640)
    network = empty_network(recipe.teacher.spec.architecture).eval()
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        network(torch.zeros(1, 3, height, width))
    batch = sum(entry.per_step for entry in recipe.data) * recipe.accumulate
    return {
        "frames": _FRAMES,
        "voxels": float(np.mean(voxels)),
        "batch": batch,
        "steps": recipe.steps,
        "student_tflop": batch * float(np.mean(student_flop)) / 1e12,
        "teacher_tflop": batch * counter.get_total_flops() / 1e12,
    }


def _cloud(frame: RGBDFrame) -> PointCloud:
    xyz, rgb, _ = frame.points()
    return PointCloud.from_arrays(xyz, rgb)


def smoke(run: Path) -> list[dict[str, float]]:
    """Loss and top-1 at some steps of a run, each the mean over the steps before it, with their spread."""
    lines = {int(line["step"]): line for line in read_metrics(run / "metrics.jsonl") if "loss" in line}
    found = []
    for step in STEPS:
        if step not in lines:
            raise SystemExit(f"{run} has no line of step {step}: run the smoke test to its end with log_every=1")
        window = [lines[one] for one in range(max(1, step - _WINDOW + 1), step + 1)] if step > 1 else [lines[1]]
        loss = [float(line["loss"]) for line in window]
        found.append(
            {
                "step": step,
                "over": len(window),
                "loss": float(np.mean(loss)),
                "spread": float(np.std(loss)),
                "top1": float(np.mean([float(line["top1"]) for line in window])),
            }
        )
    return found


if __name__ == "__main__":
    main()
