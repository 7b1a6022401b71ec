"""The page about fine-tuning: the rows of its tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.finetuning.collect import Row, values
from benchmarks.finetuning.grids import PARTS, SEEDS
from benchmarks.finetuning.until import GAIN, through
from benchmarks.reports.downstream_until import ENOUGH as UNTIL_ENOUGH
from benchmarks.reports.downstream_until import until_left, until_limited, until_rows
from benchmarks.reports.downstream_verdicts import (
    FIGURE,
    QUESTIONS,
    STUDENTS,
    TENTH,
    TITLES,
    Question,
    both_of,
    fractions_of,
    verdicts,
)
from benchmarks.reports.figures import AGREES, Verdict, code, difference, interval, signed, task_name
from benchmarks.reports.page import Page, Results
from ppkt_zoo.downstream.start import START_DIGITS

_FRAMES = {0.0167: "1 frame", 0.0833: "5 frames", 0.3333: "20 frames", 1.0: "60 frames"}


def _rows(results: Results) -> dict[str, Any]:
    rows, said = results["runs"], results["verdicts"]
    as_long_as_it_helps = through(results.get("until", []))
    return {
        "summary": _summary(said),
        "starts": {one.key: _starts(one, rows) for one in QUESTIONS},
        "differences": {key: [_difference(one) for one in found] for key, found in said["questions"].items()},
        "labels": _label_rows(rows),
        "until": until_rows(as_long_as_it_helps),
        "until_gain": GAIN,
        "until_seeds": UNTIL_ENOUGH,
        "until_left": until_left(as_long_as_it_helps),
        "until_limited": until_limited(as_long_as_it_helps),
        "sizes": _size_rows(rows),
        "table_tops": _table_tops(rows),
        "ceilings": {100 * float(size): score for size, score in results.get("ceilings", {}).items()},
        "rates": _rates(results["rates"]),
        "commands": [part.command() for part in PARTS if any(row["folder"] == part.folder for row in rows)],
        "missing": _missing(rows),
        "clusters": _clusters(results.get("zero_shot")),
        "search": _search(results.get("zero_shot")),
        "titles": TITLES,
        "flagship": ", ".join(f"`{digits[:12]}…`" for digits in weights_of_flagship(rows)),
        "figure": FIGURE,
    }


def weights_of_flagship(rows: Sequence[Row]) -> list[str]:
    """The sha256 of the flagship's parameters that its runs began with: its name has had several."""
    return sorted({row[START_DIGITS] for row in rows if row["start"] == "flagship" and row.get(START_DIGITS)})


def _summary(said: Results) -> list[list[str]]:
    """A row for each comparison: what, difference, seeds, result, whether the paper agrees."""
    found = []
    for some in said["questions"].values():
        for one in some:
            part = "" if one["fraction"] == TENTH else f", {one['fraction']:.0%} of the labels"
            what = f"{task_name(one['folder'])}{part}: {code(one['first'])} − {code(one['second'])}"
            found.append([what, TITLES[FIGURE[one["folder"]]], *_told(one)])
    for folder, one in said["labels"].items():
        if one is not None:
            what = f"{folder}: gain with {one['few']:.0%} of the labels − gain with {one['most']:.0%}"
            found.append([what, TITLES[FIGURE[folder]], *_told(one)])
    if (one := said["until"]) is not None:
        what = (
            f"segmentation, as long as it helps: gain with {one['few']:.0%} of the labels − gain with {one['most']:.0%}"
        )
        found.append([what, TITLES["miou"], *_told(one)])
    if said["size"] is not None:
        what = "segmentation: gain of SR-UNet18 − gain of SR-UNet14"
        found.append([what, TITLES["miou"], *_told(said["size"])])
    for other, one in said["table_tops"].items():
        found.append([f"real table tops, 5 frames: `ppkt_voc` − {code(other)}", TITLES["miou"], *_told(one)])
    return found


def _told(one: Verdict) -> list[str]:
    return [signed(one), str(one["seeds"]), one["result"], AGREES[one.get("agrees")]]


def _difference(one: Verdict) -> list[str]:
    name = f"{task_name(one['folder'])}: {code(one['first'])} − {code(one['second'])}"
    return [name, TITLES[FIGURE[one["folder"]]], str(one["seeds"]), signed(one), one["result"]]


def _starts(question: Question, rows: Sequence[Row]) -> dict[str, list[list[str]]]:
    """Scores of a question's starts by task, where at least two starts have two seeds."""
    found = {}
    for folder in dict.fromkeys(pair.folder for pair in question.pairs):
        names = [name for pair in question.pairs if pair.folder == folder for name in (pair.first, pair.second)]
        keys = ("map25", "map50") if folder.startswith("detection") else ("miou", "macc")
        lines = []
        for start in dict.fromkeys(names):
            scores = [list(values(rows, folder, start, question.fraction, key).values()) for key in keys]
            if len(scores[0]) > 1:
                lines.append([code(start), str(len(scores[0])), *map(interval, scores)])
        if len(lines) > 1:
            found[task_name(folder)] = lines
    return found


