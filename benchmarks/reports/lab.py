"""Tables for whoever runs the paper's recipes on GPUs: hours, files with their hashes, and a short run's losses."""

import json
from collections.abc import Callable
from typing import Any

from benchmarks.machine import RESULTS
from benchmarks.reports.figures import code, table
from ppkt_zoo.downstream.segmentation.recipe import SegmentationRecipe
from ppkt_zoo.pretraining.recipe import load_recipe

# 10¹² multiplications and additions a second that a network of sparse convolutions may reach on one GPU.
_RATES = (5.0, 20.0)
_GPUS = (1, 4, 8)
_WORK = ("sr_unet34", "forward")
# Forward, and the way back for weights and inputs.
_PASSES = 3


def hours() -> str:
    """Hours of pretraining and of one fine-tuning at the rates above, and the frames a second that it asks for."""
    found, frames = _result("lab"), _result("frames")
    tuning = SegmentationRecipe.load("scannet")
    networks = _result("sparse_conv")["networks"]
    room = max((row for row in networks if (row["network"], row["pass"]) == _WORK), key=lambda row: row["voxels"])
    jobs = {
        f"pretraining, `{found['recipe']}`": (found["student_tflop"] + found["teacher_tflop"], found["steps"]),
        "segmentation, `scannet`, all labels": (_PASSES * tuning.batch * room["gflop"] / 1e3, tuning.steps),
    }
    rows = []
    for name, (step, steps) in jobs.items():
        for rate in _RATES:
            seconds = step / rate
            rows.append(
                [name, f"{step:.2g}", f"{rate:g}", *(f"{steps * seconds / gpus / 3600:.1f} h" for gpus in _GPUS)]
            )
    counts = (f"{gpus} GPU{'s' if gpus > 1 else ''}" for gpus in _GPUS)
    head = ["job", "10¹² operations a step", "10¹² a second and GPU", *counts]
    ours = next(row for row in frames["rows"] if row["side"] == "ours")
    each = ours["frames a second"] / 2
    step = found["student_tflop"] + found["teacher_tflop"]
    needs = " and ".join(f"{found['batch'] * rate / step:.0f}" for rate in _RATES)
    return (
        table(head, rows, 1)
        + f"\n\nA frame at 2.5 cm has {found['voxels']:.0f} voxels here (the mean of {found['frames']} frames of "
        f"640×480 of the ICL-NUIM living room); of a step of {found['batch']} frames the student needs "
        f"{found['student_tflop']:.2f}·10¹² operations and the teacher {found['teacher_tflop']:.2f}·10¹². At these "
        f"rates one GPU takes {needs} frames a second; a loader process reads {each:.0f} (`benchmarks.speed.frames`), "
        "so give `--workers` accordingly."
    )


def files() -> str:
    """What each teacher's file is known by."""
    voc = load_recipe("sr_unet14_slim_ppkt_voc").teacher
    assert voc is not None
    found = _result("lab")["files"]
    rows = [
        ["`resnet50-0676ba61.pth`", "torchvision downloads it (`IMAGENET1K_V1`)", "sha256 `0676ba61…`, in its name"],
        ["`moco_v2_800ep_pretrain.pth.tar`", "facebookresearch/moco, models", "md5 `a04e12f8…`, on that page"],
        [
            "`timm/vit_small_patch14_dinov2.lvd142m`",
            "timm downloads it from the Hub",
            "none is published: pin what the first run records",
        ],
        *(
            [code(name), "google-coral and tflite-support, as published", code(digest)]
            for name, digest in found.items()
        ),
        [
            "`voc.safetensors`",
            "`ppkt-zoo teacher import` of the first of them",
            f"{code(voc.spec.sha256)}, or the same tensors",
        ],
    ]
    return table(["file", "where from", "to expect"], rows, 3)


def smoke() -> str:
    """Loss at a few steps of the short run."""
    found = _result("lab")
    if "smoke" not in found:
        return "Nothing was measured yet."
    rows = [
        [str(one["step"]), str(one["over"]), f"{one['loss']:.2f}", f"{one['spread']:.2f}", f"{one['top1']:.4f}"]
        for one in found["smoke"]
    ]
    return table(["step", "mean over", "loss", "standard deviation of a step", "top-1"], rows)


SECTIONS: dict[str, Callable[[], str]] = {"lab-hours": hours, "lab-files": files, "lab-smoke": smoke}


def _result(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return found
