"""RQ4 by one rule for both starts: each run again, three times as long, until its validation score stops rising.

    python -m benchmarks.finetuning.until                    # many hours; several at once share the runs
    python -m benchmarks.reports downstream --finetuning runs/downstream

Every length has its whole schedule, and its score on the validation scenes is taken at its end. The first length that
gains less than `GAIN` over the one before ends the row; of the lengths that were tried the one with the best validation
score is reported, by its test.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.finetuning.grids import PARTS, Part
from benchmarks.finetuning.run import claimed
from benchmarks.machine import ROOT
from ppkt_zoo.downstream.grid import Cell, read_grid, run_cell
from ppkt_zoo.engine.metrics_log import read_metrics

LENGTHS = (300, 900, 2700, 8100)
GAIN = 0.01
_FRACTIONS, _SEEDS = (0.01, 0.1, 1.0), 3
_SCORE = "validation_miou"
Tried = dict[str, Any]


def _part(steps: int) -> Part:
    """The runs of one length: those of RQ4, which are validated at their end."""
    base = next(part for part in PARTS if part.name == "segmentation, labels")
    overrides = (f"steps={steps}", f"validate_every={steps}")
    grid = replace(base.grid, overrides=overrides, fractions=_FRACTIONS, seeds=_SEEDS)
    return Part(f"{base.name}, {steps} steps", f"segmentation_{steps}", grid)


UNTIL = {steps: _part(steps) for steps in LENGTHS}


def main(words: Sequence[str] | None = None) -> None:
    """Make each row's runs that nobody else is at."""
    asked = read_arguments(words)
    for cell in UNTIL[LENGTHS[0]].grid.cells():
        with claimed(UNTIL[LENGTHS[0]], cell, asked.runs) as mine:
            if mine:
                tried = lengthen(cell, asked.runs, asked.cache)
                scores = ", ".join(f"{one['steps']} steps {one['validation']:.3f}" for one in tried)
                print(f"{cell.start}, {cell.fraction:g}, seed {cell.seed}: {scores}", flush=True)


def lengthen(cell: Cell, runs: Path, cache: Path) -> list[Tried]:
    """Longer and longer runs of a cell, until the rule ends them or there is no longer one."""
    tried: list[Tried] = []
    for part in UNTIL.values():
        if has_ended(tried):
            break
        run_cell(part.grid, cell, part.out(runs), folders={}, cache=cache)
        tried = tried_of(cell, runs)
    return tried


def tried_of(cell: Cell, runs: Path) -> list[Tried]:
    """A cell's lengths that are done, shortest first, each with its validation score and the figures of its test."""
    found = []
    for steps, part in UNTIL.items():
        scores = read_grid(part.grid, part.out(runs)).get(cell)
        if scores is None:
            break
        seen = [line for line in read_metrics(cell.folder(part.out(runs)) / "metrics.jsonl") if _SCORE in line]
        found.append({"steps": steps, "validation": seen[-1][_SCORE], "miou": scores["miou"], "macc": scores["macc"]})
    return found


def has_ended(tried: Sequence[Tried]) -> bool:
    """Whether the newest length gained too little for a longer one."""
    return len(tried) > 1 and tried[-1]["validation"] - tried[-2]["validation"] < GAIN


def collect_until(runs: Path) -> list[dict[str, Any]]:
    """A row for each cell that is through: what was tried, which length did best on the validation, and its test.

    ``limited`` says that the longest length was still better than the one before: only that bounds the score.
    """
    rows = []
    for cell in UNTIL[LENGTHS[0]].grid.cells():
        tried = tried_of(cell, runs)
        if has_ended(tried) or len(tried) == len(LENGTHS):
            best = max(tried, key=lambda one: float(one["validation"]))
            names = {"start": cell.start, "fraction": cell.fraction, "seed": cell.seed}
            rows.append(names | best | {"limited": not has_ended(tried), "tried": tried})
    return rows


def read_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line, or `words`."""
    parser = argparse.ArgumentParser(description="Fine-tune until the validation score stops rising.")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "downstream")
    parser.add_argument("--cache", type=Path, default=ROOT / "runs" / "cache", help="finished scenes of rooms")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
