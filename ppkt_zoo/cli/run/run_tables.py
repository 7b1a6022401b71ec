"""What a run would cost, and what a model scored, as tables for the terminal."""

import math
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from ppkt_zoo.cli.answers.train import BoxScore, ClassScore, DetectionScores, SegmentationScores
from ppkt_zoo.cli.run.steps import thousands
from ppkt_zoo.cli.run.tables import add_line

if TYPE_CHECKING:
    from ppkt_zoo.downstream.detection.average_precision import DetectionScore
    from ppkt_zoo.downstream.segmentation.evaluation import SegmentationScore
    from ppkt_zoo.pretraining.cost import DryRun, OnceWork, StepCost

_OVERLAPS = (0.25, 0.5)
# What the table calls a figure, and its name in scores.json.
_SEGMENTATION = (("IoU", "miou"), ("accuracy", "macc"), ("IoU on voxels", "voxel_miou"))


def dry_run_table(run: "DryRun") -> Table:
    """Sizes, time, memory and disk space of a run, a line each."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    line = partial(add_line, table)
    together = f", {run.processes} processes" if run.processes > 1 else ""
    recipe = run.recipe
    steps = f"{thousands(recipe.steps)} steps on {run.device}{together}"
    line("dry run", f"{recipe.weight}, method {recipe.method}, {steps}")
    line("student", _parameters(run.student_parameters))
    line("heads", _parameters(run.head_parameters))
    if run.teacher_parameters is not None:
        how = (
            "runs on the images of every step" if run.teacher_online else "runs once per image, its features are cached"
        )
        line("teacher", f"{_parameters(run.teacher_parameters)}, {how}")
    line("data", *(f"{one.name}: {thousands(one.frames)} frames, {one.per_step} a step" for one in run.sources))
    if run.step is None:
        line("training", "none: the run writes the untrained weight")
    else:
        line("step", _content(run.step, run.processes))
        line("time", *_times(run, run.step))
        line("memory", _memory(run, run.step))
    if run.rendering is not None:
        line("rendering", _once(run.rendering, "rendered"))
    if run.first_look is not None:
        line("features", _once(run.first_look, "in the cache"))
    checkpoint = (
        f"a checkpoint {file_size(run.checkpoint_bytes)}, two of them are kept; " if run.checkpoint_bytes else ""
    )
    line("files", f"{checkpoint}the weight {file_size(run.weight_bytes)}")
    if run.step is not None:
        line("disk", *(f"{file_size(one.bytes)} of {file_size(one.free)} free at {one.path}" for one in run.disks))
        line("total", f"{duration(run.seconds)}, without validation, watch and checkpoints")
    return table


def segmentation_table(score: "SegmentationScore") -> Table:
    """A row for each class and one of the means; ``-`` for a class that does not occur."""
    figures = score.figures()
    heads = [
        ("points", thousands(int(score.points.matrix.sum()))),
        *((name, f"{figures[key]:.3f}") for name, key in _SEGMENTATION),
    ]
    rows = [
        (row.name, thousands(row.points), _score(row.iou), _score(row.accuracy), _score(row.voxel_iou))
        for row in score.table()
    ]
    return _scores(f"mean of {score.scenes} scenes", heads, rows)


def segmentation_scores(score: "SegmentationScore") -> SegmentationScores:
    """The same for programs."""
    return SegmentationScores(
        scenes=score.scenes,
        figures=score.figures(),
        classes=tuple(ClassScore(**row._asdict()) for row in score.table()),
    )


def detection_scores(score: "DetectionScore", classes: Sequence[str]) -> DetectionScores:
    """What :func:`detection_table` shows, for programs."""
    columns = {
        f"{figure}{100 * at:.0f}": values.tolist()
        for at in _OVERLAPS
        for figure, values in (("ap", score.average_precision(at)), ("recall", score.recall(at)))
    }
    rows = [{key: column[number] for key, column in columns.items()} for number in range(len(classes))]
    return DetectionScores(
        scenes=score.scenes,
        figures=score.figures(),
        classes=tuple(BoxScore(name=name, **row) for name, row in zip(classes, rows, strict=True)),
    )


def detection_table(score: "DetectionScore", classes: Sequence[str]) -> Table:
    """A row for each class and one of the means; ``-`` for a class that does not occur."""
    heads, columns = [], []
    for at in _OVERLAPS:
        heads += [
            (f"AP@{at:g}", f"{score.mean_average_precision(at):.3f}"),
            (f"recall@{at:g}", f"{score.mean_recall(at):.3f}"),
        ]
        columns += [score.average_precision(at), score.recall(at)]
    rows = [(name, *(_score(float(column[number])) for column in columns)) for number, name in enumerate(classes)]
    return _scores(f"mean of {score.scenes} scenes", heads, rows)


def _scores(mean: str, heads: Sequence[tuple[str, str]], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_footer=True)
    table.add_column("class", footer=mean)
    for name, footer in heads:
        table.add_column(name, justify="right", footer=footer)
    for name, *cells in rows:
        table.add_row(Text(name, style="bold cyan"), *cells)
    return table


def _score(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def duration(seconds: float) -> str:
    """A time in words: ``48 s``, ``12 min``, ``3 h 20 min``, ``2.5 days``."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{seconds / 86_400:.1f} days"


def file_size(count: int) -> str:
    """Bytes as ``2.1 MB`` or ``3.4 GB``."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _parameters(count: int) -> str:
    return f"{count / 1e6:.2f} M parameters"


def _content(step: "StepCost", processes: int) -> str:
    parts = [f"{step.frames:.3g} frames", f"{thousands(round(step.points))} points"]
    parts.append(f"{thousands(round(step.voxels))} voxels")
    for kind, pairs in (("pixel", step.pixel_pairs), ("view", step.view_pairs)):
        if pairs:
            parts.append(f"{thousands(round(pairs))} {kind} pairs")
    return ", ".join(parts) + (" in each process" if processes > 1 else "")


def _times(run: "DryRun", step: "StepCost") -> list[str]:
    teacher = f"teacher {step.teacher:.2f}, " if run.teacher_online else ""
    return [
        f"{run.step_seconds:.2f} s a step: data {run.data_seconds:.2f}, {teacher}student {step.student:.2f}",
        f"preparing its data takes one core {step.prepare:.2f} s; workers: {run.workers}, CPU cores: {run.cores}",
    ]


def _memory(run: "DryRun", step: "StepCost") -> str:
    where = "in this process, plus that of the workers" if run.device == "cpu" else "on the GPU"
    return f"{file_size(step.memory)} at most, {where}"


def _once(work: "OnceWork", done: str) -> str:
    told = f"{thousands(work.done)} of {thousands(work.frames)} frames are {done}"
    if work.done == work.frames:
        return told
    return f"{told}; the rest takes {duration(work.seconds)} and {file_size(work.bytes)}"
