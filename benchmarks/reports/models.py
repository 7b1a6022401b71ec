"""The table of docs/weights.md about the bundled segmenter and detector, from the JSON of their measurement."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.machine import RESULTS

Found = Mapping[str, Any]
_SHOWN = 4
SCENES = {"rooms": "unseen rooms", "partial": "the same rooms from one to three views"}
"""By their name in the JSON."""


def section(found: Found) -> str:
    """Markdown: a row for each model and each set of scenes."""
    ours, boxes, models = found["segmentation"], found["detection"], found["models"]
    rows = ["| model | measured | with colour | without colour |", "| --- | --- | ---: | ---: |"]
    named = {task: f"`{models[task]['name']}`" for task in models}
    for scenes, where in SCENES.items():
        rows.append(_row(named["segmentation"], f"mIoU of {len(ours['classes'])} classes, {where}", ours[scenes]))
    kitchen = f"mIoU of {len(ours['kitchen classes'])} classes against the VOC segmenter's, real kitchen"
    rows.append(_row(named["segmentation"], kitchen, ours["kitchen"]))
    for scenes, where in SCENES.items():
        rows.append(_row(named["detection"], f"mAP@0.25 of {len(boxes['classes'])} classes, {where}", boxes[scenes]))
    nothing = _figure(ours["kitchen"]["background everywhere"])
    here = found["machine"]
    return "\n".join(
        [
            *rows,
            "",
            f"{found['scenes']} unseen rooms, {ours['kitchen frames']} frames of the kitchen, where background "
            f"everywhere would score {nothing}. One trained model of each: an interval says how far a figure depends "
            "on the scenes (bootstrap, 95 %), not how another training would turn out; frames of one walk are alike, "
            "so the kitchen's is too narrow; mAP has none, since rare classes drop out of scenes drawn anew.",
            "",
            f"Best and worst classes of the unseen rooms, with colour. Segmenter (IoU): {_extremes(ours, 'iou')}. "
            f"Detector (AP@0.25): {_extremes(boxes, 'ap25')}.",
            "",
            f"`python -m benchmarks.evaluation.bundled_models`, {here['date'][:10]}.",
        ]
    )


def _row(name: str, what: str, found: Found) -> str:
    return f"| {name} | {what} | {_figure(found['with colour'])} | {_figure(found['without colour'])} |"


def _extremes(found: Found, figure: str) -> str:
    scored = zip(found["classes"], found["rooms"]["with colour"][figure], strict=True)
    rows = sorted((value, name) for name, value in scored if value is not None)
    words = [f"{name} {value:.2f}" for value, name in rows]
    return f"{', '.join(reversed(words[-_SHOWN:]))}; {', '.join(words[:_SHOWN])}"


def _figure(one: Found) -> str:
    return f"{one['value']:.3f}" + (f" [{one['low']:.3f}, {one['high']:.3f}]" if "low" in one else "")


def _measured() -> str:
    return section(json.loads((RESULTS / "bundled_models.json").read_text(encoding="utf-8")))


SECTIONS: dict[str, Callable[[], str]] = {"models": _measured}
