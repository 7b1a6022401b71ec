"""Does the runs behind docs/results/downstream.md.

    python -m benchmarks.finetuning.run                               # all of them, many hours
    python -m benchmarks.finetuning.run "detection, starts" --seeds 1 # some

Several of these commands at once share the runs. One that was stopped goes on where it was.
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.finetuning.grids import PARTS, Part
from benchmarks.machine import ROOT, SHARED
from ppkt_zoo.downstream.grid import Cell, run_cell


def main(words: Sequence[str] | None = None) -> None:
    """Do each run that nobody else is at."""
    asked = read_arguments(words)
    chosen = [part for part in PARTS if not asked.parts or part.name in asked.parts]
    for part in chosen:
        grid = replace(part.grid, seeds=asked.seeds or part.grid.seeds)
        folders = {name: asked.shared / place for name, place in part.data}
        for cell in grid.cells():
            with claimed(part, cell, asked.runs) as mine:
                if mine:
                    print(f"{part.name}: {cell.start}, {cell.fraction:g}, seed {cell.seed}", flush=True)
                    run_cell(grid, cell, part.out(asked.runs), folders=folders, cache=asked.cache)


@contextmanager
def claimed(part: Part, cell: Cell, runs: Path) -> Iterator[bool]:
    """Whether this process may do a run; a claim of a process that is gone counts for nothing."""
    file = cell.folder(part.out(runs)) / "claim"
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.exists() and not Path("/proc", file.read_text()).exists():
        file.unlink()
    try:
        with file.open("x") as stream:
            stream.write(str(os.getpid()))
    except FileExistsError:
        yield False
        return
    try:
        yield True
    finally:
        file.unlink()


def read_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line, or `words`."""
    parser = argparse.ArgumentParser(description="Fine-tune from every start, with every part of the labels.")
    parser.add_argument("parts", nargs="*", help=f"all, or some of: {'; '.join(part.name for part in PARTS)}")
    parser.add_argument("--seeds", type=int, help="only the first so many")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "downstream")
    parser.add_argument("--cache", type=Path, default=ROOT / "runs" / "cache", help="finished scenes of rooms")
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder with frames/")
    asked = parser.parse_args(words)
    if unknown := set(asked.parts) - {part.name for part in PARTS}:
        parser.error(f"there is no part {min(unknown)!r}")
    return asked


if __name__ == "__main__":
    main()
