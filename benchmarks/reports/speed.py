"""The section of docs/speed.md about sparse convolution and training, from the JSON of the speed benchmarks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.reports.page import render

Results = Mapping[str, Any]
#: Who is compared, in the order of the columns.
_OTHERS = ("torch", "spconv", "ocnn")


@dataclass(frozen=True)
class SpeedGoal:
    """What a row of figures was to reach: at least so many times as fast as a peer, and so much of the dense rate.

    Attributes:
        work: of the row, as :func:`work_of` names it.
        spconv, torch, bfloat16, dense: least ratios; None where nothing was set.
    """

    work: str
    spconv: float | None = None
    torch: float | None = None
    dense: float | None = None
    bfloat16: float | None = None


GOALS = (
    SpeedGoal("submanifold 3³, 32 channels, forward", 4.5, 2.5, 0.65, 1.4),
    SpeedGoal("submanifold 3³, 64 channels, forward", 3.2, 1.9, 0.88, 1.4),
    SpeedGoal("submanifold 3³, 96 channels, forward", 2.4, 1.6, 0.82, 1.4),
    SpeedGoal("submanifold 3³, 128 channels, forward", 2.3, 1.4, 0.86, 1.4),
    SpeedGoal("`sr_unet34`, room, forward", 2.6, 2.1, 0.78, 1.4),
    SpeedGoal("`sr_unet34`, frame, forward", 2.0, 2.4, 0.72, 1.4),
    SpeedGoal("`sr_unet34`, frame, training step", 2.0, 2.5, 0.72),
)
PRETRAINING_GOAL, MEMORY_GOAL = 2.0, 1.5
#: Fewer voxels than this are a frame's.
_ROOM = 100_000


def work_of(row: Results) -> str:
    """What a row measured, in words."""
    if "width" in row:
        return f"submanifold 3³, {row['width']} channels, {row['pass']}"
    return f"`{row['network']}`, {'room' if row['voxels'] >= _ROOM else 'frame'}, {row['pass']}"


def figure_row(row: Results) -> list[str]:
    """Cells: work, native seconds, then ratios, the share of the dense rate and the gain of bf16."""
    ratios = [f"{row['ratio'][name]:.2f}" if name in row["ratio"] else "–" for name in _OTHERS]
    half = row["ratio"].get("native bf16")
    own = row["seconds"][row["engine"]]
    cells = [f"{own:.3f} s", *ratios, f"{row['of dense']:.0%}", "–" if half is None else f"{half:.2f}"]
    return [work_of(row), *cells]


def judge(rows: Sequence[Results]) -> list[dict[str, Any]]:
    """Every goal whose figure was measured, one after another: what it asks, what was found, whether it is met."""
    found = {work_of(row): row for row in rows}
    judged = []
    for goal in GOALS:
        row = found.get(goal.work)
        if row is None or row["engine"] != "native":
            continue
        ratio = row["ratio"]
        for against, least, value in (
            ("spconv", goal.spconv, ratio.get("spconv")),
            ("the torch engine", goal.torch, ratio.get("torch")),
            ("the dense rate", goal.dense, row["of dense"]),
            ("fp32, in bf16", goal.bfloat16, ratio.get("native bf16")),
        ):
            if least is not None and value is not None:
                judged.append(_judged(goal.work, against, least, value, value >= least))
    return judged


def _judged(work: str, against: str, goal: float, value: float, met: bool) -> dict[str, Any]:
    return {"work": work, "against": against, "goal": goal, "found": value, "met": met}


def goal_cells(one: Results) -> list[str]:
    """A row of the table of goals."""
    share, most = one["against"] == "the dense rate", one["against"] == "activations"
    goal, found = (f"{one[name]:.0%}" if share else f"{one[name]:.2f}" for name in ("goal", "found"))
    return [
        one["work"],
        one["against"],
        f"{'≤' if most else '≥'} {goal}",
        found,
        "met" if one["met"] else "**not met**",
    ]


def section(
    conv: Results, training: Results | None = None, curves: Results | None = None, shares: Results | None = None
) -> str:
    """Markdown.

    Args:
        conv: of ``benchmarks.speed.sparse_conv``.
        training: of ``benchmarks.speed.training_steps``, where it was run.
        curves: of ``benchmarks.speed.cost_curves``, where it was run.
        shares: of ``benchmarks.speed.step_shares``, where it was run.
    """
    rows = [*conv.get("layers", []), *conv.get("networks", [])]
    judged = judge(rows)
    for one in conv.get("memory", []):
        if one["engine"] == "native":
            met = one["ratio"] <= MEMORY_GOAL
            judged.append(_judged("peak memory, `sr_unet34`, room", "activations", MEMORY_GOAL, one["ratio"], met))
    steps = [] if training is None else training["rows"]
    for one in steps:
        if one["work"].startswith("pretraining") and one["ratio"] is not None:
            met = one["ratio"] >= PRETRAINING_GOAL
            judged.append(_judged("pretraining, whole step", "the torch engine", PRETRAINING_GOAL, one["ratio"], met))
    return render(
        "speed.md.j2",
        conv=conv,
        memory=conv.get("memory", []),
        training=training,
        curves=curves,
        shares=shares,
        parts=[] if shares is None else _share_rows(shares["rows"]),
        rows=[figure_row(row) for row in rows],
        goals=[goal_cells(one) for one in judged],
        met=sum(one["met"] for one in judged),
        steps=[_step_cells(one) for one in steps],
        dense=sorted({round(row["dense gflop/s"]) for row in rows}),
    )


def _share_rows(rows: Sequence[Results]) -> list[list[str]]:
    """A row for each part of a step: its milliseconds and share with each engine."""
    return [
        [part, *(f"{row['seconds'] * row['shares'][part] * 1e3:.0f} ms ({row['shares'][part]:.0%})" for row in rows)]
        for part in rows[0]["shares"]
    ]


def _step_cells(one: Results) -> list[str]:
    native, ratio = ("–" if one[name] is None else f"{one[name]:.2f}" for name in ("native", "ratio"))
    return [one["work"], f"{native} s", f"{one['torch']:.2f} s", ratio]
