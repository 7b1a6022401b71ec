"""Which runs are set against each other, and what the paper says of each pair."""

from collections.abc import Sequence
from dataclasses import dataclass

from _probes.tables import compared, signed
from collect import Row, paired, values

from ppkt_zoo.evaluation.statistics import Interval, paired_difference

FIGURE = {"segmentation": "miou", "segmentation_18": "miou", "detection": "map25"}
TITLES = {"miou": "mIoU", "macc": "mAcc", "map25": "mAP@0.25", "map50": "mAP@0.5"}
# Fewer seeds make no claim.
ENOUGH = 5
TENTH = 0.1


@dataclass(frozen=True)
class Side:
    """Some runs by folder and start, all with the same part of the labels."""

    folder: str
    start: str


@dataclass(frozen=True)
class Pair:
    """Two sides, and how the paper has the first stand to the second.

    Attributes:
        first, second: of one folder, or of two that differ in the student alone.
        paper: "above", "below" or "not apart from"; None where the paper doesn't compare them.
        goal: whether "above" was this project's goal.
    """

    first: Side
    second: Side
    paper: str | None = None
    goal: bool = False

    @property
    def key(self) -> str:
        """The figure that is compared."""
        return FIGURE.get(self.first.folder, "miou")

    def both(self, rows: Sequence[Row], fraction: float) -> tuple[list[float], list[float]] | None:
        """The figures of the seeds that both have; None where there are fewer than two."""
        ours, theirs = (values(rows, side.folder, side.start, fraction, self.key) for side in (self.first, self.second))
        both = paired(ours, theirs)
        return None if len(both[0]) < 2 else both

    def difference(self, rows: Sequence[Row], fraction: float) -> Interval | None:
        """First less second, paired by seed."""
        both = self.both(rows, fraction)
        return None if both is None else paired_difference(*both)

    def sentence(self, rows: Sequence[Row], fraction: float) -> str | None:
        """How they stand, whether that is the paper's finding, and whether the goal is reached."""
        both = self.both(rows, fraction)
        if both is None:
            return None
        found, figure = paired_difference(*both), TITLES[self.key]
        task = _task(self.first.folder) + ("" if fraction == TENTH else f", {fraction:.0%} of the labels")
        if found.n < ENOUGH:
            return (
                f"{task}: `{self.first.start}` less `{self.second.start}` is {signed(found)} in "
                f"{figure} over {found.n} seeds, too few for a claim."
            )
        stands = compared(*both)
        text = (
            f"{task}: `{self.first.start}` is {stands} `{self.second.start}`, {figure} "
            f"{signed(found)} over {found.n} seeds"
        )
        if self.paper is not None:
            text += "; the paper agrees" if stands == self.paper else f"; the paper has it **{self.paper}** it"
        if self.goal:
            text += f"; the goal was above: {'reached' if stands == 'above' else '**not reached**'}"
        return f"{text}."


@dataclass(frozen=True)
class Question:
    """One of the paper's, and the pairs that answer it at one part of the labels, a tenth where nothing is said."""

    title: str
    text: str
    pairs: tuple[Pair, ...]
    fraction: float = TENTH


def _pair(folder: str, first: str, second: str, paper: str | None = None, goal: bool = False) -> Pair:
    return Pair(Side(folder, first), Side(folder, second), paper, goal)


QUESTIONS = (
    Question(
        "RQ1: gain over scratch",
        "The same network with the same head, fine-tuned on the same scenes in the same order; only its first "
        "parameters differ.",
        (
            _pair("segmentation", "ppkt_voc", "scratch", "above", goal=True),
            _pair("segmentation", "ppkt_imagenet", "scratch", "above"),
            _pair("detection", "ppkt_voc", "scratch", "above", goal=True),
        ),
    ),
    Question(
        "All labels, and three times as many steps",
        "`_long` is three times as many steps.",
        (
            _pair("segmentation", "scratch_long", "scratch"),
            _pair("segmentation", "ppkt_voc_long", "ppkt_voc"),
            _pair("segmentation", "ppkt_voc_long", "scratch_long"),
        ),
        fraction=1.0,
    ),
    Question(
        "RQ3: supervised against MoCo teacher",
        "Two ResNets of the same size, trained on the same images of rooms that no student sees, one with labels and "
        "one without; and what a teacher of real photographs adds.",
        (
            _pair("segmentation", "ppkt_moco_rooms", "ppkt_sup_rooms", "not apart from"),
            _pair("segmentation", "ppkt_imagenet", "ppkt_sup_rooms"),
            _pair("segmentation", "ppkt_voc", "ppkt_imagenet"),
            _pair("detection", "ppkt_moco_rooms", "ppkt_sup_rooms", "not apart from"),
        ),
    ),
    Question(
        "RQ5: with and beside PointContrast",
        "The same student on the same frames for as many steps: taught by pixels, by overlapping views, by both.",
        (
            _pair("segmentation", "ppkt_voc", "point_contrast", "above", goal=True),
            _pair("segmentation", "both", "ppkt_voc"),
            _pair("segmentation", "both", "point_contrast"),
            _pair("detection", "ppkt_voc", "point_contrast", "above"),
            _pair("detection", "both", "ppkt_voc"),
        ),
    ),
)


def _task(folder: str) -> str:
    return {"segmentation_18": "Segmentation, SR-UNet18", "detection": "Detection"}.get(folder, "Segmentation")
