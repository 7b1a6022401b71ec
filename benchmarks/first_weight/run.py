"""Did the first weight learn? Measures it on frames that it never saw, and writes docs/results/first_weight.md.

    python benchmarks/first_weight/run.py --weight sr_unet14_small.ppkt_voc_rooms

Every measurement goes into a journal under runs/ and is not made again: a run that was stopped goes on where it
was, and parts can run one by one. The page is written from them at the end, and shows the parts that are there.
"""

import argparse
import dataclasses
import json
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import _path  # noqa: F401
import kitchen
import pictures
import retrieval
import rooms
import tabletops
import torch
from _probes.files import write_json
from _probes.journal import Journal
from _probes.machine import describe_machine
from arguments import PARTS, read_arguments
from held_out import refuse_seen
from page import write_page
from record_metrics import record_metrics
from setting import FULL, TEACHER_FILE, TINY, Setting

from ppkt_zoo.rooms.version import VERSION

MEASURES: dict[str, Callable[[Setting, Journal], dict[str, Any]]] = {
    "retrieval": retrieval.measure,
    "rooms": rooms.measure,
    "kitchen": kitchen.measure,
    "mosd": tabletops.measure,
}


def main() -> None:
    """Measure the parts that are missing, then write the page."""
    asked = read_arguments()
    torch.set_flush_denormal(True)
    setting = Setting(
        weight=asked.weight,
        shared=asked.shared,
        teacher_file=asked.teacher or asked.shared / TEACHER_FILE,
        cache=asked.runs / "cache",
        seeds=asked.seeds,
        amount=TINY if asked.tiny else FULL,
    )
    trained_on = refuse_seen(setting)
    tiny = "-tiny" if asked.tiny else ""
    done = asked.runs / f"{setting.sha256[:12]}-world{VERSION}-seeds{asked.seeds}{tiny}"
    for part in asked.parts:
        began = time.perf_counter()
        write_json(done / f"{part}.json", _measure(part, setting, done, asked))
        print(f"{part}: {time.perf_counter() - began:.0f} s", flush=True)
    results = _collect(setting, done, trained_on)
    results["command"] = _command(asked)
    write_json(asked.out / "first_weight.json", results)
    write_page(results, asked.out / "first_weight.md")
    print(f"wrote {asked.out / 'first_weight.md'}")


def _measure(part: str, setting: Setting, done: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """One part's figures and what they took, from its journal as far as that goes."""
    file = done / f"{part}.jsonl"
    if asked.again or part == "pictures":
        file.unlink(missing_ok=True)
    journal = Journal(file)
    if part == "pictures":
        found = journal.remember("pictures", pictures.draw, setting, asked.out)
    else:
        found = MEASURES[part](setting, journal)
    return journal.spent() | found


def _command(asked: argparse.Namespace) -> str:
    weight = asked.weight if not asked.weight.startswith("local-dir:") else "local-dir:PATH"
    tiny = " --tiny" if asked.tiny else ""
    return f"python benchmarks/first_weight/run.py --weight {weight} --seeds {asked.seeds}{tiny}"


def _collect(setting: Setting, done: Path, trained_on: list[str]) -> dict[str, Any]:
    parts = {
        part: json.loads((done / f"{part}.json").read_text()) for part in PARTS if (done / f"{part}.json").exists()
    }
    return {
        "weight": {
            "name": setting.folder.config.name,
            "sha256": setting.sha256,
            "parameters": setting.folder.record().parameters,
            "voxel_size": setting.student.input_spec.voxel_size,
            "trained_on": trained_on,
        },
        "date": date.today().isoformat(),
        "machine": describe_machine(),
        "world": VERSION,
        "seeds": list(range(setting.seeds)),
        "amount": dataclasses.asdict(setting.amount),
        "parts": parts,
        "metrics": record_metrics(parts, setting.seeds),
    }


if __name__ == "__main__":
    main()
