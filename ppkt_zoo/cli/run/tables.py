"""Backbones and weights as tables for the terminal, and as plain lines for everything else."""

import fnmatch
import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from ppkt_zoo.cli.answers.weights import BackboneRow
from ppkt_zoo.files.text import printable, unbroken
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.zoo.manifest import HubSource, WeightSpec, load_manifest
from ppkt_zoo.zoo.names import ListedName, parse_name
from ppkt_zoo.zoo.record import ROBUSTNESS, Estimate, Metric, WeightRecord
from ppkt_zoo.zoo.registry import create_backbone, list_backbones

if TYPE_CHECKING:
    from ppkt_zoo.zoo.local_cache import Kept

# The one score of the short table: measured on real data, and for every weight of ours.
_SCORE, _SCORED_ON = "linear probe mIoU", "7-Scenes red kitchen"


class Listing(Table):
    """A table on a terminal; anywhere else a plain line a row, its cells two spaces apart, for ``grep`` and ``cut``.

    Cells are text and nothing else: what stands in a weight's record is no markup, and no terminal obeys it.
    """

    def add_row(self, *cells: RenderableType | None, style: object = None, end_section: bool = False) -> None:
        """As ``Table.add_row``, of strings and Texts."""
        made = []
        for cell in cells:
            plain = printable(cell.plain if isinstance(cell, Text) else str(cell or ""))
            made.append(Text(plain, style=cell.style if isinstance(cell, Text) else ""))
        super().add_row(*made, end_section=end_section)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if console.is_terminal:
            yield from super().__rich_console__(console, options)
        else:
            yield Text("\n".join(self._lines()), no_wrap=True, overflow="ignore")

    def _lines(self) -> list[str]:
        columns = [[unbroken(cell) for cell in column.cells] for column in self.columns]
        if self.show_header:
            columns = [[str(column.header), *cells] for column, cells in zip(self.columns, columns, strict=True)]
        padded = []
        for column, cells in zip(self.columns, columns, strict=True):
            width = max(map(len, cells), default=0)
            padded.append([cell.rjust(width) if column.justify == "right" else cell.ljust(width) for cell in cells])
        return ["  ".join(row).rstrip() for row in zip(*padded, strict=True)]


def weights_table(pattern: str = "*") -> Listing:
    """One row a listed weight, in 80 columns: the rest is in :func:`record_table`."""
    table = _table("weight", "parameters", "voxel", "size", "mIoU")
    scored = False
    for weight in listed(pattern):
        score = _leading_score(weight.record)
        scored |= score != "-"
        table.add_row(
            Text(weight.name, style="bold cyan"),
            _millions(weight.record.parameters),
            f"{weight.input_spec.voxel_size * 100:g} cm",
            _megabytes(weight),
            score,
        )
    about = f"mIoU: linear probe on the {_SCORED_ON}\n" if scored else ""
    table.caption, table.caption_justify = Text(f"{about}All about a weight: ppkt-zoo show NAME", style="dim"), "left"
    return table


def weights_lines(pattern: str = "*") -> Listing:
    """One row a listed weight, for scripts: teacher, data, licence, size, source, and its first metric."""
    table = _table("weight", "parameters", "teacher", "data", "licence", "size", "source", "measured")
    for weight in listed(pattern):
        record = weight.record
        table.add_row(
            weight.name,
            _millions(record.parameters),
            "; ".join(one.name for one in record.teachers) or "-",
            ", ".join(record.sources),
            record.licences.weights,
            _megabytes(weight),
            "Hub" if isinstance(weight.source, HubSource) else "bundled",
            headline(record),
        )
    return table


def cache_table(kept: Sequence["Kept"]) -> Listing:
    """One row a thing that the local cache holds, and one of all."""
    table = Listing(box=None, pad_edge=False)
    for column in ("kind", "what", "MB", "where"):
        table.add_column(column, justify="right" if column == "MB" else "left", overflow="fold")
    for one in kept:
        table.add_row(one.kind, one.name, f"{one.size / 1e6:,.1f}", str(one.path))
    table.add_row("", f"{len(kept)} in total", f"{sum(one.size for one in kept) / 1e6:,.1f}", "")
    return table


def backbones_table(rows: Sequence[BackboneRow]) -> Listing:
    """One row an architecture."""
    table = _table("backbone", "parameters", "levels (channels), coarse to fine", "weights")
    for row in rows:
        name = Text(row.name, style="bold cyan")
        table.add_row(name, _millions(row.parameters), _levels(row.levels), str(len(row.weights) or "-"))
    return table


def backbone_rows(pattern: str) -> list[BackboneRow]:
    """The architectures whose names match a wildcard."""
    return [_measured(name) for name in list_backbones(pattern)]


def find(name: str) -> BackboneRow | tuple[str, InputSpec, WeightRecord]:
    """A weight: its name, what it takes and its record; or a backbone where the name has no tag.

    Raises:
        UnknownNameError, WeightError: no such name, or its files are damaged.
    """
    parsed = parse_name(name)
    for listed in load_manifest().weights:
        # From the manifest, which holds the record: nothing need be fetched, and torch is not loaded.
        if listed.name == str(parsed):
            return listed.name, listed.input_spec, listed.record
    from ppkt_zoo.zoo.load import check_listed, open_weight

    if isinstance(parsed, ListedName):
        check_listed(parsed)
        if parsed.tag is None:
            return _measured(name)
    folder = open_weight(name)
    return folder.config.name, folder.config.input_spec, folder.record()