def _label_rows(rows: Sequence[Row]) -> list[list[str]]:
    lines = []
    for folder in ("segmentation", "detection"):
        for fraction in fractions_of(rows, folder):
            ours, theirs = both_of(rows, folder, "ppkt_voc", "scratch", fraction)
            if len(ours) > 1:
                cells = [str(len(ours)), interval(theirs), interval(ours), difference(ours, theirs)]
                lines.append([f"{folder}, {fraction:.0%}", TITLES[FIGURE[folder]], *cells])
    return lines


def _size_rows(rows: Sequence[Row]) -> list[list[str]]:
    lines = []
    for folder, name in STUDENTS.items():
        ours, theirs = both_of(rows, folder, "ppkt_voc", "scratch", TENTH)
        if len(ours) < 2:
            return []
        lines.append([name, str(len(ours)), interval(theirs), interval(ours), difference(ours, theirs)])
    return lines


def _table_tops(rows: Sequence[Row]) -> list[list[str]]:
    lines = []
    for part in (part for part in PARTS if part.folder.startswith("table_tops")):
        steps = part.name.partition(", ")[2] or "120 steps"
        for fraction in part.grid.fractions:
            for start in part.grid.starts:
                ours, theirs = both_of(rows, part.folder, start, "scratch", fraction)
                if len(ours) > 1:
                    over = "" if start == "scratch" else difference(ours, theirs)
                    name = f"{_FRAMES[fraction]}, {steps}"
                    lines.append([name, code(start), str(len(ours)), interval(ours), over])
    return lines


def _rates(rates: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """What was tried on the validation scenes."""
    names = {"seg": "segmentation, mIoU", "det": "detection, mAP@0.25", "tops": "table tops, mIoU"}
    groups: dict[tuple[int, int, float], list[Mapping[str, Any]]] = {}
    starts = list(dict.fromkeys((row["task"], row["start"]) for row in rates))
    for row in rates:
        key = (list(names).index(row["task"]), starts.index((row["task"], row["start"])), row["rate"])
        groups.setdefault(key, []).append(row)
    lines = []
    for (task, _, rate), tried in sorted(groups.items(), key=lambda one: one[0]):
        after = f"{tried[0]['step']} steps" if "step" in tried[0] else "whole run"
        mean = sum(row["score"] for row in tried) / len(tried)
        name = list(names.values())[task]
        lines.append([name, code(tried[0]["start"]), f"{rate:g}", after, str(len(tried)), f"{mean:.3f}"])
    return lines


def _missing(rows: Sequence[Row]) -> list[str]:
    """Planned runs of which fewer than all seeds were made; each once, though parts share runs."""
    missing: dict[str, None] = {}
    for part in PARTS:
        for start in part.grid.starts:
            for fraction in part.grid.fractions:
                key = "map25" if part.grid.task == "detection" else "miou"
                count = len(values(rows, part.folder, start, fraction, key))
                if count < SEEDS:
                    name = f"{task_name(part.folder)}, {code(start)}"
                    missing[f"{name} at {fraction:.0%} of the labels: {count} of {SEEDS} seeds"] = None
    return list(missing)


def _clusters(found: Mapping[str, Any] | None) -> list[list[str]]:
    """mIoU and V-measure on every set, and what the V-measure gains in rooms over the untrained network."""
    return (
        []
        if found is None
        else [
            [
                _title(one),
                *(interval(one[part][name]) for part in found["sets"] for name in ("miou", "v_measure")),
                _over_untrained(one, found["clusters"], "v_measure"),
            ]
            for one in found["clusters"]
        ]
    )


def _search(found: Mapping[str, Any] | None) -> list[list[str]]:
    return (
        []
        if found is None
        else [
            [
                _title(one),
                *(interval(one[part]["found"]) for part in found["sets"]),
                _over_untrained(one, found["clusters"], "found"),
            ]
            for one in found["clusters"]
        ]
    )


def _over_untrained(one: Mapping[str, Any], all_of_them: Sequence[Mapping[str, Any]], name: str) -> str:
    control = next((other for other in all_of_them if other["name"] == one["control"]), None)
    return "" if control is None else difference(one["rooms"][name], control["rooms"][name])


def _title(one: Mapping[str, Any]) -> str:
    return code(one["name"]) if one["control"] else str(one["name"])


PAGE = Page("downstream", verdicts, _rows)
