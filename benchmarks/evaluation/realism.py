"""How real the procedural rooms look to a network that knows only photographs.

    python -m benchmarks.evaluation.realism               # → benchmarks/results/realism.json

The Pascal VOC DeepLabv3 of ``../shared/teachers`` is run on rendered frames; its IoU with the rendered labels, for
the classes that both know, is the measure: worlds of five seeds, 20 rooms of two frames each, mean over the seeds
and 95 % interval. Desks, stools, mirrors and small things are left out where they lie, because VOC has no rule for
them. What the same network says of real frames of a kitchen cannot be scored (they have no labels), so there is no
ceiling to compare with.
"""

import argparse
from typing import Any

import numpy as np
import torch

from benchmarks.machine import SHARED, VOC_TEACHER, keep, machine, table
from ppkt_zoo.evaluation.statistics import mean_interval
from ppkt_zoo.rooms import CLASSES, RoomsFrames
from ppkt_zoo.rooms.room import VERSION
from ppkt_zoo.teachers.spec import VOC_SEGMENTER
from ppkt_zoo.teachers.teacher import VOC_CLASSES, Teacher, load_teacher

VOC_OF = {
    "chair": "chair",
    "table": "diningtable",
    "sofa": "sofa",
    "screen": "tvmonitor",
    "plant": "pottedplant",
    "bottle": "bottle",
}
HEADLINE = ("chair", "table", "sofa", "screen")
LEFT_OUT = ("desk", "stool", "clutter", "mirror")
SEEDS, ROOMS, PER_ROOM = (6, 7, 8, 9, 10), 20, 2
SIZES = ((480, 640), (240, 320))  # a depth camera's frames, and the small ones that this project trains on


def main() -> None:
    """Measure, print and keep."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    teacher = load_teacher(VOC_SEGMENTER, SHARED / VOC_TEACHER)
    result: dict[str, Any] = {"machine": machine(), "world": VERSION, "seeds": SEEDS}
    result["frames"] = len(SEEDS) * ROOMS * PER_ROOM
    for height, width in SIZES:
        result[f"{width}x{height}"] = measure(teacher, height, width)
    print(f"kept in {keep('realism', result)}")


def measure(teacher: Teacher, height: int, width: int) -> dict[str, Any]:
    """Classes and headline at one size, printed too."""
    counts = [count(teacher, seed, height, width) for seed in SEEDS]
    rows = []
    for name in VOC_OF:
        both, truth, said = np.array([one[name] for one in counts]).T
        rows.append(
            {"class": name}
            | _interval([_iou(one[name]) for one in counts])
            | {"recall": float(both.sum() / max(truth.sum(), 1)), "precision": float(both.sum() / max(said.sum(), 1))}
        )
    headline = _interval([float(np.mean([_iou(one[name]) for name in HEADLINE])) for one in counts])
    print(f"{width}×{height}\n\n{table(rows)}\n")
    print("mean of {}: {IoU:.3f} [{low:.3f}, {high:.3f}]\n".format(", ".join(HEADLINE), **headline))
    return {"mean of": HEADLINE, **headline, "classes": rows}


def count(teacher: Teacher, seed: int, height: int, width: int) -> dict[str, np.ndarray]:
    """Pixels of each class: rendered and answered, rendered, answered."""
    frames = RoomsFrames(seed, ROOMS, PER_ROOM, height, width)
    counts = {name: np.zeros(3, dtype=np.int64) for name in VOC_OF}
    for index in range(len(frames)):
        frame = frames[index]
        assert frame.label is not None
        image = torch.from_numpy(frame.color).permute(2, 0, 1)[None].float() / 255
        scores = torch.nn.functional.interpolate(teacher(image), frame.depth.shape, mode="bilinear")
        answer = scores[0].argmax(0).numpy()
        counted = ~np.isin(frame.label, [CLASSES.index(name) for name in LEFT_OUT])
        for name, voc in VOC_OF.items():
            truth = (frame.label == CLASSES.index(name)) & counted
            said = (answer == VOC_CLASSES.index(voc)) & counted
            counts[name] += np.array([(truth & said).sum(), truth.sum(), said.sum()])
    return counts


def _interval(values: list[float]) -> dict[str, float]:
    found = mean_interval(values)
    return {"IoU": found.mean, "low": found.low, "high": found.high}


def _iou(counts: np.ndarray) -> float:
    both, truth, said = counts
    return float(both / max(truth + said - both, 1))


if __name__ == "__main__":
    main()
