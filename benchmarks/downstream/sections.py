"""The text of the page; every figure and every verdict in it comes from the JSON beside it."""

from collections.abc import Mapping, Sequence
from typing import Any

from _probes.tables import figure, signed, table
from collect import Row, paired, values
from grids import PARTS, SEEDS
from questions import QUESTIONS, TITLES, Question
from rq4_section import labels_section, labels_verdict, size_section, size_verdict
from zero_shot_section import zero_shot_section

from ppkt_zoo.evaluation.statistics import paired_difference

Results = Mapping[str, Any]
_FRAMES = {0.0167: "1 frame", 0.0833: "5 frames", 0.3333: "20 frames", 1.0: "60 frames"}
_GOAL_ON_TABLE_TOPS = 0.07


def page_text(results: Results) -> str:
    """The whole page as Markdown."""
    rows = results["runs"]
    parts = [
        _head(results),
        "## In short\n\n" + "\n".join(f"- {line}" for line in _in_short(rows)),
        *(_question(one, rows) for one in QUESTIONS),
        labels_section(rows, results["pictures"]),
        size_section(rows),
        _table_tops(rows, results["pictures"], results.get("ceilings", {})),
        *([zero_shot_section(results["zero_shot"], results["pictures"])] if "zero_shot" in results else []),
        _rates(results["rates"]),
        _how(rows),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(results: Results) -> str:
    machine = results["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return "\n".join(
        [
            "# What a pretrained start is worth",
            "",
            "Segmentation and detection on rooms-bench v1 and on real table tops, from random parameters and from the "
            "weights of this zoo. Scores are of scenes that neither pretraining nor fine-tuning saw: the mean over "
            "the seeds with its 95 % interval (Student's t); differences are paired by seed. Every figure and every "
            "verdict comes from the JSON beside this page.",
            "",
            "```",
            "python benchmarks/downstream/run.py",
            *(["python benchmarks/downstream/zero_shot.py"] if "zero_shot" in results else []),
            "python benchmarks/downstream/page.py --runs runs/downstream --zero-shot runs/zero_shot",
            "```",
            "",
            f"{machine['processor']}, {machine['cores']} cores, {machine['system']}; {versions}.",
        ]
    )


def _in_short(rows: Sequence[Row]) -> list[str]:
    lines = [pair.sentence(rows, question.fraction) for question in QUESTIONS for pair in question.pairs]
    lines += [labels_verdict(rows, "segmentation"), labels_verdict(rows, "detection"), size_verdict(rows)]
    lines += [_table_tops_verdict(rows)]
    return [line for line in lines if line is not None] or ["Nothing has two seeds yet."]


def _question(question: Question, rows: Sequence[Row]) -> str | None:
    """A question's runs, and its pairs."""
    sides = list(dict.fromkeys(side for pair in question.pairs for side in (pair.first, pair.second)))
    parts = []
    for folder in dict.fromkeys(side.folder for side in sides):
        starts = [side.start for side in sides if side.folder == folder]
        made = _starts_table(rows, folder, starts, question.fraction)
        if made is not None:
            parts.append(made)
    differences = []
    for pair in question.pairs:
        found = pair.difference(rows, question.fraction)
        if found is not None:
            name = f"{pair.first.folder}: `{pair.first.start}` less `{pair.second.start}`"
            differences.append([name, TITLES[pair.key], str(found.n), signed(found)])
    if not differences:
        return None
    labels = f"{question.fraction:.0%} of the labels: {round(100 * question.fraction)} rooms."
    text = f"## {question.title}\n\n{question.text} {labels}\n\n"
    return text + "\n\n".join([*parts, table(["first less second", "figure", "seeds", "difference"], differences)])


def _starts_table(rows: Sequence[Row], folder: str, starts: Sequence[str], fraction: float) -> str | None:
    keys = ("map25", "map50") if folder == "detection" else ("miou", "macc")
    lines = []
    for start in starts:
        found = {key: list(values(rows, folder, start, fraction, key).values()) for key in keys}
        if len(found[keys[0]]) > 1:
            count = str(len(found[keys[0]]))
            lines.append([f"`{start}`", count, *(figure(found[key]) for key in keys)])
    return table([folder, "seeds", *(TITLES[key] for key in keys)], lines) if len(lines) > 1 else None


def _table_tops(rows: Sequence[Row], pictures: Sequence[str], ceilings: Mapping[str, float]) -> str | None:
    """Item 5 of the plan: real frames with few labels."""
    lines = []
    for part in PARTS:
        if not part.folder.startswith("table_tops"):
            continue
        steps = part.name.partition(", ")[2] or "120 steps"
        for fraction in part.grid.fractions:
            scratch = values(rows, part.folder, "scratch", fraction, "miou")
            for start in part.grid.starts:
                found = values(rows, part.folder, start, fraction, "miou")
                ours, theirs = paired(found, scratch)
                if len(ours) < 2:
                    continue
                over = "" if start == "scratch" else signed(paired_difference(ours, theirs))
                lines.append([f"{_FRAMES[fraction]}, {steps}", f"`{start}`", str(len(ours)), figure(ours), over])
    if not lines:
        return None
    text = "## Real table tops\n\nTable against objects on real Kinect frames; the last 20 by name are the test.\n\n"
    text += table(["labels", "start", "seeds", "mIoU", "over scratch"], lines)
    verdict = _table_tops_verdict(rows)
    if verdict is not None:
        text += f"\n\n{verdict}"
    if ceilings:
        best = ", ".join(f"{score:.3f} with voxels of {100 * float(size):g} cm" for size, score in ceilings.items())
        text += "\n\nWhat is left to gain: a network that gave every voxel the class of most of its points would score "
        text += f"{best}; the recipe has 4 cm."
    name = "downstream_table_tops.png"
    return text + (f"\n\n![mIoU over the labelled frames]({name})" if name in pictures else "")


def _table_tops_verdict(rows: Sequence[Row]) -> str | None:
    ours, scratch, views = (
        values(rows, "table_tops", start, 0.0833, "miou") for start in ("ppkt_voc", "scratch", "point_contrast")
    )
    seeds = sorted(set(ours) & set(scratch) & set(views))
    if len(seeds) < 2:
        return None
    over = paired_difference([ours[seed] for seed in seeds], [scratch[seed] for seed in seeds])
    beside = paired_difference([ours[seed] for seed in seeds], [views[seed] for seed in seeds])
    reached = over.mean >= _GOAL_ON_TABLE_TOPS and beside.low > 0
    return (
        f"Real table tops, 5 frames: `ppkt_voc` is {signed(over)} over scratch and {signed(beside)} over "
        f"`point_contrast` in mIoU; the goal was +{_GOAL_ON_TABLE_TOPS:.2f} and above: "
        + ("reached." if reached else "**not reached**.")
    )


def _rates(rates: Sequence[Mapping[str, Any]]) -> str | None:
    """What was tried on the validation scenes."""
    if not rates:
        return None
    names = {"seg": "segmentation, mIoU", "det": "detection, mAP@0.25", "tops": "table tops, mIoU"}
    lines = []
    for task, name in names.items():
        for start in dict.fromkeys(row["start"] for row in rates if row["task"] == task):
            for rate in sorted({row["rate"] for row in rates if (row["task"], row["start"]) == (task, start)}):
                tried = [row for row in rates if (row["task"], row["start"], row["rate"]) == (task, start, rate)]
                mean = sum(row["score"] for row in tried) / len(tried)
                after = f"{tried[0]['step']} steps" if "step" in tried[0] else "whole run"
                lines.append([name, f"`{start}`", f"{rate:g}", after, str(len(tried)), f"{mean:.3f}"])
    return (
        "## Learning rates\n\nChosen on the validation scenes, from a few runs each, for scratch and for PPKT apart; "
        "the other pretrained starts have PPKT's.\n\n"
        + table(["task", "start", "rate", "after", "runs", "validation"], lines)
    )


def _how(rows: Sequence[Row]) -> str:
    commands = "\n".join(part.command() for part in PARTS if any(row["folder"] == part.folder for row in rows))
    missing: dict[str, None] = {}  # each once, though parts share runs
    for part in PARTS:
        for start in part.grid.starts:
            for fraction in part.grid.fractions:
                key = "map25" if part.grid.task == "detection" else "miou"
                count = len(values(rows, part.folder, start, fraction, key))
                if count < SEEDS:
                    missing[f"{part.folder}, `{start}` at {fraction:.0%} of the labels: {count} of {SEEDS} seeds"] = (
                        None
                    )
    told = "\n\nNot measured in full:\n\n" + "\n".join(f"- {line}" for line in missing) if missing else ""
    return f"## How it was measured\n\n`run.py` does what these commands do:\n\n```\n{commands}\n```{told}"
