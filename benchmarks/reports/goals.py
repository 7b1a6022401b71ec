"""The goals that were set before anything was measured, in one table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.reports.figures import ABOVE, BELOW, is_judged, signed


@dataclass(frozen=True)
class Goal:
    """What a comparison, or a figure alone, was to reach.

    Attributes:
        page: whose figures decide.
        key: of the figure, for the page's module.
        text: what was to be reached, for the page.
        at_least: least mean, or least mean difference.
        significant: whether the difference must be significantly above zero.
        not_below: whether it must not be significantly below zero.
    """

    page: str
    key: str
    text: str
    at_least: float | None = None
    significant: bool = False
    not_below: bool = False

    def reached(self, found: Mapping[str, Any]) -> bool | None:
        """Whether a verdict, or a figure with its mean, is enough; None where the verdict claims nothing."""
        if "result" in found and not is_judged(found):
            return None
        enough = self.at_least is None or found["mean"] >= self.at_least
        enough &= not (self.not_below and found["result"] == BELOW)
        return enough and (not self.significant or found["result"] == ABOVE)


GOALS = (
    Goal("first_weight", "kitchen", "real kitchen, linear probe: mIoU of at least 0.50", 0.50),
    Goal(
        "first_weight",
        "mosd",
        "real table tops, 5 labelled frames: fine-tuned mIoU at least 0.05 above scratch, significantly",
        0.05,
        True,
    ),
    Goal("downstream", "segmentation, scratch", "segmentation: `ppkt_voc` significantly above scratch", None, True),
    Goal("downstream", "detection, scratch", "detection: `ppkt_voc` significantly above scratch", None, True),
    Goal(
        "downstream",
        "segmentation, point_contrast",
        "segmentation: `ppkt_voc` significantly above `point_contrast`",
        None,
        True,
    ),
    Goal(
        "downstream",
        "segmentation_small, scratch",
        "segmentation, the flagship: mIoU at least 0.12 above scratch with 10 % of the labels",
        0.12,
    ),
    Goal(
        "downstream",
        "detection_small, scratch",
        "detection, the flagship: mAP@0.25 at least 0.13 above scratch with 10 % of the labels",
        0.13,
    ),
    Goal("downstream", "table tops, scratch", "real table tops, 5 frames: mIoU at least 0.07 above scratch", 0.07),
    Goal(
        "downstream",
        "table tops, point_contrast",
        "real table tops, 5 frames: `ppkt_voc` significantly above `point_contrast`",
        None,
        True,
    ),
    Goal("frozen", "rooms", "unseen rooms, linear probe: mIoU of at least 0.32", 0.32),
    Goal("frozen", "kitchen", "real kitchen, linear probe: mIoU of at least 0.54", 0.54),
    Goal("frozen", "mosd", "real table tops, 5 labelled frames, linear probe: mIoU of at least 0.95", 0.95),
    Goal("frozen", "mosd, raw", "the same, not below colour and height", not_below=True),
    Goal("frozen", "no colour", "unseen rooms without colour: at least 85 % of the score with colour", 0.85),
)


_REACHED = {True: "reached", False: "**not reached**", None: "not judged"}


def judge(page: str, found: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The page's goals whose figures were measured, each with what was found and whether it is reached."""
    judged = []
    for goal in GOALS:
        figure = found.get(goal.key) if goal.page == page else None
        if figure is not None:
            judged.append({"goal": goal.text, **figure, "reached": goal.reached(figure)})
    return judged


def goal_rows(judged: list[dict[str, Any]]) -> list[list[str]]:
    """Rows of the page's table: goal, found, reached or not."""
    return [
        [
            one["goal"],
            signed(one) if "result" in one else f"{one['mean']:.3f} [{one['low']:.3f}, {one['high']:.3f}]",
            _REACHED[one["reached"]],
        ]
        for one in judged
    ]
