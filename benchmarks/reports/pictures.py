"""The pages' pictures: curves of the runs, t-SNE of every student, and scores over the part of the labels."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.finetuning.collect import Row, values
from benchmarks.finetuning.grids import PARTS
from ppkt_zoo.cli.run.grid import FIGURES, grid_picture
from ppkt_zoo.downstream.grid import Cell, Grid
from ppkt_zoo.visualization.picture import save_picture
from ppkt_zoo.visualization.plots import CurvePanel, Panel, curves_picture, tsne_picture

_PANELS = (
    CurvePanel("loss", "Loss of training steps (running mean)", smooth=8),
    CurvePanel("top1", "Retrieval top-1 of training steps (running mean)", smooth=8),
    CurvePanel("validation_loss", "Loss on unseen rooms"),
    CurvePanel("validation_top1", "Retrieval top-1 on unseen rooms"),
)
_MOST_PANELS = 12


def draw_curves(logs: Mapping[str, Sequence[Mapping[str, Any]]], folder: Path) -> list[str]:
    """Loss and retrieval of all runs; the file's name, none where there are no logs."""
    panels = [panel for panel in _PANELS if any(panel.field in line for lines in logs.values() for line in lines)]
    if not panels:
        return []
    return [save_picture(curves_picture(logs, panels), folder / "pretraining_curves.png").name]


def draw_tsne(students: Sequence[Mapping[str, Any]], folder: Path) -> list[str]:
    """The same points by every student's features: as many weights as fit, and their controls."""
    shown = [one for one in students if "tsne" in one["parts"]]
    weights = [one for one in shown if one["kind"] == "weight"]
    controls = [one for one in shown if one["kind"] == "untrained"]
    chosen = [*weights[: _MOST_PANELS - min(2, len(controls))], *controls[:2]]
    if not chosen:
        return []
    first = chosen[0]["parts"]["tsne"]
    panels = [Panel(one["name"], np.array(one["parts"]["tsne"]["xy"])) for one in chosen]
    picture = tsne_picture(panels, np.array(first["label"]), first["classes"], columns=min(4, len(panels)))
    return [save_picture(picture, folder / "pretraining_tsne.png").name]


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
