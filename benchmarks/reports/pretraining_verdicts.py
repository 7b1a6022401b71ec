"""How all pretrained weights compare: with their untrained selves, with each other, and with the paper."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.evaluation.material import SETS
from benchmarks.evaluation.probing import LAST
from benchmarks.reports.figures import ABOVE, ONE_TRAINING, SAME, Verdict, agreement, code, unjudged, verdict
from benchmarks.reports.page import Results

Student = Mapping[str, Any]
Students = Sequence[Student]
_SLIM, _WIDE = "sr_unet14_slim", "sr_unet18_slim"


@dataclass(frozen=True)
class Pair:
    """Two weights, and how the paper has the first stand to the second; None where it doesn't compare them."""

    first: str
    second: str
    paper: str | None = None
    says: str = ""


@dataclass(frozen=True)
class Comparison:
    """Pairs that answer one question; its key is the template's."""

    key: str
    pairs: tuple[Pair, ...]


COMPARISONS = (
    Comparison(
        "teachers",
        (
            Pair(
                f"{_SLIM}.ppkt_moco_rooms",
                f"{_SLIM}.ppkt_sup_rooms",
                SAME,
                "a MoCo teacher does as well as the supervised one",
            ),
            Pair(f"{_SLIM}.ppkt_imagenet", f"{_SLIM}.ppkt_sup_rooms"),
            Pair(f"{_SLIM}.ppkt_voc", f"{_SLIM}.ppkt_imagenet"),
        ),
    ),
    Comparison(
        "size",
        (
            Pair(f"{_WIDE}.ppkt_voc", f"{_SLIM}.ppkt_voc"),
            Pair(f"{_WIDE}.ppkt_imagenet", f"{_SLIM}.ppkt_imagenet"),
            Pair(f"{_WIDE}.ppkt_moco_rooms", f"{_SLIM}.ppkt_moco_rooms"),
            Pair("pointnet2.ppkt_voc", f"{_SLIM}.ppkt_voc"),
        ),
    ),
    Comparison(
        "point_contrast",
        (
            Pair(
                f"{_SLIM}.ppkt_voc",
                f"{_SLIM}.point_contrast",
                ABOVE,
                "PPKT helps more than PointContrast (by one reading of its tables)",
            ),
            Pair(f"{_SLIM}.ppkt_voc_point_contrast", f"{_SLIM}.ppkt_voc"),
            Pair(f"{_SLIM}.ppkt_voc_point_contrast", f"{_SLIM}.point_contrast"),
        ),
    ),
)


def verdicts(results: Results) -> dict[str, Any]:
    """What the figures allow to say, for the page's JSON."""
    students = results["students"]
    by_key = {one["key"]: one for one in students}
    raw = [one for one in students if one["kind"] == "raw"]
    found: dict[str, Any] = {
        "untrained": {one["name"]: _on_sets(one, by_key[one["control"]]) for one in weights(students)},
        "raw": {one["name"]: _on_sets(one, raw[0]) for one in weights(students)} if raw else {},
        "comparisons": {one.key: _pairs(one, students) for one in COMPARISONS},
        "missing": {one.key: _missing(one, students) for one in COMPARISONS},
        "collapsed": _collapsed(students),
    }
    gain = _gain_by_size(students)
    found |= {"paper": _paper(found, gain)}
    if "ablation" in results:
        base = results["ablation"]["base"]["miou"]
        groups = results["ablation"]["groups"]
        found["ablation"] = {
            name: {one["name"]: verdict(one["miou"], base) for one in variants} for name, variants in groups.items()
        }
    return found


def _on_sets(first: Student, second: Student) -> dict[str, Verdict]:
    return {part: verdict(miou(first, part), miou(second, part)) for part in SETS}


def _pairs(comparison: Comparison, students: Students) -> list[dict[str, Any]]:
    """Pairs of which both were measured, each with its verdict on every set by the linear probe."""
    by_name = {one["name"]: one for one in students}
    return [
        {
            "first": pair.first,
            "second": pair.second,
            "sets": {
                part: unjudged(one, ONE_TRAINING)
                for part, one in _on_sets(by_name[pair.first], by_name[pair.second]).items()
            },
            "paper": pair.paper,
            "says": pair.says,
        }
        for pair in comparison.pairs
        if pair.first in by_name and pair.second in by_name
    ]


def _missing(comparison: Comparison, students: Students) -> list[str]:
    wanted = {name for pair in comparison.pairs for name in (pair.first, pair.second)}
    return sorted(wanted - {one["name"] for one in students})


def _collapsed(students: Students) -> list[str]:
    """Features whose pairs are nearly all alike, or nearly all of whose spread lies along two directions."""
    found = []
    for one in weights(students):
        seeds = one["parts"].get("collapse", [])
        for what in seeds[0] if seeds else ():
            cosine, rank = (sum(seed[what][name] for seed in seeds) / len(seeds) for name in ("cosine", "rank"))
            if cosine > 0.95 or rank < 2:
                found.append(f"{what} of {one['name']}")
    return found


def _paper(found: Mapping[str, Any], gain: Verdict | None) -> list[dict[str, Any]]:
    """The paper's findings beside ours; directions alone are compared."""
    told = [
        {"says": pair["says"], "where": title, "what": f"{code(pair['first'])} − {code(pair['second'])}"}
        | pair["sets"][part]
        | {"agrees": agreement(pair["sets"][part], pair["paper"])}
        for pairs in found["comparisons"].values()
        for pair in pairs
        if pair["paper"] is not None
        for part, title in SETS.items()
    ]
    if gain is not None:
        what = (
            f"gain of {code(f'{_WIDE}.ppkt_voc')} − gain of {code(f'{_SLIM}.ppkt_voc')}, each over its untrained self"
        )
        says = "a larger student gains more (by one reading of its tables)"
        told.append({"says": says, "where": SETS["rooms"], "what": what} | gain | {"agrees": agreement(gain, ABOVE)})
    return told


def _gain_by_size(students: Students) -> Verdict | None:
    """Whether the larger student gains more over its own untrained self."""
    by_name, by_key = ({one[name]: one for one in students} for name in ("name", "key"))
    if not {f"{_WIDE}.ppkt_voc", f"{_SLIM}.ppkt_voc"} <= set(by_name):
        return None
    gains = []
    for name in (f"{_WIDE}.ppkt_voc", f"{_SLIM}.ppkt_voc"):
        ours, control = miou(by_name[name], "rooms"), miou(by_key[by_name[name]["control"]], "rooms")
        gains.append([a - b for a, b in zip(ours, control, strict=True)])
    return unjudged(verdict(*gains), ONE_TRAINING)


def weights(students: Students) -> list[Student]:
    """The pretrained ones."""
    return [one for one in students if one["kind"] == "weight"]


def miou(student: Student, part: str, line: str = LAST) -> list[float]:
    """mIoU of every seed."""
    values: list[float] = student["parts"][part]["miou"][line]["values"]
    return values
