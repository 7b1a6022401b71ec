"""What each weight of the family knows: probes, retrieval and collapse, five seeds each.

    python benchmarks/pretraining/evaluate.py runs/family/* --seeds 5 --out runs/evaluation

Writes one JSON for each weight, for the untrained control of each architecture and for the raw input. What was
measured stands in a journal beside it, keyed by the sha256 of the tensors, and is not measured again.
"""

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path

import _path  # noqa: F401
import torch
from _probes.files import write_json
from _probes.journal import Journal
from _probes.machine import describe_machine
from amount import FULL, TINY
from material import Material
from measure import measure
from students import open_students

from ppkt_zoo.rooms.version import VERSION

ROOT = Path(__file__).resolve().parents[2]


def main(words: Sequence[str] | None = None) -> None:
    """Measure every student that is missing, and write its JSON."""
    asked = read_arguments(words)
    torch.set_flush_denormal(True)
    material = Material(asked.shared, asked.cache, TINY if asked.tiny else FULL)
    teachers = [file for folder in (asked.shared / "teachers", *asked.teachers) for file in _teacher_files(folder)]
    # Figures of other worlds, seeds or amounts stand in other files.
    amount = f"world{VERSION}-seeds{asked.seeds}-{material.amount.name}"
    for student in open_students(asked.folders):
        began = time.perf_counter()
        journal = Journal(asked.out / "journal" / f"{student.key[:21]}-{amount}.jsonl")
        found = measure(student, material, asked.seeds, journal, teachers) | {"machine": describe_machine()}
        file = asked.out / f"{student.name.replace(', ', '-').replace(' ', '_')}-{student.key[:21]}-{amount}.json"
        write_json(file, found)
        for line in found["missing"]:
            print(f"  not measured: {line}", flush=True)
        print(f"{student.name}: {time.perf_counter() - began:.0f} s → {file}", flush=True)


def read_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line, or `words`."""
    parser = argparse.ArgumentParser(description="Measure weights on rooms, a kitchen and table tops they never saw.")
    parser.add_argument("folders", nargs="+", type=Path, help="weight folders, or run folders with weight/ in them")
    parser.add_argument("--seeds", type=_seeds, default=5, help="how many; every interval rests on them")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "evaluation")
    parser.add_argument("--cache", type=Path, default=ROOT / "runs" / "cache", help="finished scenes and rooms")
    default = Path(os.environ.get("PPKT_ZOO_SHARED") or ROOT.parent / "shared")
    parser.add_argument("--shared", type=Path, default=default, help="folder with frames/ and teachers/")
    parser.add_argument(
        "--teachers", type=Path, action="append", default=[], help="a further teacher's file, or a folder of them"
    )
    parser.add_argument("--tiny", action="store_true", help="two frames of everything: shows that it runs")
    return parser.parse_args(words)


def _seeds(text: str) -> int:
    if not text.isdecimal() or int(text) < 2:
        raise argparse.ArgumentTypeError("give at least 2 seeds: an interval needs them")
    return int(text)


def _teacher_files(place: Path) -> list[Path]:
    return sorted(place.rglob("*.safetensors")) if place.is_dir() else [place]


if __name__ == "__main__":
    main()
