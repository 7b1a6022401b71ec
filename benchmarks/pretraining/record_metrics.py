"""The figures of a weight in the form in which its record keeps them (`ppkt_zoo.zoo.record.Metric`)."""

from collections.abc import Sequence
from typing import Any

from _probes.probing import KNN, LAST
from figures import Student, control_of, miou, weights

from ppkt_zoo.evaluation.statistics import mean_interval

_DATA = {
    "rooms": "rooms-bench v1, unseen rooms",
    "kitchen": "7-Scenes red kitchen, classes by the VOC teacher, unseen",
    "mosd": "mosd, table against objects, 5 labelled frames, unseen",
}
_PROBES = {LAST: "linear probe mIoU", KNN: "kNN probe mIoU"}


def records(students: Sequence[Student]) -> dict[str, list[dict[str, Any]]]:
    """sha256 of each weight's tensors → its metrics, each beside the untrained network of its architecture."""
    return {one["key"]: record_metrics(one, students) for one in weights(students)}


def record_metrics(student: Student, students: Sequence[Student]) -> list[dict[str, Any]]:
    """One entry for each probe and set of data, and for retrieval where it was measured."""
    control = control_of(student, students)
    seeds = list(student["seeds"])
    found = [
        {
            "name": probe,
            "data": data,
            "seeds": seeds,
            "n": student["parts"][part]["points_of"][line],
            **_estimate(miou(student, part, line)),
            "control": {"name": "random initialisation", **_estimate(miou(control, part, line))},
        }
        for part, data in _DATA.items()
        for line, probe in _PROBES.items()
    ]
    retrieval = student["parts"].get("retrieval") or {}
    pairs = retrieval.get("pairs")
    return found + [
        {
            "name": f"retrieval top-1 of {pairs}",
            "data": f"{name}, unseen",
            "seeds": seeds,
            "n": pairs,
            **_estimate(result["top1"]["values"]),
            "control": {"name": "chance", "value": 1 / pairs},
        }
        for name, result in retrieval.get("sets", {}).items()
    ]


def _estimate(values: Sequence[float]) -> dict[str, Any]:
    found = mean_interval(list(values))
    # Rounded outwards, so that the mean stays inside its interval.
    return {"value": round(found.mean, 6), "interval95": [round(found.low - 5e-7, 6), round(found.high + 5e-7, 6)]}
