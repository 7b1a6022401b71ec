"""The page's pictures: curves of the runs, and t-SNE of every student."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ppkt_zoo.visualization.curves import CurvePanel, curves_picture
from ppkt_zoo.visualization.picture import save_picture
from ppkt_zoo.visualization.tsne import Panel, tsne_picture

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
