"""The headline figures in the form in which a weight's record keeps them (`ppkt_zoo.zoo.record.Metric`)."""

from typing import Any

from _probes.probing import LAST

from ppkt_zoo.evaluation.statistics import Interval, mean_interval


def record_metrics(parts: dict[str, Any], seeds: int) -> list[dict[str, Any]]:
    """One entry for each headline figure of the parts that were measured, with its control."""
    names = list(range(seeds))
    found = []
    for data, students in parts.get("retrieval", {}).get("sets", {}).items():
        pairs = parts["retrieval"]["pairs"]
        found.append(
            _metric(f"retrieval top-1 of {pairs}", f"{data}, unseen", names, pairs, "untrained student, same UPL")
            | _values([one["top1"] for one in students["ppkt"]], [one["top1"] for one in students["untrained"]])
        )
    for part, data in (("rooms", "procedural rooms of an unseen seed"), ("kitchen", "7-Scenes red kitchen, unseen")):
        if part in parts:
            students = {
                who: [one[LAST] for one in runs] for who, runs in parts[part]["students"].items() if who != "raw"
            }
            found.append(
                _metric("linear probe mIoU", data, names, students["ppkt"][0]["points"], "random initialisation")
                | _values(*([one["miou"] for one in students[who]] for who in ("ppkt", "untrained")))
            )
    for key, recipe in (("budgets", "chosen recipe"), ("default_budgets", "default recipe")):
        for budget, runs in parts.get("mosd", {}).get(key, {}).items():
            test_frames = parts["mosd"]["test_frames"]
            labelled = "1 labelled frame" if budget == "1" else f"{budget} labelled frames"
            name = f"fine-tuned mIoU, {labelled}, {recipe}"
            found.append(
                _metric(name, "mosd, table against objects, unseen", names, test_frames, "from scratch")
                | _values(*([one["miou"] for one in runs[who]] for who in ("ppkt", "scratch")))
            )
    for entry in found:
        entry["control"]["name"] = entry.pop("control_name")
    return found


def _metric(name: str, data: str, seeds: list[int], n: int, control: str) -> dict[str, Any]:
    return {"name": name, "data": data, "seeds": seeds, "n": n, "control_name": control}


def _values(values: list[float], control: list[float]) -> dict[str, Any]:
    return _estimate(mean_interval(values)) | {"control": _estimate(mean_interval(control))}


def _estimate(found: Interval) -> dict[str, Any]:
    # Rounded outwards, so that the mean stays inside its interval.
    return {"value": round(found.mean, 6), "interval95": [round(found.low - 5e-7, 6), round(found.high + 5e-7, 6)]}
