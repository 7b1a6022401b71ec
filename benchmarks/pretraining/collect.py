"""From the JSON files of evaluate.py and ablate.py to the one that is committed beside the page."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from amount import FULL, TINY

from ppkt_zoo.rooms.version import VERSION

Student = dict[str, Any]
_ORDER = {"weight": 0, "untrained": 1, "raw": 2}


def collect_evaluation(folder: Path, tiny: bool = False) -> list[Student]:
    """Every student's results without what only the journals need; weights first, then controls.

    Raises:
        SystemExit: there are none, or two of them were measured under other numbers of seeds.
    """
    wanted = (TINY if tiny else FULL).name
    files = sorted(file for file in folder.glob("*.json") if f"-world{VERSION}-" in file.stem)
    students = [json.loads(file.read_text(encoding="utf-8")) for file in files if file.stem.endswith(wanted)]
    if not students:
        raise SystemExit(f"{folder} holds no {wanted} results for world {VERSION}: run evaluate.py first")
    for one in students:
        if one["seeds"] != students[0]["seeds"]:
            raise SystemExit(f"{one['name']} and {students[0]['name']} were measured under different seeds")
        for part in ("rooms", "kitchen", "mosd"):
            reports = one["parts"][part].pop("reports")
            asked = points_of(reports)
            one["parts"][part] |= {"points": min(asked.values()), "points_of": asked}
            one["parts"][part]["unconverged"] = sum(not line["converged"] for seed in reports for line in seed.values())
    keys = {one["key"] for one in students}
    for one in students:
        if one["kind"] == "weight" and one["control"] not in keys:
            raise SystemExit(f"the untrained control of {one['name']} was not measured: run evaluate.py on it again")
    return sorted(students, key=lambda one: (_ORDER[one["kind"]], one.get("parameters", 0), one["name"]))


def points_of(reports: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many points each line was asked for: linear probes for every labelled one, kNN for some of them."""
    return {line: min(seed[line]["points"] for seed in reports) for line in reports[0]}


def collect_ablation(folder: Path) -> dict[str, Any]:
    """The ablations' results."""
    found: dict[str, Any] = json.loads((folder / "ablation.json").read_text(encoding="utf-8"))
    return found
