"""Which weights are set against each other, and what the paper says about each pair."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from _probes.tables import compared, difference, shown
from figures import LINES, SETS, control_of, miou, of_tag

from ppkt_zoo.evaluation.statistics import paired_difference

Students = Sequence[Mapping[str, Any]]
# (architecture, tag)
Name = tuple[str, str]


@dataclass(frozen=True)
class Pair:
    """Two weights, and how the paper has the first stand to the second.

    Attributes:
        first, second: their names.
        paper: "above", "below" or "not apart from"; None where the paper doesn't compare them.
        says: what the paper found, for the page.
    """

    first: Name
    second: Name
    paper: str | None = None
    says: str = ""

    def both(self, students: Students) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
        """The two where both were measured."""
        first, second = of_tag(students, *self.first), of_tag(students, *self.second)
        return None if first is None or second is None else (first, second)


@dataclass(frozen=True)
class Comparison:
    """Pairs that answer one question."""

    title: str
    question: str
    pairs: tuple[Pair, ...]

    def rows(self, students: Students) -> list[list[str]]:
        """Paired differences on every set, a row a pair."""
        found = []
        for pair in self.pairs:
            both = pair.both(students)
            if both is not None:
                first, second = both
                found.append(
                    [f"`{first['name']}` less `{second['name']}`"]
                    + [difference(miou(first, part, line), miou(second, part, line)) for part in SETS for line in LINES]
                )
        return found

    def missing(self, students: Students) -> str:
        """The weights that were not measured, by name."""
        names = {name for pair in self.pairs for name in (pair.first, pair.second) if of_tag(students, *name) is None}
        return ", ".join(f"`{'.'.join(name)}`" for name in sorted(names))

    def sentences(self, students: Students) -> list[str]:
        """One sentence a pair: above, below or not apart, on every set."""
        found = []
        for pair in self.pairs:
            both = pair.both(students)
            if both is not None:
                first, second = both
                stands = [
                    f"{compared(miou(first, part), miou(second, part))} it on {title}" for part, title in SETS.items()
                ]
                found.append(f"{self.title}: against `{second['name']}`, `{first['name']}` is {', '.join(stands)}.")
        return found


_SLIM, _WIDE = "sr_unet14_slim", "sr_unet18_slim"
COMPARISONS = (
    Comparison(
        "Supervised against MoCo teacher",
        "Two ResNets of the same size, trained on the same images of rooms that no weight sees, one with labels and "
        "one without; and what a teacher of real photographs adds.",
        (
            Pair(
                (_SLIM, "ppkt_moco_rooms"),
                (_SLIM, "ppkt_sup_rooms"),
                "not apart from",
                "a MoCo teacher does as well as the supervised one",
            ),
            Pair((_SLIM, "ppkt_imagenet"), (_SLIM, "ppkt_sup_rooms")),
            Pair((_SLIM, "ppkt_voc"), (_SLIM, "ppkt_imagenet")),
        ),
    ),
    Comparison(
        "Student size",
        "The same recipe with twice the blocks, and with another kind of network.",
        (
            Pair((_WIDE, "ppkt_voc"), (_SLIM, "ppkt_voc")),
            Pair((_WIDE, "ppkt_imagenet"), (_SLIM, "ppkt_imagenet")),
            Pair((_WIDE, "ppkt_moco_rooms"), (_SLIM, "ppkt_moco_rooms")),
            Pair(("pointnet2", "ppkt_voc"), (_SLIM, "ppkt_voc")),
        ),
    ),
    Comparison(
        "PPKT, PointContrast, and both",
        "The same student on the same frames for as many steps: taught by pixels, by overlapping views, by both.",
        (
            Pair(
                (_SLIM, "ppkt_voc"),
                (_SLIM, "point_contrast"),
                "above",
                "PPKT helps more than PointContrast (by one reading of its tables)",
            ),
            Pair((_SLIM, "ppkt_voc_point_contrast"), (_SLIM, "ppkt_voc")),
            Pair((_SLIM, "ppkt_voc_point_contrast"), (_SLIM, "point_contrast")),
        ),
    ),
)


def paper_section(students: Students) -> str:
    """What agrees with the paper and what does not, by the linear probe on every set."""
    lines = [
        "The paper fine-tunes SR-UNet18 and 34 on real scans after 60 000 iterations; here small networks are probed "
        "frozen after short runs. So what follows compares directions, never sizes.",
    ]
    told = []
    for comparison in COMPARISONS:
        for pair in comparison.pairs:
            both = pair.both(students)
            if both is None or pair.paper is None:
                continue
            first, second = both
            for part, title in SETS.items():
                found = compared(miou(first, part), miou(second, part))
                how = shown(paired_difference(miou(first, part), miou(second, part)))
                verdict = "agrees" if found == pair.paper else "**disagrees**"
                told.append(
                    f"- The paper: {pair.says}. On {title}: `{first['name']}` is {found} `{second['name']}` "
                    f"({how}); this {verdict}."
                )
    gain = _gain_by_size(students)
    if gain:
        told.append(gain)
    unhelped = [
        f"`{one['name']}` on {title}"
        for one in students
        if one["kind"] == "weight"
        for part, title in SETS.items()
        if compared(miou(one, part), miou(control_of(one, students), part)) != "above"
    ]
    says = "- The paper: pretraining helps on every task (by one reading of its tables). "
    told.append(
        says + (f"Here it **does not show** for {', '.join(unhelped)}." if unhelped else "So it does here, everywhere.")
    )
    return "\n\n".join([*lines, "\n".join(told)])


def _gain_by_size(students: Students) -> str | None:
    """Whether the larger student gains more over its own untrained self."""
    large, small = of_tag(students, _WIDE, "ppkt_voc"), of_tag(students, _SLIM, "ppkt_voc")
    if large is None or small is None:
        return None
    gains = []
    for one in (large, small):
        control = control_of(one, students)
        gains.append([a - b for a, b in zip(miou(one, "rooms"), miou(control, "rooms"), strict=True)])
    found = compared(*gains)
    verdict = "agrees" if found == "above" else "**disagrees**"
    return (
        "- The paper: a larger student gains more (by one reading of its tables). On unseen rooms the gain of "
        f"`{large['name']}` over its untrained self is {found} that of `{small['name']}` "
        f"({difference(*gains)}); this {verdict}."
    )
