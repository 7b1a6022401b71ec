"""Scores of a segmentation as a table for the terminal."""

import math

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from ppkt_zoo.cli.run.steps import thousands
from ppkt_zoo.downstream.segmentation.evaluation import SegmentationScore


def segmentation_table(score: SegmentationScore) -> Table:
    """A row for each class and one of the means; ``-`` for a class that occurs nowhere."""
    table = Table(box=SIMPLE_HEAD, show_footer=True)
    figures = score.figures()
    table.add_column("class", footer=f"mean of {score.scenes} scenes")
    table.add_column("points", justify="right", footer=thousands(int(score.points.matrix.sum())))
    table.add_column("IoU", justify="right", footer=f"{figures['miou']:.3f}")
    table.add_column("accuracy", justify="right", footer=f"{figures['macc']:.3f}")
    table.add_column("IoU on voxels", justify="right", footer=f"{figures['voxel_miou']:.3f}")
    for row in score.table():
        cells = (_share(row.iou), _share(row.accuracy), _share(row.voxel_iou))
        table.add_row(Text(row.name, style="bold cyan"), thousands(row.points), *cells)
    return table


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
