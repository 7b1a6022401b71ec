"""What each weight knows: probes, retrieval, collapse, clusters, similarity search, the teacher's classes.

    python -m benchmarks.evaluation.run runs/family/* --teachers runs/teachers --out runs/evaluation

Writes one JSON for each weight, for the untrained control of each architecture and for the raw input. What was
measured stands in a journal beside it, keyed by the sha256 of the tensors, and is not measured again.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.evaluation.journal import Journal
from benchmarks.evaluation.material import FULL, TINY, Material
from benchmarks.evaluation.measure import measure
from benchmarks.evaluation.naming import draw_named
from benchmarks.evaluation.options import seeds
from benchmarks.evaluation.students import Pretrained, open_students
from benchmarks.machine import ROOT, SHARED, machine
from ppkt_zoo.engine.denormals import flushed_denormals
from ppkt_zoo.errors import InputError
from ppkt_zoo.files.writing import write_json
from ppkt_zoo.rooms.room import VERSION
from ppkt_zoo.visualization.picture import save_picture

NAMED_PICTURE = "downstream_named.png"
"""A real frame in the teacher's classes, drawn by the first weight that learned from the segmenter."""


def main(words: Sequence[str] | None = None) -> None:
    """Measure every student that is missing, and write its JSON."""
    asked = read_arguments(words)
    with flushed_denormals():
        _measure_all(asked)


def _measure_all(asked: argparse.Namespace) -> None:
    material = Material(asked.shared, asked.cache, TINY if asked.tiny else FULL)
    teachers = [file for folder in (asked.shared / "teachers", *asked.teachers) for file in _teacher_files(folder)]
    # Figures of other worlds, seeds or amounts stand in other files.
    amount = f"world{VERSION}-seeds{asked.seeds}-{material.amount.name}"
    students = open_students(asked.folders)
    for student in students:
        began = time.perf_counter()
        journal = Journal(asked.out / "journal" / f"{student.key[:21]}-{amount}.jsonl")
        found = measure(student, material, asked.seeds, journal, teachers) | {"machine": machine()}
        file = asked.out / f"{student.name.replace(', ', '-').replace(' ', '_')}-{student.key[:21]}-{amount}.json"
        write_json(file, found, InputError)
        for line in found["missing"]:
            print(f"  not measured: {line}", flush=True)
        print(f"{student.name}: {time.perf_counter() - began:.0f} s → {file}", flush=True)
    for student in students:
        if isinstance(student, Pretrained) and student.taught_by(material.labeller.sha256):
            save_picture(draw_named(student, material), asked.out / NAMED_PICTURE)
            break


def read_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line, or `words`."""
    parser = argparse.ArgumentParser(description="Measure weights on rooms, a kitchen and table tops they never saw.")
    parser.add_argument("folders", nargs="+", type=Path, help="weight folders, or run folders with weight/ in them")
    parser.add_argument("--seeds", type=seeds, default=5, help="how many; every interval rests on them")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "evaluation")
    parser.add_argument("--cache", type=Path, default=ROOT / "runs" / "cache", help="finished scenes and rooms")
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder with frames/ and teachers/")
    parser.add_argument(
        "--teachers", type=Path, action="append", default=[], help="a further teacher's file, or a folder of them"
    )
    parser.add_argument("--tiny", action="store_true", help="two frames of everything: shows that it runs")
    return parser.parse_args(words)


def _teacher_files(place: Path) -> list[Path]:
    return sorted(place.rglob("*.safetensors")) if place.is_dir() else [place]


if __name__ == "__main__":
    main()
