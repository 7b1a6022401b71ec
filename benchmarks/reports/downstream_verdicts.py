"""Which fine-tuned runs are compared, what the paper finds for each pair, and what was found here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.finetuning.collect import Row, paired, values
from benchmarks.finetuning.until import through
from benchmarks.reports.downstream_until import until_verdict
from benchmarks.reports.figures import (
    ABOVE,
    FEW,
    ONE_TRAINING,
    SAME,
    SHORT_RUNS,
    Verdict,
    agreement,
    unjudged,
    verdict,
)
from benchmarks.reports.goals import judge
from benchmarks.reports.page import Results

FIGURE = {
    "segmentation": "miou",
    "segmentation_18": "miou",
    "segmentation_small": "miou",
    "detection": "map25",
    "detection_small": "map25",
}
TITLES = {"miou": "mIoU", "macc": "mAcc", "map25": "mAP@0.25", "map50": "mAP@0.5"}
# Fewer seeds allow no statement.
ENOUGH = 5
TENTH, ALL_LABELS = 0.1, 1.0
STUDENTS = {"segmentation": "SR-UNet14, slim", "segmentation_18": "SR-UNet18, slim"}
_FIVE = 0.0833


@dataclass(frozen=True)
class Pair:
    """Two starts of one task, and the paper's result; None where it doesn't compare them."""

    folder: str
    first: str
    second: str
    paper: str | None = None

    @property
    def trainings(self) -> bool:
        """Whether two pretrained weights are compared, each of them trained once."""
        first, second = (name.removesuffix("_long") for name in (self.first, self.second))
        return first != second and "scratch" not in (first, second)


@dataclass(frozen=True)
class Question:
    """Pairs that answer one question at one part of the labels; its key is the template's."""

    key: str
    pairs: tuple[Pair, ...]
    fraction: float = TENTH


QUESTIONS = (
    Question(
        "flagship",
        (
            Pair("segmentation_small", "flagship", "scratch", ABOVE),
            Pair("detection_small", "flagship", "scratch", ABOVE),
        ),
    ),
    Question(
        "scratch",
        (
            Pair("segmentation", "ppkt_voc", "scratch", ABOVE),
            Pair("segmentation", "ppkt_imagenet", "scratch", ABOVE),
            Pair("detection", "ppkt_voc", "scratch", ABOVE),
        ),
    ),
    Question(
        "longer",
        (
            Pair("segmentation", "scratch_long", "scratch"),
            Pair("segmentation", "ppkt_voc_long", "ppkt_voc"),
            Pair("segmentation", "ppkt_voc_long", "scratch_long"),
        ),
        ALL_LABELS,
    ),
    Question(
        "teachers",
        (
            Pair("segmentation", "ppkt_moco_rooms", "ppkt_sup_rooms", SAME),
            Pair("segmentation", "ppkt_imagenet", "ppkt_sup_rooms"),
            Pair("segmentation", "ppkt_voc", "ppkt_imagenet"),
            Pair("detection", "ppkt_moco_rooms", "ppkt_sup_rooms", SAME),
        ),
    ),
    Question(
        "point_contrast",
        (
            Pair("segmentation", "ppkt_voc", "point_contrast", ABOVE),
            Pair("segmentation", "both", "ppkt_voc"),
            Pair("segmentation", "both", "point_contrast"),
            Pair("detection", "ppkt_voc", "point_contrast", ABOVE),
            Pair("detection", "both", "ppkt_voc"),
        ),
    ),
)


def verdicts(results: Results) -> dict[str, Any]:
    """What the figures allow to say, for the page's JSON."""
    rows = results["runs"]
    found: dict[str, Any] = {
        "questions": {one.key: _answers(one, rows) for one in QUESTIONS},
        "labels": {folder: _labels(rows, folder) for folder in ("segmentation", "detection")},
        "more_labels": {folder: _more_labels(rows, folder) for folder in ("segmentation", "detection")},
        "until": until_verdict(through(results.get("until", []))),
        "size": _size(rows),
    }
    tops = _five_frames(rows)
    # Goals speak of PPKT with the VOC teacher, and of the flagship, alone.
    goals = {
        f"{one['folder']}, {one['second']}": one
        for some in found["questions"].values()
        for one in some
        if one["first"] in ("ppkt_voc", "flagship") and one["result"] != FEW
    }
    goals |= {f"table tops, {other}": one for other, one in tops.items()}
    return found | {"table_tops": tops, "goals": judge("downstream", goals)}


