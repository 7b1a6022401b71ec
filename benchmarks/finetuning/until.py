"""Runs as long as it helps: each again, three times as long, until its validation score stops rising.

    python -m benchmarks.finetuning.until                    # many hours; several at once share the runs
    python -m benchmarks.finetuning.until flagship           # the flagship with a tenth of the labels alone
    python -m benchmarks.finetuning.until --most 2700        # runs that still rise then are for another sitting
    python -m benchmarks.reports downstream --finetuning runs/downstream

One rule for both starts. Every length has its whole schedule, and its score on the validation scenes is taken at its
end. The first length that gains less than `GAIN` over the one before ends the row; of the lengths that were tried the
one with the best validation score is reported, by its test. Lengths that stand in docs/results/downstream.json, where
the second command puts them, are not made again, on another machine neither: it may take several sittings.
"""

import argparse
import functools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.finetuning.grids import PARTS, Part
from benchmarks.finetuning.run import claimed
from benchmarks.machine import ROOT
from ppkt_zoo.downstream.grid import Cell, read_grid, run_cell
from ppkt_zoo.downstream.start import START_DIGITS, digits_of_start
from ppkt_zoo.engine.metrics_log import read_metrics

LENGTHS = (300, 900, 2700, 8100)
GAIN = 0.01
LONG_ENOUGH = 2700
"""Steps of a row that is reported though its score still rises."""
CELL = ("folder", "start", "fraction", "seed")
"""What a row is known by; one of its lengths by its ``steps`` as well."""
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
    earlier = earlier_lengths(asked.results)
    for name in asked.names or _NAMES:
        parts = UNTIL[_NAMES[name]]
        shortest = parts[LENGTHS[0]]
        # A part of the labels is through before the next begins, so that a sitting ends with rows that can be read.
        for cell in sorted(shortest.grid.cells(), key=lambda cell: (cell.fraction, cell.seed)):
            with claimed(shortest, cell, asked.runs) as mine:
                if mine:
                    tried = lengthen(_NAMES[name], cell, asked, earlier)
                    scores = ", ".join(f"{one['steps']} steps {one['validation']:.3f}" for one in tried)
                    print(f"{cell.start}, {cell.fraction:g}, seed {cell.seed}: {scores}", flush=True)


def lengthen(folder: str, cell: Cell, asked: argparse.Namespace, earlier: Iterable[Tried]) -> list[Tried]:
    """Longer and longer runs of a cell, until the rule ends them or the longest that is asked for."""
    tried: list[Tried] = []
    mine = _key(folder, cell)
    known = {one["steps"]: one for one in earlier if _cell_of(one) == mine}
    for steps, part in UNTIL[folder].items():
        if has_ended(tried) or steps > asked.most:
            break
        if steps not in known:
            run_cell(part.grid, cell, part.out(asked.runs), folders={}, cache=asked.cache)
            known[steps] = next(one for one in lengths_of(folder, steps, asked.runs) if _cell_of(one) == mine)
        tried.append(known[steps])
    return tried


def lengths_of(folder: str, steps: int, runs: Path) -> Iterator[Tried]:
    """One length of every cell that has it, its scores and whose they are."""
    part = UNTIL[folder][steps]
    for cell, scores in read_grid(part.grid, part.out(runs)).items():
        seen = [line for line in read_metrics(cell.folder(part.out(runs)) / "metrics.jsonl") if _SCORE in line]
        yield {
            **dict(zip(CELL, _key(folder, cell), strict=True)),
            "steps": steps,
            "fingerprint": part.grid.load(cell).fingerprint,
            START_DIGITS: scores.get(START_DIGITS),
            "validation": seen[-1][_SCORE],
            **{name: scores[name] for name in ("miou", "macc")},
        }


def collect_lengths(runs: Path) -> list[Tried]:
    """Every length of every cell that is done in these folders."""
    return [one for folder, parts in UNTIL.items() for steps in parts for one in lengths_of(folder, steps, runs)]


def earlier_lengths(results: Path) -> list[Tried]:
    """The lengths in the committed results that are of today's recipes and weights."""
    found = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {}
    return of_today(found.get("until", []))


def of_today(lengths: Iterable[Tried]) -> list[Tried]:
    """Those that are of today's recipes and weights."""
    return [one for one in lengths if _is_of_today(one)]


def _is_of_today(one: Tried) -> bool:
    folder, start, fraction, seed = _cell_of(one)
    if one["steps"] not in UNTIL.get(folder, {}):
        return False
    grid = UNTIL[folder][one["steps"]].grid
    same_recipe = one["fingerprint"] == grid.load(Cell(start, fraction, seed)).fingerprint
    return same_recipe and one[START_DIGITS] == _digits(grid.starts[start])


@functools.cache
def _digits(init: str) -> str | None:
    return digits_of_start(init)


def has_ended(tried: Sequence[Tried]) -> bool:
    """Whether the newest length gained too little for a longer one."""
    return len(tried) > 1 and tried[-1]["validation"] - tried[-2]["validation"] < GAIN


def through(lengths: Iterable[Tried]) -> list[dict[str, Any]]:
    """A row for each cell that is through or long enough: which length did best on the validation scenes, and its test.

    Where some cells of a part of the labels are not through, all of that part are looked at up to the longest length
    that these have: no start is given more steps than another. ``limited`` says that a cell's longest length was still
    better than the one before: only that bounds its score.
    """
    cells: dict[tuple[Any, ...], list[Tried]] = {}
    for one in sorted(lengths, key=lambda one: int(one["steps"])):
        cells.setdefault(_cell_of(one), []).append(one)
    whole = [
        tried
        for tried in cells.values()
        if [one["steps"] for one in tried] == list(LENGTHS[: len(tried)])
        and (has_ended(tried) or tried[-1]["steps"] >= LONG_ENOUGH)
    ]
    most: dict[tuple[Any, ...], int] = {}
    for tried in whole:
        if not has_ended(tried):
            part = _part_of(tried[0])
            most[part] = min(most.get(part, LENGTHS[-1]), tried[-1]["steps"])
    rows = []
    for tried in whole:
        compared = [one for one in tried if one["steps"] <= most.get(_part_of(one), LENGTHS[-1])]
        best = max(compared, key=lambda one: float(one["validation"]))
        rows.append(best | {"limited": not has_ended(compared)})
    return rows


def _part_of(one: Tried) -> tuple[str, float]:
    return one["folder"], one["fraction"]


def _key(folder: str, cell: Cell) -> tuple[Any, ...]:
    return folder, cell.start, cell.fraction, cell.seed


def _cell_of(one: Tried) -> tuple[Any, ...]:
    return tuple(one[key] for key in CELL)


def read_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line, or `words`."""
    parser = argparse.ArgumentParser(description="Fine-tune until the validation score stops rising.")
    parser.add_argument("names", nargs="*", help=f"all, or some of: {', '.join(_NAMES)}")
    parser.add_argument("--most", type=int, default=LENGTHS[-1], help="no longer run than of so many steps")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "downstream")
    parser.add_argument("--cache", type=Path, default=ROOT / "runs" / "cache", help="finished scenes of rooms")
    parser.add_argument(
        "--results", type=Path, default=ROOT / "docs" / "results" / "downstream.json", help="with earlier lengths"
    )
    asked = parser.parse_args(words)
    if unknown := set(asked.names) - set(_NAMES):
        parser.error(f"there is no {min(unknown)!r}")
    return asked


if __name__ == "__main__":
    main()
