"""From the JSON files of run.py and ablation.py to those that are committed beside the pages."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.evaluation.kept import estimate
from benchmarks.evaluation.material import FULL, KITCHEN_CLASSES, SETS, TINY
from benchmarks.evaluation.probing import KNN, LAST
from ppkt_zoo.rooms.room import VERSION

Student = dict[str, Any]
_ORDER = {"weight": 0, "untrained": 1, "raw": 2}
_DATA = {
    "rooms": "rooms-bench v1, unseen rooms",
    "kitchen": "7-Scenes red kitchen, classes by the VOC teacher, unseen",
    "mosd": "mosd, table against objects, 5 labelled frames, unseen",
}
_PROBES = {LAST: "linear probe mIoU", KNN: "kNN probe mIoU"}


def collect_evaluation(folder: Path, tiny: bool = False) -> list[Student]:
    """Every student's results without what only the journals need; weights first, then controls.

    Raises:
        SystemExit: there are none, or two of them were measured under other numbers of seeds.
    """
    wanted = (TINY if tiny else FULL).name
    files = sorted(file for file in folder.glob("*.json") if f"-world{VERSION}-" in file.stem)
    students = [json.loads(file.read_text(encoding="utf-8")) for file in files if file.stem.endswith(wanted)]
    if not students:
        raise SystemExit(f"{folder} holds no {wanted} results for world {VERSION}: run benchmarks.evaluation.run first")
    for one in students:
        if one["seeds"] != students[0]["seeds"]:
            raise SystemExit(f"{one['name']} and {students[0]['name']} were measured under different seeds")
        for part in SETS:
            reports = one["parts"][part].pop("reports")
            asked = points_of(reports)
            one["parts"][part] |= {"points": min(asked.values()), "points_of": asked}
            one["parts"][part]["unconverged"] = sum(not line["converged"] for seed in reports for line in seed.values())
    keys = {one["key"] for one in students}
    for one in students:
        if one["kind"] == "weight" and one["control"] not in keys:
            raise SystemExit(f"the untrained control of {one['name']} was not measured: evaluate that weight again")
    return sorted(students, key=lambda one: (_ORDER[one["kind"]], one.get("parameters", 0), one["name"]))


def split_unlabelled(students: Sequence[Student]) -> dict[str, Any]:
    """What features know without a label, taken out of the students: another page tells it."""
    amount = students[0]["amount"]
    names = {one["key"]: one["name"] for one in students}
    clusters, named = [], []
    for one in students:
        control = names.get(one["control"])
        clusters.append({"name": one["name"], "control": control, **one["parts"].pop("clusters")})
        if "named" in one["parts"]:
            named.append({"name": one["name"], **one["parts"].pop("named")})
    return {
        "seeds": students[0]["seeds"],
        "sets": SETS,
        "clusters": clusters,
        "kitchen_classes": list(KITCHEN_CLASSES),
        "looked_at": amount["looked_at"],
        "named_frames": amount["named"],
        "named_per_seed": amount["named_per_seed"],
        "named": named,
    }


def points_of(reports: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many points each line was asked for: linear probes for every labelled one, kNN for some of them."""
    return {line: min(seed[line]["points"] for seed in reports) for line in reports[0]}


def collect_ablation(folder: Path) -> dict[str, Any]:
    """The ablations' results."""
    found: dict[str, Any] = json.loads((folder / "ablation.json").read_text(encoding="utf-8"))
    return found


def records(students: Sequence[Student]) -> dict[str, list[dict[str, Any]]]:
    """sha256 of each weight's tensors → its metrics as its record keeps them, each beside its untrained network."""
    by_key = {one["key"]: one for one in students}
    return {one["key"]: _metrics(one, by_key[one["control"]]) for one in students if one["kind"] == "weight"}


def _metrics(student: Student, control: Student) -> list[dict[str, Any]]:
    """One entry (`ppkt_zoo.zoo.record.Metric`) for each probe and set, and for retrieval where it was measured."""
    seeds = list(student["seeds"])
    found = [
        {
            "name": probe,
            "data": data,
            "seeds": seeds,
            "n": student["parts"][part]["points_of"][line],
            **estimate(student["parts"][part]["miou"][line]["values"]),
            "control": {"name": "random initialisation", **estimate(control["parts"][part]["miou"][line]["values"])},
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
            **estimate(result["top1"]["values"]),
            "control": {"name": "chance", "value": 1 / pairs},
        }
        for name, result in retrieval.get("sets", {}).items()
    ]
