"""From the folders of runs to rows of figures."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.finetuning.grids import PARTS
from ppkt_zoo.downstream.grid import read_grid
from ppkt_zoo.downstream.start import START_DIGITS
from ppkt_zoo.engine.metrics_log import read_metrics

_KEPT = ("miou", "macc", "accuracy", "voxel_miou", "map25", "map50", "recall25")
Row = Mapping[str, Any]


def collect_runs(runs: Path) -> list[dict[str, Any]]:
    """Every run of every part that has its scores, once: parts share folders."""
    found: dict[tuple[str, str, float, int], dict[str, Any]] = {}
    for part in PARTS:
        for cell, scores in read_grid(part.grid, part.out(runs)).items():
            digits = scores.get(START_DIGITS)
            found[part.folder, cell.start, cell.fraction, cell.seed] = {
                "folder": part.folder,
                "start": cell.start,
                "init": part.grid.starts[cell.start],
                "fraction": cell.fraction,
                "seed": cell.seed,
                **({} if digits is None else {START_DIGITS: digits}),
                "test": scores["test"],
                **{name: scores[name] for name in _KEPT if name in scores},
            }
    return [found[key] for key in sorted(found)]


def with_earlier(found: Sequence[Row], earlier: Sequence[Row], keys: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of today, and those of earlier sittings whose runs are not made again; a run is what its `keys` say."""

    def run_of(row: Row) -> tuple[Any, ...]:
        return tuple(row.get(key) for key in keys)

    rows = {run_of(row): dict(row) for row in (*earlier, *found)}
    return [rows[key] for key in sorted(rows, key=lambda run: [str(part) for part in run])]


def collect_rates(runs: Path) -> list[dict[str, Any]]:
    """What each learning rate that was tried scored on the validation scenes, from TASK_START_RATE/metrics.jsonl."""
    rows = []
    for file in sorted((runs / "tuning" / "rates").glob("*/metrics.jsonl")):
        task, start, rate = file.parent.name.split("_")
        key = {"seg": "validation_miou", "det": "validation_map25"}[task]
        seen = [line for line in read_metrics(file) if key in line]
        rows.append(
            {"task": task, "start": start, "rate": float(rate), "step": seen[-1]["step"], "score": seen[-1][key]}
        )
    for file in sorted((runs / "tuning" / "table_tops" / "cells").glob("*/*/*/scores.json")):
        start, rate = file.parents[2].name.split("_")
        scores = json.loads(file.read_text(encoding="utf-8"))
        fraction, seed = float(file.parents[1].name), int(file.parent.name)
        rows.append(
            {
                "task": "tops",
                "start": start,
                "rate": float(rate),
                "fraction": fraction,
                "seed": seed,
                "score": scores["miou"],
            }
        )
    return rows


def paired(first: Mapping[int, float], second: Mapping[int, float]) -> tuple[list[float], list[float]]:
    """Figures by seed → those of the seeds that both have, in the same order."""
    seeds = sorted(set(first) & set(second))
    return [first[seed] for seed in seeds], [second[seed] for seed in seeds]


def values(rows: Sequence[Row], folder: str, start: str, fraction: float, key: str) -> dict[int, float]:
    """One figure of some runs, by seed."""
    return {
        row["seed"]: row[key]
        for row in rows
        if (row["folder"], row["start"], row["fraction"]) == (folder, start, fraction)
    }
