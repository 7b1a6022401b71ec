"""Runs as long as it helps: each again, three times as long, until its validation score stops rising.

    python -m benchmarks.finetuning.until                    # many hours; several at once share the runs
    python -m benchmarks.finetuning.until flagship           # the flagship with a tenth of the labels alone
    python -m benchmarks.reports downstream --finetuning runs/downstream

One rule for both starts. Every length has its whole schedule, and its score on the validation scenes is taken at its
end. The first length that gains less than `GAIN` over the one before ends the row; of the lengths that were tried the
one with the best validation score is reported, by its test.
"""

import argparse
from collections.abc import Mapping, Sequence
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
_SEEDS = 3
_SCORE, _VALIDATION = "validation_miou", "validate_every="
Tried = dict[str, Any]
Lengths = Mapping[int, Part]


def _lengths(name: str, fractions: tuple[float, ...]) -> dict[int, Part]:
    """The runs of a part by their length, validated at their end."""
    base = next(part for part in PARTS if part.name == name)
    kept = tuple(one for one in base.grid.overrides if not one.startswith(_VALIDATION))
    found = {}
    for steps in LENGTHS:
        overrides = (*kept, f"steps={steps}", f"{_VALIDATION}{steps}")
        grid = replace(base.grid, overrides=overrides, fractions=fractions, seeds=_SEEDS)
        found[steps] = Part(f"{name}, {steps} steps", f"{base.folder}_{steps}", grid)
    return found


UNTIL: dict[str, dict[int, Part]] = {
    "segmentation": _lengths("segmentation, labels", (0.01, 0.1, 1.0)),
    "segmentation_small": _lengths("segmentation, flagship", (0.1,)),
}
"""By the folder of the runs that are made longer."""
_NAMES = {"labels": "segmentation", "flagship": "segmentation_small"}


def main(words: Sequence[str] | None = None) -> None:
    """Make each row's runs that nobody else is at."""
    asked = read_arguments(words)
    for name in asked.names or _NAMES:
        parts = UNTIL[_NAMES[name]]
        shortest = parts[LENGTHS[0]]
        for cell in shortest.grid.cells():
            with claimed(shortest, cell, asked.runs) as mine:
                if mine:
                    tried = lengthen(parts, cell, asked.runs, asked.cache)
                    scores = ", ".join(f"{one['steps']} steps {one['validation']:.3f}" for one in tried)
                    print(f"{cell.start}, {cell.fraction:g}, seed {cell.seed}: {scores}", flush=True)


def lengthen(parts: Lengths, cell: Cell, runs: Path, cache: Path) -> list[Tried]:
    """Longer and longer runs of a cell, until the rule ends them or there is no longer one."""
    tried: list[Tried] = []
    for part in parts.values():
        if has_ended(tried):
            break
        run_cell(part.grid, cell, part.out(runs), folders={}, cache=cache)
        tried = tried_of(parts, cell, runs)
    return tried


def tried_of(parts: Lengths, cell: Cell, runs: Path) -> list[Tried]:
    """A cell's lengths that are done, shortest first, each with its validation score and the figures of its test."""
    found = []
    for steps, part in parts.items():
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
    for folder, parts in UNTIL.items():
        for cell in parts[LENGTHS[0]].grid.cells():
            tried = tried_of(parts, cell, runs)
            if has_ended(tried) or len(tried) == len(LENGTHS):
                best = max(tried, key=lambda one: float(one["validation"]))
                names = {"folder": folder, "start": cell.start, "fraction": cell.fraction, "seed": cell.seed}
                rows.append(names | best | {"limited": not has_ended(tried), "tried": tried})
    return rows


def read_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line, or `words`."""
    parser = argparse.ArgumentParser(description="Fine-tune until the validation score stops rising.")
    parser.add_argument("names", nargs="*", help=f"all, or some of: {', '.join(_NAMES)}")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "downstream")
    parser.add_argument("--cache", type=Path, default=ROOT / "runs" / "cache", help="finished scenes of rooms")
    asked = parser.parse_args(words)
    if unknown := set(asked.names) - set(_NAMES):
        parser.error(f"there is no {min(unknown)!r}")
    return asked


if __name__ == "__main__":
    main()
