"""The page's pictures: scores over the part of the labels, each with its interval."""

from collections.abc import Sequence
from pathlib import Path

from collect import Row, values
from grids import PARTS

from ppkt_zoo.cli.run.grid_report import FIGURES, grid_picture
from ppkt_zoo.downstream.grid import Cell, Grid
from ppkt_zoo.visualization.picture import save_picture


def draw_labels(rows: Sequence[Row], out: Path) -> list[str]:
    """A plot for each folder that has at least two parts of the labels; the files' names."""
    names = []
    for folder in dict.fromkeys(part.folder for part in PARTS):
        parts = [part for part in PARTS if part.folder == folder]
        fractions = sorted({fraction for part in parts for fraction in part.grid.fractions})
        if len(fractions) < 2:
            continue
        key = FIGURES[parts[0].grid.task][0][0]
        first = max((part.grid for part in parts), key=_breadth)
        have = {
            (start, fraction): values(rows, folder, start, fraction, key)
            for start in first.starts
            for fraction in fractions
        }
        whole = [fraction for fraction in fractions if all(len(have[one, fraction]) > 1 for one in first.starts)]
        if len(whole) < 2:
            continue
        scores = {
            Cell(start, fraction, seed): {key: score}
            for (start, fraction), found in have.items()
            if fraction in whole
            for seed, score in found.items()
        }
        grid = Grid(first.task, first.recipe, (), first.starts, tuple(whole), first.seeds)
        names.append(save_picture(grid_picture(grid, scores), out / f"downstream_{folder}.png").name)
    return names


def _breadth(grid: Grid) -> int:
    return len(grid.fractions)