def _answers(question: Question, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """A verdict for each pair of which at least two seeds have both runs."""
    found = []
    for pair in question.pairs:
        both = both_of(rows, pair.folder, pair.first, pair.second, question.fraction)
        if len(both[0]) > 1:
            one = verdict(*both, enough=ENOUGH)
            if pair.trainings:
                one = unjudged(one, ONE_TRAINING)
            names = {"folder": pair.folder, "first": pair.first, "second": pair.second, "fraction": question.fraction}
            found.append(names | one | {"paper": pair.paper, "agrees": agreement(one, pair.paper)})
    return found


def both_of(
    rows: Sequence[Row], folder: str, first: str, second: str, fraction: float
) -> tuple[list[float], list[float]]:
    """The figures of the seeds that both starts have."""
    key = FIGURE.get(folder, "miou")
    return paired(values(rows, folder, first, fraction, key), values(rows, folder, second, fraction, key))


def _labels(rows: Sequence[Row], folder: str) -> Verdict | None:
    """The gain with the fewest labels less the gain with all of them; None where too few seeds have both."""
    gains = {
        fraction: gain for fraction in fractions_of(rows, folder) if len(gain := _gain(rows, folder, fraction)) > 1
    }
    if len(gains) < 2:
        return None
    few, most = min(gains), max(gains)
    both = paired(gains[few], gains[most])
    if len(both[0]) < ENOUGH:
        return None
    means = {fraction: sum(gain.values()) / len(gain) for fraction, gain in gains.items()}
    best = max(means, key=lambda fraction: means[fraction])
    one = verdict(*both)
    if not all(more["result"] == ABOVE for more in _more_labels(rows, folder).values()):
        # Where all labels are no better than a tenth of them, it is not the labels that are short.
        one = unjudged(one, SHORT_RUNS)
    more = {"few": few, "most": most, "largest": best, "largest_gain": round(means[best], 6)}
    return one | more | {"agrees": agreement(one, ABOVE)}


def _more_labels(rows: Sequence[Row], folder: str) -> dict[str, Verdict]:
    """Each start with all labels against itself with a tenth; empty where too few seeds have both."""
    found = {}
    for start in ("scratch", "ppkt_voc"):
        few, many = (values(rows, folder, start, fraction, FIGURE[folder]) for fraction in (TENTH, ALL_LABELS))
        both = paired(many, few)
        if len(both[0]) < ENOUGH:
            return {}
        found[start] = verdict(*both)
    return found


def _size(rows: Sequence[Row]) -> Verdict | None:
    """The larger student's gain less the smaller one's; None where too few seeds have both."""
    small, large = (_gain(rows, folder, TENTH) for folder in STUDENTS)
    both = paired(large, small)
    if len(both[0]) < ENOUGH:
        return None
    one = unjudged(verdict(*both), ONE_TRAINING)
    return one | {"agrees": agreement(one, ABOVE)}


def _five_frames(rows: Sequence[Row]) -> dict[str, Verdict]:
    """PPKT with five labelled table tops, against scratch and against PointContrast."""
    seeds = set.intersection(
        *(set(values(rows, "table_tops", one, _FIVE, "miou")) for one in ("ppkt_voc", "scratch", "point_contrast"))
    )
    if len(seeds) < 2:
        return {}
    found = {
        other: verdict(*both_of(rows, "table_tops", "ppkt_voc", other, _FIVE))
        for other in ("scratch", "point_contrast")
    }
    return found | {"point_contrast": unjudged(found["point_contrast"], ONE_TRAINING)}


def fractions_of(rows: Sequence[Row], folder: str) -> list[float]:
    """The parts of the labels that a task was run with."""
    return sorted({row["fraction"] for row in rows if row["folder"] == folder})


def _gain(rows: Sequence[Row], folder: str, fraction: float) -> Mapping[int, float]:
    """PPKT less scratch by seed."""
    ours, theirs = (values(rows, folder, start, fraction, FIGURE[folder]) for start in ("ppkt_voc", "scratch"))
    return {seed: ours[seed] - theirs[seed] for seed in sorted(set(ours) & set(theirs))}
