"""The page about all pretrained weights: the rows of its tables."""

from collections.abc import Mapping
from typing import Any

from benchmarks.evaluation.material import SETS
from benchmarks.evaluation.probing import KNN, LAST
from benchmarks.evaluation.variants import GROUPS
from benchmarks.reports.figures import (
    ABOVE,
    AGREES,
    BELOW,
    SAME,
    Verdict,
    code,
    difference,
    interval,
    is_judged,
    signed,
)
from benchmarks.reports.page import Page, Results
from benchmarks.reports.pretraining_verdicts import COMPARISONS, Comparison, Student, Students, miou, verdicts, weights

LINES = {LAST: "linear", KNN: "kNN"}


def _rows(results: Results) -> dict[str, Any]:
    students, said = results["students"], results["verdicts"]
    retrieval, pairs = _retrieval(students)
    found = {
        "weights": weights(students),
        "sets": [f"{title}, {line}" for title in SETS.values() for line in LINES.values()],
        "summary": _summary(said),
        "facts": [_facts(one) for one in weights(students)],
        "scores": [
            [_title(one), *(interval(miou(one, part, line)) for part in SETS for line in LINES)] for one in students
        ],
        "gains": _gains(students),
        "comparisons": {one.key: _differences(one, students) for one in COMPARISONS},
        "retrieval": retrieval,
        "pairs": pairs,
        "collapse": _collapse(students),
        "unhelped": [
            f"{code(name)} on {SETS[part]}"
            for name, sets in said["untrained"].items()
            for part, one in sets.items()
            if one["result"] != ABOVE
        ],
        "paper": [
            [one["says"], one["where"], one["what"], signed(one), one["result"], AGREES[one["agrees"]]]
            for one in said["paper"]
        ],
        "unconverged": sum(one["parts"][part]["unconverged"] for one in students for part in SETS),
        "minutes": f"{sum(one['spent']['processor_seconds'] for one in students) / 60:.0f}",
    }
    return found | {"ablations": _ablations(results), "only": _only(results)}


def _summary(said: Mapping[str, Any]) -> list[list[str]]:
    """The comparisons that claim something, by the linear probe: question, and the result on each set."""
    rows = [[f"each weight − {what}", *_together(said[key])] for key, what in _ALL_AGAINST.items() if said[key]]
    for pairs in said["comparisons"].values():
        for one in pairs:
            if not any(is_judged(one["sets"][part]) for part in SETS):
                continue  # its difference stands in the table of its question
            cells = [one["sets"][part]["result"] for part in SETS]
            rows.append([f"{code(one['first'])} − {code(one['second'])}", *cells])
    return rows


_ALL_AGAINST = {"untrained": "the same network untrained", "raw": "colour and height alone"}


def _together(said: Mapping[str, Mapping[str, Verdict]]) -> list[str]:
    """How all weights stand on each set; where they differ, which of them."""
    cells = []
    for part in SETS:
        names = {
            result: [code(name) for name, sets in said.items() if sets[part]["result"] == result]
            for result in (ABOVE, SAME, BELOW)
        }
        told = {result: some for result, some in names.items() if some}
        if len(told) == 1:
            ((result, some),) = told.items()
            cells.append(f"all {len(some)} {result}")
        else:
            cells.append("; ".join(f"{result}: {', '.join(some)}" for result, some in told.items()))
    return cells


def _facts(one: Student) -> list[str]:
    return [
        code(one["name"]),
        one["method"],
        one["teacher"] or "none",
        f"{one['parameters'] / 1e6:.2f} M",
        f"{one['voxel_size'] * 100:g} cm",
        str(one["steps"]),
        f"{one['hours']:.2f}",
        code(one["key"][:12]),
    ]


def _gains(students: Students) -> list[list[str]]:
    by_key = {one["key"]: one for one in students}
    return [[code(one["name"]), *_less(one, by_key[one["control"]])] for one in weights(students)]


def _differences(comparison: Comparison, students: Students) -> list[list[str]]:
    by_name = {one["name"]: one for one in students}
    return [
        [f"{code(pair.first)} − {code(pair.second)}", *_less(by_name[pair.first], by_name[pair.second])]
        for pair in comparison.pairs
        if pair.first in by_name and pair.second in by_name
    ]


def _less(first: Student, second: Student) -> list[str]:
    return [difference(miou(first, part, line), miou(second, part, line)) for part in SETS for line in LINES]


def _retrieval(students: Students) -> tuple[list[list[str]], int]:
    """Rows of weights, the last one chance, and the number of pairs; no rows where nothing was measured."""
    rows, pairs = [], 0
    for one in weights(students):
        found = one["parts"].get("retrieval")
        if found:
            pairs = found["pairs"]
            values = (found["sets"][name][top]["values"] for name in found["sets"] for top in ("top1", "top5"))
            rows.append([code(one["name"]), *(interval(some, 4) for some in values)])
    if rows:
        rows.append(["chance", *[f"{top / pairs:.4f}" for _ in range(2) for top in (1, 5)]])
    return rows, pairs


def _collapse(students: Students) -> list[list[str]]:
    rows = []
    for one in students:
        seeds = one["parts"].get("collapse", [])
        for what in seeds[0] if seeds else ():
            ranks, cosines = ([seed[what][name] for seed in seeds] for name in ("rank", "cosine"))
            rows.append([one["name"], what, str(seeds[0][what]["channels"]), interval(ranks, 1), interval(cosines)])
    return rows


def _ablations(results: Results) -> dict[str, list[list[str]]]:
    """Rows of each group, the base's own under its name; differences and results against the base."""
    if "ablation" not in results:
        return {}
    ablation, said = results["ablation"], results["verdicts"]["ablation"]
    found = {"base": [_variant(ablation["base"], None)]}
    for name, variants in ablation["groups"].items():
        found[name] = [_variant(one, said[name][one["name"]]) for one in variants]
    return found


def _variant(one: Mapping[str, Any], less: Verdict | None) -> list[str]:
    top1 = interval(one["top1"], 4) if one["top1"] is not None and one["fair_top1"] else ""
    told = ["", top1, ""] if less is None else [signed(less), top1, less["result"]]
    return [one["name"], interval(one["miou"]), *told]


def _only(results: Results) -> str:
    """Options of the ablations' command where not all groups were measured."""
    measured = results.get("ablation", {}).get("groups", {})
    return "" if set(measured) == set(GROUPS) else "".join(f' --only "{name}"' for name in measured)


def _title(one: Student) -> str:
    return code(one["name"]) if one["kind"] == "weight" else str(one["name"])


PAGE = Page("pretraining", verdicts, _rows)
