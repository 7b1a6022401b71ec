"""Made-up students and runs, as the evaluation and the fine-tuning leave them on the disk."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from benchmarks.evaluation.material import FULL, SETS
from benchmarks.evaluation.probing import KNN, LAST
from ppkt_zoo.rooms.room import VERSION


def student(name: str, kind: str, level: float, **more: Any) -> dict[str, Any]:
    """A student whose scores lie around a level, a little apart from seed to seed."""

    def part(classes: list[str]) -> dict[str, Any]:
        values = [level + 0.001 * seed for seed in range(3)]
        # Linear probes are asked for every point, kNN for a few of each frame.
        asked = {LAST: 1000, KNN: 30}
        report = {line: {"miou": 0.5, "converged": True, "points": points} for line, points in asked.items()}
        return {
            "classes": classes,
            "fit_frames": 2,
            "fit_size": 4,
            "test_frames": 3,
            "queries": 10,
            "miou": {line: {"values": values} for line in (LAST, KNN)},
            "reports": [report] * 3,
        }

    parts: dict[str, Any] = {set_name: part(["a", "b"]) for set_name in SETS}
    parts["clusters"] = {name: dict.fromkeys(("miou", "v_measure", "found"), [level] * 3) for name in SETS}
    if kind != "raw":
        parts["collapse"] = [{"features": {"rank": 9.0 + seed, "cosine": 0.2, "channels": 48}} for seed in range(3)]
        places = [[float(row), float(row % 7)] for row in range(20)]
        parts["tsne"] = {"classes": ["wall", "floor"], "label": [row % 2 for row in range(20)], "xy": places}
    common = {
        "name": name, "key": f"key of {name}", "kind": kind, "control": None, "seeds": [0, 1, 2], "world": 3,
        "amount": json.loads(json.dumps(dataclasses.asdict(FULL))), "missing": [],
        "machine": {"processor": "p", "cores": 2, "system": "s", "versions": {"torch": "2"}},
        "spent": {"seconds": 60.0, "processor_seconds": 60.0}, "parts": parts,
    }  # fmt: skip
    return common | more


def weight(name: str, level: float, **more: Any) -> dict[str, Any]:
    facts = {
        "control": f"key of {name.split('.')[0]}, untrained", "method": "ppkt", "teacher": "a teacher",
        "parameters": 1_000_000, "voxel_size": 0.04, "steps": 10, "hours": 0.1,
    }  # fmt: skip
    return student(name, "weight", level, **(facts | more))


def family() -> list[dict[str, Any]]:
    return [
        weight("sr_unet14_slim.ppkt_moco_rooms", 0.30),
        weight("sr_unet14_slim.ppkt_sup_rooms", 0.40),
        weight("sr_unet14_slim.ppkt_voc", 0.50),
        weight("sr_unet14_slim.point_contrast", 0.45),
        student("sr_unet14_slim, untrained", "untrained", 0.35),
        student("colour and height", "raw", 0.20),
    ]


def written(folder: Path, students: list[dict[str, Any]]) -> Path:
    folder.mkdir(exist_ok=True)
    for number, one in enumerate(students):
        (folder / f"{number}-world{VERSION}-seeds3-{FULL.name}.json").write_text(json.dumps(one))
    return folder


def runs(gains: dict[str, float], seeds: int = 5, folder: str = "segmentation", fraction: float = 0.1) -> list[dict]:
    """Runs whose seeds are far apart and whose starts differ by nearly the same in each."""
    keys = ("map25", "map50") if folder == "detection" else ("miou", "macc")
    return [
        {"folder": folder, "start": start, "fraction": fraction, "seed": seed, "test": "some"}
        | dict.fromkeys(keys, 0.2 + 0.03 * seed + gain + 0.001 * (seed % 2))
        for start, gain in gains.items()
        for seed in range(seeds)
    ]
