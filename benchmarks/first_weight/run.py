"""Did the first weight learn? Measures it on frames that it never saw, and writes docs/results/first_weight.md.

    python benchmarks/first_weight/run.py --weight sr_unet14_small.ppkt_voc_rooms

Every part writes its own JSON under runs/ when it is done and is not measured again; the page is written from
those files at the end, and shows the parts that are there.
"""

import argparse
import dataclasses
import json
import os
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import kitchen
import pictures
import retrieval
import rooms
import tabletops
import torch
from arguments import PARTS, read_arguments
from held_out import refuse_seen
from machine import describe_machine
from page import write_page
from record_metrics import record_metrics
from setting import FULL, TEACHER_FILE, TINY, Setting


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
    done = asked.runs / f"{setting.sha256[:12]}-seeds{asked.seeds}{'-tiny' if asked.tiny else ''}"
    measures: dict[str, Callable[[], dict[str, Any]]] = {
        "retrieval": lambda: retrieval.measure(setting),
        "rooms": lambda: rooms.measure(setting),
        "kitchen": lambda: kitchen.measure(setting),
        "mosd": lambda: tabletops.measure(setting),
        "pictures": lambda: pictures.measure(setting, asked.out),
    }
    for part in asked.parts:
        file = done / f"{part}.json"
        if file.exists() and not asked.again and part != "pictures":
            print(f"{part}: measured before, in {file}")
            continue
        began, worked = time.perf_counter(), time.process_time()
        found = measures[part]()
        seconds, worked = time.perf_counter() - began, time.process_time() - worked
        _write_json(file, {"seconds": round(seconds, 1), "processor_seconds": round(worked, 1), **found})
        print(f"{part}: {seconds:.0f} s", flush=True)
    results = _collect(setting, done, trained_on)
    results["command"] = _command(asked)
    _write_json(asked.out / "first_weight.json", results)
    write_page(results, asked.out / "first_weight.md")
    print(f"wrote {asked.out / 'first_weight.md'}")


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
        "seeds": list(range(setting.seeds)),
        "amount": dataclasses.asdict(setting.amount),
        "parts": parts,
        "metrics": record_metrics(parts, setting.seeds),
    }


def _write_json(file: Path, content: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".part")
    draft.write_text(json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(draft, file)


if __name__ == "__main__":
    main()
