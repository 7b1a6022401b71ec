"""Logs of runs made small enough to be committed, so that the page can be written again from what is committed."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ppkt_zoo.engine.metrics_log import read_metrics

MOST_LINES = 200


def thin(lines: Sequence[Mapping[str, Any]], most: int = MOST_LINES) -> list[Mapping[str, Any]]:
    """At most `most` lines, in order: every line of a validation, the first and the last, the others evenly spaced.

    Figures of a training step are means over the lines that one line stands for, so that a curve keeps its height.
    """
    if len(lines) <= most:
        return list(lines)
    held_out = [index for index, line in enumerate(lines) if any(name.startswith("validation_") for name in line)]
    training = [index for index in range(len(lines)) if index not in set(held_out)]
    room = max(2, most - len(held_out))
    groups = [group for group in np.array_split(training, room) if len(group)]
    merged = [(int(group[-1]), _mean([lines[int(index)] for index in group])) for group in groups]
    kept = merged + [(index, lines[index]) for index in held_out]
    return [line for _, line in sorted(kept, key=lambda one: one[0])]


def _mean(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The last line's step, and the mean of every figure over the lines that hold it."""
    found: dict[str, Any] = {"step": lines[-1]["step"]}
    for name in dict.fromkeys(name for line in lines for name in line if name != "step"):
        found[name] = round(float(np.mean([line[name] for line in lines if name in line])), 5)
    return found


def copy_thinned(log: Path, target: Path) -> None:
    """Write a run's ``metrics.jsonl`` thinned."""
    target.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(line) + "\n" for line in thin(read_metrics(log)))
    target.write_text(text, encoding="utf-8")