def backbone_table(row: BackboneRow) -> Listing:
    """All about a backbone, a line each."""
    table = _lines()
    table.add_row("backbone", Text(row.name))
    table.add_row("parameters", _millions(row.parameters))
    table.add_row("levels", _levels(row.levels))
    table.add_row("weights", Text(", ".join(row.weights) or "none yet"))
    return table


def record_table(name: str, voxel_size: float, record: WeightRecord) -> Listing:
    """Everything a person wants to know of one weight, a line each."""
    table = _lines()
    line = partial(add_line, table)
    line("weight", name)
    line("description", record.description)
    best_first = sorted(record.metrics, key=_gain, reverse=True)
    told = [f"{one.name}: {_estimate(one)}{_control(one.control)}; {one.data}" for one in best_first]
    line("results", *(text for text in told if not text.startswith(ROBUSTNESS)))
    line("robustness", *(text.removeprefix(ROBUSTNESS) for text in told if text.startswith(ROBUSTNESS)))
    line("method", record.method)
    line("parameters", _millions(record.parameters))
    line("voxel", f"{voxel_size * 100:g} cm")
    for teacher in record.teachers:
        line("teacher", f"{teacher.name}, {teacher.stage} ({teacher.licence})", teacher.origin)
    line("data", *(f"{one.name}: {_frames(one.frames)}, {one.licence}; {one.attribution}" for one in record.data))
    if record.conversion is not None:
        line("converted from", f"{record.conversion.origin} ({record.conversion.dialect})")
    if record.base is not None:
        hub = "" if record.base.repo is None else f", hf-hub:{record.base.repo}@{record.base.revision}"
        line("began with", f"{record.base.weight}{hub}")
    if record.trained is not None:
        line("training", f"{record.trained.steps} steps, {record.trained.hours:g} h, {record.trained.machine}")
    line("limitations", *record.limits)
    line("deviations", *record.deviations)
    line("licence", f"weights {record.licences.weights}; data {record.licences.data}")
    line("citation", record.citation)
    line("created", record.created.isoformat())
    return table


def add_line(table: Table, field: str, *values: str) -> None:
    """A row of a table with a field and its value; a row each where it has several, none where it has none."""
    for number, value in enumerate(values):
        table.add_row("" if number else field, Text(value))


def headline(record: WeightRecord) -> str:
    """The first metric in a few words; a dash where nothing was measured."""
    if not record.metrics:
        return "-"
    first = record.metrics[0]
    return f"{first.name} {_estimate(first)}{_control(first.control)}"


def _gain(metric: Metric) -> float:
    """How far a figure is above what the same measurement gives without the pretraining; figures without it last."""
    return metric.value - metric.control.value if metric.control is not None else -math.inf


def _leading_score(record: WeightRecord) -> str:
    for metric in record.metrics:
        if metric.name == _SCORE and metric.data.startswith(_SCORED_ON):
            return f"{metric.value:.3f}"
    return "-"


def listed(pattern: str) -> list[WeightSpec]:
    """The weights whose names match a wildcard."""
    return [weight for weight in load_manifest().weights if fnmatch.fnmatch(weight.name, pattern)]


def _estimate(estimate: Estimate) -> str:
    if estimate.interval95 is None:
        return f"{estimate.value:.3g}"
    low, high = estimate.interval95
    return f"{estimate.value:.3g} [{low:.3g}, {high:.3g}]"


def _control(control: Estimate | None) -> str:
    return "" if control is None else f" ({getattr(control, 'name', 'control')} {_estimate(control)})"


def _table(*columns: str) -> Listing:
    table = Listing(box=SIMPLE_HEAD, header_style="bold", border_style="dim", pad_edge=False)
    for column in columns:
        table.add_column(
            column, justify="right" if column in ("parameters", "voxel", "size", "mIoU") else "left", overflow="fold"
        )
    return table


def _lines() -> Listing:
    table = Listing(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    return table


def _measured(name: str) -> BackboneRow:
    """An architecture with its default arguments; no memory is filled."""
    import torch

    with torch.device("meta"):
        backbone = create_backbone(name)
    parameters = sum(parameter.numel() for parameter in backbone.parameters())
    weights = tuple(weight for weight in load_manifest().names() if weight.startswith(f"{name}."))
    return BackboneRow(name=name, parameters=parameters, levels=backbone.level_channels, weights=weights)


def _levels(levels: dict[str, int]) -> str:
    return ", ".join(f"{level} ({channels})" for level, channels in levels.items())


def _millions(parameters: int) -> str:
    return f"{parameters / 1e6:.2f} M"


def _megabytes(weight: WeightSpec) -> str:
    return f"{sum(entry.size for entry in weight.files.values()) / 1e6:.1f} MB"


def _frames(count: int | None) -> str:
    return "frames not counted" if count is None else f"{count} frames"
