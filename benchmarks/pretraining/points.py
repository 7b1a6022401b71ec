"""How many points each probe was asked for, put into kept figures that were collected before they said so.

    python benchmarks/pretraining/points.py            # docs/results/pretraining.json, from ../shared and the rooms

Which points a probe is asked for rests on the clouds, their labels and the seed, never on a network. So the student
without a network, colour and height, is measured anew; where every score of it is the one that was kept, to the last
digit, the data are the ones of then, and its numbers of points hold for all students. Otherwise nothing is written.
"""

import argparse
import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import _path  # noqa: F401
import torch
from _probes.files import write_json
from _probes.probing import ProbeTask, probe_scores
from amount import FULL
from collect import points_of
from figures import Student
from material import Material
from record_metrics import records
from students import Raw

from ppkt_zoo.rooms.version import VERSION

ROOT = Path(__file__).resolve().parents[2]


def main(words: Sequence[str] | None = None) -> None:
    """Count, compare with what was kept, and write numbers and records."""
    asked = read_arguments(words)
    torch.set_flush_denormal(True)
    results: dict[str, Any] = json.loads(asked.results.read_text(encoding="utf-8"))
    students: list[dict[str, Any]] = results["students"]
    tasks = Material(asked.shared, asked.cache, FULL).tasks()
    for part, points in count(students, tasks).items():
        print(f"{part}: {', '.join(f'{line} {number}' for line, number in points.items())}", flush=True)
        for one in students:
            one["parts"][part]["points_of"] = points
    results["records"] = records(students)
    write_json(asked.results, results)
    print(f"wrote {asked.results}")


def count(students: Sequence[Student], tasks: Mapping[str, ProbeTask]) -> dict[str, dict[str, int]]:
    """Points of each line, by the name of the task.

    Raises:
        SystemExit: these are not the data that the students were measured on.
    """
    raw = next(one for one in students if one["kind"] == "raw")
    amount = json.loads(json.dumps(dataclasses.asdict(FULL)))
    for one in students:
        if (one["world"], one["amount"], one["seeds"]) != (VERSION, amount, raw["seeds"]):
            raise SystemExit(f"{one['name']} was measured in another world or amount: run evaluate.py on it again")
    found = {}
    for name, task in tasks.items():
        reports = probe_scores(task, Raw().featurise(0, ()), raw["seeds"])
        for line, kept in raw["parts"][name]["miou"].items():
            if [one[line]["miou"] for one in reports] != kept["values"]:
                raise SystemExit(f"{name}, {line}: other scores than were kept, so maybe other points: nothing written")
        found[name] = points_of(reports)
        for one in students:
            part = one["parts"][name]
            if part["points"] != min(found[name].values()) or set(part["miou"]) != set(found[name]):
                raise SystemExit(f"{name}: {one['name']} was asked for other points, or other lines: nothing written")
    return found


def read_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line, or `words`."""
    parser = argparse.ArgumentParser(description="Put each probe's number of points into kept figures.")
    parser.add_argument("--results", type=Path, default=ROOT / "docs" / "results" / "pretraining.json")
    parser.add_argument("--cache", type=Path, default=ROOT / "runs" / "cache", help="finished scenes of rooms")
    default = Path(os.environ.get("PPKT_ZOO_SHARED") or ROOT.parent / "shared")
    parser.add_argument("--shared", type=Path, default=default, help="folder with frames/ and teachers/")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
