"""Scores of a detector as a table for the terminal."""

import math
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from ppkt_zoo.downstream.detection.average_precision import DetectionScore

_THRESHOLDS = (0.25, 0.5)


def detection_table(score: DetectionScore, classes: Sequence[str]) -> Table:
    """A row for each class and one of the means; ``-`` for a class that occurs nowhere."""
    table = Table(box=SIMPLE_HEAD, show_footer=True)
    table.add_column("class", footer=f"mean, {score.scenes} scenes")
    for at in _THRESHOLDS:
        table.add_column(f"AP@{at:g}", justify="right", footer=f"{score.mean_average_precision(at):.3f}")
        table.add_column(f"recall@{at:g}", justify="right", footer=f"{score.mean_recall(at):.3f}")
    columns = [values for at in _THRESHOLDS for values in (score.average_precision(at), score.recall(at))]
    for number, name in enumerate(classes):
        table.add_row(Text(name, style="bold cyan"), *(_share(float(column[number])) for column in columns))
    return table


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
