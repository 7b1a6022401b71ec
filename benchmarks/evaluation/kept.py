"""Figures of single weights: how they are summed up, and the result files that are filled weight by weight."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import RESULTS
from ppkt_zoo.errors import InputError
from ppkt_zoo.evaluation.statistics import mean_interval
from ppkt_zoo.files.writing import write_json

Found = dict[str, Any]


def summary(values: Sequence[float]) -> Found:
    """One value a seed, with mean and 95 % interval."""
    found = mean_interval(values)
    return {"values": list(values), "mean": found.mean, "low": found.low, "high": found.high}


def estimate(values: Sequence[float]) -> Found:
    """Value and interval as a record keeps them (`ppkt_zoo.zoo.record.Estimate`)."""
    found = mean_interval(list(values))
    # Rounded outwards, so that the mean stays inside its interval.
    return {"value": round(found.mean, 6), "interval95": [round(found.low - 5e-7, 6), round(found.high + 5e-7, 6)]}


def read_kept(name: str, folder: Path = RESULTS) -> Found:
    """A result file; empty lists where there is none yet."""
    file = folder / f"{name}.json"
    found: Found = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"weights": [], "records": {}}
    return found


def keep_weight(
    name: str, weight: Mapping[str, Any], metrics: Callable[[Mapping[str, Any]], list[Found]], folder: Path = RESULTS
) -> Path:
    """Put one weight's figures into a result file, in place of older ones of the same name.

    Args:
        name: of the file.
        weight: its ``name``, its ``key`` (sha256 of its tensors) and what was measured.
        metrics: the entries of its record that follow from them (`ppkt_zoo.zoo.record.Metric`).
        folder: where the file lies.
    """
    kept = read_kept(name, folder)
    others = [one for one in kept["weights"] if one["name"] != weight["name"]]
    weights = sorted([*others, dict(weight)], key=lambda one: str(one["name"]))
    found = {"weights": weights, "records": {one["key"]: metrics(one) for one in weights}}
    path = folder / f"{name}.json"
    write_json(path, found, InputError, indent=1)
    return path
