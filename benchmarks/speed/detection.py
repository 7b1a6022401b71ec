"""How long VoteNet takes for a cloud, and how long its scores take for many scenes; the scores are checked on the way.

    python -m benchmarks.speed.detection

A detector with the small student looks at 20 000 and 40 000 points of a room of rooms-bench, from numpy points to
boxes. Average precision of turned boxes is counted over 1 000 scenes of 64 boxes each. Beside it stands the recorded
answer of VoteNet's own evaluation for its file of scenes and boxes, and ours for the same file.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.machine import SHARED, keep, machine, table, told
from ppkt_zoo import create_backbone
from ppkt_zoo.downstream.detection import DetectionScore, VoteNet, VoteNetConfig, detect
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.rooms import RoomScenes

CLASSES = 18
FIXTURES = ("axis_aligned", "oriented")


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--scenes", type=int, default=1000)
    options = parser.parse_args()
    inference = [_inference(name, points, options.repeats) for name in STUDENTS for points in (20_000, 40_000)]
    scoring = _scoring(options.scenes)
    equal = [_recorded(name) for name in FIXTURES if (SHARED / "fixtures" / f"detection_ap_{name}.npz").is_file()]
    here = machine()
    print(told(here) + "\n")
    for rows in (inference, [scoring], equal):
        if rows:
            print(table(rows), end="\n\n")
    kept = keep("detection", {"machine": here, "inference": inference, "scoring": scoring, "recorded": equal})
    print(f"kept in {kept}")


def _small(voxel_size: float) -> VoteNet:
    backbone = create_backbone("sr_unet14_small", input_spec=InputSpec(voxel_size=voxel_size))
    names = tuple(f"class {number}" for number in range(CLASSES))
    return VoteNet(backbone, names, torch.full((CLASSES, 3), 0.8), VoteNetConfig(heading_bins=12)).eval()


STUDENTS: dict[str, Callable[[], VoteNet]] = {
    "sr_unet14_small, 4 cm": lambda: _small(0.04),
    "sr_unet14_small, 2.5 cm": lambda: _small(0.025),
}


def _inference(name: str, points: int, repeats: int) -> dict[str, Any]:
    torch.manual_seed(0)
    model, scene = STUDENTS[name](), RoomScenes(seed=41005, rooms=1)[0]
    # A scan of one room has fewer points than VoteNet's 40 000 in some rooms: they are drawn again with a jitter.
    rng = np.random.default_rng(0)
    rows = rng.choice(len(scene.xyz), points, replace=points > len(scene.xyz))
    xyz = scene.xyz[rows] + rng.normal(0, 0.002, (points, 3)).astype(np.float32)
    assert scene.rgb is not None
    times = []
    for repeat in range(repeats + 1):
        began = time.perf_counter()
        detect(model, xyz, scene.rgb[rows])
        if repeat:  # the first one warms up
            times.append(time.perf_counter() - began)
    return {
        "student": name,
        "points": points,
        "seeds": model.shape.seeds,
        "proposals": model.shape.proposals,
        "median s": statistics.median(times),
        "best s": min(times),
    }


def _scoring(scenes: int, boxes: int = 64) -> dict[str, Any]:
    """Average precision over random scenes in which every true box has a detection near it."""
    rng, score = np.random.default_rng(0), DetectionScore(CLASSES)
    began = time.perf_counter()
    for _ in range(scenes):
        truth = np.concatenate(
            [rng.uniform(-4, 4, (boxes, 3)), rng.uniform(0.3, 2, (boxes, 3)), rng.uniform(0, 6.3, (boxes, 1))], axis=1
        )
        label = rng.integers(CLASSES, size=boxes)
        found = truth + rng.normal(0, 0.1, truth.shape) * [1, 1, 1, 0.5, 0.5, 0.5, 1]
        found[:, 3:6] = found[:, 3:6].clip(0.05)
        score.update(truth, label, found, label, rng.random(boxes))
    result = {at: score.mean_average_precision(at) for at in (0.25, 0.5)}
    seconds = time.perf_counter() - began
    return {"scenes": scenes, "boxes a scene": boxes, "s": seconds, **{f"mAP@{at}": one for at, one in result.items()}}


def _recorded(name: str) -> dict[str, Any]:
    """Ours and VoteNet's own mean average precision for the same file of boxes."""
    held = np.load(SHARED / "fixtures" / f"detection_ap_{name}.npz")
    truth, found = held["ground_truth"], held["predictions"]
    score = DetectionScore(len(held["ap_0.25"]))
    for scene in np.unique(np.concatenate([truth[:, 0], found[:, 0]])):
        own, other = truth[truth[:, 0] == scene], found[found[:, 0] == scene]
        score.update(own[:, 2:9], own[:, 1].astype(int), other[:, 2:9], other[:, 1].astype(int), other[:, 9])
    row: dict[str, Any] = {"file": f"detection_ap_{name}.npz"}
    for at in (0.25, 0.5):
        ours, theirs = score.mean_average_precision(at), float(held[f"map_{at:g}"])
        row |= {f"mAP@{at:g}": ours, f"VoteNet's {at:g}": theirs, f"difference {at:g}": f"{abs(ours - theirs):.1e}"}
    return row


if __name__ == "__main__":
    main()
