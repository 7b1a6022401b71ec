"""What the bundled segmenter and detector are worth: unseen rooms, whole and from a few views, and a real kitchen.

    python -m benchmarks.evaluation.bundled_models

One trained model of each: an interval says how far the figure depends on which scenes were asked about (bootstrap over
scenes), not how another training would turn out. Figures go to benchmarks/results/bundled_models.json.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.evaluation.material import BENCH, FULL, KITCHEN_CLASSES, TINY, Material
from benchmarks.machine import RESULTS, ROOT, SHARED, machine
from ppkt_zoo.data.scenes import LabelledScene, SceneSource
from ppkt_zoo.downstream.detection import load_detector
from ppkt_zoo.downstream.detection.average_precision import DetectionScore
from ppkt_zoo.downstream.detection.model import VoteNet
from ppkt_zoo.downstream.detection.predict import detect
from ppkt_zoo.downstream.detection.targets import scene_boxes
from ppkt_zoo.downstream.segmentation import SegmentationModel, load_segmentation
from ppkt_zoo.engine.denormals import flushed_denormals
from ppkt_zoo.errors import InputError
from ppkt_zoo.evaluation.metrics import Confusion
from ppkt_zoo.files.writing import write_json
from ppkt_zoo.rooms.partial_scans import PartialScans
from ppkt_zoo.zoo.default import default_model
from ppkt_zoo.zoo.load import open_weight

# A class of the rooms → what the VOC segmenter calls such things; all others are background to it.
TO_VOC = {"chair": "chair", "stool": "chair", "table": "table", "desk": "table", "screen": "screen"}
_RESAMPLED = 1000
_COLOURS = ("with colour", "without colour")

Found = dict[str, Any]


def main(words: Sequence[str] | None = None) -> None:
    """Measure both models, and keep the figures."""
    asked = read_arguments(words)
    material = Material(asked.shared, asked.cache, TINY if asked.tiny else FULL)
    rooms = (BENCH.validation if asked.validation else BENCH.test)(cache=asked.cache)
    sources: dict[str, SceneSource] = {
        "rooms": rooms,
        "partial": PartialScans(rooms.seed, len(rooms), 1, cache=asked.cache),
    }
    count = 2 if asked.tiny else len(rooms)
    scenes = {name: [source[index] for index in range(count)] for name, source in sources.items()}
    with flushed_denormals():
        segmenter = load_segmentation(asked.segmenter)
        detector = load_detector(asked.detector)
        found = {
            "scenes": count,
            "segmentation": {
                **{name: segmentation(segmenter, some) for name, some in scenes.items()},
                "classes": list(segmenter.classes),
                **in_the_kitchen(segmenter, material, asked.every, 2 if asked.tiny else None),
            },
            "detection": {
                **{name: detection(detector, some) for name, some in scenes.items()},
                "classes": list(detector.classes),
            },
            "models": {
                "segmentation": _facts(asked.segmenter),
                "detection": _facts(asked.detector),
            },
            "machine": machine(),
        }
    write_json(asked.out / "bundled_models.json", found, InputError, indent=1)
    print(f"→ {asked.out / 'bundled_models.json'}")


def segmentation(model: SegmentationModel, scenes: Sequence[LabelledScene]) -> Found:
    """mIoU on labelled scenes, with and without colour."""
    return {how: _miou([_told(model, scene, how) for scene in scenes]) for how in _COLOURS}


def _told(model: SegmentationModel, scene: LabelledScene, how: str) -> np.ndarray:
    """Confusion of one scene."""
    labels = model.predict(scene.xyz, scene.rgb if how == "with colour" else None).labels
    return Confusion(len(model.classes)).update(scene.label.astype(np.int64), labels).matrix


def in_the_kitchen(model: SegmentationModel, material: Material, every: int, most: int | None) -> Found:
    """Agreement with the VOC segmenter on every so many frames of the real kitchen, each a cloud by itself."""
    table = np.array([KITCHEN_CLASSES.index(TO_VOC.get(name, "background")) for name in model.classes])
    counted: dict[str, list[np.ndarray]] = {how: [] for how in (*_COLOURS, "background everywhere")}
    frames = range(0, len(material.kitchen), every)[:most]
    for index in frames:
        cloud, label = material.kitchen_frame(index)
        for how, some in counted.items():
            if how == "background everywhere":
                told = np.zeros(len(label), np.int64)
            else:
                told = table[model.predict(cloud.xyz, cloud.rgb if how == "with colour" else None).labels]
            some.append(Confusion(len(KITCHEN_CLASSES)).update(label, told).matrix)
    return {
        "kitchen": {how: _miou(some) for how, some in counted.items()},
        "kitchen frames": len(frames),
        "kitchen classes": list(KITCHEN_CLASSES),
    }


def detection(model: VoteNet, scenes: Sequence[LabelledScene]) -> Found:
    """mAP on scenes with boxes, with and without colour, from as many points as the command takes of a cloud.

    Without an interval: over scenes drawn anew, rare classes drop out of the mean, which shifts it upwards.
    """
    found = {}
    for how in _COLOURS:
        told = []
        for scene in scenes:
            rgb = scene.rgb if how == "with colour" else None
            truth = scene_boxes(scene, model.classes, model.turned)
            told.append((*truth, *detect(model, scene.xyz, rgb).of_every_class()))
        found[how] = _map(told, len(model.classes))
    return found


def bootstrap(values: Callable[[np.ndarray], float], count: int, times: int) -> Found:
    """A figure over all scenes, and the middle 95 % of it over scenes drawn anew, as many, with repetition.

    Args:
        values: int64 (S,) numbers of scenes → the figure over them.
        count: how many scenes there are.
        times: how often scenes are drawn.
    """
    rng = np.random.default_rng(0)
    drawn = [values(rng.integers(0, count, count)) for _ in range(times)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {"value": values(np.arange(count)), "low": float(low), "high": float(high)}


def _miou(matrices: list[np.ndarray]) -> Found:
    every = np.stack(matrices)

    def over(rows: np.ndarray) -> Confusion:
        counted = Confusion(every.shape[1])
        counted.matrix += every[rows].sum(axis=0)
        return counted

    whole = over(np.arange(len(every)))
    found = bootstrap(lambda rows: over(rows).mean_iou(), len(every), _RESAMPLED)
    return found | {"iou": _each(whole.iou()), "accuracy": whole.accuracy()}


def _map(told: list[tuple[Any, ...]], classes: int) -> Found:
    score = DetectionScore(classes)
    for one in told:
        score.update(*one)
    return {
        "value": score.mean_average_precision(0.25),
        "map50": score.mean_average_precision(0.5),
        "ap25": _each(score.average_precision(0.25)),
    }


def _each(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(one) else float(one) for one in values]


def _facts(name: str) -> Found:
    folder = open_weight(name)
    return {"name": name, "sha256": folder.config.files["model.safetensors"].sha256}


def read_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line, or `words`."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--segmenter", default=default_model("segmentation"), help="another than the bundled one")
    parser.add_argument("--detector", default=default_model("detection"), help="another than the bundled one")
    parser.add_argument("--validation", action="store_true", help="validation rooms in place of the test's, to choose")
    parser.add_argument("--every", type=int, default=4, help="every so many frames of the kitchen")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the JSON goes")
    parser.add_argument("--cache", type=Path, default=ROOT / "runs" / "cache", help="finished scenes of rooms")
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder with frames/ and teachers/")
    parser.add_argument("--tiny", action="store_true", help="two scenes of everything: shows that it runs")
    asked = parser.parse_args(words)
    usual = (asked.segmenter, asked.detector) == (default_model("segmentation"), default_model("detection"))
    if asked.out == RESULTS and (asked.validation or not usual):
        parser.error("the table of docs/weights.md is of the bundled models on the test: give --out")
    return asked


if __name__ == "__main__":
    main()
